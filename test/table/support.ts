/** A table on a cluster in memory, in the test's own time. */
import { assert } from "@effect/vitest"
import { Effect, Fiber, Stream, type Scope } from "effect"
import * as TestClock from "effect/testing/TestClock"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { loggingTo, type LogLine } from "../support/effect/v4/logs.ts"
import type { LiveTable } from "../../src/index.ts"
import { Codec, KafkaClient, KafkaTable } from "../../src/index.ts"
import { settle, topic, turn } from "../support/answers.ts"
import type { FakeCluster } from "../support/FakeCluster.ts"

export * from "../support/answers.ts"

export const on =
  (cluster: FakeCluster) =>
  <A, E>(effect: Effect.Effect<A, E, KafkaClient.KafkaClient | Scope.Scope>) =>
    Effect.flatMap(cluster.client, (client) => Effect.provideService(effect, KafkaClient.KafkaClient, client))

export const open = (cluster: FakeCluster, settings: KafkaTable.TableSettings = {}) =>
  KafkaTable.make<string, string>({ topic, value: Codec.utf8, ensureTopic: false, ...settings }).pipe(on(cluster))

export const advance = (millis: number) => Effect.andThen(TestClock.adjust(millis), settle)

/** Goes on in steps until it holds: bounded, in the test's own time. */
export const until = (what: () => boolean) =>
  Effect.gen(function* () {
    for (let i = 0; i < 600; i++) {
      yield* settle
      if (what()) return
      yield* TestClock.adjust(100)
    }
    assert.fail(`never held: ${what.toString()}`)
  })

/** More than the slices that any amount of work is done in, however short they are on a busy machine. */
const MANY_TURNS = 100_000

/**
 * Lets all run until it holds, in no time of the test's own: for what is so much that it is done in slices, which are as long
 * as the host's clock says. How many there are, and so how many turns of the event loop, is not known.
 */
export const inNoTime = (what: () => boolean) =>
  Effect.gen(function* () {
    for (let i = 0; i < MANY_TURNS; i++) {
      if (what()) return
      yield* turn
    }
    assert.fail(`never held: ${what.toString()}`)
  })

/** Acquires while the clock is driven on: for acquisitions that wait. */
export const acquiring = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>, millis: number) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(effect))
    for (let passed = 0; passed < millis; passed += 100) {
      yield* advance(100)
      if (hasEnded(fiber)) break
    }
    const exit = yield* Fiber.join(fiber)
    return exit
  })

// ---------------------------------------------------------------------------------------------------------------------
// what is seen of a table
// ---------------------------------------------------------------------------------------------------------------------

/** The statuses from now on, as they come. */
export const statusesOf = <K, V>(table: KafkaTable.KafkaTable<K, V>) =>
  Effect.gen(function* () {
    const seen: Array<LiveTable.TableStatus["_tag"]> = []
    yield* Effect.forkChild(
      Stream.runForEach(
        Stream.changesWith(SubscriptionRef.changes(table.status), (a, b) => a._tag === b._tag),
        (status) => Effect.sync(() => seen.push(status._tag))
      )
    )
    yield* settle
    return seen
  })

/** Keeps what an Effect logs. Each line says by its annotations which table it is about, so that it can be filtered. */
export const capturing =
  (lines: Array<string>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const told: Array<LogLine> = []
    const about = { package: "effect-ktables", module: "KafkaTable", topic }
    return effect.pipe(
      loggingTo((line) => {
        lines.push(line.message)
        told.push(line)
      }),
      Effect.tap(() =>
        Effect.sync(() => {
          for (const { annotations, message } of told) assert.deepInclude(annotations, about, message)
        })
      )
    )
  }
