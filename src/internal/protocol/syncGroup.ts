import { type Api, MIB } from "./api.ts"
import { type GroupMember, STATIC_MEMBERS } from "./groupMember.ts"
import { undivided } from "./parts.ts"

/**
 * Asks for a member's assignment in a generation of its group, and hands in the plan of all assignments, if the member is
 * the leader. Answers of others wait for the leader's plan.
 *
 * @since 0.4.0
 * @category requests
 */
export interface SyncGroupRequest extends GroupMember {
  /** What the group's members have in common: `consumer`. */
  readonly protocolType: string
  /** The assignor that the group has agreed on. */
  readonly protocolName: string
  /** The leader's plan; empty for all other members. */
  readonly assignments: ReadonlyArray<SyncGroupAssignment>
  /**
   * The rebalance timeout that the member joined with, in milliseconds: so long the answer may wait for the leader. It is
   * not sent.
   */
  readonly rebalanceTimeoutMillis: number
}

/**
 * What a leader assigns to one member.
 *
 * @since 0.4.0
 * @category requests
 */
export interface SyncGroupAssignment {
  readonly memberId: string
  readonly assignment: Uint8Array
}

/**
 * A member's assignment.
 *
 * @since 0.4.0
 * @category answers
 */
export interface SyncGroupResponse {
  /** Kafka's error code, 0 if there is no error. */
  readonly errorCode: number
  /** The assignment as the leader wrote it; of no bytes if the leader left this member out. */
  readonly assignment: Buffer
}

/** From this version on, the group's protocol is told and checked. */
const CHECKED = 5

/** Asks for an assignment. */
export const syncGroup: Api<SyncGroupRequest, SyncGroupResponse> = {
  key: 14,
  name: "SyncGroup",
  versions: { min: 1, max: 5 },
  minVersion: ({ instanceId }) => (instanceId === undefined ? 0 : STATIC_MEMBERS.SyncGroup),
  flexible: (version) => version >= 4,
  waitMillis: ({ rebalanceTimeoutMillis }) => rebalanceTimeoutMillis,
  maxAnswerBytes: 16 * MIB,
  // group_id: string, generation_id: int32, member_id: string, group_instance_id: nullable string (v3+),
  // protocol_type: nullable string (v5+), protocol_name: nullable string (v5+),
  // assignments: [member_id: string, assignment: bytes]
  encode: (version, request, writer) => {
    writer.string(request.groupId)
    writer.int32(request.generation)
    writer.string(request.memberId)
    if (version >= STATIC_MEMBERS.SyncGroup) writer.nullableString(request.instanceId)
    if (version >= CHECKED) {
      writer.nullableString(request.protocolType)
      writer.nullableString(request.protocolName)
    }
    writer.array(request.assignments, ({ assignment, memberId }) => {
      writer.string(memberId)
      writer.bytes(assignment)
      writer.tags()
    })
    writer.tags()
  },
  // throttle_time_ms: int32, error_code: int16, protocol_type: nullable string (v5+),
  // protocol_name: nullable string (v5+), assignment: bytes
  decode: (version, reader) => {
    reader.int32()
    const errorCode = reader.int16()
    if (version >= CHECKED) {
      reader.nullableString()
      reader.nullableString()
    }
    const assignment = reader.bytes()
    reader.tags()
    return { errorCode, assignment }
  },
  parts: undivided<SyncGroupRequest, SyncGroupResponse>({
    topicOf: () => undefined,
    refuse: (_request, errorCode) => ({ errorCode, assignment: Buffer.alloc(0) })
  })
}
