import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { assert } from "vitest"
import { failureOf } from "../support/exits.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { Codec, KafkaTable, LiveTable, TableChange } from "../../src/index.ts"
import { collect, eventually, numbers } from "../support/live.ts"
import { PATIENCE_MILLIS } from "../support/patience.ts"
import { batchAnAnswer, type Suite } from "./suite.ts"

type Change = TableChange.RecordChange<string, string>

/** What it says, in a line. */
const shown = (change: Change): string =>
  `${change.partition}:${change.offset} ${change.key} ${Option.getOrElse(change.previous, () => "nothing")} -> ` +
  (TableChange.isUpsert(change) ? change.value : "nothing")

const soon = <A>(seen: ReadonlyArray<A>, count: number) =>
  eventually(
    Effect.sync(() => seen.length),
    (length) => length >= count
  )

export const changes = (test: Suite): void => {
  test("a change tells what is and what was, with partition, offset, timestamp and headers", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      yield* kafka.append(topic, [{ key: "a", value: "0", partition: 1 }])
      const table = yield* kafka.table(topic, { headers: true })
      const { changes, snapshot } = yield* table.subscribe({ strategy: LiveTable.backPressure(100) })
      const seen = yield* collect(changes)
      assert.deepStrictEqual([...snapshot], [["a", "0"]])
      yield* kafka.append(topic, [
        { key: "a", value: "1", partition: 1, timestamp: 1_000, headers: [{ key: "h", value: "x" }] },
        { key: "a", value: "1", partition: 1, timestamp: 2_000 },
        { key: "b", value: "1", partition: 1, timestamp: 3_000 },
        { key: "never there", value: null, partition: 1 },
        { key: "a", value: null, partition: 1, timestamp: 4_000 },
        { key: "a", value: null, partition: 1 },
        { key: "a", value: "2", partition: 1, timestamp: 5_000 }
      ])
      yield* soon(seen, 5)
      const common = { partition: 1, headers: [], replayed: false }
      assert.deepStrictEqual(
        seen.map((change) => ({
          ...change,
          headers: change.headers.map(({ key, value }) => `${key}=${Buffer.from(value!).toString()}`)
        })),
        [
          {
            ...common,
            _tag: "Upsert",
            key: "a",
            value: "1",
            previous: Option.some("0"),
            offset: 1,
            timestamp: 1_000,
            headers: ["h=x"]
          },
          // the same value once more is a change, too
          { ...common, _tag: "Upsert", key: "a", value: "1", previous: Option.some("1"), offset: 2, timestamp: 2_000 },
          { ...common, _tag: "Upsert", key: "b", value: "1", previous: Option.none(), offset: 3, timestamp: 3_000 },
          {
            ...common,
            _tag: "Delete",
            cause: "tombstone",
            key: "a",
            previous: Option.some("1"),
            offset: 5,
            timestamp: 4_000
          },
          { ...common, _tag: "Upsert", key: "a", value: "2", previous: Option.none(), offset: 7, timestamp: 5_000 }
        ]
      )
    }))

  test("a subscription's snapshot and changes have no gap and no double, whenever it begins", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const table = yield* kafka.table(topic)
      // each append ends with a mark in each partition, which tells how far a snapshot is
      const append = (i: number) =>
        kafka.append(
          topic,
          numbers(2).flatMap((partition) => [
            ...numbers(8).map((n) => ({
              key: `${partition}/${(i * 5 + n * 3) % 40}`,
              value: (i + n) % 4 === 0 ? null : `${i}.${n}`,
              partition
            })),
            { key: `mark ${partition}`, value: `${i}`, partition }
          ])
        )
      yield* append(0)
      yield* table.barrier()
      const load = yield* Effect.forkScoped(
        Effect.forEach(numbers(150, 1), (i) => Effect.andThen(Effect.sleep(1), append(i)))
      )
      const all: Array<{
        readonly snapshot: ReadonlyMap<string, string>
        readonly from: ReadonlyArray<number>
        readonly seen: ReadonlyArray<Change>
      }> = []
      while (!hasEnded(load) && all.length < 60) {
        const { changes, snapshot } = yield* table.subscribe({ strategy: LiveTable.backPressure(1_000_000) })
        all.push({
          snapshot: snapshot.toMap(),
          from: numbers(2).map((p) => Option.getOrThrow(snapshot.entry(`mark ${p}`)).offset + 1),
          seen: yield* collect(changes)
        })
        yield* Effect.sleep(1 + (all.length % 7))
      }
      yield* Fiber.join(load)
      assert.isAbove(all.length, 3)
      yield* table.barrier()
      const log = yield* kafka.log(topic)
      for (const { from, seen, snapshot } of all) {
        const content = new Map(snapshot)
        const expected = numbers(2).map((partition) =>
          log
            .filter((record) => record.partition === partition && record.offset >= from[partition])
            .flatMap(({ key, offset, value }): ReadonlyArray<string> => {
              const name = key!.toString()
              const before = content.get(name)
              if (value === null) content.delete(name)
              else content.set(name, value.toString())
              return value === null && before === undefined
                ? []
                : [`${partition}:${offset} ${name} ${before ?? "nothing"} -> ${value?.toString() ?? "nothing"}`]
            })
        )
        yield* soon(seen, expected[0].length + expected[1].length)
        assert.deepStrictEqual(
          numbers(2).map((partition) => seen.filter((change) => change.partition === partition).map(shown)),
          expected
        )
      }
    }))

  test("nor when it begins in the middle of an answer", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const decoder = new TextDecoder()
      let decoding = 0
      // so that applying takes a while
      const slow = Codec.makeEffect({
        decode: (bytes) =>
          Effect.delay(
            Effect.sync(() => {
              decoding++
              return decoder.decode(bytes)
            }),
            "10 millis"
          ),
        encode: (value: string) => Effect.sync(() => new TextEncoder().encode(value))
      })
      const table = yield* kafka.withClient(KafkaTable.make<string, string>({ topic, value: slow }))
      for (const round of numbers(3)) {
        const before = decoding
        yield* kafka.append(
          topic,
          numbers(20).map((i) => ({ key: `key-${i}`, value: `${round}` }))
        )
        yield* eventually(
          Effect.sync(() => decoding),
          (count) => count > before + 2
        )
        // before anybody listens, and with somebody who does
        const { changes, snapshot } = yield* table.subscribe({ strategy: LiveTable.backPressure(1_000) })
        const seen = yield* collect(changes)
        yield* table.barrier()
        const content = snapshot.toMap()
        yield* eventually(
          Effect.sync(() => {
            for (const change of seen) if (TableChange.isUpsert(change)) content.set(change.key, change.value)
            return content
          }),
          (all) => numbers(20).every((i) => all.get(`key-${i}`) === `${round}`)
        )
        // of one record an answer either tells, or the snapshot has it already
        assert.deepStrictEqual(
          seen.filter(({ key, offset }) => Option.exists(snapshot.entry(key), (entry) => entry.offset >= offset)),
          []
        )
      }
    }))

  test("a subscriber that is slow gets the latest change of each key, and what it was before for this one", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* kafka.append(topic, [
        { key: "a", value: "0" },
        { key: "b", value: "0" },
        { key: "c", value: "0" }
      ])
      const table = yield* kafka.table(topic)
      const conflated = yield* table.subscribe()
      const sliding = yield* table.subscribe({ strategy: LiveTable.sliding(3) })
      const dropping = yield* table.subscribe({ strategy: LiveTable.dropping(3) })
      for (const i of numbers(50, 1)) {
        yield* kafka.append(topic, [
          { key: "a", value: `${i}` },
          { key: "b", value: i % 2 === 1 ? null : `${i}` },
          { key: "short-lived", value: "1" },
          { key: "short-lived", value: null }
        ])
      }
      yield* kafka.append(topic, [
        { key: "c", value: null },
        { key: "new", value: "1" }
      ])
      yield* table.barrier()
      const [latest, last, first] = yield* Effect.all([
        collect(conflated.changes),
        collect(sliding.changes),
        collect(dropping.changes)
      ])
      yield* soon(latest, 4)
      assert.deepStrictEqual(latest.map(shown), [
        "0:199 a 0 -> 50",
        "0:200 b 0 -> 50",
        "0:203 c 0 -> nothing",
        "0:204 new nothing -> 1"
      ])
      yield* soon(last, 3)
      assert.deepStrictEqual(last.map(shown), [
        "0:202 short-lived 1 -> nothing",
        "0:203 c 0 -> nothing",
        "0:204 new nothing -> 1"
      ])
      yield* soon(first, 3)
      assert.deepStrictEqual(first.map(shown), ["0:3 a 0 -> 1", "0:4 b 0 -> nothing", "0:5 short-lived nothing -> 1"])
    }))

  test("back-pressure: every change is delivered, and the reader waits, for this subscriber alone", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const table = yield* kafka.table(topic, batchAnAnswer)
      const other = yield* kafka.table(topic)
      const { changes } = yield* table.subscribe({ strategy: LiveTable.backPressure(5) })
      yield* kafka.appendInBatches(
        topic,
        numbers(100).map((i) => ({ key: `key-${i % 10}`, value: `${i}` })),
        1
      )
      yield* other.barrier()
      const waited = failureOf(yield* Effect.exit(table.barrier({ timeout: "300 millis" })))
      assert.strictEqual(waited._tag, "KafkaWaitTimeoutError")
      assert.isBelow((yield* table.stats).partitions[0].position, 20)
      const seen = yield* collect(changes)
      yield* table.barrier()
      yield* soon(seen, 100)
      assert.deepStrictEqual(
        seen.map((change) => (TableChange.isUpsert(change) ? Number(change.value) : -1)),
        numbers(100)
      )
    }))

  test("subscribers that fail, die, stall or leave hurt neither the table nor each other", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const table = yield* kafka.table(topic)
      const good = yield* collect(table.changesWith(LiveTable.backPressure(1_000)))
      const failing = yield* Effect.forkScoped(Effect.exit(Stream.runForEach(table.changes, () => Effect.fail("no"))))
      const dying = yield* Effect.forkScoped(Effect.exit(Stream.runForEach(table.changes, () => Effect.die("no"))))
      const stalled = yield* Effect.forkScoped(Stream.runForEach(table.changes, () => Effect.never))
      const leaving = yield* Effect.forkScoped(Stream.runDrain(Stream.take(table.changes, 1)))
      yield* eventually(table.stats, ({ subscribers }) => subscribers === 5)
      for (const i of numbers(20)) yield* kafka.append(topic, [{ key: `key-${i}`, value: "1" }])
      yield* table.barrier()
      yield* soon(good, 20)
      assert.deepStrictEqual(
        good.map(shown),
        numbers(20).map((i) => `0:${i} key-${i} nothing -> 1`)
      )
      assert.deepStrictEqual(yield* Fiber.join(failing), Exit.fail("no"))
      assert.deepStrictEqual(yield* Fiber.join(dying), Exit.die("no"))
      yield* Fiber.join(leaving)
      yield* eventually(table.stats, ({ subscribers }) => subscribers === 2)
      yield* Fiber.interrupt(stalled)
      yield* eventually(table.stats, ({ subscribers }) => subscribers === 1)
      assert.strictEqual(yield* table.size, 20)
    }))

  test("watch: the value of a key now, and whenever it changes", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* kafka.append(topic, [{ key: "a", value: "0" }])
      const table = yield* kafka.table(topic)
      const a = yield* collect(table.watch("a"))
      const b = yield* collect(table.watch("b"))
      yield* soon(a, 1)
      yield* soon(b, 1)
      for (const [n, value] of ["1", null, "2"].entries()) {
        yield* kafka.append(topic, [
          { key: "other", value: "x" },
          { key: "a", value }
        ])
        yield* soon(a, n + 2)
      }
      assert.deepStrictEqual(a, [Option.some("0"), Option.some("1"), Option.none(), Option.some("2")])
      assert.deepStrictEqual(b, [Option.none()])
      yield* kafka.append(topic, [{ key: "b", value: "" }])
      yield* soon(b, 2)
      assert.deepStrictEqual(b, [Option.none(), Option.some("")])
    }))

  test("all streams end when the table is closed", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const scope = yield* Scope.make()
      const table = yield* Scope.provide(kafka.table(topic), scope)
      const begun = yield* Deferred.make<void>()
      const { changes } = yield* Scope.provide(table.subscribe(), scope)
      const streams: ReadonlyArray<Stream.Stream<unknown, LiveTable.TableFailure>> = [
        table.changes,
        table.changesWith(LiveTable.backPressure(1)),
        changes,
        table.watch("a"),
        table.poison,
        table.truncations,
        SubscriptionRef.changes(table.ref),
        SubscriptionRef.changes(table.status)
      ]
      const fibers = yield* Effect.forEach(streams, (stream) => Effect.forkScoped(Stream.runDrain(stream)))
      const last = yield* Effect.forkScoped(
        Stream.runDrain(Stream.tap(table.changes, () => Deferred.succeed(begun, void 0)))
      )
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      yield* Deferred.await(begun)
      yield* Scope.close(scope, Exit.void)
      const ended = yield* Effect.exit(Effect.timeout(Fiber.joinAll([...fibers, last]), PATIENCE_MILLIS))
      assert.isTrue(Exit.isSuccess(ended))
      // whoever comes later gets what is there, and the end
      assert.deepStrictEqual([...(yield* Stream.runCollect(table.changes))], [])
      assert.deepStrictEqual([...(yield* Stream.runCollect(table.watch("a")))], [Option.some("1")])
      assert.deepStrictEqual(
        [...(yield* Stream.runCollect(SubscriptionRef.changes(table.ref)))].map((snapshot) => [...snapshot]),
        [[["a", "1"]]]
      )
    }))
}
