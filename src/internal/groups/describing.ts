/** A group and its members, of either protocol, as one description. */
import * as Effect from "effect/Effect"
import type { KafkaClient } from "../../KafkaClient.ts"
import { type ClientError, GroupError } from "../../KafkaError.ts"
import type { GroupDescription, GroupMember, GroupPartition } from "../../KafkaGroups.ts"
import type {
  ConsumerGroupDescribeResponse,
  ConsumerGroupMember,
  DescribedMember,
  DescribeGroupsResponse,
  TopicPartition
} from "../../KafkaProtocol.ts"
import { GROUP_ID_NOT_FOUND, NONE, UNSUPPORTED_VERSION } from "../protocol/codes.ts"
import {
  CONSUMER_PROTOCOL_TYPE,
  decodeAssignment,
  decodeSubscription,
  type TopicPartitions
} from "../protocol/consumerProtocol.ts"
import { ProtocolViolation } from "../protocol/wire.ts"
import { refusal, refusals } from "./refusals.ts"

/** What a coordinator calls a group that does not exist, before there was a code for that. */
const DEAD = "Dead"

type Described = Effect.Effect<GroupDescription, ClientError | GroupError>

/** The order in which partitions are told. */
export const byTopicAndPartition = (a: GroupPartition, b: GroupPartition): number =>
  a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1

/** Describes a group: of the consumer protocol, where it is one of that, or else of the classic one. */
export const describe = (client: KafkaClient, group: string): Described =>
  client.askCoordinator(group, "group", "ConsumerGroupDescribe", { groupId: group }).pipe(
    // Where brokers do not have the request, there are no such groups.
    Effect.catchTag("KafkaConnectionError", (error) =>
      error.reason === "UnsupportedVersion" ? Effect.succeed(undefined) : Effect.fail(error)
    ),
    refusals(group),
    Effect.flatMap((answer): Described => {
      if (answer === undefined) return describeClassic(client, group)
      const { errorCode: code, errorMessage: detail } = answer
      if (code === NONE) return Effect.succeed(consumerGroup(group, answer))
      if (code === GROUP_ID_NOT_FOUND || code === UNSUPPORTED_VERSION) return describeClassic(client, group)
      return Effect.fail(refusal({ code, request: "ConsumerGroupDescribe", group, detail }))
    })
  )

const describeClassic = (client: KafkaClient, group: string): Described =>
  client.askCoordinator(group, "group", "DescribeGroups", { groupId: group }).pipe(
    refusals(group),
    Effect.flatMap((answer): Described => {
      const { errorCode: code, errorMessage: detail } = answer
      if (code === NONE && answer.state === DEAD) return Effect.fail(new GroupError({ reason: "NotFound", group }))
      return code === NONE
        ? Effect.succeed(classicGroup(group, answer))
        : Effect.fail(refusal({ code, request: "DescribeGroups", group, detail }))
    })
  )

// ---------------------------------------------------------------------------------------------------------------------
// both protocols in one form
// ---------------------------------------------------------------------------------------------------------------------

const consumerGroup = (
  group: string,
  { assignorName, members, state }: ConsumerGroupDescribeResponse
): GroupDescription => ({
  group,
  type: "consumer",
  state,
  protocolType: CONSUMER_PROTOCOL_TYPE,
  assignor: assignorName,
  members: members.map(consumerMember).sort(byClient)
})

const classicGroup = (
  group: string,
  { members, protocolName, protocolType, state }: DescribeGroupsResponse
): GroupDescription => ({
  group,
  type: "classic",
  state,
  protocolType,
  assignor: protocolName,
  members: members.map((member) => classicMember(member, protocolType === CONSUMER_PROTOCOL_TYPE)).sort(byClient)
})

const consumerMember = (member: ConsumerGroupMember): GroupMember => ({
  id: member.memberId,
  instanceId: member.instanceId,
  clientId: member.clientId,
  host: hostOf(member.clientHost),
  protocol: member.type ?? "consumer",
  topics: member.subscribedTopicNames,
  pattern: member.subscribedTopicRegex,
  assignment: partitionsOf(member.assignment),
  target: partitionsOf(member.targetAssignment)
})

const classicMember = (member: DescribedMember, isConsumer: boolean): GroupMember => {
  // In the middle of a rebalance, there are no bytes. An assignment of none is one only behind a subscription.
  const known = isConsumer && member.metadata.length > 0
  const assignment = known ? readable(decodeAssignment, member.assignment)?.partitions : undefined
  return {
    id: member.memberId,
    instanceId: member.instanceId,
    clientId: member.clientId,
    host: hostOf(member.clientHost),
    protocol: "classic",
    topics: known ? readable(decodeSubscription, member.metadata)?.topics : undefined,
    pattern: undefined,
    assignment: assignment === undefined ? undefined : flattened(assignment),
    target: undefined
  }
}

/** What a member wrote, whoever that is; `undefined` where it cannot be read. */
const readable = <A>(decode: (bytes: Buffer) => A, bytes: Buffer): A | undefined => {
  try {
    return decode(bytes)
  } catch (error) {
    if (error instanceof ProtocolViolation) return undefined
    throw error
  }
}

/** Brokers write addresses as Java does: behind a slash. */
const hostOf = (clientHost: string): string => clientHost.replace(/^\//, "")

const partitionsOf = (all: ReadonlyArray<TopicPartition>): ReadonlyArray<GroupPartition> =>
  all.map(({ partition, topic }) => ({ topic: topic.name, partition })).sort(byTopicAndPartition)

const flattened = (all: ReadonlyArray<TopicPartitions>): ReadonlyArray<GroupPartition> =>
  all
    .flatMap(({ partitions, topic }) => partitions.map((partition) => ({ topic, partition })))
    .sort(byTopicAndPartition)

const byClient = (a: GroupMember, b: GroupMember): number =>
  a.clientId === b.clientId ? (a.id < b.id ? -1 : 1) : a.clientId < b.clientId ? -1 : 1
