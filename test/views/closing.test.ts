/** Tables that are closed, or whose readers break, while what is made of them takes an update in. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Schedule, Scope, Stream } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { Codec, DerivedTable, KafkaTable } from "../../src/index.ts"
import { publicationOf } from "../../src/internal/table/publication/attaching.ts"
import { partsOf } from "../../src/internal/table/service.ts"
import { yieldToEventLoop } from "../../src/internal/yield.ts"
import { FakeCluster, type FakeRecord } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import { on, settle, statusesOf, until } from "../table/support.ts"
import { publicationFor } from "./handTable.ts"

const keys = Array.from({ length: 4000 }, (_, i) => `k${i}`)

const all = (value: string | null) => keys.map((key) => ({ key, value }))

/** So long that a slice has little of it. */
const pause = (): void => {
  const end = performance.now() + 0.05
  while (performance.now() < end);
}

const turnsUntil = (what: () => boolean) => Effect.repeat(yieldToEventLoop, { until: what })

const open = (cluster: FakeCluster, name: string, settings: KafkaTable.TableSettings = {}) =>
  KafkaTable.make({ topic: name, value: Codec.utf8, ensureTopic: false, ...settings }).pipe(on(cluster))

/** Two tables, and one of both whose rows take time. */
const joinedTables = Effect.gen(function* () {
  const cluster = new FakeCluster()
  for (const name of ["left", "right"]) {
    cluster.createTopic(name)
    cluster.append(name, all("0"))
  }
  const scopes = { left: yield* Scope.make(), right: yield* Scope.make() }
  for (const scope of Object.values(scopes)) yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const left = yield* Scope.provide(open(cluster, "left"), scopes.left)
  const right = yield* Scope.provide(open(cluster, "right"), scopes.right)
  const counted = { ones: 0 }
  const joined = yield* DerivedTable.make(
    DerivedTable.from(left).pipe(
      DerivedTable.join(right, {
        on: (_, key) => key,
        select: (a, b) => {
          pause()
          if (a === "1" || b === "1") counted.ones++
          return `${a}${b}`
        }
      })
    )
  )
  return { cluster, scopes, left, right, joined, counted }
})

const valuesOf = (table: { readonly unsafeSnapshot: () => { readonly values: () => Iterable<string> } }) =>
  new Set(table.unsafeSnapshot().values())

describe("a table that is closed while an update of it is taken in", () => {
  it.effect("gives that up: nobody sees a half of it, and what it held up goes on", () =>
    Effect.gen(function* () {
      const { cluster, counted, joined, left, right, scopes } = yield* joinedTables
      const told = yield* Effect.forkChild(Stream.runCollect(joined.changes))
      yield* yieldToEventLoop
      cluster.append("right", all("1"))
      yield* turnsUntil(() => counted.ones > 0)
      yield* Scope.close(scopes.right, Exit.void)
      assert.isBelow(counted.ones, keys.length)
      const { ones } = counted
      for (const table of [right, joined]) assert.lengthOf([...valuesOf(table)], 1)
      assert.deepStrictEqual([valuesOf(right), valuesOf(joined)], [new Set(["0"]), new Set(["00"])])
      assert.lengthOf(Array.from(yield* Fiber.join(told)), 0)
      cluster.append("left", all("1"))
      yield* until(() => left.unsafeSnapshot().getOrUndefined("k0") === "1")
      assert.deepStrictEqual([counted.ones, valuesOf(joined)], [ones, new Set(["00"])])
      const graphs = [left, right].map((table) => publicationFor(table).graph.isBusy)
      assert.deepStrictEqual(graphs, [false, false])
      assert.deepStrictEqual([publicationOf(left).views.size, publicationOf(right).views.size], [0, 0])
    })
  )

  it.effect("does not wait for its turn behind another table, whose update is shown", () =>
    Effect.gen(function* () {
      const { cluster, counted, joined, left, right, scopes } = yield* joinedTables
      // What else is made of the other one is not closed with this one.
      let lefts = 0
      const own = yield* DerivedTable.make(
        DerivedTable.from(left).pipe(
          DerivedTable.map((value) => {
            pause()
            if (value === "1") lefts++
            return value
          })
        )
      )
      cluster.append("left", all("1"))
      yield* turnsUntil(() => counted.ones + lefts > 0)
      cluster.append("right", [{ key: "k0", value: "1" }])
      yield* turnsUntil(() => publicationFor(right).settledSnapshot === undefined)
      yield* Scope.close(scopes.right, Exit.void)
      assert.isBelow(counted.ones + lefts, 2 * keys.length)
      assert.deepStrictEqual([valuesOf(right), valuesOf(joined)], [new Set(["0"]), new Set(["00"])])
      yield* until(() => left.unsafeSnapshot().getOrUndefined("k0") === "1")
      assert.deepStrictEqual([valuesOf(own), valuesOf(joined)], [new Set(["1"]), new Set(["00"])])
      assert.isBelow(counted.ones, keys.length)
    })
  )

  it.effect("does not wait until what is made of it has followed to new slots", () =>
    Effect.gen(function* () {
      const { cluster, joined, left, right, scopes } = yield* joinedTables
      const publication = publicationFor(right)
      const { views } = publication
      // A step of making room lasts, and there are many of them.
      let steps = 0
      for (const view of views) {
        const { renumber } = view
        Object.assign(view, {
          renumber: function* (...args: Parameters<typeof renumber>) {
            for (const _ of { [Symbol.iterator]: () => renumber.apply(view, args) as Iterator<void> });
            for (; steps < 1000; steps++) {
              pause()
              yield
            }
          }
        })
      }
      cluster.append(
        "right",
        keys.slice(1).map((key) => ({ key, value: null }))
      )
      yield* turnsUntil(() => steps > 0)
      yield* Scope.close(scopes.right, Exit.void)
      assert.isBelow(steps, 1000)
      assert.deepStrictEqual([...joined.unsafeSnapshot()], [["k0", "00"]])
      assert.deepStrictEqual([...right.unsafeSnapshot()], [["k0", "0"]])
      cluster.append("left", [{ key: "k0", value: "1" }])
      yield* until(() => left.unsafeSnapshot().getOrUndefined("k0") === "1")
      assert.deepStrictEqual([...joined.unsafeSnapshot()], [["k0", "00"]])
    })
  )
})

const slow = (onDecode: () => void) =>
  Codec.make<string>({
    decode: (bytes) => {
      pause()
      onDecode()
      return Buffer.from(bytes).toString()
    },
    encode: (text) => Buffer.from(text)
  })

describe("a reader that breaks in the middle of an answer", () => {
  /** A table in whose log there is more than it has applied when its reader broke. */
  const broken = (records: ReadonlyArray<FakeRecord>, settings: KafkaTable.TableSettings) =>
    Effect.gen(function* () {
      const cluster = new FakeCluster()
      cluster.createTopic("topic")
      cluster.append("topic", all("0"))
      let decoded = 0
      const value = slow(() => decoded++)
      const table = yield* KafkaTable.make({ topic: "topic", value, ensureTopic: false, ...settings }).pipe(on(cluster))
      const statuses = yield* statusesOf(table)
      const copy = new Map(table.unsafeSnapshot())
      const wrong: Array<string> = []
      yield* Effect.forkScoped(
        Effect.ignore(
          Stream.runForEach(table.changes, (change) =>
            Effect.sync(() => {
              if (Option.getOrUndefined(change.previous) !== copy.get(change.key)) wrong.push(change.key)
              if (change._tag === "Upsert") copy.set(change.key, change.value)
              else copy.delete(change.key)
            })
          )
        )
      )
      yield* yieldToEventLoop
      const before = decoded
      cluster.append("topic", records)
      yield* turnsUntil(() => decoded > before)
      let thrown = 0
      cluster.before = (request) => (request === "Fetch" && thrown++ === 0 ? Effect.die(new Error("boom")) : undefined)
      cluster.append("topic", [{ key: "more", value: "1" }])
      yield* turnsUntil(() => thrown > 0)
      yield* until(() => statuses.includes("Failed"))
      assert.isBelow(decoded - before, keys.length)
      assert.deepStrictEqual(copy, new Map(table.unsafeSnapshot()))
      // Nobody waits for the next run to be told what there is.
      const { snapshot } = yield* Effect.scoped(table.subscribe())
      assert.strictEqual(snapshot.version, table.unsafeSnapshot().version)
      return { table, copy, wrong }
    })

  for (const [what, settings] of [
    ["goes on with another run", { restart: Schedule.spaced("1 hour") }],
    ["has ended for good", {}]
  ] as const) {
    it.effect(`and ${what} shows what it has applied, and tells all of that`, () =>
      Effect.gen(function* () {
        const { copy, table, wrong } = yield* broken(all("1"), settings)
        assert.deepStrictEqual(valuesOf(table), new Set(["1", "0"]))
        // A batch counts when all of it was applied.
        assert.strictEqual((yield* table.stats).partitions[0].position, keys.length)
        if (!("restart" in settings)) return
        yield* TestClock.adjust("1 hour")
        yield* until(() => table.unsafeSnapshot().has("more"))
        yield* yieldToEventLoop
        assert.deepStrictEqual([copy, wrong], [new Map(table.unsafeSnapshot()), []])
        assert.deepStrictEqual(valuesOf(table), new Set(["1"]))
      })
    )
  }

  it.effect("or behind one, while that is taken in by who is told of it, has them take in all of it", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster()
      cluster.createTopic("topic")
      const table = yield* open(cluster, "topic", { restart: Schedule.spaced("1 hour") })
      const statuses = yield* statusesOf(table)
      let folds = 0
      let isFull = false
      publicationFor(table).subscriptions.listen({
        push: () => {
          isFull = true
        },
        end: () => {},
        get isFull() {
          return isFull
        },
        *fold() {
          folds++
          // The first time, it has no end but that of the reader's run.
          while (folds === 1) yield
          isFull = false
        }
      })
      let thrown = 0
      cluster.before = (request) =>
        request === "Fetch" && folds > 0 && thrown++ === 0 ? Effect.die(new Error("boom")) : undefined
      cluster.append("topic", [{ key: "a", value: "1" }])
      yield* turnsUntil(() => folds > 0)
      cluster.append("topic", [{ key: "b", value: "1" }])
      yield* until(() => statuses.includes("Failed"))
      assert.deepStrictEqual([folds, isFull, [...table.unsafeSnapshot().keys()]], [2, false, ["a"]])
    })
  )

  it.effect("shows nothing of what was past when it came", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      const records = keys.map((key, i) => ({ key, value: "1", timestamp: i % 2 === 0 ? 0 : 3_600_000 }))
      const { table } = yield* broken(records, { expireAfter: "2 minutes" })
      const shown = [...table.unsafeSnapshot()].filter(([, value]) => value === "1")
      assert.isNotEmpty(shown)
      assert.deepStrictEqual(
        shown.filter(([key]) => Number(key.slice(1)) % 2 === 0),
        []
      )
    })
  )
})

describe("a replay that takes the place of all rows", () => {
  /** A table of which a half of the rows was replaced, and the others are when they may be. */
  const replacing = (scope: Scope.Scope) =>
    Effect.gen(function* () {
      const cluster = new FakeCluster()
      cluster.createTopic("topic")
      cluster.append("topic", all("0"))
      const table = yield* Scope.provide(open(cluster, "topic", { restart: Schedule.spaced("1 second") }), scope)
      const gate = { isReached: false, isOpen: false }
      const { state } = partsOf(table)!
      const { replace } = state
      state.replace = function* (...args) {
        for (const step of replace.apply(state, args)) {
          yield step
          gate.isReached = true
          for (; !gate.isOpen; yield) pause()
        }
      }
      const seen: Array<readonly [rows: number, values: number]> = []
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.andThen(
            yieldToEventLoop,
            Effect.sync(() => seen.push([table.unsafeSnapshot().size, valuesOf(table).size]))
          )
        )
      )
      cluster.createTopic("topic")
      cluster.append("topic", all("1"))
      yield* until(() => gate.isReached)
      return { cluster, table, gate, seen }
    })

  it.effect("does so as a whole, also where the reader breaks meanwhile", () =>
    Effect.gen(function* () {
      const { cluster, gate, seen, table } = yield* replacing(yield* Effect.scope)
      let thrown = 0
      cluster.before = (request) => (request === "Fetch" && thrown++ === 0 ? Effect.die(new Error("boom")) : undefined)
      cluster.append("topic", [{ key: "k0", value: "1" }])
      yield* turnsUntil(() => thrown > 0)
      // So long that it would have stopped by now.
      yield* settle
      gate.isOpen = true
      yield* until(() => valuesOf(table).has("1"))
      assert.deepStrictEqual(
        seen.filter(([rows, values]) => rows !== keys.length || values !== 1),
        []
      )
    })
  )

  it.effect("is given up when the table is closed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { table } = yield* replacing(scope)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(valuesOf(table), new Set(["0"]))
    })
  )
})
