import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { assert } from "vitest"
import {
  facts,
  changesOf,
  collect,
  differences,
  eventually,
  fold,
  numbers,
  seenBy,
  statuses,
  statusOf
} from "../support/live.ts"
import { failureOf } from "../support/exits.ts"
import { stopwatch } from "../support/ownTime.ts"
import { PATIENCE_MILLIS } from "../support/patience.ts"
import { held } from "./clients.ts"
import { isInformed, tableOn, type Suite } from "./suite.ts"

export const catchingUp = (test: Suite): void => {
  test("when acquired, it is complete as of the start, and exact at its positions, while others go on writing", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 4 })
      const before = numbers(10_000).map((i) => ({ key: `key-${i % 3_000}`, value: `${i} ${"x".repeat(100)}` }))
      yield* kafka.appendInBatches(topic, before, 1_000)
      const writing = yield* Effect.forkScoped(
        Effect.forEach(numbers(40), (i) =>
          kafka.append(topic, [
            { key: `key-${i % 10}`, value: `late ${i}` },
            { key: `new ${i}`, value: `${i}` },
            { key: `key-${100 + (i % 10)}`, value: null }
          ])
        )
      )
      const ends = yield* kafka.ends(topic)
      // small answers, so that there are many of them
      const table = yield* kafka.table(topic, { fetch: { maxPartitionBytes: 65_536, maxBytes: 200_000 } })
      const atStart = yield* seenBy(table)
      assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")
      for (const [partition, end] of ends.entries()) assert.isAtLeast(atStart.positions.get(partition) ?? -1, end)
      yield* Fiber.join(writing)
      yield* table.barrier()
      const atEnd = yield* seenBy(table)

      const log = yield* kafka.log(topic)
      assert.strictEqual(log.length, 10_120)
      assert.deepStrictEqual(differences(atStart.snapshot, fold(log, atStart.positions)), [])
      assert.deepStrictEqual(differences(atEnd.snapshot, fold(log)), [])
      const stats = yield* table.stats
      assert.strictEqual(stats.applied + stats.tombstones, log.length)
      assert.strictEqual(stats.rebuilds, 0)
      assert.isAtLeast(stats.replayed, 10_000)
      assert.isAtMost(stats.replayed, log.length)
    }))

  test("20,000 keys in 400 batches: each value is right, in small answers and in large ones", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3 })
      const valueOf = (i: number) => `${i}:${"v".repeat((i * 7) % 60)}`
      yield* kafka.appendInBatches(
        topic,
        numbers(20_000).map((i) => ({ key: `key-${i}`, value: valueOf(i) })),
        50
      )
      for (const fetch of [{}, { maxPartitionBytes: 20_000, maxBytes: 30_000 }]) {
        const table = yield* kafka.table(topic, { fetch, onCatchUpTimeout: "fail" })
        const snapshot = table.unsafeSnapshot()
        assert.strictEqual(snapshot.size, 20_000)
        assert.deepStrictEqual(
          numbers(20_000).filter((i) => snapshot.getOrUndefined(`key-${i}`) !== valueOf(i)),
          []
        )
        const stats = yield* table.stats
        assert.deepStrictEqual([stats.entries, stats.replayed, stats.applied], [20_000, 20_000, 20_000])
        assert.isDefined(stats.catchUpMillis)
        assert.deepStrictEqual(
          stats.partitions.map(({ position }) => position),
          yield* kafka.ends(topic)
        )
      }
    }))

  test("an empty topic, and one with empty partitions: caught up at once, and followed", (kafka) =>
    Effect.gen(function* () {
      const empty = yield* kafka.topic()
      const gaps = yield* kafka.topic({ partitions: 4 })
      yield* kafka.append(gaps, [{ key: "a", value: "1", partition: 2 }])
      for (const [topic, size] of [
        [empty, 0],
        [gaps, 1]
      ] as const) {
        const passed = stopwatch()
        const table = yield* kafka.table(topic, { onCatchUpTimeout: "fail" })
        assert.isBelow(passed(), 3_000)
        assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")
        assert.strictEqual(yield* table.size, size)
        yield* table.awaitPosition(yield* kafka.append(topic, [{ key: "b", value: "2", partition: 0 }]))
        assert.strictEqual(table.unsafeSnapshot().getOrUndefined("b"), "2")
      }
    }))

  test("a log that does not begin at 0 is read from where it begins", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "cleanup.policy": "compact,delete" } })
      yield* kafka.appendInBatches(
        topic,
        numbers(10).map((i) => ({ key: `key-${i}`, value: "1" })),
        1
      )
      yield* kafka.deleteRecords(topic, 0, 7)
      const table = yield* kafka.table(topic, { onCatchUpTimeout: "fail" })
      assert.deepStrictEqual([...table.unsafeSnapshot().keys()], ["key-7", "key-8", "key-9"])
      const stats = yield* table.stats
      assert.deepStrictEqual([stats.replayed, stats.rebuilds, stats.partitions[0].position], [3, 0, 10])
    }))

  test("too slow: degraded with what is missing, then caught up by itself; or a typed error, where that was asked for", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      yield* kafka.append(
        topic,
        numbers(20).map((i) => ({ key: `key-${i}`, value: "1", partition: i % 2 }))
      )
      const slow = yield* held(yield* kafka.client, ["Fetch"])
      const settings = { catchUpTimeout: "400 millis" } as const
      const starting = Effect.suspend(() => {
        const passed = stopwatch()
        return Effect.map(
          Effect.all(
            [
              Effect.flatMap(tableOn(slow.client, topic, settings), (table) =>
                Effect.map(statusOf(table), (status) => ({ table, status }))
              ),
              Effect.exit(tableOn(slow.client, topic, { ...settings, onCatchUpTimeout: "fail" }))
            ],
            { concurrency: 2 }
          ),
          ([{ status, table }, failed]) => ({ degraded: table, status, error: failureOf(failed), millis: passed() })
        )
      })
      const { degraded, error, millis, status } = yield* eventually(
        starting,
        ({ error, status }) => isInformed(error) && (status._tag !== "Degraded" || isInformed(status.cause))
      )
      assert.isBelow(millis, 3_000)
      assert.deepInclude(facts(error), { _tag: "KafkaWaitTimeoutError", operation: "start", afterMillis: 400 })
      const behind = numbers(2).map((partition) => ({ partition, position: 0, target: 10 }))
      if (error._tag === "KafkaWaitTimeoutError") assert.deepStrictEqual(error.behind, behind)
      assert.strictEqual(status._tag, "Degraded")
      if (status._tag === "Degraded") {
        assert.deepStrictEqual(status.cause.behind, behind)
        assert.deepInclude(status.progress, { done: 0, total: 20, percent: 0 })
      }
      assert.strictEqual(yield* degraded.size, 0)
      const waited = failureOf(yield* Effect.exit(degraded.awaitCaughtUp({ timeout: "100 millis" })))
      assert.deepInclude(facts(waited), { _tag: "KafkaWaitTimeoutError", operation: "awaitCaughtUp" })

      const seen = yield* statuses(degraded)
      const changes = yield* changesOf(degraded)
      const replayed = yield* Effect.flatMap(degraded.subscribe(), (it) => collect(it.changes))
      const waiting = yield* Effect.forkScoped(degraded.awaitCaughtUp())
      yield* slow.release
      yield* Fiber.join(waiting)
      assert.strictEqual(yield* degraded.size, 20)
      yield* degraded.awaitPosition(yield* kafka.append(topic, [{ key: "key-0", value: "2", partition: 0 }]))
      yield* eventually(
        Effect.sync(() => changes.length),
        (count) => count >= 21
      )
      const rows = numbers(20).map((i) => [`key-${i}`, "1"] as const)
      assert.sameDeepMembers([...changes], [...rows, ["key-0", "2"]])
      assert.deepStrictEqual(changes[20], ["key-0", "2"])
      // what is replayed says so, and what comes after it does not
      yield* eventually(
        Effect.sync(() => replayed.length),
        (count) => count >= 21
      )
      assert.deepStrictEqual(
        replayed.map(({ key, replayed }) => [key, replayed]).sort(),
        [...rows.map(([key]) => [key, true]), ["key-0", false]].sort()
      )
      assert.strictEqual(seen[0], "Degraded")
      yield* eventually(
        Effect.sync(() => seen[seen.length - 1]),
        (last) => last === "CaughtUp"
      )
    }))

  test("partitions that appear before it has caught up belong to what is complete when it is acquired", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      const slow = yield* held(yield* kafka.client, ["Fetch"])
      const opened = new Set<number>()
      const appended = yield* Deferred.make<void>()
      const client: typeof slow.client = {
        ...slow.client,
        listOffsets: (description, at) =>
          Effect.gen(function* () {
            // Where the new partitions end is known only once something is in them.
            if (at.partitions?.has(0) !== true) yield* Deferred.await(appended)
            const offsets = yield* slow.client.listOffsets(description, at)
            for (const { error, partition } of offsets) if (error === undefined) opened.add(partition)
            return offsets
          })
      }
      const opening = yield* Effect.forkScoped(
        tableOn(client, topic, {
          metadataMaxAge: "200 millis",
          catchUpTimeout: PATIENCE_MILLIS,
          onCatchUpTimeout: "fail"
        })
      )
      yield* eventually(slow.waiting, (count) => count > 0)
      yield* kafka.addPartitions(topic, 3)
      yield* kafka.append(topic, [
        { key: "b", value: "1", partition: 1 },
        { key: "c", value: "1", partition: 2 }
      ])
      yield* Deferred.succeed(appended, undefined)
      yield* eventually(
        Effect.sync(() => opened.size),
        (count) => count === 3
      )
      yield* slow.release
      const table = yield* Fiber.join(opening)
      assert.sameMembers([...table.unsafeSnapshot().keys()], ["a", "b", "c"])
      assert.strictEqual((yield* table.stats).replayed, 3)
    }))
}
