import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { assert } from "vitest"
import { failureOf } from "../support/exits.ts"
import { facts, changesOf, differences, eventually, fold, numbers, statusOf } from "../support/live.ts"
import { stopwatch } from "../support/ownTime.ts"
import { isInformed, type Suite } from "./suite.ts"

export const transactions = (test: Suite): void => {
  test("committed is shown, aborted never, open after its commit; an open one hangs no start, but holds a barrier", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const committed = yield* kafka.transaction()
      yield* committed.append(topic, [{ key: "committed", value: "1" }])
      yield* committed.commit
      const aborted = yield* kafka.transaction()
      yield* aborted.append(topic, [{ key: "aborted", value: "1" }])
      yield* aborted.abort
      const open = yield* kafka.transaction()
      const within = yield* open.append(topic, [{ key: "open", value: "1" }])
      yield* kafka.append(topic, [{ key: "behind it", value: "1" }])

      const passed = stopwatch()
      const table = yield* kafka.table(topic, { onCatchUpTimeout: "fail" })
      assert.isBelow(passed(), 5_000)
      const changes = yield* changesOf(table)
      assert.deepStrictEqual([...table.unsafeSnapshot().keys()], ["committed"])

      const error = yield* eventually(Effect.flip(table.barrier({ timeout: "500 millis" })), isInformed)
      assert.deepInclude(facts(error), { _tag: "KafkaWaitTimeoutError", operation: "barrier" })
      assert.include(error.message, "open transaction")
      if (error._tag === "KafkaWaitTimeoutError") {
        assert.deepStrictEqual(error.behind, [{ partition: 0, position: 4, target: 6 }])
      }
      const position = failureOf(yield* Effect.exit(table.awaitPosition(within, { timeout: "200 millis" })))
      assert.deepInclude(facts(position), { _tag: "KafkaWaitTimeoutError", operation: "awaitPosition" })
      assert.include(position.message, "open transaction")
      assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")
      yield* eventually(table.freshness, ({ connected, lag }) => connected && lag === 2)

      const waiting = yield* Effect.forkScoped(table.barrier())
      yield* open.commit
      yield* Fiber.join(waiting)
      assert.deepStrictEqual([...table.unsafeSnapshot().keys()], ["committed", "open", "behind it"])
      yield* table.awaitPosition(within)
      const again = yield* kafka.transaction()
      yield* again.append(topic, [{ key: "aborted", value: "2" }])
      yield* again.abort
      yield* table.barrier()
      assert.isFalse(table.unsafeSnapshot().has("aborted"))
      assert.deepStrictEqual(changes, [
        ["open", "1"],
        ["behind it", "1"]
      ])
      assert.strictEqual((yield* table.stats).aborted, 2)
    }))

  test("read_uncommitted shows all of it, as it is written", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const aborted = yield* kafka.transaction()
      yield* aborted.append(topic, [{ key: "aborted", value: "1" }])
      yield* aborted.abort
      const open = yield* kafka.transaction()
      yield* open.append(topic, [{ key: "open", value: "1" }])
      const table = yield* kafka.table(topic, { isolation: "read_uncommitted", onCatchUpTimeout: "fail" })
      assert.deepStrictEqual([...table.unsafeSnapshot().keys()], ["aborted", "open"])
      yield* table.awaitPosition(yield* open.append(topic, [{ key: "open", value: "2" }]))
      assert.strictEqual(table.unsafeSnapshot().getOrUndefined("open"), "2")
      yield* table.barrier()
      yield* open.abort
      yield* table.barrier()
      assert.strictEqual(table.unsafeSnapshot().getOrUndefined("open"), "2")
    }))

  test("a log that ends with markers, or has nothing but aborted records, is caught up at its end", (kafka) =>
    Effect.gen(function* () {
      const [committed, aborted] = [yield* kafka.topic({ partitions: 2 }), yield* kafka.topic({ partitions: 2 })]
      const transaction = yield* kafka.transaction()
      yield* transaction.append(
        committed,
        numbers(10).map((i) => ({ key: `key-${i}`, value: "1" }))
      )
      yield* transaction.commit
      for (const _ of numbers(3)) {
        const other = yield* kafka.transaction()
        yield* other.append(
          aborted,
          numbers(10).map((i) => ({ key: `key-${i}`, value: "1" }))
        )
        yield* other.abort
      }
      for (const [topic, size] of [
        [committed, 10],
        [aborted, 0]
      ] as const) {
        const table = yield* kafka.table(topic, { onCatchUpTimeout: "fail" })
        assert.strictEqual(yield* table.size, size)
        assert.deepStrictEqual(
          (yield* table.stats).partitions.map(({ position }) => position),
          yield* kafka.ends(topic)
        )
        yield* table.barrier()
        assert.strictEqual((yield* table.freshness).lag, 0)
      }
    }))

  test("of many producers, most of them aborted, one inside the other, compressed and not: as others read them", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const live = yield* kafka.table(topic, { fetch: { maxPartitionBytes: 500 } })
      const changes = yield* changesOf(live)
      let count = 0
      for (const round of numbers(5)) {
        const open = yield* Effect.forEach(
          numbers(4),
          (p) => kafka.transaction({ compression: p === 3 ? "lz4" : "none" }),
          { concurrency: 4 }
        )
        for (const _ of numbers(3)) {
          for (const [p, transaction] of open.entries()) {
            const fate = (round + p) % 3 === 0 ? "committed" : "aborted"
            yield* transaction.append(topic, [
              { key: `key-${count++ % 11}`, value: `${fate} ${round}/${p}/${count}` },
              { key: `own-${p}`, value: `${fate} ${round}/${p}/${count}` }
            ])
          }
          yield* kafka.append(topic, [{ key: `key-${count++ % 11}`, value: `plain ${count}` }])
        }
        // ended in another order than begun
        for (const [p, transaction] of [...open.entries()].reverse()) {
          yield* (round + p) % 3 === 0 ? transaction.commit : transaction.abort
        }
      }
      yield* live.barrier()
      const committed = yield* kafka.log(topic, { committed: true })
      const all = yield* kafka.log(topic)
      assert.strictEqual(all.length, 5 * 3 * 9)
      assert.isAbove(all.length, committed.length)
      assert.deepStrictEqual(differences(live.unsafeSnapshot(), fold(committed)), [])
      yield* eventually(
        Effect.sync(() => changes.length),
        (length) => length === committed.length
      )
      assert.deepStrictEqual(
        changes.filter((change) => change[1]?.startsWith("aborted")),
        []
      )
      assert.strictEqual((yield* live.stats).aborted, all.length - committed.length)
      for (const maxPartitionBytes of [300, 4_000_000]) {
        const replayed = yield* kafka.table(topic, { fetch: { maxPartitionBytes } })
        assert.deepStrictEqual(differences(replayed.unsafeSnapshot(), fold(committed)), [])
        assert.strictEqual((yield* replayed.stats).aborted, all.length - committed.length)
      }
      const uncommitted = yield* kafka.table(topic, { isolation: "read_uncommitted" })
      assert.deepStrictEqual(differences(uncommitted.unsafeSnapshot(), fold(all)), [])
    }))

  test("one that is open is shown to nobody who starts, and its abort to nobody at all", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      const open = yield* kafka.transaction()
      yield* open.append(topic, [
        { key: "a", value: "2" },
        { key: "b", value: "2" }
      ])
      const table = yield* kafka.table(topic, { onCatchUpTimeout: "fail" })
      const changes = yield* changesOf(table)
      yield* open.append(topic, [{ key: "a", value: null }])
      yield* open.abort
      yield* table.awaitPosition(yield* kafka.append(topic, [{ key: "c", value: "1" }]))
      assert.deepStrictEqual(
        [...table.unsafeSnapshot()],
        [
          ["a", "1"],
          ["c", "1"]
        ]
      )
      yield* eventually(
        Effect.sync(() => changes.length),
        (length) => length === 1
      )
      assert.deepStrictEqual(changes, [["c", "1"]])
      assert.strictEqual((yield* table.stats).aborted, 3)
    }))
}
