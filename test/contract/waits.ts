import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { assert } from "vitest"
import { failureOf } from "../support/exits.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { Codec, KafkaTable, Position } from "../../src/index.ts"
import { facts, changesOf, eventually, numbers, seenBy } from "../support/live.ts"
import { stopwatch } from "../support/ownTime.ts"
import { PATIENCE_MILLIS } from "../support/patience.ts"
import { held, late } from "./clients.ts"
import { isInformed, tableOn, type Suite } from "./suite.ts"

const millisOf = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.suspend(() => Effect.map(effect, stopwatch()))

const middle = (all: ReadonlyArray<number>): number => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)]

/** Whatever waited for the next answer to a long poll would take seconds. */
const longPoll = { fetch: { maxWait: "5 seconds" } } as const

export const waits = (test: Suite): void => {
  test("writes appear at once; barrier and awaitPosition see what was acknowledged; nothing twice", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 8 })
      const table = yield* kafka.table(topic, longPoll)
      const changes = yield* changesOf(table)
      const times: Array<number> = []
      const put = (i: number, partition: number | undefined, wait: "awaitPosition" | "barrier") =>
        Effect.gen(function* () {
          const key = partition === undefined ? `key-${i % 7}` : `in ${partition}`
          const to = partition === undefined ? {} : { partition }
          const positions = yield* kafka.append(topic, [{ key, value: `${i}`, ...to }])
          times.push(yield* millisOf(wait === "barrier" ? table.barrier() : table.awaitPosition(positions)))
          assert.strictEqual(table.unsafeSnapshot().getOrUndefined(key), `${i}`)
        })
      // each partition, from the first moment on
      yield* Effect.forEach(numbers(8), (partition) => put(partition, 7 - partition, "awaitPosition"))
      yield* Effect.forEach(numbers(60), (i) => put(i, undefined, i % 2 === 0 ? "awaitPosition" : "barrier"))
      assert.isBelow(middle(times), 500)
      assert.isBelow(Math.max(...times), 4_000)
      yield* eventually(
        Effect.sync(() => changes.length),
        (count) => count >= 68
      )
      // partitions are read beside each other: in order by key
      for (const key of numbers(7).map((i) => `key-${i}`)) {
        assert.deepStrictEqual(
          changes.filter((change) => change[0] === key).map((change) => Number(change[1])),
          numbers(60).filter((i) => `key-${i % 7}` === key)
        )
      }
      assert.strictEqual(changes.length, 68)
    }))

  test("without any wait, a write is seen by those who follow within milliseconds", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const table = yield* kafka.table(topic, longPoll)
      const writer = yield* kafka.writer(topic)
      const seen = yield* changesOf(table)
      const times: Array<number> = []
      for (const i of numbers(30)) {
        yield* writer.set(`key-${i}`, `${i}`)
        const passed = stopwatch()
        while (seen.length <= i) yield* Effect.sleep(1)
        times.push(passed())
      }
      assert.deepStrictEqual(
        seen.map(([key]) => key),
        numbers(30).map((i) => `key-${i}`)
      )
      assert.isBelow(middle(times), 500)
    }))

  test("a barrier on an idle table does not wait for its long poll; many at once are independent of each other", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3 })
      yield* kafka.append(
        topic,
        numbers(10).map((i) => ({ key: `key-${i}`, value: "1" }))
      )
      const table = yield* kafka.table(topic, longPoll)
      const times = yield* Effect.forEach(numbers(20), () => millisOf(table.barrier()))
      assert.isBelow(middle(times), 500)
      assert.isBelow(Math.max(...times), 4_000)
      const together = yield* Effect.forEach(numbers(50), () => millisOf(table.barrier()), {
        concurrency: "unbounded"
      })
      assert.isBelow(Math.max(...together), 4_000)
      // interrupted ones take nobody with them
      const some = yield* Effect.forEach(numbers(10), () => Effect.forkChild(table.barrier()))
      yield* Fiber.interruptAll(some.slice(1))
      yield* Fiber.join(some[0])
    }))

  test("awaitPosition waits for what is not written yet, for all of a list, and refuses another topic's", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const table = yield* kafka.table(topic)
      const at = (partition: number, offset: number) => Position.make({ topic, partition, offset })
      yield* table.awaitPosition([])
      const error = failureOf(yield* Effect.exit(table.awaitPosition([at(0, 0), at(1, 1)], { timeout: "100 millis" })))
      assert.deepInclude(facts(error), { _tag: "KafkaWaitTimeoutError", operation: "awaitPosition", afterMillis: 100 })
      if (error._tag === "KafkaWaitTimeoutError") {
        assert.deepStrictEqual(error.behind, [
          { partition: 0, position: 0, target: 1 },
          { partition: 1, position: 0, target: 2 }
        ])
      }
      const waiting = yield* Effect.forkScoped(table.awaitPosition([at(0, 0), at(1, 1)]))
      yield* kafka.append(topic, [{ key: "a", value: "1", partition: 0 }])
      yield* kafka.append(topic, [{ key: "b", value: "1", partition: 1 }])
      yield* table.awaitPosition([at(0, 0), at(1, 0)])
      assert.isFalse(hasEnded(waiting))
      yield* kafka.append(topic, [{ key: "c", value: "1", partition: 1 }])
      yield* Fiber.join(waiting)
      assert.isTrue(table.unsafeSnapshot().has("c"))
      const foreign = Position.make({ topic: `${topic}-other`, partition: 0, offset: 0 })
      assert.strictEqual(failureOf(yield* Effect.exit(table.awaitPosition(foreign)))._tag, "KafkaInvalidOptionsError")
    }))

  test("a barrier's timeout names what is behind, and the table goes on", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const slow = yield* held(yield* kafka.client, ["Fetch"])
      const table = yield* tableOn(slow.client, topic, { catchUpTimeout: "300 millis", waitTimeout: "200 millis" })
      yield* kafka.append(topic, [{ key: "a", value: "1", partition: 1 }])
      const error = yield* eventually(Effect.flip(table.barrier()), isInformed)
      assert.deepInclude(facts(error), { _tag: "KafkaWaitTimeoutError", operation: "barrier", afterMillis: 200 })
      if (error._tag === "KafkaWaitTimeoutError") {
        assert.deepStrictEqual(error.behind, [{ partition: 1, position: 0, target: 1 }])
      }
      yield* slow.release
      yield* table.barrier({ timeout: PATIENCE_MILLIS })
      assert.isTrue(table.unsafeSnapshot().has("a"))
    }))

  test("whoever waits when the table is closed, and afterwards, gets a typed error at once", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      const scope = yield* Scope.make()
      const table = yield* Scope.provide(kafka.table(topic), scope)
      const never = Position.make({ topic, partition: 0, offset: 1_000 })
      const waiting = yield* Effect.forkScoped(Effect.exit(table.awaitPosition(never, { timeout: "1 minute" })))
      yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      for (const exit of [
        yield* Fiber.join(waiting),
        yield* Effect.exit(table.barrier()),
        yield* Effect.exit(table.awaitPosition(never))
      ]) {
        assert.deepInclude(facts(failureOf(exit)), { _tag: "KafkaTableClosedError", topic })
      }
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", "1"]])
    }))

  test("a partition that is late does not wait for the others' long poll", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      yield* kafka.append(topic, [{ key: "a", value: "1", partition: 1 }])
      const passed = stopwatch()
      const table = yield* tableOn(late(yield* kafka.client, 1), topic, { ...longPoll, onCatchUpTimeout: "fail" })
      assert.isTrue(table.unsafeSnapshot().has("a"))
      assert.isBelow(passed(), 4_000)
    }))

  test("what awaitPosition promises is visible, and stats are of what is visible, in the middle of an answer, too", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3 })
      const decoder = new TextDecoder()
      // partitions of one answer are applied one after the other: here, that takes a while
      const slow = Codec.makeEffect({
        decode: (bytes) =>
          Effect.delay(
            Effect.sync(() => decoder.decode(bytes)),
            "50 millis"
          ),
        encode: (value: string) => Effect.sync(() => new TextEncoder().encode(value))
      })
      const table = yield* kafka.withClient(
        KafkaTable.make<string, string>({ topic, value: slow, fetch: { minBytes: 200, maxWait: "500 millis" } })
      )
      const positions = yield* kafka.append(
        topic,
        numbers(3).map((partition) => ({ key: `k${partition}`, value: "1", partition }))
      )
      yield* Effect.forEach(
        positions,
        (position) =>
          Effect.map(table.awaitPosition(position), () => {
            assert.isTrue(table.unsafeSnapshot().has(`k${position.partition}`), `partition ${position.partition}`)
          }),
        { concurrency: "unbounded" }
      )
      const early: Array<number> = []
      // until somebody came in the middle: a machine that is busy may be late for it
      let looks = 0
      for (let round = 2; looks < 2; round++) {
        assert.isBelow(round, 30, "there is a middle")
        const next = yield* kafka.append(
          topic,
          numbers(3).map((partition) => ({ key: `k${partition}`, value: `${round}`, partition }))
        )
        while (table.unsafeSnapshot().getOrUndefined("k0") !== `${round}`) {
          const { positions, snapshot } = yield* seenBy(table)
          for (const p of numbers(3)) assert.strictEqual(positions.get(p), Number(snapshot.getOrUndefined(`k${p}`)))
          // whoever comes in the middle
          yield* Effect.forEach(next, (position) =>
            Effect.forkScoped(
              Effect.map(table.awaitPosition(position), () => {
                if (Number(table.unsafeSnapshot().getOrUndefined(`k${position.partition}`)) < round)
                  early.push(position.partition)
              })
            )
          )
          looks++
          yield* Effect.sleep(5)
        }
        yield* table.awaitPosition(next)
      }
      assert.deepStrictEqual(early, [])
    }))
}
