/** A member of the consumer protocol: it beats, owns what it is given, and gives up what it has to before it says so. */
import * as Effect from "effect/Effect"
import type { ClientError } from "../../../KafkaError.ts"
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
  TopicIdPartitions
} from "../../../KafkaProtocol.ts"
import { FENCED_MEMBER_EPOCH, GROUP_ID_NOT_FOUND, NONE, UNKNOWN_MEMBER_ID } from "../../protocol/codes.ts"
import type { Foreign } from "./foreign.ts"

type ById = ReadonlyArray<TopicIdPartitions>

/** Those codes after which a member begins anew. */
const LOST: ReadonlySet<number> = new Set([FENCED_MEMBER_EPOCH, GROUP_ID_NOT_FOUND, UNKNOWN_MEMBER_ID])

/** What is in both. */
const within = (owned: ById, others: ById): ById =>
  owned.flatMap(({ partitions, topicId }) => {
    const allowed = new Set(others.find((other) => other.topicId === topicId)?.partitions ?? [])
    const left = partitions.filter((partition) => allowed.has(partition))
    return left.length === 0 ? [] : [{ topicId, partitions: left }]
  })

const sizeOf = (list: ById): number => list.reduce((size, { partitions }) => size + partitions.length, 0)

/** What of a heartbeat is left out as it has not changed. */
const UNCHANGED = {
  rackId: undefined,
  rebalanceTimeoutMillis: undefined,
  subscribedTopicNames: undefined,
  subscribedTopicRegex: undefined,
  serverAssignor: undefined,
  topicPartitions: undefined
}

/** The heartbeat by which a member leaves. */
export const leavingHeartbeat = (
  self: Pick<ConsumerGroupHeartbeatRequest, "groupId" | "memberId" | "instanceId">
): ConsumerGroupHeartbeatRequest => ({ ...UNCHANGED, ...self, memberEpoch: -1 })

/** What a member does until it is interrupted, or the group does not take it. `newId` makes ids that nobody has. */
export const consumerMember = (member: Foreign, newId: () => string): Effect.Effect<void, ClientError> => {
  const { settings } = member
  let epoch = 0
  let owned: ById = []
  let target: ById = []
  /** Whether it has told the coordinator what it owns. */
  let isTold = true
  let interval = settings.heartbeatIntervalMillis

  const forget = () => {
    epoch = 0
    owned = []
    target = []
    isTold = true
    member.update({ memberId: newId(), owned: new Map(), hasJoined: false })
  }

  /** Takes over what it owns, by the names of the topics. */
  const own = (now: ById, hasJoined: boolean) =>
    Effect.map(
      member.client.topicsMatching(() => true),
      (topics) => {
        owned = now
        const names = new Map(topics.map(({ topic }) => [topic.id, topic.name]))
        const named = now.flatMap(({ partitions, topicId }) => {
          const name = names.get(topicId)
          return name === undefined ? [] : [[name, new Set(partitions)] as const]
        })
        member.update({ owned: new Map(named), hasJoined: member.hasJoined || hasJoined })
      }
    )

  const beat = Effect.suspend(() => {
    const isJoining = epoch === 0
    const isSaid = isJoining || !isTold
    isTold = true
    const joining = {
      rebalanceTimeoutMillis: settings.rebalanceTimeoutMillis,
      subscribedTopicNames: settings.topics,
      serverAssignor: settings.assignor
    }
    return member.ask("ConsumerGroupHeartbeat", {
      ...UNCHANGED,
      groupId: member.group,
      memberId: member.memberId,
      memberEpoch: epoch,
      instanceId: settings.instanceId,
      ...(isJoining ? joining : {}),
      topicPartitions: isSaid ? owned : undefined
    })
  })

  /** Gives up what is not in the target, unless the test wants it to wait; and then takes what is new. */
  const settle = Effect.suspend(() => {
    const kept = within(owned, target)
    if (sizeOf(kept) < sizeOf(owned)) {
      if (member.isHolding) return Effect.succeed(interval)
      isTold = false
      return Effect.as(own(kept, false), 0)
    }
    if (sizeOf(owned) === sizeOf(target)) return Effect.as(own(owned, true), interval)
    isTold = false
    return Effect.as(own(target, true), interval)
  })

  const take = (answer: ConsumerGroupHeartbeatResponse): Effect.Effect<number, ClientError> => {
    const { assignment, errorCode, memberEpoch } = answer
    if (errorCode === NONE) {
      epoch = memberEpoch
      interval = answer.heartbeatIntervalMillis
      target = assignment ?? target
      return settle
    }
    if (!LOST.has(errorCode)) return Effect.fail(member.fail("ConsumerGroupHeartbeat", errorCode))
    forget()
    return Effect.succeed(0)
  }

  forget()
  return Effect.forever(
    Effect.flatMap(Effect.flatMap(beat, take), (millis) => (millis === 0 ? Effect.void : member.rest(millis)))
  )
}
