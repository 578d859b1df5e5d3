/** What a coordinator answers to the requests of the consumer protocol. */
import type { ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse } from "../../../KafkaProtocol.ts"
import {
  FENCED_INSTANCE_ID,
  FENCED_MEMBER_EPOCH,
  ILLEGAL_GENERATION,
  INVALID_REGULAR_EXPRESSION,
  NONE,
  STALE_MEMBER_EPOCH,
  UNKNOWN_MEMBER_ID,
  UNRELEASED_INSTANCE_ID
} from "../../protocol/codes.ts"
import { refusedHeartbeat } from "./consumerAnswers.ts"
import type { ConsumerGroup } from "./consumerGroup.ts"
import { AWAY, ConsumerMember, JOINING, LEAVING } from "./consumerMember.ts"
import { isSame, isWithin, listOf, NO_PARTITIONS, type PartitionSet, setOf } from "./partitionSets.ts"
import { compiled } from "./regexes.ts"

/** Who sends a heartbeat: what the broker knows of it besides the request. */
export interface Beating {
  readonly clientId: string
  readonly now: number
  readonly sessionTimeout: number
  readonly heartbeatInterval: number
  readonly lastCreation: number
}

export const heartbeat = (
  group: ConsumerGroup,
  request: ConsumerGroupHeartbeatRequest,
  beating: Beating
): ConsumerGroupHeartbeatResponse => {
  const { clientId, heartbeatInterval, now, sessionTimeout } = beating
  const owned = request.topicPartitions === undefined ? undefined : setOf(request.topicPartitions)
  const found = findOrMake(group, request, owned)
  if (!(found instanceof ConsumerMember)) return found
  const { subscribedTopicRegex: regex } = request
  const isNewRegex = regex !== undefined && regex !== "" && regex !== found.regex && group.subscribersOf(regex) === 0
  if (isNewRegex && compiled(regex) === undefined) {
    return refusedHeartbeat(
      INVALID_REGULAR_EXPRESSION,
      `SubscribedTopicRegex \`${regex}\` is not a valid regular expression.`
    )
  }
  const member = enter(group, found)
  const { assigned } = member
  const isChanged = subscribe(group, member, request)
  member.clientId = clientId
  member.classic = undefined
  const regexes = new Set([...group.members.values()].map((one) => one.regex).filter((one) => one !== ""))
  group.regexes.request(regexes, { isNew: isNewRegex, lastCreation: beating.lastCreation, now })
  group.advance(isChanged || group.epoch === 0)
  group.reconcile(member, owned, now)
  group.heard(member, sessionTimeout, now)
  const isFull =
    request.rebalanceTimeoutMillis !== undefined &&
    (request.subscribedTopicNames ?? regex) !== undefined &&
    owned !== undefined
  const isTold = request.memberEpoch === JOINING || isFull || !isSame(assigned, member.assigned)
  return {
    errorCode: NONE,
    errorMessage: undefined,
    memberId: member.memberId,
    memberEpoch: member.epoch,
    heartbeatIntervalMillis: heartbeatInterval,
    assignment: isTold ? listOf(member.assigned) : undefined
  }
}

/** The member that a heartbeat is of, or its refusal. A member that joins is not in the group yet. */
const findOrMake = (
  group: ConsumerGroup,
  { instanceId, memberEpoch, memberId }: ConsumerGroupHeartbeatRequest,
  owned: PartitionSet | undefined
): ConsumerMember | ConsumerGroupHeartbeatResponse => {
  const isJoining = memberEpoch === JOINING
  if (instanceId === undefined) {
    const member = group.members.get(memberId)
    if (member !== undefined) return epochFault(member, memberEpoch, owned) ?? member
    return isJoining
      ? new ConsumerMember(memberId)
      : refusedHeartbeat(UNKNOWN_MEMBER_ID, `Member ${memberId} is not a member of group ${group.id}.`)
  }
  const holder = group.ofInstance(instanceId)
  if (isJoining) {
    if (holder === undefined) return group.members.get(memberId) ?? new ConsumerMember(memberId)
    if (holder.classic === undefined && holder.epoch !== AWAY) {
      return refusedHeartbeat(
        UNRELEASED_INSTANCE_ID,
        `Static member ${memberId} with instance id ${instanceId} cannot join the group because the instance id is owned by ` +
          `${holder.memberId} member.`
      )
    }
    return holder.renamed(memberId)
  }
  if (holder === undefined) return refusedHeartbeat(UNKNOWN_MEMBER_ID, `Instance id ${instanceId} is unknown.`)
  return instanceFault(holder, memberId) ?? epochFault(holder, memberEpoch, owned) ?? holder
}

const instanceFault = (holder: ConsumerMember, memberId: string): ConsumerGroupHeartbeatResponse | undefined =>
  holder.memberId === memberId
    ? undefined
    : refusedHeartbeat(
        FENCED_INSTANCE_ID,
        `Static member ${memberId} with instance id ${holder.instanceId} was fenced by member ${holder.memberId}.`
      )

/** A member may have missed the answer that began its epoch: then it is known by the one before, and by what it owns. */
const epochFault = (
  member: ConsumerMember,
  epoch: number,
  owned: PartitionSet | undefined
): ConsumerGroupHeartbeatResponse | undefined => {
  if (epoch === member.epoch) return undefined
  const isBehind = epoch === member.previousEpoch && owned !== undefined && isWithin(owned, member.assigned)
  if (epoch < member.epoch && isBehind) return undefined
  return refusedHeartbeat(
    FENCED_MEMBER_EPOCH,
    `The consumer group member has a ${epoch > member.epoch ? "greater" : "smaller"} member epoch (${epoch}) than the one ` +
      `known by the group coordinator (${member.epoch}). The member must abandon all its partitions and rejoin.`
  )
}

/** Lets a member in that has just come: in the place of one with the same instance id, if there is any. */
const enter = (group: ConsumerGroup, member: ConsumerMember): ConsumerMember => {
  if (group.members.get(member.memberId) === member) return member
  const holder = member.instanceId === undefined ? undefined : group.ofInstance(member.instanceId)
  if (holder === undefined) group.members.set(member.memberId, member)
  else group.replace(holder, member)
  return member
}

/** Takes over what a member says of itself. Whether the group has to begin another epoch for it. */
const subscribe = (group: ConsumerGroup, member: ConsumerMember, request: ConsumerGroupHeartbeatRequest): boolean => {
  const names = request.subscribedTopicNames === undefined ? member.names : new Set(request.subscribedTopicNames)
  const isRenamed = names.size !== member.names.size || [...names].some((name) => !member.names.has(name))
  const { regex: old } = member
  const regex = request.subscribedTopicRegex ?? old
  member.instanceId = request.instanceId ?? member.instanceId
  member.rackId = request.rackId ?? member.rackId
  member.rebalanceTimeout = request.rebalanceTimeoutMillis ?? member.rebalanceTimeout
  member.assignor = request.serverAssignor ?? member.assignor
  member.names = names
  member.regex = regex
  if (regex === old) return isRenamed
  if (old !== "" && group.subscribersOf(old) === 0) group.regexes.forget(old)
  return isRenamed || group.regexes.of(regex) !== undefined
}

export const leave = (
  group: ConsumerGroup,
  { instanceId, memberEpoch, memberId }: ConsumerGroupHeartbeatRequest,
  remove: (member: ConsumerMember) => void
): ConsumerGroupHeartbeatResponse => {
  const member = instanceId === undefined ? group.members.get(memberId) : group.ofInstance(instanceId)
  if (member === undefined) {
    const unknown =
      instanceId === undefined
        ? `Member ${memberId} is not a member of group ${group.id}.`
        : `Instance id ${instanceId} is unknown.`
    return refusedHeartbeat(UNKNOWN_MEMBER_ID, unknown)
  }
  const fenced = instanceId === undefined ? undefined : instanceFault(member, memberId)
  if (fenced !== undefined) return fenced
  if (memberEpoch === LEAVING || instanceId === undefined) {
    remove(member)
  } else {
    member.epoch = AWAY
    member.revoking = NO_PARTITIONS
  }
  return { ...refusedHeartbeat(NONE), memberId: member.memberId, memberEpoch }
}

/** The code by which a commit, or a look at what is committed, is refused; `undefined` if it may be done. */
export const checkEpoch = (group: ConsumerGroup, memberId: string, epoch: number): number | undefined => {
  const member = group.members.get(memberId)
  if (member === undefined) return UNKNOWN_MEMBER_ID
  if (epoch === member.epoch) return undefined
  return member.classic === undefined ? STALE_MEMBER_EPOCH : ILLEGAL_GENERATION
}
