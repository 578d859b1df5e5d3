import { type AdminResponse, type Api, MIB, onlyGroup, type TopicPartition } from "./api.ts"
import { undivided } from "./parts.ts"
import type { Reader } from "./wire.ts"

/**
 * Asks the coordinator for a group of the consumer protocol (KIP-848).
 *
 * @since 0.4.0
 * @category requests
 */
export interface ConsumerGroupDescribeRequest {
  readonly groupId: string
}

/**
 * A group of the consumer protocol.
 *
 * @since 0.4.0
 * @category answers
 */
export interface ConsumerGroupDescribeResponse extends AdminResponse {
  /** `Empty`, `Assigning`, `Reconciling`, `Stable` or `Dead`. */
  readonly state: string
  /** It grows with each change of members, subscriptions or topics. */
  readonly groupEpoch: number
  /** The group epoch that the target assignment was made for. */
  readonly assignmentEpoch: number
  readonly assignorName: string
  readonly members: ReadonlyArray<ConsumerGroupMember>
}

/**
 * A member of a group of the consumer protocol.
 *
 * @since 0.4.0
 * @category answers
 */
export interface ConsumerGroupMember {
  readonly memberId: string
  /** The id of a static member; `undefined` for a dynamic one. */
  readonly instanceId: string | undefined
  readonly rackId: string | undefined
  readonly memberEpoch: number
  readonly clientId: string
  readonly clientHost: string
  readonly subscribedTopicNames: ReadonlyArray<string>
  readonly subscribedTopicRegex: string | undefined
  /** The partitions that it has. */
  readonly assignment: ReadonlyArray<TopicPartition>
  /** The partitions that it is to have. */
  readonly targetAssignment: ReadonlyArray<TopicPartition>
  /** Which protocol the member itself speaks; `undefined` where the broker does not say (before Kafka 4.0). */
  readonly type: "classic" | "consumer" | undefined
}

const MEMBER_TYPES: ReadonlyMap<number, "classic" | "consumer"> = new Map([
  [0, "classic"],
  [1, "consumer"]
])

// topic_partitions: [topic_id: uuid, topic_name: string, partitions: [int32]]
const readAssignment = (reader: Reader): ReadonlyArray<TopicPartition> => {
  const topics = reader.array(() => {
    const id = reader.uuid()
    const topic = { name: reader.string(), id }
    const partitions = reader.int32s()
    reader.tags()
    return partitions.map((partition): TopicPartition => ({ topic, partition }))
  })
  reader.tags()
  return topics.flat()
}

// member_id: string, instance_id: nullable string, rack_id: nullable string, member_epoch: int32, client_id: string,
// client_host: string, subscribed_topic_names: [string], subscribed_topic_regex: nullable string,
// assignment, target_assignment, member_type: int8 (v1+)
const readMember = (version: number, reader: Reader): ConsumerGroupMember => {
  const memberId = reader.string()
  const instanceId = reader.nullableString()
  const rackId = reader.nullableString()
  const memberEpoch = reader.int32()
  const clientId = reader.string()
  const clientHost = reader.string()
  const subscribedTopicNames = reader.array(() => reader.string())
  const subscribedTopicRegex = reader.nullableString()
  const assignment = readAssignment(reader)
  const targetAssignment = readAssignment(reader)
  const type = version >= 1 ? MEMBER_TYPES.get(reader.int8()) : undefined
  reader.tags()
  return {
    memberId,
    instanceId,
    rackId,
    memberEpoch,
    clientId,
    clientHost,
    subscribedTopicNames,
    subscribedTopicRegex: subscribedTopicRegex === "" ? undefined : subscribedTopicRegex,
    assignment,
    targetAssignment,
    type
  }
}

/** Asks for one group of the consumer protocol. */
export const consumerGroupDescribe: Api<ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse> = {
  key: 69,
  name: "ConsumerGroupDescribe",
  versions: { min: 0, max: 1 },
  flexible: () => true,
  maxAnswerBytes: 64 * MIB,
  // group_ids: [string], include_authorized_operations: bool
  encode: (_version, { groupId }, writer) => {
    writer.array([groupId], (id) => writer.string(id))
    writer.boolean(false)
    writer.tags()
  },
  // throttle_time_ms: int32, groups: [error_code: int16, error_message: nullable string, group_id: string,
  //   group_state: string, group_epoch: int32, assignment_epoch: int32, assignor_name: string, members: [member],
  //   authorized_operations: int32]
  decode: (version, reader, { groupId }) => {
    reader.int32()
    const groups = reader.array(() => {
      const errorCode = reader.int16()
      const errorMessage = reader.message()
      const id = reader.string()
      const state = reader.string()
      const groupEpoch = reader.int32()
      const assignmentEpoch = reader.int32()
      const assignorName = reader.string()
      const members = reader.array(() => readMember(version, reader))
      reader.int32()
      reader.tags()
      const answer = { errorCode, errorMessage, state, groupEpoch, assignmentEpoch, assignorName, members }
      return { id, answer }
    })
    reader.tags()
    return onlyGroup(groups, groupId)
  },
  parts: undivided<ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse>({
    topicOf: () => undefined,
    refuse: (_request, errorCode) => ({
      errorCode,
      errorMessage: undefined,
      state: "",
      groupEpoch: 0,
      assignmentEpoch: 0,
      assignorName: "",
      members: []
    })
  })
}
