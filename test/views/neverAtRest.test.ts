/** Tables that are written to without a pause, and whose updates take long: who comes meanwhile waits for few of them. */
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Option, type Scope, Stream } from "effect"
import { Codec, DerivedTable, FeedEvent, KafkaTable, TableFeed, TableIndex } from "../../src/index.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { yieldToEventLoop } from "../../src/internal/yield.ts"
import { FakeCluster } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import { on } from "../table/support.ts"
import { handTable } from "./handTable.ts"

/** Updates that somebody may have to wait for: the one that is on its way, and what was read already. */
const FEW = 20

const numbers = Array.from({ length: 1000 }, (_, i) => i)

/** So long that all rows are several slices. */
const pause = (): void => {
  const end = performance.now() + 0.02
  while (performance.now() < end);
}

type Table = KafkaTable.KafkaTable<string, string>

/** Tables of one row that is always another one, and is joined with many of others. */
const busyTables = (...names: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const cluster = new FakeCluster()
    let round = 0
    const append = () => {
      round++
      for (const name of names) cluster.append(name, [{ key: "one", value: `${round}` }])
    }
    for (const name of names) cluster.createTopic(name)
    append()
    const tables: Array<Table> = []
    for (const name of names) {
      const table = yield* KafkaTable.make({ topic: name, value: Codec.utf8, ensureTopic: false }).pipe(on(cluster))
      tables.push(table)
      const others = yield* handTable<number>(`beside ${name}`)
      yield* others.write(numbers.map((i) => [`k${i}`, i]))
      yield* DerivedTable.make(
        DerivedTable.from(others.table).pipe(
          DerivedTable.join(table, {
            on: () => "one",
            select: (i, value) => {
              pause()
              return `${i} ${value}`
            }
          })
        )
      )
    }
    // With each turn of the event loop, so there is always an answer that waits for the reader.
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(yieldToEventLoop, Effect.sync(append))))
    yield* Effect.repeat(yieldToEventLoop, { until: () => tables.every((table) => table.unsafeSnapshot().version > 3) })
    return tables
  })

/** Runs something that waits for tables, and fails if that takes more than few updates of each. */
const soon = <A, E>(tables: ReadonlyArray<Table>, effect: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function* () {
    const versions = tables.map((table) => table.unsafeSnapshot().version)
    const running = yield* Effect.forkScoped(effect)
    const isLate = () => tables.every((table, i) => table.unsafeSnapshot().version > versions[i] + FEW)
    yield* Effect.repeat(yieldToEventLoop, { until: () => hasEnded(running) || isLate() })
    assert.isTrue(hasEnded(running))
    return yield* Fiber.join(running)
  })

describe("a table that is never at rest", () => {
  it.effect("has views attached to it", () =>
    Effect.gen(function* () {
      const [left, right] = yield* busyTables("left", "right")
      const attached = yield* soon(
        [left],
        TableIndex.attach(left, (index) => ({ value: index.hash((value) => value) }))
      )
      const joined = yield* soon(
        [left, right],
        DerivedTable.make(
          DerivedTable.from(left).pipe(
            DerivedTable.join(right, { on: (_, key) => key, select: (a, b) => [a, b] as const })
          )
        )
      )
      for (let i = 0; i < 50; i++) {
        yield* yieldToEventLoop
        const [a, b] = [left, right].map((table) => table.unsafeSnapshot().getOrUndefined("one")!)
        assert.deepStrictEqual(joined.unsafeSnapshot().getOrUndefined("one"), [a, b])
        assert.strictEqual(attached.unsafeSnapshot().by("value").count(a), 1)
      }
    })
  )

  it.effect("is subscribed to, watched and fed", () =>
    Effect.gen(function* () {
      const [table] = yield* busyTables("topic")
      const first = <A, E>(stream: Stream.Stream<A, E>) =>
        Effect.map(soon([table], Stream.runCollect(Stream.take(stream, 1))), (all) => Array.from(all)[0])
      const { changes, snapshot } = yield* soon([table], table.subscribe())
      assert.deepStrictEqual((yield* first(changes)).previous, snapshot.get("one"))
      assert.strictEqual((yield* first(table.changes)).key, "one")
      assert.isTrue(Option.isSome(yield* first(table.watch("one"))))
      const feed = yield* soon([table], TableFeed.make(table, { acrossProcesses: true }))
      const copy = FeedEvent.makeCopy<string, string>()
      yield* soon([table], Stream.runDrain(Stream.takeUntil(feed.stream(), (event) => copy.apply(event))))
      assert.isTrue(copy.has("one"))
    })
  )

  it.effect("does not keep another one from its turn", () =>
    Effect.gen(function* () {
      const [left, right] = yield* busyTables("left", "right")
      // From here on, only one of them has an update on its way at a time.
      yield* DerivedTable.make(
        DerivedTable.from(left).pipe(DerivedTable.leftJoin(right, { on: (_, key) => key, select: (a) => a }))
      )
      for (let i = 0; i < 5; i++) {
        for (const [mine, other] of [
          [left, right],
          [right, left]
        ]) {
          const { version } = mine.unsafeSnapshot()
          yield* soon(
            [other],
            Effect.repeat(yieldToEventLoop, { until: () => mine.unsafeSnapshot().version > version })
          )
        }
      }
    })
  )
})
