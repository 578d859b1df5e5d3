/** Consumers on the embedded Kafka, in the test's own time. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as TestClock from "effect/testing/TestClock"
import { Codec, EmbeddedKafka, KafkaClient, KafkaConsumer } from "../../src/index.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { withoutLogs } from "../support/effect/v4/logs.ts"
import { errorOf } from "../support/exits.ts"
import { it as manual } from "../support/ManualClock.ts"
import { turns } from "../support/turns.ts"

export const topic = "t"
export const group = "g"

/** Both protocols of groups, for tests of what holds in either. */
export const protocols = ["classic", "consumer"] as const

/** Lets all that can run come to where it waits. */
export const quiet = turns(40)

export const adjust = (duration: Duration.Input): Effect.Effect<void> =>
  Effect.andThen(TestClock.adjust(duration), quiet)

/** With a scope that has time to close: what is never answered is given up by the clock. */
export const withinTime = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const exit = yield* Effect.exit(Scope.provide(self, scope))
    yield* asTimeGoesOn(Scope.close(scope, Exit.void), "1 second")
    return yield* exit
  })

/** Tests whose time is their own, whose scope has time to close, and whose log lines nobody sees. */
export const it = {
  effect: <A, E>(name: string, body: () => Effect.Effect<A, E, Scope.Scope>): void =>
    manual.effect(name, () => Effect.asVoid(body().pipe(withinTime, withoutLogs)))
}

export const cluster = (options: EmbeddedKafka.EmbeddedKafkaOptions = {}) =>
  EmbeddedKafka.make({ topics: { [topic]: { configs: { "cleanup.policy": "delete" } } }, ...options })

/** Appends these texts to one partition. */
export const append = (
  kafka: EmbeddedKafka.EmbeddedKafka,
  values: ReadonlyArray<string | number>,
  partition = 0,
  to = topic
) =>
  kafka.append(
    to,
    values.map((value) => ({ key: "k", value: String(value) })),
    { partition }
  )

export type Options = Partial<KafkaConsumer.ConsumerOptions<string, string>>

export type Record = KafkaConsumer.Committable<string, string>

export interface Member {
  readonly name: string
  readonly consumer: KafkaConsumer.KafkaConsumer<string, string>
  /** What it has done, in order. */
  readonly done: Array<string>
  /** Why its work has ended; `undefined` while it goes on, and where it ended with the consumer. */
  readonly failure: () => KafkaConsumer.ConsumerFailure | undefined
  /** What it was told since it was acquired. */
  readonly events: Array<KafkaConsumer.GroupEvent>
  readonly health: Effect.Effect<KafkaConsumer.Health>
  /** Numbers of the partitions that it owns. */
  readonly owned: Effect.Effect<ReadonlyArray<number>>
  /** What it has committed of the partitions that it owns, as far as it knows. */
  readonly committed: Effect.Effect<ReadonlyArray<number | undefined>>
  /** Closes it in good order, in as much time as that takes. */
  readonly close: Effect.Effect<void>
  /** The same, where the test itself lets time pass. */
  readonly leave: Effect.Effect<void>
  /** It is gone without a word, as a process that was killed. */
  readonly kill: Effect.Effect<void>
}

export interface Opening {
  /** What it does with each record; nothing by default. */
  readonly work?: (record: Record) => Effect.Effect<unknown>
  /** How many records it works on at a time; one by default. */
  readonly concurrency?: number
  /** Its client, which is one of the cluster's by default. */
  readonly driven?: (client: KafkaClient.KafkaClient) => KafkaClient.KafkaClient
}

/** Acquires a consumer that a client of this name has, without letting time pass. */
export const acquire = (
  kafka: EmbeddedKafka.EmbeddedKafka,
  name: string,
  options: Options = {},
  { driven = (client) => client }: Opening = {}
) =>
  Effect.flatMap(kafka.client({ clientId: name }), (client) =>
    KafkaConsumer.make<string>({ group, subscribe: topic, value: Codec.utf8, ...options }).pipe(
      Effect.provideService(KafkaClient.KafkaClient, driven(client))
    )
  )

/** A consumer that works on records beside the test. Time passes until it is acquired, if that takes any. */
export const open = (...of: Parameters<typeof begin>) => asTimeGoesOn(begin(...of))

/** The same, where the test itself lets time pass. */
export const begin = (
  kafka: EmbeddedKafka.EmbeddedKafka,
  name: string,
  options: Options = {},
  opening: Opening = {}
): Effect.Effect<Member, KafkaConsumer.AcquireError, Scope.Scope> =>
  Effect.gen(function* () {
    const { concurrency = 1, work = () => Effect.void } = opening
    const outer = yield* Effect.scope
    const scope = yield* Scope.fork(outer, outer.strategy)
    const consumer = yield* Scope.provide(acquire(kafka, name, options, opening), scope)
    const done: Array<string> = []
    const events: Array<KafkaConsumer.GroupEvent> = []
    yield* Effect.forkIn(
      Stream.runForEach(consumer.events, (event) => Effect.sync(() => void events.push(event))),
      scope
    )
    let failure: KafkaConsumer.ConsumerFailure | undefined
    const working = consumer.runForEach(
      (record) =>
        Effect.andThen(
          work(record),
          Effect.sync(() => void done.push(record.value))
        ),
      { concurrency, by: ({ partition }) => partition }
    )
    // What runs in the outer scope ends by the close of the consumer, which waits for the work.
    yield* Effect.forkIn(
      Effect.onExit(working, (exit) => Effect.sync(() => void (failure = errorOf(exit)))),
      outer
    )
    yield* quiet
    const close = Scope.close(scope, Exit.void)
    return {
      name,
      consumer,
      done,
      failure: () => failure,
      events,
      health: SubscriptionRef.get(consumer.health),
      owned: Effect.map(SubscriptionRef.get(consumer.assignment), (all) => all.map(({ partition }) => partition)),
      committed: Effect.map(consumer.lag, (all) => all.map(({ committed }) => committed)),
      close: asTimeGoesOn(close),
      leave: close,
      kill: Effect.gen(function* () {
        yield* Scope.provide(kafka.inject({ _tag: "Disconnect" }, { clientId: name }), outer)
        yield* kafka.disconnect({ clientId: name })
        // What it says at its end reaches nobody.
        yield* Effect.forkDetach(close)
        yield* quiet
      })
    }
  })

/** The group as its coordinator has it; `undefined` if there is none. */
export const viewOf = (kafka: EmbeddedKafka.EmbeddedKafka) => Effect.map(kafka.groups, (groups) => groups.get(group))

/** Something that goes on until it is closed. */
export const during = <A>(begin: Effect.Effect<A, never, Scope.Scope>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Scope.provide(begin, scope)
    return Scope.close(scope, Exit.void)
  })

/** The offsets that the coordinator has, by partition. */
export const offsetsOf = (kafka: EmbeddedKafka.EmbeddedKafka) =>
  Effect.map(viewOf(kafka), (view) =>
    [...(view?.offsets ?? [])]
      .sort((a, b) => a.partition - b.partition)
      .map(({ offset, partition }) => [partition, offset])
  )

/** The tags of what a member was told. */
export const tagsOf = ({ events }: Member): ReadonlyArray<KafkaConsumer.GroupEvent["_tag"]> =>
  events.map(({ _tag }) => _tag)
