/**
 * A member of a group in the classic protocol: it joins, is given partitions by the member that leads, and heartbeats until
 * the group rebalances. See KIP-429 (cooperative rebalancing), KIP-394 (member ids), KIP-345 (static members).
 *
 *     unjoined → joining → syncing → stable → joining …
 *
 * One fiber goes round like this. Another one heartbeats beside it, in all states, so that neither the work on records nor a
 * partition that is being given up ever ends the session. What either of them hears may end the member's life in the group
 * (`die`): then its partitions are lost at once, and the first fiber begins anew.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { Backoff } from "../../../KafkaClient.ts"
import type { LostReason, TopicPartition } from "../../../KafkaConsumer.ts"
import type { JoinGroupMember, JoinGroupResponse, SyncGroupAssignment } from "../../../KafkaProtocol.ts"
import { currentClock } from "../../effect/v4/clock.ts"
import { makeDeferred, settleDeferred } from "../../effect/v4/deferred.ts"
import * as codes from "../../protocol/codes.ts"
import { CONSUMER_PROTOCOL_TYPE } from "../../protocol/consumerProtocol.ts"
import { Signal } from "../../signal.ts"
import { without } from "./topicPartitions.ts"
import { Session } from "./losing.ts"
import type { GroupCoordinator } from "./coordinator.ts"
import type { Member, MembershipFailure, MembershipReports, Ownership } from "./member.ts"
import { type Attempts, makeAttempts } from "./attempts.ts"
import { Pace } from "./pace.ts"
import { whatDiffers } from "./inconsistent.ts"
import { LEAVE_MILLIS, sayUntilHeard } from "./leaving.ts"
import { groupError } from "./refusals.ts"

export interface ClassicSettings {
  readonly group: string
  readonly instanceId: string | undefined
  readonly sessionTimeoutMillis: number
  readonly heartbeatIntervalMillis: number
  readonly rebalanceTimeoutMillis: number
  readonly deniedRetryMillis: number
  /** How long to wait between attempts. */
  readonly backoff: Backoff
  /** Whether whoever wants to be a member is one, as far as its user knows: see `makeAttempts`. */
  readonly isAcquired: () => boolean
}

/** How the members of a group share its partitions, of which this member knows some ways. */
export interface Sharing {
  /** Whether partitions that stay are worked on in a rebalance; otherwise all are given up before each. */
  readonly isCooperative: boolean
  /** What this member tells the one that leads, by the names of the assignors, its favourite first. */
  readonly subscriptions: (
    owned: ReadonlyArray<TopicPartition>,
    generation: number
  ) => ReadonlyArray<{ readonly name: string; readonly metadata: Uint8Array }>
  /** Shares the partitions among the members. */
  readonly plan: (
    protocolName: string,
    members: ReadonlyArray<JoinGroupMember>
  ) => Effect.Effect<ReadonlyArray<SyncGroupAssignment>, MembershipFailure>
  /** Reads what this member was given. */
  readonly read: (assignment: Buffer) => Effect.Effect<ReadonlyArray<TopicPartition>, MembershipFailure>
  /** Whether a change of the number of partitions is this member's to act on: it leads. */
  readonly leads: (isLeader: boolean) => void
}

/** The codes that say something of the member, or of its generation. */
const OF_MEMBER: ReadonlySet<number> = new Set([
  codes.REBALANCE_IN_PROGRESS,
  codes.ILLEGAL_GENERATION,
  codes.UNKNOWN_MEMBER_ID,
  codes.FENCED_INSTANCE_ID
])

/** Makes a member. What it asks for in the background ends with the scope. */
export const makeClassicMember = (parts: {
  readonly settings: ClassicSettings
  readonly coordinator: GroupCoordinator
  readonly sharing: Sharing
  readonly ownership: Ownership
  readonly reports: MembershipReports
}): Effect.Effect<Member, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* currentClock
    // The caller's scope begins nothing any more while it is being closed, which waits for work that goes on: a member that is
    // to join again meanwhile would lose what it works on.
    const scope = yield* Effect.acquireRelease(Scope.make(), (own) => Scope.close(own, Exit.void))
    const { coordinator, ownership, reports, settings, sharing } = parts
    const { group, instanceId } = settings
    const session = new Session(clock, settings.sessionTimeoutMillis)
    const attempts: Attempts = makeAttempts({ ...settings, reports })
    const broken: Deferred.Deferred<never, MembershipFailure> = makeDeferred()

    let memberId = ""
    let generation = -1
    let owned: ReadonlyArray<TopicPartition> = []
    let phase: "unjoined" | "joining" | "syncing" | "stable" = "unjoined"
    /** Changes when the member's life in the group ends: what was begun before is not gone on with. */
    let life = 0
    /** Heartbeats that were refused for their generation while it joins. */
    let doubts = 0
    let isOver = false
    /** Why the group is to be joined again; `undefined` if it is not. */
    let rejoinReason: string | undefined
    const rejoining = new Signal()
    const pace = new Pace()
    const generationBegan = new Signal()
    /** The request to join that is under way. */
    let request: Fiber.Fiber<JoinGroupResponse, unknown> | undefined

    const rejoin = (reason: string): void => {
      rejoinReason ??= reason
      rejoining.notify()
    }

    /** Ends the member's life in the group: its partitions are others' already, or are going to be. */
    const end = (reason: LostReason, keepsId: boolean): void => {
      life++
      generation = -1
      if (!keepsId) memberId = ""
      const lost = owned
      owned = []
      if (phase === "stable") phase = "unjoined"
      if (lost.length > 0) ownership.lose(lost, reason)
    }

    /** Ends the member's life in the group, and begins another one. */
    const die = (reason: LostReason, keepsId: boolean): void => {
      end(reason, keepsId)
      rejoin(reason)
    }

    /** Ends it for good. What is under way may take its time to hear of that, and asks for nothing more meanwhile. */
    const fail = (code: number, request: string): void => {
      isOver = true
      settleDeferred(broken, Exit.fail(groupError({ group, code, request, instanceId })))
    }

    // -------------------------------------------------------------------------------------------------------------------
    // heartbeats
    // -------------------------------------------------------------------------------------------------------------------

    /** What an answer to a heartbeat means, or to a commit, of the member as it is now. */
    const onCode = (code: number, request: string): void => {
      switch (code) {
        case codes.NONE:
          return
        case codes.REBALANCE_IN_PROGRESS:
          // While it joins, it knows.
          return phase === "stable" ? rejoin("the group rebalances") : undefined
        case codes.ILLEGAL_GENERATION:
          // The answer to joining comes by another connection, and may be the later one.
          if (phase === "joining" && doubts++ === 0) return
          return die("Fenced", true)
        case codes.UNKNOWN_MEMBER_ID:
          return die("Forgotten", false)
        case codes.FENCED_INSTANCE_ID:
          // To join again would take the instance id back from whoever has it now.
          end("Fenced", false)
          return fail(code, request)
        default:
          return attempts.refused(code, request)
      }
    }

    const beat = Effect.suspend(() => {
      if (memberId === "" || generation < 0) return Effect.void
      const asked = { groupId: group, memberId, generation, instanceId }
      const sentAt = session.now
      const asking = attempts.bounded(
        "Heartbeat",
        coordinator.request("Heartbeat", asked),
        settings.sessionTimeoutMillis / 3
      )
      // It goes on if this is interrupted: who leaves then does so on the connection that there is.
      return Effect.match(Effect.flatMap(Effect.forkIn(asking, scope), Fiber.join), {
        onFailure: (error) => {
          attempts.failed(error)
          if (error.retriable) pace.quicken()
        },
        onSuccess: (answer) => {
          // The group may have gone on since this was sent: then nothing is to be learnt of the answer.
          if (asked.memberId !== memberId || asked.generation !== generation) return
          if (answer.errorCode === codes.NONE || answer.errorCode === codes.REBALANCE_IN_PROGRESS) {
            session.answered(sentAt)
            reports.available()
          }
          onCode(answer.errorCode, "Heartbeat")
        }
      })
    })

    const beats = Effect.forever(
      Effect.suspend(() => {
        const { version } = generationBegan
        return Effect.flatMap(generationBegan.after(version, pace.next(settings.heartbeatIntervalMillis)), () =>
          generationBegan.version === version ? beat : Effect.void
        )
      })
    )

    /**
     * The session ends what the member has, whatever is heard after it: where the process was held, an answer that has come
     * meanwhile has its turn before the timers.
     */
    const loseIfOver = (): boolean => {
      if (!session.isOver || owned.length === 0) return false
      end("SessionEnded", true)
      return true
    }

    /** The coordinator has given the partitions of a member to others that it did not hear of for a session. */
    const sessions = Effect.forever(
      Effect.flatMap(session.over, () => {
        if (loseIfOver()) rejoin("SessionEnded")
        return session.heardAgain
      })
    )

    // -------------------------------------------------------------------------------------------------------------------
    // joining
    // -------------------------------------------------------------------------------------------------------------------

    /** Sends a request to join, which goes on if this is interrupted: `leave` has to know the member id that it gives. */
    const askToJoin = (reason: string) =>
      Effect.gen(function* () {
        // Whatever was the reason so far, this request is the answer to it.
        rejoinReason = undefined
        doubts = 0
        const fiber = yield* Effect.forkIn(
          coordinator.request("JoinGroup", {
            groupId: group,
            sessionTimeoutMillis: Math.ceil(settings.sessionTimeoutMillis),
            rebalanceTimeoutMillis: Math.ceil(settings.rebalanceTimeoutMillis),
            memberId,
            instanceId,
            protocolType: CONSUMER_PROTOCOL_TYPE,
            protocols: sharing.subscriptions(owned, generation),
            reason
          }),
          scope
        )
        request = fiber
        const answer = yield* Fiber.join(fiber)
        request = undefined
        return answer
      })

    /** Joins until the coordinator has taken this member in. */
    const join = (reason: string): Effect.Effect<JoinGroupResponse, MembershipFailure> =>
      Effect.gen(function* () {
        while (true) {
          if (isOver) return yield* Effect.never
          const answer = yield* attempts.until(askToJoin(reason))
          switch (answer.errorCode) {
            case codes.NONE:
              loseIfOver()
              // The coordinator counts the session from its answer on, for which it may have waited long.
              session.answered(session.now)
              return answer
            case codes.MEMBER_ID_REQUIRED:
              memberId = answer.memberId
              break
            case codes.UNKNOWN_MEMBER_ID:
              die("Forgotten", false)
              break
            case codes.INCONSISTENT_GROUP_PROTOCOL: {
              const names = sharing.subscriptions(owned, generation).map(({ name }) => name)
              const detail = yield* whatDiffers(coordinator, group, names)
              yield* attempts.pauseAfter(answer.errorCode, "JoinGroup", detail)
              break
            }
            default:
              yield* attempts.pauseAfter(answer.errorCode, "JoinGroup")
          }
        }
      })

    /** Gets what the member that leads has given to this one; `undefined` if the group has to be joined again. */
    const sync = (joined: JoinGroupResponse, assignments: ReadonlyArray<SyncGroupAssignment>) =>
      Effect.gen(function* () {
        const answer = yield* attempts.until(
          coordinator.request("SyncGroup", {
            groupId: group,
            generation: joined.generation,
            memberId: joined.memberId,
            instanceId,
            protocolType: CONSUMER_PROTOCOL_TYPE,
            protocolName: joined.protocolName ?? "",
            assignments,
            rebalanceTimeoutMillis: Math.ceil(settings.rebalanceTimeoutMillis)
          })
        )
        if (answer.errorCode === codes.NONE) {
          if (loseIfOver()) return undefined
          session.answered(session.now)
          return answer.assignment
        }
        if (OF_MEMBER.has(answer.errorCode)) onCode(answer.errorCode, "SyncGroup")
        else yield* attempts.pauseAfter(answer.errorCode, "SyncGroup")
        return undefined
      })

    /** Gives partitions up, if they are still this member's. */
    const giveUp = (partitions: ReadonlyArray<TopicPartition>) =>
      Effect.suspend(() => {
        const begun = life
        return Effect.map(ownership.revoke(partitions), () => {
          if (life === begun) owned = without(owned, partitions)
        })
      })

    /** Takes what was given, and gives up what was taken away. */
    const adopt = (given: ReadonlyArray<TopicPartition>) =>
      Effect.suspend(() => {
        const taken = without(owned, given)
        const added = without(given, owned)
        owned = [...owned, ...added]
        phase = "stable"
        pace.quicken()
        generationBegan.notify()
        if (added.length > 0) ownership.assign(added)
        if (taken.length === 0) return Effect.void
        const begun = life
        return Effect.map(giveUp(taken), () => {
          if (life === begun) rejoin(`gave up ${taken.length} partitions`)
        })
      })

    /** Once round: joins, and works until the group is to be joined again. */
    const generationOf = (reason: string): Effect.Effect<void, MembershipFailure> =>
      Effect.gen(function* () {
        reports.phase(memberId === "" ? "joining" : "rebalancing")
        if (!sharing.isCooperative && owned.length > 0) yield* giveUp(owned)
        phase = "joining"
        const joined = yield* join(reason)
        const begun = life
        memberId = joined.memberId
        generation = joined.generation
        phase = "syncing"
        const isLeader = joined.leader === joined.memberId
        sharing.leads(isLeader)
        const plan =
          isLeader && !joined.skipAssignment ? yield* sharing.plan(joined.protocolName ?? "", joined.members) : []
        const assignment = life === begun ? yield* sync(joined, plan) : undefined
        if (assignment === undefined) return rejoin("joining was cut short")
        const given = yield* sharing.read(assignment)
        if (life !== begun) return
        yield* adopt(given)
        if (rejoinReason === undefined) reports.phase("steady")
        reports.available()
      })

    const untilRejoin: Effect.Effect<string> = Effect.suspend(() => {
      const { version } = rejoining
      const reason = rejoinReason
      if (reason === undefined) return Effect.flatMap(rejoining.after(version), () => untilRejoin)
      rejoinReason = undefined
      return Effect.succeed(reason)
    })

    const generations = Effect.andThen(generationOf("first"), Effect.forever(Effect.flatMap(untilRejoin, generationOf)))

    const leave = Effect.gen(function* () {
      // A static member comes back, and is to have its partitions then.
      if (instanceId !== undefined) return
      if (memberId === "" && request !== undefined) {
        const exit = yield* Effect.timeoutOption(Fiber.await(request), LEAVE_MILLIS)
        if (exit._tag === "Some" && Exit.isSuccess(exit.value)) memberId = exit.value.value.memberId
      }
      if (memberId === "") return
      const asked = { groupId: group, memberId, instanceId, reason: "the consumer was closed" }
      yield* sayUntilHeard(coordinator.request("LeaveGroup", asked))
    })

    return {
      run: Effect.raceFirst(Effect.raceFirst(generations, Deferred.await(broken)), Effect.raceFirst(beats, sessions)),
      leave,
      // While it waits for the others to join, the generation before goes on, as far as the coordinator is concerned.
      identity: () =>
        (phase === "stable" || phase === "joining") && memberId !== "" && generation >= 0 && !session.isOver
          ? { memberId, generation, instanceId }
          : undefined,
      refused: (identity, code) => {
        if (identity.memberId !== memberId || identity.generation !== generation || phase !== "stable") return
        onCode(code, "OffsetCommit")
      },
      topicsChanged: () => rejoin("its topics have changed")
    }
  })
