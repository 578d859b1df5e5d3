import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { numbers, sooner } from "../support/live.ts"
import { late } from "./clients.ts"
import { batchAnAnswer, tableOn, type Suite } from "./suite.ts"

export const partitions = (test: Suite): void => {
  test("partitions that were added a moment ago: barrier includes them, and without one they are found by themselves", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const table = yield* kafka.table(topic)
      const watching = yield* kafka.table(topic, { metadataMaxAge: "300 millis" })
      yield* kafka.addPartitions(topic, 3)
      yield* kafka.append(topic, [
        { key: "in the second", value: "1", partition: 1 },
        { key: "in the third", value: "1", partition: 2 }
      ])
      yield* table.barrier()
      assert.sameMembers([...table.unsafeSnapshot().keys()], ["in the second", "in the third"])
      yield* sooner(watching.size, (size) => size === 2)
      assert.strictEqual((yield* watching.stats).partitions.length, 3)
      yield* kafka.append(topic, [{ key: "in the third", value: null, partition: 2 }])
      yield* table.barrier()
      assert.sameMembers([...table.unsafeSnapshot().keys()], ["in the second"])
    }))

  test("awaitPosition finds the partition of its position, if it is a new one", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const table = yield* kafka.table(topic)
      yield* kafka.addPartitions(topic, 2)
      yield* table.awaitPosition(yield* kafka.append(topic, [{ key: "a", value: "1", partition: 1 }]))
      assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), "1")
    }))

  test("a key in two partitions: the newest by timestamp wins, in whatever order they are read; counted", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* kafka.append(topic, [
        { key: "older in the new one", value: "old", timestamp: 2_000 },
        { key: "newer in the new one", value: "old", timestamp: 1_000 },
        { key: "deleted in the new one", value: "old", timestamp: 1_000 },
        { key: "deleted before, in the new one", value: "old", timestamp: 1_000 },
        { key: "of the same time", value: "old", timestamp: 3_000 },
        { key: "in one", value: "old", timestamp: 1_000 }
      ])
      const early = yield* kafka.table(topic)
      yield* kafka.addPartitions(topic, 2)
      yield* kafka.append(topic, [
        { key: "older in the new one", value: "new", timestamp: 1_000, partition: 1 },
        { key: "newer in the new one", value: "new", timestamp: 2_000, partition: 1 },
        { key: "deleted in the new one", value: null, timestamp: 2_000, partition: 1 },
        { key: "deleted before, in the new one", value: null, timestamp: 500, partition: 1 },
        { key: "of the same time", value: "new", timestamp: 3_000, partition: 1 }
      ])
      yield* early.barrier()
      const replicas = [
        early,
        yield* kafka.table(topic),
        yield* kafka.table(topic, batchAnAnswer),
        yield* tableOn(late(yield* kafka.client, 0), topic),
        yield* tableOn(late(yield* kafka.client, 1), topic)
      ]
      for (const [i, table] of replicas.entries()) {
        assert.deepStrictEqual(
          Object.fromEntries(table.unsafeSnapshot()),
          {
            "older in the new one": "old",
            "newer in the new one": "new",
            "deleted before, in the new one": "old",
            "of the same time": "new",
            "in one": "old"
          },
          `replica ${i}`
        )
        assert.strictEqual((yield* table.stats).contestedKeys, 5)
      }
      const last = yield* kafka.append(topic, [
        { key: "newer in the new one", value: "newest", timestamp: 4_000, partition: 0 },
        { key: "older in the new one", value: null, timestamp: 4_000, partition: 1 },
        { key: "deleted in the new one", value: "back", timestamp: 4_000, partition: 0 }
      ])
      for (const [i, table] of [...replicas, yield* kafka.table(topic)].entries()) {
        yield* table.awaitPosition(last)
        assert.deepStrictEqual(
          Object.fromEntries(table.unsafeSnapshot()),
          {
            "newer in the new one": "newest",
            "deleted in the new one": "back",
            "deleted before, in the new one": "old",
            "of the same time": "new",
            "in one": "old"
          },
          `replica ${i}`
        )
      }
    }))

  test("keys that move when the topic grows keep one value, and can be deleted", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const table = yield* kafka.table(topic)
      const writer = yield* kafka.writer(topic, { metadataMaxAge: "100 millis" })
      const keys = numbers(40).map((i) => `key-${i}`)
      const before = yield* writer.setMany(keys.map((key) => [key, "before"] as const))
      yield* kafka.addPartitions(topic, 5)
      const after = yield* sooner(writer.setMany(keys.map((key) => [key, "after"] as const)), (positions) =>
        positions.some(({ partition }) => partition > 1)
      )
      const moved = keys.filter((_, i) => before[i].partition !== after[i].partition)
      assert.isAbove(moved.length, 10)
      yield* table.awaitPosition(after)
      const fresh = yield* kafka.table(topic)
      for (const one of [table, fresh]) {
        assert.deepStrictEqual([...new Set(one.unsafeSnapshot().values())], ["after"])
        assert.strictEqual(yield* one.size, 40)
        assert.strictEqual((yield* one.stats).contestedKeys, moved.length)
      }
      const deleted = yield* writer.deleteMany(keys)
      for (const one of [table, fresh, yield* kafka.table(topic)]) {
        yield* one.awaitPosition(deleted)
        assert.strictEqual(yield* one.size, 0)
      }
    }))
}
