import { type Api, MIB } from "./api.ts"
import { STATIC_MEMBERS } from "./groupMember.ts"
import { undivided } from "./parts.ts"

/**
 * Joins a group of the classic protocol, or joins it again. The coordinator answers once all members that it knows have
 * joined, or their time to do so is over; what comes after this request on its connection waits as long.
 *
 * @since 0.4.0
 * @category requests
 */
export interface JoinGroupRequest {
  readonly groupId: string
  /** The coordinator gives a member up that it has not heard of for so long, in milliseconds. */
  readonly sessionTimeoutMillis: number
  /** How long the coordinator waits in a rebalance for this member to join again, in milliseconds. */
  readonly rebalanceTimeoutMillis: number
  /** The id that the coordinator gave to this member; empty if it has none yet. */
  readonly memberId: string
  /** The id of a static member (Kafka 2.3 and later); `undefined` for a dynamic one. */
  readonly instanceId: string | undefined
  /** What the group's members have in common: `consumer`. */
  readonly protocolType: string
  /** The assignors that this member has, its favourite first. */
  readonly protocols: ReadonlyArray<JoinGroupProtocol>
  /** Why it joins, for the broker's log (Kafka 3.2 and later). */
  readonly reason: string | undefined
}

/**
 * One assignor that a member of a group has.
 *
 * @since 0.4.0
 * @category requests
 */
export interface JoinGroupProtocol {
  readonly name: string
  /** What this member tells the leader that assigns: a subscription, as the assignor writes it. */
  readonly metadata: Uint8Array
}

/**
 * What came of joining a group.
 *
 * @since 0.4.0
 * @category answers
 */
export interface JoinGroupResponse {
  /** Kafka's error code, 0 if there is no error. */
  readonly errorCode: number
  /** The group's generation; -1 if there is none. */
  readonly generation: number
  /** The assignor that the group has agreed on; `undefined` or empty if there is none. */
  readonly protocolName: string | undefined
  /** The member that assigns. */
  readonly leader: string
  /** Whether the leader leaves the assignment as it is, as only a static member came back (Kafka 3.3 and later). */
  readonly skipAssignment: boolean
  /** The id that this member has now. With the code `MEMBER_ID_REQUIRED`, the one to join with. */
  readonly memberId: string
  /** All members, for the leader; empty for the others. */
  readonly members: ReadonlyArray<JoinGroupMember>
}

/**
 * A member of a group, as its leader sees it.
 *
 * @since 0.4.0
 * @category answers
 */
export interface JoinGroupMember {
  readonly memberId: string
  /** The id of a static member; `undefined` for a dynamic one. */
  readonly instanceId: string | undefined
  /** What the member told with the assignor that the group has agreed on. */
  readonly metadata: Buffer
}

/** How much longer than the rebalance timeout a coordinator may take, which Kafka's own clients grant it, too. */
const LAPSE_MILLIS = 5_000

/** Joins a group. From version 4 (Kafka 2.2) on, who has no member id is given one, and has to join again with it. */
export const joinGroup: Api<JoinGroupRequest, JoinGroupResponse> = {
  key: 11,
  name: "JoinGroup",
  versions: { min: 2, max: 9 },
  minVersion: ({ instanceId }) => (instanceId === undefined ? 0 : STATIC_MEMBERS.JoinGroup),
  flexible: (version) => version >= 6,
  waitMillis: ({ rebalanceTimeoutMillis }) => rebalanceTimeoutMillis + LAPSE_MILLIS,
  maxAnswerBytes: 64 * MIB,
  // group_id: string, session_timeout_ms: int32, rebalance_timeout_ms: int32, member_id: string,
  // group_instance_id: nullable string (v5+), protocol_type: string, protocols: [name: string, metadata: bytes],
  // reason: nullable string (v8+)
  encode: (version, request, writer) => {
    writer.string(request.groupId)
    writer.int32(request.sessionTimeoutMillis)
    writer.int32(request.rebalanceTimeoutMillis)
    writer.string(request.memberId)
    if (version >= STATIC_MEMBERS.JoinGroup) writer.nullableString(request.instanceId)
    writer.string(request.protocolType)
    writer.array(request.protocols, ({ metadata, name }) => {
      writer.string(name)
      writer.bytes(metadata)
      writer.tags()
    })
    if (version >= 8) writer.nullableString(request.reason)
    writer.tags()
  },
  // throttle_time_ms: int32, error_code: int16, generation_id: int32, protocol_type: nullable string (v7+),
  // protocol_name: string (nullable v7+), leader: string, skip_assignment: bool (v9+), member_id: string,
  // members: [member_id: string, group_instance_id: nullable string (v5+), metadata: bytes]
  decode: (version, reader) => {
    reader.int32()
    const errorCode = reader.int16()
    const generation = reader.int32()
    if (version >= 7) reader.nullableString()
    const protocolName = version >= 7 ? reader.nullableString() : reader.string()
    const leader = reader.string()
    const skipAssignment = version >= 9 ? reader.boolean() : false
    const memberId = reader.string()
    const members = reader.array((): JoinGroupMember => {
      const memberId = reader.string()
      const instanceId = version >= STATIC_MEMBERS.JoinGroup ? reader.nullableString() : undefined
      const metadata = reader.bytes()
      reader.tags()
      return { memberId, instanceId, metadata }
    })
    reader.tags()
    return { errorCode, generation, protocolName, leader, skipAssignment, memberId, members }
  },
  parts: undivided<JoinGroupRequest, JoinGroupResponse>({
    topicOf: () => undefined,
    refuse: ({ memberId }, errorCode) => ({
      errorCode,
      generation: -1,
      protocolName: undefined,
      leader: "",
      skipAssignment: false,
      memberId,
      members: []
    })
  })
}
