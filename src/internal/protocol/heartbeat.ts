import { type Api, KIB } from "./api.ts"
import { type CodeResponse, type GroupMember, STATIC_MEMBERS } from "./groupMember.ts"
import { undivided } from "./parts.ts"

/**
 * Keeps a member of the classic protocol in its group, and asks whether the group rebalances.
 *
 * @since 0.4.0
 * @category requests
 */
export interface HeartbeatRequest extends GroupMember {}

/** Keeps a member in its group. */
export const heartbeat: Api<HeartbeatRequest, CodeResponse> = {
  key: 12,
  name: "Heartbeat",
  versions: { min: 1, max: 4 },
  minVersion: ({ instanceId }) => (instanceId === undefined ? 0 : STATIC_MEMBERS.Heartbeat),
  flexible: (version) => version >= 4,
  maxAnswerBytes: 64 * KIB,
  // group_id: string, generation_id: int32, member_id: string, group_instance_id: nullable string (v3+)
  encode: (version, request, writer) => {
    writer.string(request.groupId)
    writer.int32(request.generation)
    writer.string(request.memberId)
    if (version >= STATIC_MEMBERS.Heartbeat) writer.nullableString(request.instanceId)
    writer.tags()
  },
  // throttle_time_ms: int32, error_code: int16
  decode: (_version, reader) => {
    reader.int32()
    const errorCode = reader.int16()
    reader.tags()
    return { errorCode }
  },
  parts: undivided<HeartbeatRequest, CodeResponse>({
    topicOf: () => undefined,
    refuse: (_request, errorCode) => ({ errorCode })
  })
}
