/** How a group goes from one protocol to the other while members are in it. */
import { REBALANCE_IN_PROGRESS } from "../../protocol/codes.ts"
import { decodeAssignment, decodeSubscription, encodeAssignment } from "../../protocol/consumerProtocol.ts"
import { refusedJoin, refusedSync } from "./classicAnswers.ts"
import type { ClassicGroup } from "./classicGroup.ts"
import { ClassicMember } from "./classicMembers.ts"
import type { ConsumerGroup } from "./consumerGroup.ts"
import { ConsumerMember } from "./consumerMember.ts"
import { NO_PARTITIONS, type PartitionSet, setOf } from "./partitionSets.ts"
import type { TopicCatalog } from "./topicCatalog.ts"

/** Partitions as members of the classic protocol tell each other of them. */
export const namedOf = (set: PartitionSet, catalog: TopicCatalog) =>
  [...set].flatMap(([id, partitions]) => {
    const topic = catalog.topicById(id)
    return topic === undefined ? [] : [{ topic: topic.name, partitions: [...partitions].sort((a, b) => a - b) }]
  })

/** The same, by the topics' ids. Topics that there are not are left out. */
export const idsOf = (
  list: ReadonlyArray<{ readonly topic: string; readonly partitions: ReadonlyArray<number> }>,
  { topics }: TopicCatalog
): PartitionSet =>
  setOf(
    list.flatMap(({ partitions, topic }) => {
      const id = topics.get(topic)?.id
      return id === undefined ? [] : [{ topicId: id, partitions }]
    })
  )

/** An assignment as bytes, in the version that a member has joined with. */
export const assignmentBytes = (set: PartitionSet, metadata: Uint8Array, catalog: TopicCatalog): Buffer =>
  encodeAssignment({ partitions: namedOf(set, catalog), userData: undefined }, Buffer.from(metadata).readInt16BE(0))

/**
 * The members of a classic group as those of the consumer protocol, which go on with what they have; `undefined` for a
 * group that is not of consumers, or whose bytes say more than which partitions are whose.
 */
export const takenOverMembers = (
  from: ClassicGroup,
  catalog: TopicCatalog
): ReadonlyArray<ConsumerMember> | undefined => {
  const members = [...from.members].map((member) => takenOver(from, member, catalog))
  const all = members.filter((member) => member !== undefined)
  return from.isOfConsumers && all.length === members.length ? all : undefined
}

/** Lets members go over. Those that wait join again when their coordinator says so. */
export const upgrade = (
  from: ClassicGroup,
  to: ConsumerGroup,
  members: ReadonlyArray<ConsumerMember>,
  now: number
): void => {
  for (const classic of from.members) {
    classic.answerJoin(refusedJoin(REBALANCE_IN_PROGRESS, classic.memberId))
    classic.answerSync(refusedSync(REBALANCE_IN_PROGRESS))
  }
  to.epoch = from.generation
  to.targetEpoch = from.generation
  for (const member of members) {
    to.members.set(member.memberId, member)
    to.targets.set(member.memberId, member.assigned)
    to.heard(member, member.classic!.sessionTimeout, now)
  }
}

const takenOver = (
  { generation, protocolName }: ClassicGroup,
  classic: ClassicMember,
  catalog: TopicCatalog
): ConsumerMember | undefined => {
  try {
    const assignment = decodeAssignment(classic.assignment)
    if (assignment.userData !== undefined && assignment.userData.length > 0) return undefined
    const subscription = decodeSubscription(classic.metadata(protocolName))
    const member = new ConsumerMember(classic.memberId)
    member.epoch = generation
    member.previousEpoch = generation
    member.instanceId = classic.instanceId
    member.rackId = subscription.rackId
    member.rebalanceTimeout = classic.rebalanceTimeout
    member.clientId = classic.clientId
    member.names = new Set(subscription.topics)
    member.assigned = idsOf(assignment.partitions, catalog)
    member.classic = { sessionTimeout: classic.sessionTimeout, protocols: classic.protocols }
    return member
  } catch {
    return undefined
  }
}

/** Gives the members that are left to a classic group, in which each has what it was to have. */
export const downgrade = (from: ConsumerGroup, to: ClassicGroup, catalog: TopicCatalog, now: number): void => {
  to.generation = from.epoch
  for (const { classic, clientId, instanceId, memberId, rebalanceTimeout } of from.members.values()) {
    if (classic === undefined) continue
    const { protocols, sessionTimeout } = classic
    const request = { sessionTimeoutMillis: sessionTimeout, rebalanceTimeoutMillis: rebalanceTimeout, protocols }
    const member = new ClassicMember(memberId, clientId, instanceId, request, now)
    member.isNew = false
    to.members.add(member, "consumer")
    to.heard(member, now)
  }
  to.protocolName = to.members.elected()
  for (const member of to.members) {
    const target = from.targets.get(member.memberId) ?? NO_PARTITIONS
    member.assignment = assignmentBytes(target, member.metadata(to.protocolName), catalog)
  }
  to.becomeStable(now)
}
