import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { assert } from "vitest"
import { KafkaTable } from "../../src/index.ts"
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
        Stream.map(table.ref.changes, (snapshot) => [...snapshot.keys()].filter((key) => key.startsWith("new-")).length)
      )
      // a subscriber that insists on every change, and takes none, holds the reader
      const holder = yield* table.subscribe({ strategy: KafkaTable.backPressure(1) })
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

  test("records deleted behind the position: they stay in a table that has them, and are no failure", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(evicting)
      yield* kafka.appendInBatches(
        topic,
        numbers(10).map((i) => ({ key: `key-${i}`, value: "1" })),
        1
      )
      const table = yield* kafka.table(topic)
      const truncations = yield* collect(table.truncations)
      yield* kafka.deleteRecords(topic, 0, 4)
      yield* table.awaitPosition(yield* kafka.append(topic, [{ key: "key-0", value: "2" }]))
      // up to the very end
      yield* kafka.deleteRecords(topic, 0, -1)
      yield* table.awaitPosition(yield* kafka.append(topic, [{ key: "key-1", value: "2" }]))
      yield* table.barrier()
      assert.strictEqual(yield* table.size, 10)
      assert.deepStrictEqual(truncations, [])
      assert.deepInclude(yield* table.stats, { rebuilds: 0, applied: 12 })
      assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")
      const fresh = yield* kafka.table(topic, { onCatchUpTimeout: "fail" })
      assert.deepStrictEqual([...fresh.unsafeSnapshot()], [["key-1", "2"]])
    }))

  test("one partition of several is rebuilt, the others are left alone", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ ...evicting, partitions: 2 })
      const inOf = (partition: number, name: string, count: number) =>
        numbers(count).map((i) => ({ key: `${name}-${i}`, value: "1", partition }))
      yield* kafka.append(topic, [...inOf(0, "old", 5), ...inOf(1, "other", 5)])
      const table = yield* kafka.table(topic, batchAnAnswer)
      const truncations = yield* collect(table.truncations)
      const holder = yield* table.subscribe({ strategy: KafkaTable.backPressure(1) })
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
