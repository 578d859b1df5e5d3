/** What members of a group of the classic protocol are told, and what the coordinator reads of what they tell. */
import type { JoinGroupResponse, SyncGroupResponse } from "../../../KafkaProtocol.ts"
import { NONE } from "../../protocol/codes.ts"
import { decodeSubscription } from "../../protocol/consumerProtocol.ts"
import type { ClassicGroup } from "./classicGroup.ts"
import { type ClassicMember, NOTHING } from "./classicMembers.ts"

/** The answer that refuses to let somebody in. */
export const refusedJoin = (
  errorCode: number,
  memberId: string,
  protocolName: string | undefined = ""
): JoinGroupResponse => ({
  errorCode,
  generation: -1,
  protocolName,
  leader: "",
  skipAssignment: false,
  memberId,
  members: []
})

export const refusedSync = (errorCode: number): SyncGroupResponse => ({ errorCode, assignment: NOTHING })

/** The topics that a member of a group of consumers wants; none if its bytes are not what consumers write. */
const topicsOf = (metadata: Buffer): ReadonlyArray<string> | undefined => {
  try {
    return decodeSubscription(metadata).topics
  } catch {
    return undefined
  }
}

/** What members of a group of consumers want, together; `undefined` where that cannot be read. */
export const subscribedTopics = ({
  isOfConsumers,
  members,
  protocolName
}: ClassicGroup): ReadonlySet<string> | undefined => {
  if (!isOfConsumers) return undefined
  const topics = [...members].map((member) => topicsOf(member.metadata(protocolName)))
  return topics.includes(undefined) ? undefined : new Set(topics.flatMap((list) => list ?? []))
}

/** What a member is told of the generation that there is: the leader is told of all members. */
export const joinedAnswer = (
  { generation, members, protocolName }: ClassicGroup,
  { memberId }: ClassicMember
): JoinGroupResponse => ({
  errorCode: NONE,
  generation,
  protocolName,
  leader: members.leader ?? "",
  skipAssignment: false,
  memberId,
  members: members.isLeader(memberId)
    ? [...members].map((member) => ({
        memberId: member.memberId,
        instanceId: member.instanceId,
        metadata: member.metadata(protocolName)
      }))
    : []
})
