/** What a coordinator answers to the requests of the classic protocol, by the state that their group is in. */
import type {
  DescribeGroupsResponse,
  HeartbeatRequest,
  LeaveGroupRequest,
  SyncGroupRequest,
  SyncGroupResponse
} from "../../../KafkaProtocol.ts"
import {
  ILLEGAL_GENERATION,
  INCONSISTENT_GROUP_PROTOCOL,
  NONE,
  REBALANCE_IN_PROGRESS,
  UNKNOWN_MEMBER_ID
} from "../../protocol/codes.ts"
import { refusedSync } from "./classicAnswers.ts"
import type { ClassicGroup } from "./classicGroup.ts"
import { NOTHING, type Reply } from "./classicMembers.ts"

export const sync = (
  group: ClassicGroup,
  request: SyncGroupRequest,
  now: number,
  reply: Reply<SyncGroupResponse>
): void => {
  const { memberId } = request
  const member = group.members.get(memberId)
  const code = group.members.check(memberId, request.instanceId) ?? inconsistency(group, request)
  if (code !== undefined || member === undefined) return reply(refusedSync(code ?? UNKNOWN_MEMBER_ID))
  if (group.state === "PreparingRebalance") return reply(refusedSync(REBALANCE_IN_PROGRESS))
  group.synced(memberId)
  if (group.state === "Stable") return reply({ errorCode: NONE, assignment: member.assignment })
  member.awaitingSync = reply
  if (!group.members.isLeader(memberId)) return
  group.assign(new Map(request.assignments.map(({ assignment, memberId }) => [memberId, assignment])), now)
}

const inconsistency = (group: ClassicGroup, request: SyncGroupRequest): number | undefined => {
  if (request.generation !== group.generation) return ILLEGAL_GENERATION
  return request.protocolType !== group.members.protocolType || request.protocolName !== group.protocolName
    ? INCONSISTENT_GROUP_PROTOCOL
    : undefined
}

export const heartbeat = (group: ClassicGroup, request: HeartbeatRequest, now: number): number => {
  const code = group.members.check(request.memberId, request.instanceId)
  const member = group.members.get(request.memberId)
  if (code !== undefined || member === undefined) return code ?? UNKNOWN_MEMBER_ID
  if (request.generation !== group.generation) return ILLEGAL_GENERATION
  group.heard(member, now)
  return group.state === "PreparingRebalance" ? REBALANCE_IN_PROGRESS : NONE
}

export const leave = (group: ClassicGroup, { instanceId, memberId }: LeaveGroupRequest, now: number): number => {
  const { members } = group
  if (members.pending.has(memberId)) {
    group.dropPending(memberId)
    group.completeIfAllJoined(now)
    return NONE
  }
  // An operator takes a static member out by its instance id alone.
  const id = memberId === "" && instanceId !== undefined ? members.ofInstance(instanceId) : memberId
  const code = id === undefined ? UNKNOWN_MEMBER_ID : members.check(id, instanceId)
  const member = id === undefined ? undefined : members.get(id)
  if (code !== undefined || member === undefined) return code ?? UNKNOWN_MEMBER_ID
  group.drop(member)
  group.afterLoss(now)
  return NONE
}

/** The code by which a commit is refused; `undefined` if it may be done. */
export const checkCommit = (
  group: ClassicGroup,
  { generation, instanceId, memberId }: Pick<HeartbeatRequest, "generation" | "instanceId" | "memberId">,
  { isTransactional }: { readonly isTransactional: boolean }
): number | undefined => {
  // It comes from an operator, or from a consumer that assigns its partitions to itself.
  if (generation < 0 && group.isEmpty) return undefined
  if (generation >= 0 || memberId !== "" || instanceId !== undefined) {
    const code = group.members.check(memberId, instanceId)
    if (code !== undefined) return code
    if (generation !== group.generation) return ILLEGAL_GENERATION
  } else if (!isTransactional && !group.isEmpty) {
    return UNKNOWN_MEMBER_ID
  }
  return !isTransactional && group.state === "CompletingRebalance" ? REBALANCE_IN_PROGRESS : undefined
}

export const describe = (group: ClassicGroup): DescribeGroupsResponse => {
  const { members, protocolName, state } = group
  const isStable = state === "Stable"
  return {
    errorCode: NONE,
    errorMessage: undefined,
    state,
    protocolType: members.protocolType ?? "",
    protocolName: isStable ? (protocolName ?? "") : "",
    members: [...members].map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: HOST,
      metadata: isStable ? member.metadata(protocolName) : NOTHING,
      assignment: member.assignment
    }))
  }
}

/** Where all clients are. */
export const HOST = "/127.0.0.1"
