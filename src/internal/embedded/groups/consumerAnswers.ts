/** What members and onlookers of groups of the consumer protocol are told. */
import type {
  ConsumerGroupDescribeResponse,
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
  ConsumerGroupMember,
  TopicPartition
} from "../../../KafkaProtocol.ts"
import { INVALID_REQUEST, NONE, UNSUPPORTED_ASSIGNOR } from "../../protocol/codes.ts"
import { HOST } from "./classicRequests.ts"
import type { ConsumerGroup } from "./consumerGroup.ts"
import { AWAY, JOINING } from "./consumerMember.ts"
import { listOf, NO_PARTITIONS, type PartitionSet } from "./partitionSets.ts"
import { ASSIGNORS } from "./target.ts"
import type { TopicCatalog } from "./topicCatalog.ts"

export const refusedHeartbeat = (errorCode: number, errorMessage?: string): ConsumerGroupHeartbeatResponse => ({
  errorCode,
  errorMessage,
  memberId: undefined,
  memberEpoch: 0,
  heartbeatIntervalMillis: 0,
  assignment: undefined
})

/** What is wrong with a heartbeat, whatever group it is for; `undefined` if nothing is. */
export const invalidity = (request: ConsumerGroupHeartbeatRequest): ConsumerGroupHeartbeatResponse | undefined => {
  const invalid = (text: string) => refusedHeartbeat(INVALID_REQUEST, text)
  if (request.memberId === "") return invalid("MemberId can't be empty.")
  if (request.groupId === "") return invalid("GroupId can't be empty.")
  if (request.instanceId === "") return invalid("InstanceId can't be empty.")
  if (request.rackId === "") return invalid("RackId can't be empty.")
  if (request.memberEpoch === JOINING) {
    if (request.rebalanceTimeoutMillis === undefined) {
      return invalid("RebalanceTimeoutMs must be provided in first request.")
    }
    if (request.topicPartitions?.length !== 0) return invalid("TopicPartitions must be empty when (re-)joining.")
    if (request.subscribedTopicNames === undefined && request.subscribedTopicRegex === undefined) {
      return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
    }
  } else if (request.memberEpoch === AWAY && request.instanceId === undefined) {
    return invalid("InstanceId can't be null.")
  } else if (request.memberEpoch < AWAY) {
    return invalid("MemberEpoch is invalid.")
  }
  const { serverAssignor } = request
  if (serverAssignor === undefined || ASSIGNORS.some((name) => name === serverAssignor)) return undefined
  const supported = ASSIGNORS.join(", ")
  return refusedHeartbeat(
    UNSUPPORTED_ASSIGNOR,
    `ServerAssignor ${serverAssignor} is not supported. Supported assignors: ${supported}.`
  )
}

export const describe = (group: ConsumerGroup, catalog: TopicCatalog): ConsumerGroupDescribeResponse => {
  const partitionsOf = (set: PartitionSet): ReadonlyArray<TopicPartition> =>
    listOf(set).flatMap(({ partitions, topicId }) => {
      const topic = catalog.topicById(topicId)
      return topic === undefined
        ? []
        : partitions.map((partition) => ({ topic: { name: topic.name, id: topicId }, partition }))
    })
  return {
    errorCode: NONE,
    errorMessage: undefined,
    state: group.state,
    groupEpoch: group.epoch,
    assignmentEpoch: group.targetEpoch,
    assignorName: group.assignor,
    members: [...group.members.values()].map((member): ConsumerGroupMember => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      rackId: member.rackId,
      memberEpoch: member.epoch,
      clientId: member.clientId,
      clientHost: HOST,
      subscribedTopicNames: [...member.names].sort(),
      subscribedTopicRegex: member.regex === "" ? undefined : member.regex,
      assignment: partitionsOf(member.assigned),
      targetAssignment: partitionsOf(group.targets.get(member.memberId) ?? NO_PARTITIONS),
      type: member.classic === undefined ? "consumer" : "classic"
    }))
  }
}
