import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { assert } from "vitest"
import { isSchemaError } from "../support/effect/v4/schemas.ts"
import { failureOf } from "../support/exits.ts"
import { Codec, KafkaTable, Position } from "../../src/index.ts"
import { facts, collect, eventually, numbers, recordLogs, statusOf } from "../support/live.ts"
import { PATIENCE_MILLIS } from "../support/patience.ts"
import type { Kafka, Suite } from "./suite.ts"

/** A table of JSON numbers. */
const tableOf = (kafka: Kafka, topic: string, settings: KafkaTable.TableSettings = {}) =>
  kafka.withClient(KafkaTable.make<string, number>({ topic, value: Codec.json(Schema.Number), ...settings }))

const NOT_UTF8 = new Uint8Array([0xc3, 0x28])

export const poison = (test: Suite): void => {
  test("a value that does not decode: the key keeps its prior one, it is counted, logged, and told with its bytes", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      yield* kafka.append(topic, [
        { key: "a", value: "1" },
        { key: "b", value: "2" }
      ])
      const lines: Array<string> = []
      const table = yield* recordLogs(lines)(tableOf(kafka, topic))
      const seen = yield* collect(table.poison)
      const changes = yield* collect(table.changes)
      const bad = yield* kafka.append(topic, [
        { key: "a", value: "{broken", timestamp: 1_700_000_000_123 },
        { key: "a", value: `"text"` },
        { key: "new", value: "" }
      ])
      yield* table.awaitPosition(bad)
      assert.deepStrictEqual(Object.fromEntries(table.unsafeSnapshot()), { a: 1, b: 2 })
      assert.deepInclude(yield* table.stats, { applied: 2, valueErrors: 3, keyErrors: 0 })
      assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")
      yield* eventually(
        Effect.sync(() => seen.length),
        (count) => count === 3
      )
      const told = bad.map((position) =>
        seen.find(({ offset, partition }) => partition === position.partition && offset === position.offset)
      )
      assert.deepInclude(facts(told[0]!), {
        _tag: "KafkaPoisonRecordError",
        reason: "Value",
        topic,
        timestamp: 1_700_000_000_123
      })
      assert.deepStrictEqual(
        told.map((error) => [error?.key, error?.value].map((bytes) => Buffer.from(bytes!).toString())),
        [
          ["a", "{broken"],
          ["a", `"text"`],
          ["new", ""]
        ]
      )
      for (const error of told) assert.isTrue(isSchemaError(error?.cause))
      assert.include(told[1]?.message, "Expected a number")
      const { offset, partition } = bad[0]
      assert.isTrue(
        lines.some((line) =>
          [`topic=${topic}`, `partition=${partition}`, `offset=${offset}`].every((part) => line.includes(part))
        ),
        lines.join("\n")
      )

      // the key is none the worse for it
      yield* table.awaitPosition(yield* kafka.append(topic, [{ key: "a", value: "3" }]))
      assert.deepStrictEqual(Object.fromEntries(table.unsafeSnapshot()), { a: 3, b: 2 })
      yield* eventually(
        Effect.sync(() => changes.map(({ key }) => key)),
        (keys) => keys.length === 1 && keys[0] === "a"
      )
    }))

  test("a key that does not decode: skipped, counted, told with its bytes; a deletion of it, too", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const table = yield* tableOf(kafka, topic)
      const seen = yield* collect(table.poison)
      yield* kafka.append(topic, [
        { key: NOT_UTF8, value: "1" },
        { key: "a", value: "2" },
        { key: NOT_UTF8, value: null }
      ])
      yield* table.barrier()
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", 2]])
      assert.deepInclude(yield* table.stats, { applied: 1, keyErrors: 2, valueErrors: 0, keyless: 0 })
      yield* eventually(
        Effect.sync(() => seen.length),
        (count) => count === 2
      )
      assert.deepStrictEqual(
        seen.map(({ key, offset, reason, value }) => [reason, offset, key, value && Buffer.from(value).toString()]),
        [
          ["Key", 0, NOT_UTF8, "1"],
          ["Key", 2, NOT_UTF8, null]
        ]
      )
    }))

  test("any amount of it does not hold up a start", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      yield* kafka.appendInBatches(
        topic,
        numbers(3_000).map((i) => ({ key: `key-${i % 100}`, value: i % 3 === 0 ? `${i}` : "poison" })),
        300
      )
      const table = yield* tableOf(kafka, topic, { onCatchUpTimeout: "fail" })
      assert.deepInclude(yield* table.stats, { applied: 1_000, valueErrors: 2_000, replayed: 1_000, entries: 100 })
      const right = new Map<string, number>()
      for (const i of numbers(3_000)) if (i % 3 === 0) right.set(`key-${i % 100}`, i)
      assert.strictEqual(right.size, 100)
      assert.deepStrictEqual([...table.unsafeSnapshot()].sort(), [...right].sort())
    }))

  test("where that was asked for it ends the reader: typed, content as before it, who waits wakes at once", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      const table = yield* tableOf(kafka, topic, { onPoison: "fail" })
      const failure = yield* Effect.forkScoped(Effect.exit(table.failure))
      const later = yield* Effect.forkScoped(
        Effect.exit(
          table.awaitPosition(Position.make({ topic, partition: 0, offset: 10 }), { timeout: PATIENCE_MILLIS })
        )
      )
      yield* kafka.append(topic, [
        { key: "b", value: "2" },
        { key: "a", value: "poison" },
        { key: "c", value: "3" }
      ])
      const error = failureOf(yield* Fiber.join(failure))
      assert.deepInclude(facts(error), { _tag: "KafkaPoisonRecordError", reason: "Value", offset: 2 })
      const status = yield* statusOf(table)
      assert.isTrue(status._tag === "Failed" && status.error === error && !status.healing)
      assert.isTrue(failureOf(yield* Fiber.join(later)) === error)
      assert.isTrue(failureOf(yield* Effect.exit(table.barrier())) === error)
      assert.deepStrictEqual(Object.fromEntries(table.unsafeSnapshot()), { a: 1, b: 2 })
      assert.isFalse((yield* table.freshness).connected)

      const acquired = yield* Effect.exit(tableOf(kafka, topic, { onPoison: "fail" }))
      assert.deepInclude(facts(failureOf(acquired)), { _tag: "KafkaPoisonRecordError", reason: "Value", offset: 2 })
    }))

  test("a restart policy tries again as often as it says, and then it is over", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      const table = yield* tableOf(kafka, topic, { onPoison: "fail", restart: Schedule.recurs(2) })
      yield* kafka.append(topic, [{ key: "a", value: "poison" }])
      const error = failureOf(yield* Effect.exit(Effect.timeout(table.failure, PATIENCE_MILLIS)))
      assert.strictEqual(error._tag, "KafkaPoisonRecordError")
      assert.strictEqual((yield* table.stats).valueErrors, 3)
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", 1]])
      assert.isTrue(failureOf(yield* Effect.exit(table.barrier())) === error)
    }))
}
