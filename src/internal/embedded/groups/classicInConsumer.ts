/** What members of the classic protocol are answered in a group that has gone over to the consumer protocol. */
import type {
  GroupMember,
  HeartbeatRequest,
  JoinGroupRequest,
  JoinGroupResponse,
  LeaveGroupRequest,
  SyncGroupRequest,
  SyncGroupResponse
} from "../../../KafkaProtocol.ts"
import {
  FENCED_INSTANCE_ID,
  ILLEGAL_GENERATION,
  INCONSISTENT_GROUP_PROTOCOL,
  MEMBER_ID_REQUIRED,
  NONE,
  REBALANCE_IN_PROGRESS,
  UNKNOWN_MEMBER_ID
} from "../../protocol/codes.ts"
import { CONSUMER_PROTOCOL_TYPE, decodeSubscription } from "../../protocol/consumerProtocol.ts"
import { refusedJoin, refusedSync } from "./classicAnswers.ts"
import type { ConsumerGroup } from "./consumerGroup.ts"
import { ConsumerMember } from "./consumerMember.ts"
import { assignmentBytes, idsOf } from "./migration.ts"
import type { TopicCatalog } from "./topicCatalog.ts"

/** Who joins: what the broker knows of it besides the request. */
export interface JoiningConsumers {
  readonly clientId: string
  readonly now: number
  readonly catalog: TopicCatalog
  readonly newMemberId: () => string
}

export const join = (
  group: ConsumerGroup,
  request: JoinGroupRequest,
  { catalog, clientId, newMemberId, now }: JoiningConsumers
): JoinGroupResponse => {
  const { instanceId, protocols } = request
  if (!isSupported(group, request)) return refusedJoin(INCONSISTENT_GROUP_PROTOCOL, "")
  const isUnknown = request.memberId === ""
  const memberId = isUnknown ? newMemberId() : request.memberId
  if (isUnknown && instanceId === undefined) return refusedJoin(MEMBER_ID_REQUIRED, memberId)
  const holder = instanceId === undefined ? undefined : group.ofInstance(instanceId)
  if (instanceId !== undefined && !isUnknown) {
    if (holder === undefined) return refusedJoin(UNKNOWN_MEMBER_ID, "")
    if (holder.memberId !== memberId) return refusedJoin(FENCED_INSTANCE_ID, "")
  }
  const member = group.members.get(memberId) ?? holder?.renamed(memberId) ?? new ConsumerMember(memberId)
  if (holder !== undefined && holder !== member) group.replace(holder, member)
  else group.members.set(memberId, member)

  const subscription = decodeSubscription(Buffer.from(protocols[0].metadata))
  const names = new Set(subscription.topics)
  const isChanged = names.size !== member.names.size || [...names].some((name) => !member.names.has(name))
  member.instanceId = instanceId ?? member.instanceId
  member.rackId = subscription.rackId ?? member.rackId
  member.rebalanceTimeout = request.rebalanceTimeoutMillis
  member.names = names
  member.clientId = clientId
  member.classic = { sessionTimeout: request.sessionTimeoutMillis, protocols }
  group.advance(isChanged)
  group.reconcile(member, idsOf(subscription.ownedPartitions, catalog), now)
  group.done("join", member)
  group.heard(member, request.sessionTimeoutMillis, now)
  group.expect("sync", member, request.rebalanceTimeoutMillis, now)
  return {
    errorCode: NONE,
    generation: member.epoch,
    protocolName: protocols[0].name,
    leader: "",
    skipAssignment: false,
    memberId,
    members: []
  }
}

/** Whether a member has an assignor that all others have that speak the classic protocol. */
const isSupported = (group: ConsumerGroup, { protocols, protocolType }: JoinGroupRequest): boolean => {
  const others = [...group.members.values()].flatMap(({ classic }) => classic ?? [])
  return (
    protocolType === CONSUMER_PROTOCOL_TYPE &&
    protocols.some(({ name }) => others.every((other) => other.protocols.some((one) => one.name === name)))
  )
}

/** The member of the classic protocol that a request is of, or the code that refuses it. */
const find = (
  group: ConsumerGroup,
  { instanceId, memberId }: Pick<GroupMember, "memberId" | "instanceId">
): ConsumerMember | number => {
  const member = instanceId === undefined ? group.members.get(memberId) : group.ofInstance(instanceId)
  if (member === undefined) return UNKNOWN_MEMBER_ID
  return member.memberId === memberId ? member : FENCED_INSTANCE_ID
}

const findClassic = (group: ConsumerGroup, request: GroupMember) => {
  const member = find(group, request)
  if (typeof member === "number") return member
  const { classic } = member
  if (classic === undefined) return UNKNOWN_MEMBER_ID
  return request.generation === member.epoch ? { member, classic } : ILLEGAL_GENERATION
}

export const sync = (
  group: ConsumerGroup,
  request: SyncGroupRequest,
  catalog: TopicCatalog,
  now: number
): SyncGroupResponse => {
  const found = findClassic(group, request)
  if (typeof found === "number") return refusedSync(found)
  const { classic, member } = found
  if (request.protocolType !== CONSUMER_PROTOCOL_TYPE || request.protocolName !== classic.protocols[0].name) {
    return refusedSync(INCONSISTENT_GROUP_PROTOCOL)
  }
  if (group.epoch > member.epoch && member.state !== "Unrevoked") {
    expectJoin(group, member, now)
    return refusedSync(REBALANCE_IN_PROGRESS)
  }
  group.done("sync", member)
  group.heard(member, classic.sessionTimeout, now)
  return {
    errorCode: NONE,
    assignment: assignmentBytes(member.assigned, classic.protocols[0].metadata, catalog)
  }
}

export const heartbeat = (group: ConsumerGroup, request: HeartbeatRequest, now: number): number => {
  const found = findClassic(group, request)
  if (typeof found === "number") return found
  const { classic, member } = found
  group.heard(member, classic.sessionTimeout, now)
  // It joins again for another epoch, to say that it has given something up, and for what others have given up.
  const isToJoin =
    member.epoch < group.epoch ||
    member.state === "Unrevoked" ||
    (member.state === "Unreleased" && !group.isWaiting(member))
  if (!isToJoin) return NONE
  expectJoin(group, member, now)
  return REBALANCE_IN_PROGRESS
}

const expectJoin = (group: ConsumerGroup, member: ConsumerMember, now: number): void => {
  if (!group.isExpected("join", member)) group.expect("join", member, member.rebalanceTimeout, now)
}

export const leave = (
  group: ConsumerGroup,
  { instanceId, memberId }: LeaveGroupRequest,
  remove: (member: ConsumerMember) => void
): number => {
  // An operator takes a static member out by its instance id alone.
  const holder = memberId === "" && instanceId !== undefined ? group.ofInstance(instanceId)?.memberId : memberId
  const member = find(group, { instanceId, memberId: holder ?? "" })
  if (typeof member === "number") return member
  remove(member)
  return NONE
}
