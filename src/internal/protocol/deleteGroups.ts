import { type Api, KIB, onlyGroup } from "./api.ts"
import type { CodeResponse } from "./groupMember.ts"
import { undivided } from "./parts.ts"

/**
 * Deletes one group that has no members, and its offsets.
 *
 * @since 0.4.0
 * @category requests
 */
export interface DeleteGroupsRequest {
  readonly groupId: string
}

/** Deletes one group. */
export const deleteGroups: Api<DeleteGroupsRequest, CodeResponse> = {
  key: 42,
  name: "DeleteGroups",
  versions: { min: 1, max: 2 },
  flexible: (version) => version >= 2,
  maxAnswerBytes: 64 * KIB,
  // groups_names: [string]
  encode: (_version, { groupId }, writer) => {
    writer.array([groupId], (id) => writer.string(id))
    writer.tags()
  },
  // throttle_time_ms: int32, results: [group_id: string, error_code: int16]
  decode: (_version, reader, { groupId }) => {
    reader.int32()
    const results = reader.array(() => {
      const id = reader.string()
      const errorCode = reader.int16()
      reader.tags()
      return { id, answer: { errorCode } }
    })
    reader.tags()
    return onlyGroup(results, groupId)
  },
  parts: undivided<DeleteGroupsRequest, CodeResponse>({
    topicOf: () => undefined,
    refuse: (_request, errorCode) => ({ errorCode })
  })
}
