/** A member of a group whose coordinator the test plays, in the test's own time. */
import { it as effectIt } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { TopicPartition } from "../../src/KafkaConsumer.ts"
import { type ClientError, ConnectionError } from "../../src/KafkaError.ts"
import type { ApiName, Request, Response } from "../../src/KafkaProtocol.ts"
import { cooperativeSticky } from "../../src/internal/consumer/assignors/cooperativeSticky.ts"
import type { Assignor } from "../../src/internal/consumer/assignors/members.ts"
import { makeClassicMember } from "../../src/internal/consumer/member/classicMember.ts"
import { makeConsumerMember } from "../../src/internal/consumer/member/consumerMember.ts"
import type { GroupCoordinator } from "../../src/internal/consumer/member/coordinator.ts"
import type {
  Member,
  MembershipFailure,
  MembershipReports,
  Ownership
} from "../../src/internal/consumer/member/member.ts"
import { makeSharing } from "../../src/internal/consumer/member/sharing.ts"
import { encodeAssignment } from "../../src/internal/protocol/consumerProtocol.ts"
import { settle } from "../support/answers.ts"
import { withClock } from "../support/effect/v4/clock.ts"
import { withoutChance } from "../support/effect/v4/random.ts"
import { ManualClock } from "../support/ManualClock.ts"
import * as TestClock from "effect/testing/TestClock"

export const SESSION = 30_000
export const BEAT = 3_000
/** From the beginning of a generation to the first heartbeat in it. */
export const FIRST_BEAT = 100
export const REBALANCE = 60_000
export const DENIED_RETRY = 5_000

/** Tests in their own time, in which waits are exactly as long as the backoff says. */
export const it = {
  effect: <E>(name: string, test: () => Effect.Effect<void, E, Scope.Scope>) =>
    effectIt.effect(name, () => test().pipe(withoutChance, withClock(new ManualClock(1_000_000))))
}

/** A request that waits for the test's answer. */
export interface Asked {
  readonly name: ApiName
  readonly request: Request<ApiName>
  readonly answer: (response: object) => Effect.Effect<void>
  readonly fail: Effect.Effect<void>
}

export interface Played {
  readonly member: Member
  /** Requests that are not answered yet, in their order. */
  readonly open: Array<Asked>
  /** What the member has told whoever works on its partitions, in order. */
  readonly told: Array<string>
  /** The next request of this name, which comes now or after the time moves on; the test fails if it is another one. */
  readonly next: <N extends ApiName>(
    name: N
  ) => Effect.Effect<{
    readonly request: Request<N>
    readonly answer: (response: Partial<Response<N>>) => Effect.Effect<void>
    readonly fail: Effect.Effect<void>
  }>
  /** Ends the revocation that is under way. */
  readonly revoked: Effect.Effect<void>
  readonly run: Fiber.Fiber<never, MembershipFailure>
  /** What the member lives in. */
  readonly scope: Scope.Scope
  readonly unavailable: () => string | undefined
  readonly close: Effect.Effect<void>
}

export const advance = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), settle)

/** So long the process is held: what has come for it meanwhile has its turn before whoever sleeps. */
export const hold = (millis: number): Effect.Effect<void> =>
  Effect.clockWith((clock) => Effect.sync(() => (clock as ManualClock).unsafeHold(millis)))

export const places = (...texts: ReadonlyArray<string>): ReadonlyArray<TopicPartition> =>
  texts.map((text) => {
    const [topic, partition] = text.split(":")
    return { topic, partition: Number(partition) }
  })

const text = (partitions: ReadonlyArray<TopicPartition>) =>
  partitions.map(({ partition, topic }) => `${topic}:${partition}`).join(" ")

export const assignmentOf = (...texts: ReadonlyArray<string>): Buffer =>
  encodeAssignment({
    partitions: places(...texts).map(({ partition, topic }) => ({ topic, partitions: [partition] })),
    userData: undefined
  })

const closed = new ConnectionError({ reason: "Closed", broker: "b:1", request: "any" })

/** Begins a member, which asks the test. */
export const play = ({
  assignors = [cooperativeSticky],
  counts = new Map([["t", 4]]),
  instanceId,
  protocol = "classic"
}: {
  readonly protocol?: "classic" | "consumer"
  readonly assignors?: ReadonlyArray<Assignor>
  readonly counts?: ReadonlyMap<string, number>
  readonly instanceId?: string
} = {}): Effect.Effect<Played, never, Scope.Scope> =>
  Effect.gen(function* () {
    const open: Array<Asked> = []
    const told: Array<string> = []
    let unavailable: string | undefined
    let revoking: Deferred.Deferred<void> | undefined

    const ask = <N extends ApiName>(name: N, request: Request<N>): Effect.Effect<Response<N>, ClientError> =>
      Effect.gen(function* () {
        const answered = yield* Deferred.make<Response<N>, ClientError>()
        open.push({
          name,
          request: request as Request<ApiName>,
          answer: (response) =>
            Effect.andThen(Deferred.succeed(answered, { errorCode: 0, ...response } as Response<N>), settle),
          fail: Effect.andThen(Deferred.fail(answered, closed), settle)
        })
        return yield* Deferred.await(answered)
      })
    const coordinator: GroupCoordinator = { request: ask }
    const ownership: Ownership = {
      assign: (partitions) => void told.push(`assigned ${text(partitions)}`),
      revoke: (partitions) =>
        Effect.gen(function* () {
          told.push(`revoking ${text(partitions)}`)
          const done = yield* Deferred.make<void>()
          revoking = done
          yield* Deferred.await(done)
        }),
      topicsGone: () => Effect.void,
      lose: (partitions, reason) => {
        told.push(`lost ${text(partitions)}: ${reason}`)
        if (revoking !== undefined) Effect.runFork(Deferred.succeed(revoking, void 0))
      }
    }
    const scope = yield* Scope.make()
    const common = {
      group: "g",
      instanceId,
      rebalanceTimeoutMillis: REBALANCE,
      deniedRetryMillis: DENIED_RETRY,
      backoff: { initialMillis: 10, maxMillis: 100 },
      isAcquired: () => true
    }
    const reports: MembershipReports = {
      phase: () => {},
      unavailable: (error) => void (unavailable = error.message),
      available: () => void (unavailable = undefined)
    }
    const known = new Map([["id-t", "t"]])
    const topics = {
      subscribed: () => ["t"],
      nameOf: (id: string) => known.get(id),
      isThere: (id: string) => known.has(id),
      refresh: Effect.sync(() => void known.set("id-late", "late"))
    }
    const member = yield* Scope.provide(
      protocol === "consumer"
        ? makeConsumerMember({ settings: common, coordinator, topics, ownership, reports })
        : makeClassicMember({
            settings: { ...common, sessionTimeoutMillis: SESSION, heartbeatIntervalMillis: BEAT },
            coordinator,
            sharing: makeSharing({
              group: "g",
              assignors,
              topics: topics.subscribed,
              countsOf: () => Effect.succeed(counts),
              leads: (leads) => void (leads && told.push("leads"))
            }),
            ownership,
            reports
          }),
      scope
    )
    const run = yield* Effect.forkIn(member.run, scope)
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    yield* settle
    return {
      member,
      open,
      told,
      next: (name) =>
        Effect.suspend(() => {
          const asked = open.shift()
          return asked?.name === name
            ? Effect.succeed(asked as never)
            : Effect.die(new Error(`${name} was expected, and ${asked?.name ?? "nothing"} was asked`))
        }),
      revoked: Effect.suspend(() =>
        Effect.andThen(revoking === undefined ? Effect.void : Deferred.succeed(revoking, void 0), settle)
      ),
      run,
      scope,
      unavailable: () => unavailable,
      close: Scope.close(scope, Exit.void)
    }
  })

/** Answers a member that joins and syncs, as one that follows. */
export const taken = (played: Played, generation: number, ...texts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const join = yield* played.next("JoinGroup")
    yield* join.answer({ generation, memberId: "m", leader: "other", members: [], protocolName: "cooperative-sticky" })
    const sync = yield* played.next("SyncGroup")
    yield* sync.answer({ assignment: assignmentOf(...texts) })
    return { join: join.request, sync: sync.request }
  })
