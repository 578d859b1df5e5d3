import { type AdminResponse, type Api, MIB, onlyGroup } from "./api.ts"
import { undivided } from "./parts.ts"
import type { Reader } from "./wire.ts"

/**
 * Asks the coordinator for a group of the classic protocol.
 *
 * @since 0.4.0
 * @category requests
 */
export interface DescribeGroupsRequest {
  readonly groupId: string
}

/**
 * A group of the classic protocol.
 *
 * @since 0.4.0
 * @category answers
 */
export interface DescribeGroupsResponse extends AdminResponse {
  /**
   * `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable` or `Dead`. A group that does not exist is `Dead`,
   * without an error, before Kafka 4.0.
   */
  readonly state: string
  /** What the members have in common: `consumer` for consumers. */
  readonly protocolType: string
  /** The assignor that the members have agreed on; empty unless the group is stable. */
  readonly protocolName: string
  readonly members: ReadonlyArray<DescribedMember>
}

/**
 * A member of a group of the classic protocol.
 *
 * @since 0.4.0
 * @category answers
 */
export interface DescribedMember {
  readonly memberId: string
  /** The id of a static member; `undefined` for a dynamic one. */
  readonly instanceId: string | undefined
  readonly clientId: string
  readonly clientHost: string
  /** What the member told the leader: a subscription. Empty unless the group is stable. */
  readonly metadata: Buffer
  /** What the leader assigned to it. Empty unless the group is stable. */
  readonly assignment: Buffer
}

// member_id: string, group_instance_id: nullable string (v4+), client_id: string, client_host: string,
// member_metadata: bytes, member_assignment: bytes
const readMember = (version: number, reader: Reader): DescribedMember => {
  const memberId = reader.string()
  const instanceId = version >= 4 ? reader.nullableString() : undefined
  const clientId = reader.string()
  const clientHost = reader.string()
  const metadata = reader.bytes()
  const assignment = reader.bytes()
  reader.tags()
  return { memberId, instanceId, clientId, clientHost, metadata, assignment }
}

/** Asks for one group of the classic protocol. */
export const describeGroups: Api<DescribeGroupsRequest, DescribeGroupsResponse> = {
  key: 15,
  name: "DescribeGroups",
  versions: { min: 1, max: 6 },
  flexible: (version) => version >= 5,
  maxAnswerBytes: 64 * MIB,
  // groups: [string], include_authorized_operations: bool (v3+)
  encode: (version, { groupId }, writer) => {
    writer.array([groupId], (id) => writer.string(id))
    if (version >= 3) writer.boolean(false)
    writer.tags()
  },
  // throttle_time_ms: int32, groups: [error_code: int16, error_message: nullable string (v6+), group_id: string,
  //   group_state: string, protocol_type: string, protocol_data: string, members: [member],
  //   authorized_operations: int32 (v3+)]
  decode: (version, reader, { groupId }) => {
    reader.int32()
    const groups = reader.array(() => {
      const errorCode = reader.int16()
      const errorMessage = version >= 6 ? reader.message() : undefined
      const id = reader.string()
      const state = reader.string()
      const protocolType = reader.string()
      const protocolName = reader.string()
      const members = reader.array(() => readMember(version, reader))
      if (version >= 3) reader.int32()
      reader.tags()
      return { id, answer: { errorCode, errorMessage, state, protocolType, protocolName, members } }
    })
    reader.tags()
    return onlyGroup(groups, groupId)
  },
  parts: undivided<DescribeGroupsRequest, DescribeGroupsResponse>({
    topicOf: () => undefined,
    refuse: (_request, errorCode) => ({
      errorCode,
      errorMessage: undefined,
      state: "",
      protocolType: "",
      protocolName: "",
      members: []
    })
  })
}
