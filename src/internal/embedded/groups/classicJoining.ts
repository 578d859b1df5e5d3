/** How members come to a group of the classic protocol, and come again. */
import type { JoinGroupRequest, JoinGroupResponse } from "../../../KafkaProtocol.ts"
import {
  FENCED_INSTANCE_ID,
  GROUP_MAX_SIZE_REACHED,
  INCONSISTENT_GROUP_PROTOCOL,
  MEMBER_ID_REQUIRED,
  UNKNOWN_MEMBER_ID
} from "../../protocol/codes.ts"
import { joinedAnswer, refusedJoin, refusedSync } from "./classicAnswers.ts"
import type { ClassicGroup } from "./classicGroup.ts"
import type { ClassicMember, Reply } from "./classicMembers.ts"

/** Who joins: what the broker knows of it besides the request. */
export interface Joining {
  readonly clientId: string
  readonly now: number
  readonly maxSize: number
  /** A member id that nobody has, which begins with this text. */
  readonly newMemberId: (prefix: string) => string
}

export const join = (
  group: ClassicGroup,
  request: JoinGroupRequest,
  joining: Joining,
  reply: Reply<JoinGroupResponse>
): void => {
  const { members } = group
  const { memberId } = request
  if (!hasRoom(group, memberId, joining.maxSize)) {
    members.remove(memberId)
    return reply(refusedJoin(GROUP_MAX_SIZE_REACHED, ""))
  }
  const fits = group.isEmpty
    ? request.protocolType !== "" && request.protocols.length > 0
    : members.supports(request.protocolType, request.protocols)
  if (!fits) return reply(refusedJoin(INCONSISTENT_GROUP_PROTOCOL, memberId))
  if (memberId === "") return joinAsNew(group, request, joining, reply)
  if (members.pending.has(memberId)) {
    return group.addMember(request, joining.clientId, memberId, joining.now, reply)
  }
  joinAgain(group, request, joining.now, reply)
}

/**
 * Whether a group takes this member. In a rebalance those count that have joined, so that the last ones to come stay out of
 * a group that has become too large.
 */
const hasRoom = ({ members, state }: ClassicGroup, memberId: string, maxSize: number): boolean => {
  if (state === "Empty") return true
  const member = members.get(memberId)
  return state === "PreparingRebalance"
    ? member?.awaitingJoin !== undefined || members.joined < maxSize
    : member !== undefined || members.size < maxSize
}

const joinAsNew = (
  group: ClassicGroup,
  request: JoinGroupRequest,
  { clientId, newMemberId, now }: Joining,
  reply: Reply<JoinGroupResponse>
): void => {
  const { instanceId } = request
  const memberId = newMemberId(instanceId ?? clientId)
  if (instanceId === undefined) {
    group.expectJoin(memberId, request.sessionTimeoutMillis, now)
    return reply(refusedJoin(MEMBER_ID_REQUIRED, memberId))
  }
  const holder = group.members.ofInstance(instanceId)
  const old = holder === undefined ? undefined : group.members.get(holder)
  if (old === undefined) group.addMember(request, clientId, memberId, now, reply)
  else replaceMember(group, request, old, memberId, now, reply)
}

const joinAgain = (
  group: ClassicGroup,
  request: JoinGroupRequest,
  now: number,
  reply: Reply<JoinGroupResponse>
): void => {
  const { memberId } = request
  const code = group.members.check(memberId, request.instanceId)
  const member = group.members.get(memberId)
  if (code !== undefined || member === undefined) {
    return reply(refusedJoin(code ?? UNKNOWN_MEMBER_ID, memberId, undefined))
  }
  const isSame = member.matches(request.protocols)
  // The leader joins again for changes that its subscription does not show, as of partitions' numbers.
  const isAnsweredAtOnce =
    (group.state === "CompletingRebalance" && isSame) ||
    (group.state === "Stable" && isSame && !group.members.isLeader(memberId))
  if (isAnsweredAtOnce) return reply(joinedAnswer(group, member))
  if (group.state === "Empty") return reply(refusedJoin(UNKNOWN_MEMBER_ID, memberId))
  updateMember(member, request, reply)
  group.rebalance(now)
}

const updateMember = (member: ClassicMember, request: JoinGroupRequest, reply: Reply<JoinGroupResponse>): void => {
  member.protocols = request.protocols
  member.sessionTimeout = request.sessionTimeoutMillis
  member.rebalanceTimeout = request.rebalanceTimeoutMillis
  member.awaitingJoin = reply
}

/** A static member is back, with a new id: it takes the place of its predecessor, which is fenced. */
const replaceMember = (
  group: ClassicGroup,
  request: JoinGroupRequest,
  old: ClassicMember,
  memberId: string,
  now: number,
  reply: Reply<JoinGroupResponse>
): void => {
  const { members } = group
  const refusal = {
    join: refusedJoin(FENCED_INSTANCE_ID, old.memberId, undefined),
    sync: refusedSync(FENCED_INSTANCE_ID)
  }
  const member = members.replace(old, memberId, refusal)
  group.heard(member, now)
  updateMember(member, request, reply)
  if (group.state === "CompletingRebalance") return group.prepareRebalance(now)
  if (group.state !== "Stable") return group.completeIfAllJoined(now)
  if (members.elected() !== group.protocolName) return group.prepareRebalance(now)
  // Nothing else has changed: its assignment is the one that its predecessor had.
  group.save()
  member.answerJoin({ ...joinedAnswer(group, member), skipAssignment: members.isLeader(memberId) })
}
