import { type Api, KIB } from "./api.ts"
import { type CodeResponse, type GroupMember, STATIC_MEMBERS } from "./groupMember.ts"
import { undivided } from "./parts.ts"
import { ProtocolViolation } from "./wire.ts"

/**
 * Takes one member out of a group of the classic protocol.
 *
 * @since 0.4.0
 * @category requests
 */
export interface LeaveGroupRequest extends Omit<GroupMember, "generation"> {
  /** Why it leaves, for the broker's log (Kafka 3.2 and later). */
  readonly reason: string | undefined
}

/** Takes a member out of its group. */
export const leaveGroup: Api<LeaveGroupRequest, CodeResponse> = {
  key: 13,
  name: "LeaveGroup",
  versions: { min: 1, max: 5 },
  minVersion: ({ instanceId }) => (instanceId === undefined ? 0 : STATIC_MEMBERS.LeaveGroup),
  flexible: (version) => version >= 4,
  maxAnswerBytes: 64 * KIB,
  // group_id: string, member_id: string (to v2), members: [member_id: string, group_instance_id: nullable string,
  //   reason: nullable string (v5+)] (v3+)
  encode: (version, { groupId, instanceId, memberId, reason }, writer) => {
    writer.string(groupId)
    if (version < STATIC_MEMBERS.LeaveGroup) {
      writer.string(memberId)
    } else {
      writer.array([memberId], (id) => {
        writer.string(id)
        writer.nullableString(instanceId)
        if (version >= 5) writer.nullableString(reason)
        writer.tags()
      })
    }
    writer.tags()
  },
  // throttle_time_ms: int32, error_code: int16,
  // members: [member_id: string, group_instance_id: nullable string, error_code: int16] (v3+)
  decode: (version, reader) => {
    reader.int32()
    const errorCode = reader.int16()
    if (version < STATIC_MEMBERS.LeaveGroup) return { errorCode }
    const members = reader.array(() => {
      reader.string()
      reader.nullableString()
      const code = reader.int16()
      reader.tags()
      return code
    })
    reader.tags()
    // What is wrong with the group as a whole is told once, and nothing of its member then.
    if (errorCode !== 0) return { errorCode }
    if (members.length !== 1) throw new ProtocolViolation(`${members.length} answers about one member`)
    return { errorCode: members[0] }
  },
  parts: undivided<LeaveGroupRequest, CodeResponse>({
    topicOf: () => undefined,
    refuse: (_request, errorCode) => ({ errorCode })
  })
}
