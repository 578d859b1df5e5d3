/**
 * A member of a group in the consumer protocol (KIP-848): the coordinator decides who has which partition, and tells each
 * member by the answers to its heartbeats.
 *
 * One fiber heartbeats, and takes what the coordinator assigns as the target. Another one brings this member to the target:
 * what is taken away is given up first, and then what is new is taken; then the coordinator is told at once, as it waits
 * for that before it goes on. Heartbeats that have nothing to tell leave out what they told before, so that a partition
 * that is being given up counts as this member's until it was.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import type { Backoff } from "../../../KafkaClient.ts"
import { type ClientError, GroupError } from "../../../KafkaError.ts"
import type { LostReason, TopicPartition } from "../../../KafkaConsumer.ts"
import type { ConsumerGroupHeartbeatResponse, TopicIdPartitions } from "../../../KafkaProtocol.ts"
import { currentClock, evenMillisOf } from "../../effect/v4/clock.ts"
import { makeDeferred, settleDeferred } from "../../effect/v4/deferred.ts"
import { retryDelay } from "../../client/backoff.ts"
import * as codes from "../../protocol/codes.ts"
import { Signal } from "../../signal.ts"
import type { GroupCoordinator } from "./coordinator.ts"
import { LEAVE_MILLIS, sayUntilHeard } from "./leaving.ts"
import type { Member, MembershipFailure, MembershipReports, Ownership } from "./member.ts"
import { Pace } from "./pace.ts"
import { groupError, isUnauthorized, passes } from "./refusals.ts"

export interface ConsumerMemberSettings {
  readonly group: string
  readonly instanceId: string | undefined
  readonly rebalanceTimeoutMillis: number
  readonly deniedRetryMillis: number
  readonly backoff: Backoff
  /** Whether whoever wants to be a member is one, as far as its user knows: before, missing rights are not waited for. */
  readonly isAcquired: () => boolean
}

/** What a member knows of topics. */
export interface KnownTopics {
  /** The names that it subscribes to at present. */
  readonly subscribed: () => ReadonlyArray<string>
  /** The name of a topic; `undefined` while it is not known. */
  readonly nameOf: (topicId: string) => string | undefined
  /** Whether a topic of this id was there when it was last looked for. */
  readonly isThere: (topicId: string) => boolean
  /** Has topics looked at again, as one is not known, or may be gone. */
  readonly refresh: Effect.Effect<void>
}

/** A partition as the coordinator names it. */
interface Assigned extends TopicPartition {
  readonly topicId: string
}

/** The epochs that say what a heartbeat is about. */
const JOIN = 0
const LEAVE = -1
const LEAVE_STATIC = -2

/** How often it heartbeats before the coordinator has said how often, in milliseconds. */
const FIRST_INTERVAL_MILLIS = 5_000

/**
 * How long a member waits to be taken in by a group that refuses it for what may pass, in milliseconds: a predecessor that has
 * crashed holds its instance id for a session, which is shorter in most groups; a group of the classic protocol may not go
 * over before its own members have joined.
 */
const REFUSED_MILLIS = 60_000

const placeOf = ({ partition, topicId }: Assigned): string => `${topicId}:${partition}`

const minus = (all: ReadonlyArray<Assigned>, others: ReadonlyArray<Assigned>): ReadonlyArray<Assigned> => {
  const places = new Set(others.map(placeOf))
  return all.filter((one) => !places.has(placeOf(one)))
}

const byTopicId = (all: ReadonlyArray<Assigned>): ReadonlyArray<TopicIdPartitions> => {
  const topics = new Map<string, Array<number>>()
  for (const { partition, topicId } of all) topics.set(topicId, [...(topics.get(topicId) ?? []), partition])
  return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }))
}

const withoutIds = (all: ReadonlyArray<Assigned>): ReadonlyArray<TopicPartition> =>
  all.map(({ partition, topic }) => ({ topic, partition }))

/** Makes a member. Heartbeats go on when nobody waits for them any more, and end with the scope. */
export const makeConsumerMember = ({
  coordinator,
  ownership,
  reports,
  settings,
  topics
}: {
  readonly settings: ConsumerMemberSettings
  readonly coordinator: GroupCoordinator
  readonly topics: KnownTopics
  readonly ownership: Ownership
  readonly reports: MembershipReports
}): Effect.Effect<Member, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* currentClock
    // The caller's scope begins nothing any more while it is being closed, which waits for work that goes on.
    const scope = yield* Effect.acquireRelease(Scope.make(), (own) => Scope.close(own, Exit.void))
    const { group, instanceId } = settings
    const broken: Deferred.Deferred<never, MembershipFailure> = makeDeferred()

    let memberId: string = randomUUID()
    let epoch = JOIN
    let intervalMillis = FIRST_INTERVAL_MILLIS
    let owned: ReadonlyArray<Assigned> = []
    /** What the coordinator wants this member to have; `undefined` if it is what it has. */
    let target: ReadonlyArray<TopicIdPartitions> | undefined
    /** Whether the next heartbeat tells all, as the coordinator may not have heard the last one. */
    let tellsAll = true
    /** What was told last: of what did not change since then, nothing is told. */
    let toldOwned: ReadonlyArray<Assigned> | undefined
    let toldTopics = ""
    /** Changes when the member's life in the group ends. */
    let life = 0
    /** Whether it has been steady in this life: what it is given later is a rebalance, and not a part of joining. */
    let wasSteady = false
    let attempt = 0
    let refusedSince: number | undefined
    /** The last request to join: while it has no answer, the coordinator may take this member in, or may have done so. */
    let joining: Fiber.Fiber<ConsumerGroupHeartbeatResponse, ClientError> | undefined
    const pace = new Pace()
    const hurry = new Signal()
    const targeted = new Signal()

    const die = (reason: LostReason, keepsId: boolean): void => {
      life++
      wasSteady = false
      epoch = JOIN
      tellsAll = true
      target = undefined
      if (!keepsId) memberId = randomUUID()
      const lost = owned
      owned = []
      if (lost.length > 0) ownership.lose(withoutIds(lost), reason)
      reports.phase("joining")
      hurry.notify()
      targeted.notify()
    }

    const steady = (): void => {
      wasSteady = true
      reports.phase("steady")
    }

    /** Ends it, and asks for nothing more. */
    const fail = (error: MembershipFailure): Effect.Effect<never> =>
      Effect.andThen(
        Effect.sync(() => settleDeferred(broken, Exit.fail(error))),
        Effect.never
      )

    const request = (memberEpoch: number, withAll: boolean) => {
      const names = topics.subscribed()
      const tellsTopics = withAll || names.join() !== toldTopics
      const tellsOwned = withAll || toldOwned !== owned
      return {
        groupId: group,
        memberId,
        memberEpoch,
        instanceId,
        rackId: undefined,
        rebalanceTimeoutMillis: withAll ? Math.ceil(settings.rebalanceTimeoutMillis) : undefined,
        subscribedTopicNames: tellsTopics ? names : undefined,
        subscribedTopicRegex: undefined,
        serverAssignor: undefined,
        topicPartitions: tellsOwned ? byTopicId(owned) : undefined
      }
    }

    const pause = Effect.suspend(() => Effect.flatMap(retryDelay(settings, attempt++), Effect.sleep))

    /** Leaves by a heartbeat. */
    const sayLeaving = (leaving: string) => {
      const memberEpoch = instanceId === undefined ? LEAVE : LEAVE_STATIC
      const told = { memberId: leaving, subscribedTopicNames: undefined, topicPartitions: undefined }
      const asked = { ...request(memberEpoch, false), ...told }
      return sayUntilHeard(coordinator.request("ConsumerGroupHeartbeat", asked))
    }

    /**
     * Ends the life of a member that is fenced. Its old id would hold its partitions for a session, so that is taken out. When it
     * is, others may have them at once: so they are lost before.
     */
    const leavingFenced = Effect.suspend(() => {
      const fenced = memberId
      die("Fenced", false)
      return sayLeaving(fenced)
    })

    /** Asks to be taken in again, unless that has been refused for too long. */
    const askAgain = (error: GroupError): Effect.Effect<void> =>
      Effect.suspend(() => {
        const now = evenMillisOf(clock)
        refusedSince ??= now
        if (now - refusedSince >= REFUSED_MILLIS) return fail(error)
        reports.unavailable(error)
        return pause
      })

    /** What a refusal of a heartbeat means. */
    const onRefused = (code: number, detail: string | undefined): Effect.Effect<void> => {
      const error = groupError({ group, code, request: "ConsumerGroupHeartbeat", instanceId, detail })
      tellsAll = true
      switch (code) {
        case codes.UNKNOWN_MEMBER_ID:
          return Effect.sync(() => die("Forgotten", false))
        case codes.GROUP_ID_NOT_FOUND:
          // Who joins is told that by a group that does not go over to this protocol.
          return epoch === JOIN ? askAgain(error) : Effect.sync(() => die("Forgotten", false))
        case codes.FENCED_MEMBER_EPOCH:
          return leavingFenced
        case codes.UNRELEASED_INSTANCE_ID:
          return askAgain(error)
        default:
          if (code === codes.FENCED_INSTANCE_ID) die("Fenced", false)
          if (isUnauthorized(code) && settings.isAcquired()) {
            reports.unavailable(error)
            return Effect.sleep(settings.deniedRetryMillis)
          }
          return passes(code) ? pause : fail(error)
      }
    }

    const onAnswered = (answer: ConsumerGroupHeartbeatResponse): void => {
      attempt = 0
      refusedSince = undefined
      tellsAll = false
      reports.available()
      if (answer.heartbeatIntervalMillis > 0) intervalMillis = answer.heartbeatIntervalMillis
      if (answer.memberEpoch < 0) return
      if (answer.memberEpoch !== epoch || answer.assignment !== undefined) pace.quicken()
      // The assignment first: a commit of this epoch is not to be about what is not in it any more.
      if (answer.assignment !== undefined) {
        target = answer.assignment
        targeted.notify()
      }
      epoch = answer.memberEpoch
      if (target === undefined) steady()
    }

    const onFailed = (error: ClientError): Effect.Effect<void> => {
      tellsAll = true
      if (error.reason === "UnsupportedVersion") {
        return fail(new GroupError({ reason: "Unsupported", group, detail: error.message, cause: error }))
      }
      if (!error.retriable && !settings.isAcquired()) return fail(error)
      reports.unavailable(error)
      return error.retriable ? pause : Effect.sleep(settings.deniedRetryMillis)
    }

    /** Sends a heartbeat, which goes on if this is interrupted: to leave before it has arrived would have no effect. */
    const ask = (asked: ReturnType<typeof request>) =>
      Effect.flatMap(Effect.forkIn(coordinator.request("ConsumerGroupHeartbeat", asked), scope), (fiber) => {
        if (asked.memberEpoch === JOIN) joining = fiber
        return Fiber.join(fiber)
      })

    const beat: Effect.Effect<void> = Effect.suspend(() => {
      const begun = life
      const asked = request(epoch, tellsAll || epoch === JOIN)
      const [names, sent] = [topics.subscribed().join(), owned]
      return Effect.matchEffect(ask(asked), {
        onFailure: onFailed,
        onSuccess: (answer) => {
          joining = undefined
          // The member has another life by now, and this is not about that.
          if (life !== begun) return Effect.void
          if (answer.errorCode !== codes.NONE) return onRefused(answer.errorCode, answer.errorMessage)
          toldTopics = names
          if (asked.topicPartitions !== undefined) toldOwned = sent
          onAnswered(answer)
          return Effect.void
        }
      })
    })

    const beats = Effect.forever(
      Effect.suspend(() => {
        const { version } = hurry
        return Effect.andThen(
          beat,
          Effect.suspend(() => (tellsAll ? Effect.void : hurry.after(version, pace.next(intervalMillis))))
        )
      })
    )

    /** The partitions of a target whose topics are known by name, and whether all are. */
    const resolve = (wanted: ReadonlyArray<TopicIdPartitions>) => {
      const known: Array<Assigned> = []
      let isWhole = true
      for (const { partitions, topicId } of wanted) {
        const topic = topics.nameOf(topicId)
        if (topic === undefined) isWhole = false
        else for (const partition of partitions) known.push({ topicId, topic, partition })
      }
      return { known, isWhole }
    }

    /** Brings this member to the target that there is. */
    const reconcile: Effect.Effect<void> = Effect.suspend(() => {
      const wanted = target
      if (wanted === undefined) return Effect.void
      const begun = life
      const { isWhole, known } = resolve(wanted)
      const taken = minus(owned, known)
      const added = minus(known, owned)
      return Effect.gen(function* () {
        if (taken.length > 0 || (wasSteady && added.length > 0)) reports.phase("rebalancing")
        if (taken.length > 0) {
          // Where all of a topic is taken away, it may be gone, and another one may have its name by now: that one is not to
          // get the offsets of the first. Commits name topics by their names.
          const left = new Set(known.map(({ topicId }) => topicId))
          if (taken.some(({ topicId }) => !left.has(topicId))) yield* topics.refresh
          const [there, gone] = [true, false].map((isThere) =>
            taken.filter((p) => topics.isThere(p.topicId) === isThere)
          )
          yield* ownership.topicsGone(withoutIds(gone))
          yield* ownership.revoke(withoutIds([...there, ...gone]))
          if (life !== begun) return
          owned = minus(owned, taken)
        }
        if (added.length > 0) {
          owned = [...owned, ...added]
          ownership.assign(withoutIds(added))
        }
        if (target === wanted && isWhole) target = undefined
        if (target === undefined) steady()
        if (taken.length > 0 || added.length > 0) hurry.notify()
        if (!isWhole) {
          yield* topics.refresh
          yield* pause
        }
      })
    })

    const reconciling = Effect.forever(
      Effect.suspend(() => {
        const { version } = targeted
        return target === undefined ? targeted.after(version) : reconcile
      })
    )

    return {
      run: Effect.raceFirst(Effect.raceFirst(beats, reconciling), Deferred.await(broken)),
      leave: Effect.suspend(() => {
        if (epoch === JOIN && joining === undefined) return Effect.void
        const joined = joining === undefined ? Effect.void : Effect.timeoutOption(Fiber.await(joining), LEAVE_MILLIS)
        return Effect.andThen(joined, sayLeaving(memberId))
      }),
      identity: () => (epoch > 0 ? { memberId, generation: epoch, instanceId } : undefined),
      refused: (identity, code) => {
        if (identity.memberId !== memberId) return
        switch (code) {
          case codes.STALE_MEMBER_EPOCH:
            // The next answer says which epoch it is.
            return hurry.notify()
          case codes.UNKNOWN_MEMBER_ID:
          case codes.GROUP_ID_NOT_FOUND:
            return die("Forgotten", false)
          case codes.FENCED_MEMBER_EPOCH:
          case codes.ILLEGAL_GENERATION:
            tellsAll = true
            return hurry.notify()
          default:
            return
        }
      },
      topicsChanged: () => hurry.notify()
    }
  })
