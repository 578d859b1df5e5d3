/** What becomes of groups when another broker coordinates them. */
import { NOT_COORDINATOR } from "../../protocol/codes.ts"
import { refusedJoin, refusedSync } from "./classicAnswers.ts"
import { ClassicGroup } from "./classicGroup.ts"
import { ClassicMember } from "./classicMembers.ts"
import type { SavedGroup } from "./savedGroup.ts"
import type { GroupSettings } from "./settings.ts"
import type { Timers } from "./timers.ts"

/** Tells who waits that this broker does not coordinate the group any more. */
export const abandon = (group: ClassicGroup): void => {
  for (const member of group.members) {
    member.answerJoin(refusedJoin(NOT_COORDINATOR, member.memberId))
    member.answerSync(refusedSync(NOT_COORDINATOR))
  }
}

/** The group as a coordinator has it that has just loaded it. All sessions begin anew. */
export const load = (
  id: string,
  saved: SavedGroup,
  timers: Timers,
  settings: GroupSettings,
  now: number
): ClassicGroup => {
  const group = new ClassicGroup(id, timers, settings, saved.since)
  group.members.protocolType = saved.protocolType
  for (const {
    assignment,
    clientId,
    instanceId,
    memberId,
    protocols,
    rebalanceTimeout,
    sessionTimeout
  } of saved.members) {
    const request = { sessionTimeoutMillis: sessionTimeout, rebalanceTimeoutMillis: rebalanceTimeout, protocols }
    const member = new ClassicMember(memberId, clientId, instanceId, request, now)
    member.assignment = assignment
    member.isNew = false
    group.members.add(member, saved.protocolType ?? "")
    group.heard(member, now)
  }
  group.members.leader = saved.leader
  group.restore(saved)
  return group
}
