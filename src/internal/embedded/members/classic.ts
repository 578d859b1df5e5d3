/** A member of the classic protocol: it joins, assigns where it leads, beats, and gives up what it has to. */
import * as Effect from "effect/Effect"
import type { ClientError } from "../../../KafkaError.ts"
import type { JoinGroupResponse, SyncGroupAssignment } from "../../../KafkaProtocol.ts"
import { assignorsNamed } from "../../consumer/assignors/assignors.ts"
import type { Assignor as AssignorName } from "../../../KafkaConsumer.ts"
import type { Assignor } from "../../consumer/assignors/members.ts"
import {
  ILLEGAL_GENERATION,
  MEMBER_ID_REQUIRED,
  NONE,
  REBALANCE_IN_PROGRESS,
  UNKNOWN_MEMBER_ID
} from "../../protocol/codes.ts"
import {
  CONSUMER_PROTOCOL_TYPE,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type TopicPartitions
} from "../../protocol/consumerProtocol.ts"
import { runInSlices } from "../../yield.ts"
import type { Foreign } from "./foreign.ts"

type Owned = Foreign["owned"]

const listOf = (owned: Owned): ReadonlyArray<TopicPartitions> =>
  [...owned].map(([topic, partitions]) => ({ topic, partitions: [...partitions] }))

/** What is in both. */
const kept = (owned: Owned, assigned: Owned): Owned =>
  new Map(
    [...owned].flatMap(([topic, partitions]) => {
      const left = [...partitions].filter((partition) => assigned.get(topic)?.has(partition) === true)
      return left.length === 0 ? [] : [[topic, new Set(left)] as const]
    })
  )

const sizeOf = (owned: Owned): number => [...owned.values()].reduce((size, partitions) => size + partitions.size, 0)

/** The codes after which a member has lost what it had. */
const LOST: ReadonlySet<number> = new Set([ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID])

/** What a member does until it is interrupted, or the group does not take it. */
export const classicMember = (member: Foreign): Effect.Effect<void, ClientError> => {
  const { settings } = member
  const [assignor] = assignorsNamed([(settings.assignor ?? "cooperative-sticky") as AssignorName])
  let generation = -1

  const self = () => ({
    groupId: member.group,
    generation,
    memberId: member.memberId,
    instanceId: settings.instanceId
  })

  /** Loses all, and begins anew: as another member, if the coordinator does not know this one any more. */
  const forget = (code: number) => {
    generation = -1
    const memberId = code === UNKNOWN_MEMBER_ID ? "" : member.memberId
    member.update({ memberId, owned: new Map(), hasJoined: false })
  }

  const beat = Effect.map(
    Effect.suspend(() => member.ask("Heartbeat", self())),
    ({ errorCode }) => errorCode
  )

  /** Beats while the test wants nothing to be given up. Whether it is still a member then. */
  const held: Effect.Effect<boolean, ClientError> = Effect.suspend(() => {
    if (!member.isHolding) return Effect.succeed(true)
    return Effect.flatMap(Effect.andThen(member.rest(settings.heartbeatIntervalMillis), beat), (code) => {
      if (code === NONE || code === REBALANCE_IN_PROGRESS) return held
      forget(code)
      return Effect.succeed(false)
    })
  })

  const join: Effect.Effect<JoinGroupResponse | undefined, ClientError> = Effect.suspend(() => {
    const metadata = encodeSubscription({
      topics: settings.topics,
      userData: undefined,
      ownedPartitions: assignor.isCooperative ? listOf(member.owned) : [],
      generation,
      rackId: undefined
    })
    return Effect.flatMap(
      member.ask("JoinGroup", {
        groupId: member.group,
        sessionTimeoutMillis: settings.sessionTimeoutMillis,
        rebalanceTimeoutMillis: settings.rebalanceTimeoutMillis,
        memberId: member.memberId,
        instanceId: settings.instanceId,
        protocolType: CONSUMER_PROTOCOL_TYPE,
        protocols: [{ name: assignor.name, metadata }],
        reason: undefined
      }),
      (answer) => {
        if (answer.errorCode === NONE || answer.errorCode === MEMBER_ID_REQUIRED) {
          member.update({ memberId: answer.memberId })
        }
        if (answer.errorCode === MEMBER_ID_REQUIRED) return join
        if (answer.errorCode === NONE) {
          generation = answer.generation
          return Effect.succeed(answer)
        }
        if (answer.errorCode === UNKNOWN_MEMBER_ID) forget(answer.errorCode)
        else if (answer.errorCode !== REBALANCE_IN_PROGRESS) {
          return Effect.fail(member.fail("JoinGroup", answer.errorCode))
        }
        return Effect.succeed(undefined)
      }
    )
  })

  const sync = (answer: JoinGroupResponse) =>
    Effect.gen(function* () {
      const isLeader = answer.leader === answer.memberId && !answer.skipAssignment
      const synced = yield* member.ask("SyncGroup", {
        ...self(),
        protocolType: CONSUMER_PROTOCOL_TYPE,
        protocolName: answer.protocolName ?? assignor.name,
        assignments: isLeader ? yield* plan(member, assignor, answer) : [],
        rebalanceTimeoutMillis: settings.rebalanceTimeoutMillis
      })
      if (synced.errorCode === NONE) {
        const { partitions } = decodeAssignment(synced.assignment)
        return new Map(partitions.map((one) => [one.topic, new Set(one.partitions)]))
      }
      if (LOST.has(synced.errorCode)) forget(synced.errorCode)
      const isPassing = LOST.has(synced.errorCode) || synced.errorCode === REBALANCE_IN_PROGRESS
      return isPassing ? undefined : yield* Effect.fail(member.fail("SyncGroup", synced.errorCode))
    })

  /** Beats until the group rebalances. */
  const stay: Effect.Effect<void, ClientError> = Effect.flatMap(
    Effect.andThen(Effect.sleep(settings.heartbeatIntervalMillis), beat),
    (code) => {
      if (code === NONE) return stay
      if (code === REBALANCE_IN_PROGRESS) return Effect.void
      if (!LOST.has(code)) return Effect.fail(member.fail("Heartbeat", code))
      forget(code)
      return Effect.void
    }
  )

  const round = Effect.gen(function* () {
    const isEager = !assignor.isCooperative
    if (isEager && sizeOf(member.owned) > 0) {
      if (!(yield* held)) return
      member.update({ owned: new Map() })
    }
    const answer = yield* join
    const assigned = answer === undefined ? undefined : yield* sync(answer)
    if (assigned === undefined) return
    const left = kept(member.owned, assigned)
    if (sizeOf(left) < sizeOf(member.owned)) {
      if (!(yield* held)) return
      // It joins again at once, so that others are given what it has given up.
      return member.update({ owned: left })
    }
    member.update({ owned: assigned, hasJoined: true })
    yield* stay
  })

  return Effect.forever(round)
}

/** What the leader assigns. */
const plan = (
  { client }: Foreign,
  assignor: Assignor,
  { members }: JoinGroupResponse
): Effect.Effect<ReadonlyArray<SyncGroupAssignment>, ClientError> =>
  Effect.gen(function* () {
    const joined = members.map(({ instanceId, memberId, metadata }) => {
      const { generation, ownedPartitions, topics } = decodeSubscription(metadata)
      return { memberId, instanceId, topics, owned: ownedPartitions, generation }
    })
    const wanted = new Set(joined.flatMap(({ topics }) => topics))
    const found = yield* client.topicsMatching((name) => wanted.has(name))
    const counts = new Map(found.map(({ partitions, topic }) => [topic.name, partitions]))
    const assignment = yield* runInSlices(assignor.assign(joined, counts))
    return [...assignment].map(([memberId, partitions]) => ({
      memberId,
      assignment: encodeAssignment({ partitions, userData: undefined })
    }))
  })
