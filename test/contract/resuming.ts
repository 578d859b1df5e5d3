import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { assert } from "vitest"
import {
  changesOf,
  collect,
  differences,
  eventually,
  facts,
  fold,
  numbers,
  statuses,
  statusOf
} from "../support/live.ts"
import { failureOf } from "../support/exits.ts"
import { breaking, corrupting } from "./clients.ts"
import { tableOn, type Suite } from "./suite.ts"

export const resuming = (test: Suite): void => {
  test("connections that break: resumed at the position, nothing lost and nothing twice, and never degraded", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const some = (from: number) =>
        kafka.appendInBatches(
          topic,
          numbers(100, from).map((i) => ({ key: `key-${i % 20}`, value: `${i}` })),
          5
        )
      yield* some(0)
      const table = yield* tableOn(breaking(yield* kafka.client, 3), topic, {
        fetch: { maxPartitionBytes: 200, maxWait: "50 millis" },
        onCatchUpTimeout: "fail"
      })
      const seen = yield* statuses(table)
      const changes = yield* changesOf(table)
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* kafka.log(topic))), [])
      yield* some(100)
      yield* table.barrier()
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* kafka.log(topic))), [])
      yield* eventually(
        Effect.sync(() => changes.length),
        (count) => count >= 100
      )
      for (const key of numbers(20)) {
        assert.deepStrictEqual(
          changes.filter((change) => change[0] === `key-${key}`).map((change) => Number(change[1])),
          numbers(200).filter((i) => i >= 100 && i % 20 === key)
        )
      }
      const stats = yield* table.stats
      assert.deepInclude(stats, { applied: 200, rebuilds: 0 })
      assert.isAbove(stats.reconnects, 3)
      assert.deepStrictEqual([...new Set(seen)], ["CaughtUp"])
      // it has been told, and it is over
      yield* eventually(table.freshness, ({ connected, lastFailure }) => connected && lastFailure === undefined)
    }))

  test("a batch that is corrupt on its way is fetched once more, and nothing of it is shown before", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const some = (from: number) =>
        kafka.append(
          topic,
          numbers(10, from).map((i) => ({ key: `key-${i}`, value: `${i} ${"x".repeat(50)}` }))
        )
      yield* some(0)
      const early = corrupting(yield* kafka.client, 0, 1)
      const table = yield* tableOn(early.client, topic, { onCatchUpTimeout: "fail" })
      assert.strictEqual(yield* early.times, 1)
      const right = fold(yield* kafka.log(topic))
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), right), [])
      const late = corrupting(yield* kafka.client, 10, 1)
      const later = yield* tableOn(late.client, topic)
      const changes = yield* changesOf(later)
      yield* some(10)
      yield* later.barrier()
      yield* eventually(
        Effect.sync(() => changes.length),
        (count) => count >= 10
      )
      assert.strictEqual(yield* late.times, 1)
      assert.deepStrictEqual(
        changes,
        numbers(10, 10).map((i) => [`key-${i}`, `${i} ${"x".repeat(50)}`] as const)
      )
      assert.deepStrictEqual(differences(later.unsafeSnapshot(), fold(yield* kafka.log(topic))), [])
      assert.deepInclude(yield* later.stats, { applied: 20, rebuilds: 0, keyErrors: 0, valueErrors: 0 })
    }))

  test("one that stays corrupt ends the reader: typed, with its place, and no value of it is ever shown", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      const { client, times } = corrupting(yield* kafka.client, 1, 100)
      const table = yield* tableOn(client, topic)
      const changes = yield* collect(table.changes)
      const failure = yield* Effect.forkScoped(Effect.exit(table.failure))
      yield* kafka.append(topic, [{ key: "a", value: "2".repeat(100) }])
      const error = failureOf(yield* Fiber.join(failure))
      assert.deepInclude(facts(error), {
        _tag: "KafkaCorruptBatchError",
        reason: "Checksum",
        topic,
        partition: 0,
        baseOffset: 1
      })
      const status = yield* statusOf(table)
      assert.isTrue(status._tag === "Failed" && status.error === error && !status.healing)
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", "1"]])
      assert.deepStrictEqual(changes, [])
      // it was asked for once more, and no oftener
      assert.strictEqual(yield* times, 2)
      // the log itself is sound: who reads it over another network sees it
      const other = yield* kafka.table(topic)
      assert.strictEqual(other.unsafeSnapshot().getOrUndefined("a"), "2".repeat(100))
    }))
}
