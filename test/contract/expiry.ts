import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { assert } from "vitest"
import { KafkaTable, type TableChange } from "../../src/index.ts"
import { eventually } from "../support/live.ts"
import type { Suite } from "./suite.ts"

/** Short enough to be waited for. */
const LIFE_MILLIS = 4_000

/** What is of that time does not expire while a test runs. */
const LATER_MILLIS = 600_000

export const expiry = (test: Suite): void => {
  test("rows go at their time, in two tables alike; a later record brings a key back", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const begun = yield* Clock.currentTimeMillis
      const record = (key: string, timestamp: number) => ({ key, value: `${key} of ${timestamp - begun}`, timestamp })
      yield* kafka.append(topic, [record("past", begun - LIFE_MILLIS), record("a", begun), record("b", begun)])
      const settings = { expireAfter: LIFE_MILLIS, history: { versions: 100 } } as const
      const [one, other] = yield* Effect.all([kafka.table(topic, settings), kafka.table(topic, settings)])
      const seen: Array<TableChange.RecordChange<string, string>> = []
      const { changes, snapshot: both } = yield* one.subscribe()
      yield* Effect.forkScoped(Stream.runForEach(changes, (change) => Effect.sync(() => seen.push(change))))
      assert.isFalse(both.has("past"))
      yield* eventually(
        Effect.zipWith(one.size, other.size, (a, b) => a + b),
        (rows) => rows === 0
      )
      yield* eventually(
        Effect.sync(() => seen.length),
        (count) => count === both.size
      )
      assert.isAtLeast(yield* Clock.currentTimeMillis, begun + LIFE_MILLIS)
      const gone = seen.splice(0).filter((change) => change._tag === "Delete")
      assert.deepStrictEqual(
        gone.map(({ cause, key, timestamp }) => [cause, key, timestamp]).sort(),
        [...both.keys()].sort().map((key) => ["expired", key, begun])
      )
      const [position] = yield* kafka.append(topic, [record("a", begun + LATER_MILLIS)])
      yield* one.awaitPosition(position)
      yield* other.awaitPosition(position)
      assert.deepStrictEqual([...one.unsafeSnapshot().keys()], ["a"])
      assert.deepStrictEqual([...other.unsafeSnapshot().keys()], ["a"])
      const then = Option.getOrThrow(yield* one.snapshotAt({ position }))
      assert.deepStrictEqual([...then], [...one.unsafeSnapshot()])
      const before = Option.getOrThrow(yield* one.snapshotAt({ version: both.version }))
      assert.deepStrictEqual([...before], [...both])
    }))

  test("a janitor's tombstones are for what has expired, and a fresh reader finds none of it", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "delete.retention.ms": "0" } })
      const now = yield* Clock.currentTimeMillis
      yield* kafka.append(topic, [
        { key: "old", value: "1", timestamp: now - LIFE_MILLIS },
        { key: "young", value: "1", timestamp: now },
        { key: "stays", value: "1", timestamp: now + LATER_MILLIS }
      ])
      const table = yield* kafka.table(topic, { expireAfter: LIFE_MILLIS })
      const writer = yield* kafka.writer(topic)
      yield* Effect.forkScoped(KafkaTable.janitor(table, writer, { grace: "500 millis" }))
      const deleted = Effect.map(kafka.log(topic), (log) =>
        log.filter(({ value }) => value === null).map(({ key }) => String(key))
      )
      yield* eventually(deleted, (keys) => keys.length >= 2)
      assert.deepStrictEqual((yield* deleted).sort(), ["old", "young"])
      // without expiry, so that it shows what the log holds
      const all = yield* kafka.table(topic)
      assert.deepStrictEqual([...all.unsafeSnapshot().keys()], ["stays"])
    }))
}
