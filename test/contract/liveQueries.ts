import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert } from "vitest"
import type { LiveQuery, TableSnapshot } from "../../src/index.ts"
import { Codec, KafkaTable, LiveTable, TableIndex } from "../../src/index.ts"
import { collect, eventually, numbers } from "../support/live.ts"
import type { Suite } from "./suite.ts"

type Entry = TableSnapshot.RecordEntry<string, string>

/** Values are a city and a number. */
const indexes = TableIndex.define<string, string>()((index) => ({
  city: index.hash((value) => value.split(" ")[0]),
  number: index.sorted((value) => Number(value.split(" ")[1]))
}))

const rows = (result: Iterable<Entry>) => Array.from(result, ({ key, value }) => `${key} ${value}`)

/** What somebody knows who has heard of all changes since a result. */
const followed = (live: LiveQuery.LiveQuery<string, string, Entry>, strategy: LiveTable.Strategy) =>
  Effect.gen(function* () {
    const { changes, result } = yield* live.subscribe({ strategy })
    const known = new Map(Array.from(result, ({ key, value }) => [key, value]))
    const wrong: Array<string> = []
    yield* Effect.forkScoped(
      Stream.runForEach(changes, (change) =>
        Effect.sync(() => {
          const before = known.get(change.key)
          if (before !== Option.getOrUndefined(change.previous)) wrong.push(`${change.key} was ${before}`)
          if (change._tag === "Upsert") known.set(change.key, change.value)
          else known.delete(change.key)
        })
      )
    )
    return { known, wrong }
  })

export const liveQueries = (test: Suite): void => {
  test("the result is the query of the table's version, after each wait, and the changes lead there", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      yield* kafka.append(topic, [
        { key: "a", value: "Rome 3", partition: 0 },
        { key: "b", value: "Berlin 1", partition: 1 }
      ])
      const table = yield* kafka.withClient(KafkaTable.make({ topic, value: Codec.utf8 }, indexes))
      const top = yield* table.live({ city: "Rome" }, { orderBy: "number", limit: 3 })
      const all = yield* table.live({ city: "Rome" })
      assert.deepStrictEqual(rows(top.unsafeCurrent()), ["a Rome 3"])
      const followers = [
        yield* followed(top, LiveTable.backPressure(100_000)),
        yield* followed(all, LiveTable.backPressure(100_000)),
        yield* followed(top, LiveTable.conflate)
      ]
      for (const round of numbers(20)) {
        const positions = yield* kafka.append(
          topic,
          numbers(12).map((n) => ({
            key: `k${(7 * round + 5 * n) % 23}`,
            value: n % 5 === 0 ? null : `${n % 2 === 0 ? "Rome" : "Berlin"} ${(round * 31 + n * 17) % 40}`,
            partition: ((7 * round + 5 * n) % 23) % 2
          }))
        )
        yield* table.awaitPosition(positions)
        const [snapshot, first, every] = [table.unsafeSnapshot(), top.unsafeCurrent(), all.unsafeCurrent()]
        const expected = snapshot.query({ city: "Rome" }, { orderBy: "number", limit: 3 })
        assert.deepStrictEqual(rows(first), rows(expected))
        assert.deepStrictEqual(first.toArray(), expected)
        assert.deepStrictEqual(rows(every), rows(snapshot.query({ city: "Rome" })))
        assert.strictEqual(first.version, snapshot.version)
      }
      const known = () => followers.map(({ known }) => [...known].sort())
      const right = [top, all, top].map((live) =>
        Array.from(live.unsafeCurrent(), ({ key, value }) => [key, value]).sort()
      )
      yield* eventually(Effect.sync(known), (found) => JSON.stringify(found) === JSON.stringify(right))
      assert.deepStrictEqual(
        followers.map(({ wrong }) => wrong),
        [[], [], []]
      )
    }))

  test("its streams end when the table is closed, or fail as the table has, and its result stays", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      yield* kafka.append(topic, [{ key: "a", value: "Rome 3" }])
      const scope = yield* Scope.make()
      const closed = yield* Scope.provide(kafka.table(topic), scope)
      const failing = yield* kafka.table(topic)
      const lives = [yield* closed.live(), yield* failing.live()]
      const ends = yield* Effect.forEach(lives, ({ changes, result }) =>
        Effect.forkScoped(Effect.exit(Effect.andThen(Stream.runDrain(result.changes), Stream.runDrain(changes))))
      )
      yield* Scope.close(scope, Exit.void)
      yield* kafka.deleteTopic(topic)
      const failure = yield* Effect.flip(failing.failure)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(ends[0])))
      assert.deepStrictEqual(yield* Fiber.join(ends[1]), Exit.fail(failure))
      for (const live of lives) assert.deepStrictEqual(rows(live.unsafeCurrent()), ["a Rome 3"])
    }))

  test("one on indexes that are attached to a table, while that is written to", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const table = yield* kafka.table(topic)
      const attached = yield* TableIndex.attach(table, () => indexes)
      const live = yield* attached.live({ number: { gte: 10 } }, { orderBy: "number", reverse: true })
      const results = yield* collect(Stream.map(live.result.changes, rows))
      for (const i of numbers(20)) yield* kafka.append(topic, [{ key: `k${i}`, value: `Rome ${i}` }])
      yield* table.barrier()
      const right = numbers(10).map((n) => `k${19 - n} Rome ${19 - n}`)
      assert.deepStrictEqual(rows(live.unsafeCurrent()), right)
      yield* eventually(
        Effect.sync(() => results.at(-1)),
        (last) => JSON.stringify(last) === JSON.stringify(right)
      )
      assert.deepStrictEqual(yield* live.explain, { index: "number", candidates: 0, sorts: false })
    }))
}
