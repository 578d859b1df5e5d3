import { type AdminResponse, type Api, MIB } from "./api.ts"
import { undivided } from "./parts.ts"
import type { Reader } from "./wire.ts"

/**
 * The partitions of a topic that is known by its id.
 *
 * @since 0.4.0
 * @category models
 */
export interface TopicIdPartitions {
  /** 22 characters of base64url, as Kafka prints it. */
  readonly topicId: string
  /** The partitions' numbers, from 0. */
  readonly partitions: ReadonlyArray<number>
}

/**
 * What a member of the consumer protocol (KIP-848) tells its coordinator, again and again: that it is there, what it
 * wants, and what it owns. Of what did not change since the last heartbeat, `undefined` is enough.
 *
 * @since 0.4.0
 * @category requests
 */
export interface ConsumerGroupHeartbeatRequest {
  readonly groupId: string
  /** The id that the member has made for itself, for all of its life. */
  readonly memberId: string
  /** The epoch that the coordinator gave last; 0 to join, -1 to leave, -2 for a static member that will be back. */
  readonly memberEpoch: number
  /** The id of a static member. */
  readonly instanceId: string | undefined
  readonly rackId: string | undefined
  /** How long the coordinator waits for this member to give partitions up, in milliseconds. */
  readonly rebalanceTimeoutMillis: number | undefined
  /** The topics by name. An empty list takes them back. */
  readonly subscribedTopicNames: ReadonlyArray<string> | undefined
  /** The topics by a regular expression, of RE2. An empty text takes it back. */
  readonly subscribedTopicRegex: string | undefined
  /** The assignor of the broker; `undefined` leaves it to the broker. */
  readonly serverAssignor: string | undefined
  /** The partitions that the member owns. A member that joins owns none. */
  readonly topicPartitions: ReadonlyArray<TopicIdPartitions> | undefined
}

/**
 * What the coordinator says to a heartbeat of the consumer protocol.
 *
 * @since 0.4.0
 * @category answers
 */
export interface ConsumerGroupHeartbeatResponse extends AdminResponse {
  readonly memberId: string | undefined
  /** The member's epoch from now on. */
  readonly memberEpoch: number
  /** When the next heartbeat is due, in milliseconds. */
  readonly heartbeatIntervalMillis: number
  /** The partitions that the member may have now; `undefined` if that did not change. */
  readonly assignment: ReadonlyArray<TopicIdPartitions> | undefined
}

/** What stands for null before a structure that may be null. */
const NULL = -1

// topic_partitions: [topic_id: uuid, partitions: [int32]]
const readTopicPartitions = (reader: Reader): ReadonlyArray<TopicIdPartitions> =>
  reader.array(() => {
    const topicId = reader.topicId()
    const partitions = reader.int32s()
    reader.tags()
    return { topicId, partitions }
  })

/** Heartbeats of the consumer protocol. In version 0, which only early access had, the coordinator made the member's id. */
export const consumerGroupHeartbeat: Api<ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse> = {
  key: 68,
  name: "ConsumerGroupHeartbeat",
  versions: { min: 1, max: 1 },
  flexible: () => true,
  maxAnswerBytes: 16 * MIB,
  // group_id: string, member_id: string, member_epoch: int32, instance_id: nullable string, rack_id: nullable string,
  // rebalance_timeout_ms: int32, subscribed_topic_names: nullable [string], subscribed_topic_regex: nullable string,
  // server_assignor: nullable string, topic_partitions: nullable [topic_id: uuid, partitions: [int32]]
  encode: (_version, request, writer) => {
    writer.string(request.groupId)
    writer.string(request.memberId)
    writer.int32(request.memberEpoch)
    writer.nullableString(request.instanceId)
    writer.nullableString(request.rackId)
    writer.int32(request.rebalanceTimeoutMillis ?? -1)
    writer.nullableArray(request.subscribedTopicNames, (name) => writer.string(name))
    writer.nullableString(request.subscribedTopicRegex)
    writer.nullableString(request.serverAssignor)
    writer.nullableArray(request.topicPartitions, ({ partitions, topicId }) => {
      writer.uuid(topicId)
      writer.int32s(partitions)
      writer.tags()
    })
    writer.tags()
  },
  // throttle_time_ms: int32, error_code: int16, error_message: nullable string, member_id: nullable string,
  // member_epoch: int32, heartbeat_interval_ms: int32, assignment: nullable topic_partitions
  decode: (_version, reader) => {
    reader.int32()
    const errorCode = reader.int16()
    const errorMessage = reader.message()
    const memberId = reader.nullableString()
    const memberEpoch = reader.int32()
    const heartbeatIntervalMillis = reader.int32()
    let assignment: ReadonlyArray<TopicIdPartitions> | undefined
    if (reader.int8() !== NULL) {
      assignment = readTopicPartitions(reader)
      reader.tags()
    }
    reader.tags()
    return { errorCode, errorMessage, memberId, memberEpoch, heartbeatIntervalMillis, assignment }
  },
  parts: undivided<ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse>({
    topicOf: () => undefined,
    refuse: (_request, errorCode) => ({
      errorCode,
      errorMessage: undefined,
      memberId: undefined,
      memberEpoch: 0,
      heartbeatIntervalMillis: 0,
      assignment: undefined
    })
  })
}
