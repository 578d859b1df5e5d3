import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { assert } from "vitest"
import { LiveTable } from "../../src/index.ts"
import { collect, differences, eventually, fold, numbers, statusOf } from "../support/live.ts"
import { batchAnAnswer, type Suite } from "./suite.ts"

const evicting = { configs: { "cleanup.policy": "compact,delete" } }

export const truncation = (test: Suite): void => {
  test("records deleted beyond a reader that was held up: reported, rebuilt, and replaced at once", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(evicting)
      yield* kafka.append(
        topic,
        numbers(5).map((i) => ({ key: `old-${i}`, value: "1" }))
      )
      const table = yield* kafka.table(topic, batchAnAnswer)
      const truncations = yield* collect(table.truncations)
      const contents = yield* collect(
        Stream.map(
          SubscriptionRef.changes(table.ref),
          (snapshot) => [...snapshot.keys()].filter((key) => key.startsWith("new-")).length
        )
      )
      // a subscriber that insists on every change, and takes none, holds the reader
      const holder = yield* table.subscribe({ strategy: LiveTable.backPressure(1) })
      for (const i of numbers(30)) yield* kafka.append(topic, [{ key: "held", value: `${i}` }])
      assert.isBelow((yield* table.stats).partitions[0].position, 35)
      yield* kafka.deleteRecords(topic, 0, 35)
      yield* kafka.appendInBatches(
        topic,
        numbers(300).map((i) => ({ key: `new-${i}`, value: "x".repeat(50) })),
        6
      )
      assert.isTrue(table.unsafeSnapshot().has("old-0"))
      const changes = yield* collect(holder.changes)
      yield* eventually(table.stats, (stats) => stats.rebuilds === 1 && stats.partitions[0].position === 335)
      yield* table.barrier()
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* kafka.log(topic))), [])
      assert.strictEqual(yield* table.size, 300)
      assert.deepStrictEqual(
        truncations.map((error) => [error._tag, error.reason, error.topic, error.partition, error.to]),
        [["KafkaLogTruncatedError", "Head", topic, 0, 35]]
      )
      assert.isBelow(truncations[0].from, 35)
      // none of them or all of them, although they came in many answers
      yield* eventually(
        Effect.sync(() => contents.at(-1)),
        (count) => count === 300
      )
      assert.sameMembers([...new Set(contents)], [0, 300])
      assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")
      // who follows the changes ends with the same
      yield* eventually(
        Effect.sync(() => {
          const content = new Map<string, string>([...numbers(5)].map((i) => [`old-${i}`, "1"]))
          for (const change of changes) {
            if (change._tag === "Upsert") content.set(change.key, change.value)
            else content.delete(change.key)
          }
          return [...content].sort()
        }),
        (content) => JSON.stringify(content) === JSON.stringify([...table.unsafeSnapshot()].sort())
      )
    }))

  test("records deleted behind the position leave a running table, too, at once, and are no failure", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(evicting)
      yield* kafka.appendInBatches(
        topic,
        numbers(10).map((i) => ({ key: `key-${i}`, value: "1" })),
        1
      )
      const table = yield* kafka.table(topic)
      const truncations = yield* collect(table.truncations)
      const sizes = yield* collect(Stream.map(SubscriptionRef.changes(table.ref), (snapshot) => snapshot.size))
      const { changes, snapshot } = yield* table.subscribe({ strategy: LiveTable.backPressure(1_000) })
      const seen = yield* collect(changes)
      // nothing is written meanwhile
      yield* kafka.deleteRecords(topic, 0, 4)
      yield* eventually(table.size, (size) => size === 6)
      assert.deepStrictEqual(differences(table.unsafeSnapshot(), fold(yield* kafka.log(topic))), [])
      yield* eventually(
        Effect.sync(() => seen.length),
        (length) => length === 4
      )
      assert.sameDeepMembers(
        seen.map((change) => [
          change._tag === "Delete" ? change.cause : change._tag,
          change.key,
          change.previous._tag,
          change.offset
        ]),
        numbers(4).map((i) => ["evicted", `key-${i}`, "Some", i])
      )
      // all of it at once
      yield* eventually(
        Effect.sync(() => sizes.at(-1)),
        (size) => size === 6
      )
      assert.sameMembers([...new Set(sizes)], [10, 6])
      assert.strictEqual(snapshot.size, 10)
      // up to the very end, and what is written after it is not visible before the rest is gone
      yield* kafka.deleteRecords(topic, 0, -1)
      yield* table.awaitPosition(yield* kafka.append(topic, [{ key: "key-1", value: "2" }]))
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["key-1", "2"]])
      yield* table.barrier()
      assert.deepStrictEqual(truncations, [])
      assert.deepInclude(yield* table.stats, { rebuilds: 0, applied: 11, tombstones: 0, evicted: 10, entries: 1 })
      assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")
      const fresh = yield* kafka.table(topic, { onCatchUpTimeout: "fail" })
      assert.deepStrictEqual([...fresh.unsafeSnapshot().entries()], [...table.unsafeSnapshot().entries()])
    }))

  test("a batch that the log's start cuts in two: its first records are gone, the others stay", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(evicting)
      yield* kafka.append(
        topic,
        numbers(10).map((i) => ({ key: `key-${i}`, value: `${i}` }))
      )
      const table = yield* kafka.table(topic)
      yield* kafka.deleteRecords(topic, 0, 6)
      yield* eventually(table.size, (size) => size === 4)
      const fresh = yield* kafka.table(topic, { onCatchUpTimeout: "fail" })
      assert.deepStrictEqual(
        [...table.unsafeSnapshot().keys()],
        numbers(4, 6).map((i) => `key-${i}`)
      )
      assert.deepStrictEqual([...fresh.unsafeSnapshot().entries()], [...table.unsafeSnapshot().entries()])
    }))

  test("a key of two partitions, one of whose logs begins later: a running table shows what a fresh one does", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ ...evicting, partitions: 2 })
      const record = (partition: number, key: string, value: string | null, timestamp: number) => ({
        partition,
        key,
        value,
        timestamp
      })
      const now = Date.now()
      yield* kafka.append(topic, [
        record(0, "older shows again", "older", now),
        record(0, "deleted in the other one", "older", now),
        record(0, "only here", "1", now),
        record(0, "newer here", "newer", now + 2)
      ])
      yield* kafka.append(topic, [
        record(1, "older shows again", "newer", now + 1),
        record(1, "deleted in the other one", null, now + 1),
        record(1, "newer here", "older", now + 1),
        record(1, "only there", "1", now)
      ])
      const table = yield* kafka.table(topic)
      assert.deepStrictEqual(
        table.unsafeSnapshot().toMap(),
        new Map([
          ["older shows again", "newer"],
          ["only here", "1"],
          ["newer here", "newer"],
          ["only there", "1"]
        ])
      )
      yield* kafka.deleteRecords(topic, 1, -1)
      yield* eventually(table.has("only there"), (has) => !has)
      const fresh = yield* kafka.table(topic, { onCatchUpTimeout: "fail" })
      assert.deepStrictEqual(
        fresh.unsafeSnapshot().toMap(),
        new Map([
          ["older shows again", "older"],
          ["deleted in the other one", "older"],
          ["only here", "1"],
          ["newer here", "newer"]
        ])
      )
      assert.sameDeepMembers([...table.unsafeSnapshot().entries()], [...fresh.unsafeSnapshot().entries()])
      assert.strictEqual((yield* table.stats).contestedKeys, 0)
      assert.strictEqual((yield* table.stats).evicted, 1)
    }))

  test("one partition of several is rebuilt, the others are left alone", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ ...evicting, partitions: 2 })
      const inOf = (partition: number, name: string, count: number) =>
        numbers(count).map((i) => ({ key: `${name}-${i}`, value: "1", partition }))
      yield* kafka.append(topic, [...inOf(0, "old", 5), ...inOf(1, "other", 5)])
      const table = yield* kafka.table(topic, batchAnAnswer)
      const truncations = yield* collect(table.truncations)
      const holder = yield* table.subscribe({ strategy: LiveTable.backPressure(1) })
      yield* kafka.appendInBatches(
        topic,
        numbers(20).map((i) => ({ key: "held", value: `${i}`, partition: 0 })),
        1
      )
      yield* kafka.deleteRecords(topic, 0, -1)
      yield* kafka.append(topic, [...inOf(0, "new", 3), ...inOf(1, "more", 1)])
      const changes = yield* collect(holder.changes)
      yield* eventually(table.stats, (stats) => stats.rebuilds === 1)
      yield* table.barrier()
      assert.sameMembers(
        [...table.unsafeSnapshot().keys()],
        ["new-0", "new-1", "new-2", ...numbers(5).map((i) => `other-${i}`), "more-0"]
      )
      assert.deepStrictEqual(
        truncations.map(({ partition, to }) => [partition, to]),
        [[0, 25]]
      )
      yield* eventually(
        Effect.sync(() => changes.filter(({ key }) => key === "more-0").length),
        (count) => count === 1
      )
      assert.deepStrictEqual(
        changes.filter(({ key }) => key.startsWith("other")),
        []
      )
    }))
}
