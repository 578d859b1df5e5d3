/** What is in Kafka's log of a group of the classic protocol, which is what a coordinator knows that takes over. */
import type { ClassicGroup } from "./classicGroup.ts"
import type { ClassicMember } from "./classicMembers.ts"

type SavedMember = Pick<
  ClassicMember,
  "memberId" | "clientId" | "instanceId" | "sessionTimeout" | "rebalanceTimeout" | "protocols" | "assignment"
>

/** A group as it was when its leader's plan came in, or its last member left. */
export interface SavedGroup {
  readonly generation: number
  readonly protocolType: string | undefined
  readonly protocolName: string | undefined
  readonly leader: string | undefined
  readonly members: ReadonlyArray<SavedMember>
  readonly since: number
}

export const save = ({ generation, members, protocolName, since }: ClassicGroup): SavedGroup => ({
  generation,
  protocolType: members.protocolType,
  protocolName,
  leader: members.leader,
  members: [...members].map(
    ({ assignment, clientId, instanceId, memberId, protocols, rebalanceTimeout, sessionTimeout }) => ({
      memberId,
      clientId,
      instanceId,
      sessionTimeout,
      rebalanceTimeout,
      protocols,
      assignment
    })
  ),
  since
})
