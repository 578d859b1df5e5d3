/** Derived tables where their sources get new slots, are given up halfway, or have subscribers who make them wait. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Scope, Stream, SubscriptionRef } from "effect"
import { Aggregate, DerivedTable, LiveTable, TableIndex } from "../../src/index.ts"
import { Graph } from "../../src/internal/table/publication/graph.ts"
import { changesOf } from "../../src/internal/effect/v4/publishedRef.ts"
import { publicationOf } from "../../src/internal/table/publication/attaching.ts"
import { garbageCollected } from "../support/garbage.ts"
import { type HandTable, handTable } from "./handTable.ts"

const turn = Effect.promise(() => new Promise<void>((done) => setImmediate(done)))

const turns = Effect.repeat(turn, { times: 10 })

/** Lets the event loop go round until something is so. */
const until = (holds: () => boolean) => Effect.repeat(turn, { until: () => holds() })

const pairs = <K, V>(table: { readonly unsafeSnapshot: () => Iterable<readonly [K, V]> }): Array<[K, V]> =>
  Array.from(table.unsafeSnapshot(), ([key, value]) => [key, value])

/** So long that a slice has little of it. */
const pause = (): void => {
  const end = performance.now() + 0.05
  while (performance.now() < end);
}

const numbered = <A>(count: number, value: (i: number) => A) =>
  Array.from({ length: count }, (_, i) => [`k${i}`, value(i)] as const)

describe("new slots of a source", () => {
  it.effect("are followed by what is known of rows whose functions threw", () =>
    Effect.gen(function* () {
      const source = yield* handTable<number>()
      const bad = (n: number) => {
        if (n < 0) throw new Error("of a function")
        return n
      }
      const rows = yield* DerivedTable.make(DerivedTable.from(source.table).pipe(DerivedTable.map(bad)))
      const groups = yield* DerivedTable.make(
        DerivedTable.from(source.table).pipe(DerivedTable.groupBy(bad, { n: Aggregate.count }))
      )
      yield* source.write([
        ["gone", 1],
        ["kept", 2],
        ["bad", -1]
      ])
      yield* source.write([["gone", undefined]])
      yield* source.compact
      yield* source.write([["bad", 1]])
      assert.deepStrictEqual([(yield* rows.stats).leftOut, (yield* groups.stats).leftOut], [0, 0])
    })
  )

  it.effect("leave nothing of the old ones in what is made of it", () =>
    Effect.gen(function* () {
      const source = yield* handTable<{ readonly n: number }>()
      yield* source.write(numbered(100, (n) => ({ n })))
      yield* DerivedTable.make(DerivedTable.from(source.table).pipe(DerivedTable.filter(({ n }) => n > 10)))
      const old = new WeakRef<object>(source.publication.newest)
      yield* source.compact
      assert.isTrue(yield* garbageCollected([old]))
    })
  )

  it.effect("of groups are followed by live queries in the same update", () =>
    Effect.gen(function* () {
      const source = yield* handTable<number>()
      const groups = yield* DerivedTable.make(
        DerivedTable.from(source.table).pipe(
          DerivedTable.groupBy((n) => n, { n: Aggregate.count, least: Aggregate.min((n: number) => -n) })
        ),
        TableIndex.define<number, { readonly n: number; readonly least: number | undefined }>()((index) => ({
          least: index.sorted(({ least }) => least)
        }))
      )
      const all = yield* groups.live()
      const first = yield* groups.live({}, { orderBy: "least", limit: 20 })
      const told = [new Map<number, unknown>(), new Map<number, unknown>()] as const
      const wrong: Array<unknown> = []
      const follow = (live: typeof all, into: Map<number, unknown>) =>
        Effect.forkScoped(
          Stream.runForEach(live.changesWith(LiveTable.sliding(100_000)), (change) =>
            Effect.sync(() => {
              const previous = Option.getOrUndefined(change.previous)
              try {
                assert.deepStrictEqual(previous, into.get(change.key))
              } catch {
                wrong.push([change, into.get(change.key)])
              }
              if (change._tag === "Delete") into.delete(change.key)
              else into.set(change.key, change.value)
            })
          )
        )
      yield* follow(all, told[0])
      yield* follow(first, told[1])
      yield* turns
      for (let round = 0; round < 8; round++) {
        yield* source.write(numbered(1500, (i) => round * 700 + i))
        yield* turns
        assert.deepStrictEqual(wrong.slice(0, 2), [], `round ${round}`)
        const byKey = (a: readonly [number, unknown], b: readonly [number, unknown]) => a[0] - b[0]
        assert.deepStrictEqual([...told[0]].sort(byKey), pairs(groups).sort(byKey))
        const expected = pairs(groups).sort((a, b) => b[0] - a[0])
        assert.deepStrictEqual(
          [...told[1]].sort((a, b) => b[0] - a[0]),
          expected.slice(0, 20)
        )
      }
    })
  )
})

describe("an update that is given up halfway", () => {
  it.effect("and undone by the next one leaves nothing in what is made of it by several levels", () =>
    Effect.gen(function* () {
      const source = yield* handTable<number>()
      let seen = 0
      const one = yield* DerivedTable.make(DerivedTable.from(source.table).pipe(DerivedTable.map((n) => n + 1)))
      const two = yield* DerivedTable.make(
        DerivedTable.from(one).pipe(
          DerivedTable.map((n) => {
            pause()
            if (n > 1) seen++
            return n
          })
        )
      )
      yield* source.write(numbered(500, () => 0))
      const writing = yield* Effect.forkChild(source.write(numbered(500, () => 1)))
      yield* until(() => seen > 100)
      yield* Fiber.interrupt(writing)
      yield* source.write(numbered(500, () => 0))
      yield* source.write([["x", 5]])
      assert.deepStrictEqual(
        pairs(two).filter(([, n]) => n !== 1),
        [["x", 6]]
      )
    })
  )

  it.effect("leaves no group of which the next one does not know", () =>
    Effect.gen(function* () {
      const source = yield* handTable<number>()
      let results = 0
      const groups = yield* DerivedTable.make(
        DerivedTable.from(source.table).pipe(
          DerivedTable.groupBy((n) => n, {
            n: Aggregate.make({
              of: () => 1,
              empty: 0,
              add: (total, n) => total + n,
              remove: (total, n) => total - n,
              result: (total) => {
                pause()
                results++
                return total
              }
            })
          })
        )
      )
      yield* source.write(numbered(600, (i) => i >> 1))
      results = 0
      const moved = numbered(600, (i) => 300 + (i >> 1)).filter((_, i) => i % 2 === 0)
      const writing = yield* Effect.forkChild(source.write(moved))
      yield* until(() => results > 100)
      yield* Fiber.interrupt(writing)
      yield* source.write(moved)
      assert.deepStrictEqual(
        pairs(groups).filter(([, { n }]) => n !== 1),
        []
      )
      assert.strictEqual(yield* groups.size, 600)
    })
  )
})

describe("groups whose results throw", () => {
  it.effect("are no reason to give all groups new slots with each update", () =>
    Effect.gen(function* () {
      const source = yield* handTable<number>()
      const groups = yield* DerivedTable.make(
        DerivedTable.from(source.table).pipe(
          DerivedTable.groupBy((n) => n, {
            n: Aggregate.make({
              of: () => 1,
              empty: 0,
              add: (total, n) => total + n,
              remove: (total, n) => total - n,
              result: (): number => {
                throw new Error("of a result")
              }
            })
          })
        )
      )
      yield* source.write(numbered(3000, (i) => i))
      yield* source.write([["k0", 3000]])
      const { index } = publicationOf(groups).newest
      yield* source.write([["k0", 3001]])
      assert.isTrue(publicationOf(groups).newest.index === index)
    })
  )
})

describe("an aggregate of one's own", () => {
  it.effect("that can neither be undone nor added up anew leaves rows out, and the table goes on", () =>
    Effect.gen(function* () {
      const source = yield* handTable<number>()
      let isBroken = false
      const groups = yield* DerivedTable.make(
        DerivedTable.from(source.table).pipe(
          DerivedTable.groupBy(() => "all", {
            sum: Aggregate.make({
              of: (n: number) => n,
              empty: 0,
              add: (total, n) => {
                if (isBroken && n === 2) throw new Error("of add")
                return total + n
              },
              remove: () => {
                throw new Error("of remove")
              },
              result: (total) => total
            })
          })
        )
      )
      yield* source.write([
        ["a", 1],
        ["b", 2],
        ["c", 3]
      ])
      assert.deepStrictEqual(pairs(groups), [["all", { sum: 6 }]])
      isBroken = true
      yield* source.write([["a", undefined]])
      assert.deepStrictEqual(pairs(groups), [["all", { sum: 3 }]])
      assert.strictEqual((yield* groups.stats).leftOut, 1)
      isBroken = false
      yield* source.write([["b", 4]])
      assert.deepStrictEqual(pairs(groups), [["all", { sum: 7 }]])
      assert.strictEqual((yield* groups.stats).leftOut, 0)
    })
  )

  it.effect("that cannot be undone is added up anew once an update", () =>
    Effect.gen(function* () {
      const source = yield* handTable<number>()
      let added = 0
      const groups = yield* DerivedTable.make(
        DerivedTable.from(source.table).pipe(
          DerivedTable.groupBy(() => "all", {
            max: Aggregate.make({
              of: (n: number) => n,
              empty: 0,
              add: (total, n) => {
                added++
                return Math.max(total, n)
              },
              remove: () => {
                throw new Error("of remove")
              },
              result: (total) => total
            })
          })
        )
      )
      yield* source.write(numbered(1000, (i) => i))
      added = 0
      yield* source.write(numbered(1000, (i) => (i < 500 ? i : undefined)))
      assert.deepStrictEqual(pairs(groups), [["all", { max: 499 }]])
      assert.isAtMost(added, 2000)
    })
  )
})

describe("a back-pressured subscriber", () => {
  it.effect("of a derived table makes its sources wait, through all levels, until it has room or has gone", () =>
    Effect.gen(function* () {
      const [left, right] = [yield* handTable<number>("left"), yield* handTable<number>("right")]
      const scope = yield* Scope.make()
      const one = yield* DerivedTable.make(
        DerivedTable.from(left.table).pipe(
          DerivedTable.leftJoin(right.table, { on: () => "k", select: (n, m) => n + Option.getOrElse(m, () => 0) })
        )
      )
      const two = yield* Scope.provide(
        DerivedTable.make(DerivedTable.from(one).pipe(DerivedTable.groupBy((n) => n, { n: Aggregate.count }))),
        scope
      )
      const three = yield* Scope.provide(DerivedTable.make(DerivedTable.from(two)), scope)
      const { changes } = yield* Scope.provide(three.subscribe({ strategy: LiveTable.backPressure(1) }), scope)
      yield* left.write(numbered(4, (i) => i))
      assert.deepStrictEqual([left.publication.isFull, right.publication.isFull], [true, true])
      const waiting = yield* Effect.forkChild(right.publication.awaitRoom)
      yield* Stream.runDrain(Stream.take(changes, 4))
      yield* Fiber.join(waiting)
      assert.deepStrictEqual([left.publication.isFull, right.publication.isFull], [false, false])
      yield* left.write(numbered(4, (i) => i + 10))
      assert.isTrue(left.publication.isFull)
      const until = yield* Effect.forkChild(left.publication.awaitRoom)
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(until)
      assert.isFalse(left.publication.isFull)
    })
  )
})

describe("rows without much of a value", () => {
  it.effect("are rows: `undefined` and `null`, as values, as keys of joins, as parts of aggregates", () =>
    Effect.gen(function* () {
      const source = yield* handTable<{ readonly to?: string | null }>()
      const nothing = yield* DerivedTable.make(DerivedTable.from(source.table).pipe(DerivedTable.map(({ to }) => to)))
      const joined = yield* DerivedTable.make(
        DerivedTable.from(nothing).pipe(
          DerivedTable.leftJoin(nothing, { on: (to) => to as string, select: (to, other) => [to, other] as const })
        )
      )
      const groups = yield* DerivedTable.make(
        DerivedTable.from(nothing).pipe(
          DerivedTable.groupBy(() => "all", { n: Aggregate.count, first: Aggregate.first((to) => to) })
        )
      )
      const told: Array<unknown> = []
      yield* Effect.forkScoped(
        Stream.runForEach(nothing.changesWith(LiveTable.sliding(10)), ({ _tag, key, previous }) =>
          Effect.sync(() => told.push([_tag, key, previous]))
        )
      )
      yield* turns
      yield* source.write([
        ["a", {}],
        ["b", { to: null }],
        ["c", { to: "a" }]
      ])
      yield* source.write([["a", { to: null }]])
      yield* source.write([["a", undefined]])
      yield* turns
      assert.deepStrictEqual(pairs(nothing), [
        ["b", null],
        ["c", "a"]
      ])
      assert.deepStrictEqual(told.slice(3), [
        ["Upsert", "a", Option.some(undefined)],
        ["Delete", "a", Option.some(null)]
      ])
      assert.deepStrictEqual(pairs(joined), [
        ["b", [null, Option.none()]],
        ["c", ["a", Option.none()]]
      ])
      assert.deepStrictEqual(pairs(groups), [["all", { n: 2, first: null }]])
      yield* source.write([["a", {}]])
      assert.deepStrictEqual(joined.unsafeSnapshot().getOrUndefined("c"), ["a", Option.some(undefined)])
      assert.deepStrictEqual(pairs(groups), [["all", { n: 3, first: undefined }]])
    })
  )
})

describe("what is no table of this library", () => {
  it.effect("is refused when the derived table is made", () =>
    Effect.gen(function* () {
      for (const source of [{}, [], () => 1, Effect.succeed(1)] as ReadonlyArray<unknown>) {
        const error = yield* Effect.flip(
          DerivedTable.make(DerivedTable.from(source as HandTable<string, number>["table"]))
        )
        assert.strictEqual(error._tag, "KafkaInvalidOptionsError")
      }
    })
  )
})

describe("graphs", () => {
  it.effect("of a table that lives long hold none of those that it was joined with", () =>
    Effect.gen(function* () {
      const long = new Graph()
      const joined = (): WeakRef<Graph> => {
        const other = new Graph()
        other.join(long)
        return new WeakRef(other)
      }
      const others = Array.from({ length: 100 }, joined)
      long.turn()
      assert.isTrue(long.isBusy)
      assert.isTrue(yield* garbageCollected(others.slice(0, -1)))
    })
  )
})

describe("the status of a derived table", () => {
  it.effect("is that of the worst source from the beginning, and is told when it is another one", () =>
    Effect.gen(function* () {
      const [left, right] = [yield* handTable<number>("left"), yield* handTable<number>("right")]
      left.say({ _tag: "Loading" } as never)
      const derived = yield* DerivedTable.make(
        DerivedTable.from(left.table).pipe(DerivedTable.join(right.table, { on: () => "k", select: (n) => n }))
      )
      assert.strictEqual((yield* SubscriptionRef.get(derived.status))._tag, "Loading")
      const told: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(changesOf(derived.status), ({ _tag }) => Effect.sync(() => told.push(_tag)))
      )
      yield* turns
      left.say({ _tag: "CaughtUp" })
      yield* turns
      right.say({ _tag: "CaughtUp" })
      yield* turns
      assert.deepStrictEqual(told, ["Loading", "CaughtUp"])
    })
  )
})
