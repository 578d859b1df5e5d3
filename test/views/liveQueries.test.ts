/** A live query has what a query of the same version finds, at every version, and its changes lead from each to the next. */
import { assert, describe } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option, Scope, Stream } from "effect"
import type { KafkaTable, LiveQuery, TableChange, TableSnapshot } from "../../src/index.ts"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { Codec, KafkaError, LiveTable, TableIndex } from "../../src/index.ts"
import { liveQueriesOf } from "../../src/internal/views/liveQuery.ts"
import { sameValue } from "../../src/internal/views/sameValue.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { garbageCollected } from "../support/garbage.ts"
import { it } from "../support/ManualClock.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { turns } from "../support/turns.ts"
import { Hand } from "./byHand.ts"

interface Value {
  readonly text: string | undefined
  readonly number: number | undefined
  readonly tags: ReadonlyArray<string>
}

type Entry = TableSnapshot.RecordEntry<string, Value>

const failing = (number: number | undefined) => {
  if (number === 3) throw new Error("of the user")
  return number
}

const byLength = (a: string, b: string) => Math.sign(a.length - b.length) as -1 | 0 | 1

const indexes = TableIndex.define<string, Value>()((index) => ({
  unique: index.unique((value) => value.text),
  hash: index.hash((value) => value.number),
  multi: index.multi((value) => value.tags),
  sorted: index.sorted((value) => value.number),
  lengths: index.sorted((value) => value.text, { order: byLength }),
  partial: index.sorted((value) => value.text, { where: (value) => (value.number ?? 0) > 1 }),
  lists: index.sorted((value) =>
    value.text === undefined || value.number === undefined ? undefined : [value.text, value.number]
  ),
  failing: index.hash((value) => failing(value.number)),
  failingSorted: index.sorted((value) => failing(value.number)),
  ownKey: index.sorted((_, key) => key.slice(1))
}))

type Ix = typeof indexes
type Where = TableIndex.Where<Ix>
type Options = TableIndex.QueryOptions<TableIndex.SortedNames<Ix>>
type Live = LiveQuery.LiveQuery<string, Value, Entry>

const TEXTS = ["", "a", "b", "ab", "abc"]
const NUMBERS = [0, -0, 1, 2, 3, 4, -1.5, Number.POSITIVE_INFINITY]
const TAGS = ["x", "y", "z"]
const KEYS = Array.from({ length: 16 }, (_, i) => `k${i}`)
const SORTED: ReadonlyArray<TableIndex.SortedNames<Ix>> = [
  "sorted",
  "lengths",
  "partial",
  "lists",
  "failingSorted",
  "ownKey"
]

type Random = () => number

const pick = <A>(random: Random, all: ReadonlyArray<A>): A => all[Math.floor(random() * all.length)]

const rangeOf = (random: Random, all: ReadonlyArray<unknown>) => ({
  ...(random() < 0.5 ? { [pick(random, ["gt", "gte"])]: pick(random, all) } : {}),
  ...(random() < 0.5 ? { [pick(random, ["lt", "lte"])]: pick(random, all) } : {})
})

const conditions: { readonly [Name in keyof Ix]: (random: Random) => unknown } = {
  unique: (random) => pick(random, TEXTS),
  hash: (random) => pick(random, NUMBERS),
  multi: (random) => pick(random, TAGS),
  sorted: (random) => (random() < 0.3 ? pick(random, NUMBERS) : rangeOf(random, NUMBERS)),
  lengths: (random) => (random() < 0.3 ? pick(random, TEXTS) : rangeOf(random, TEXTS)),
  partial: (random) => (random() < 0.3 ? { prefix: "a" } : rangeOf(random, TEXTS)),
  lists: (random) => ({ prefix: [pick(random, TEXTS)] }),
  failing: (random) => pick(random, NUMBERS),
  failingSorted: (random) => rangeOf(random, NUMBERS),
  ownKey: (random) => rangeOf(random, ["0", "12", "5", "8"])
}

const whereOf = (random: Random): Where => {
  const names = Object.keys(conditions) as ReadonlyArray<keyof Ix>
  const some = Array.from({ length: Math.floor(random() * 3) }, () => pick(random, names))
  return Object.fromEntries(some.map((name) => [name, conditions[name](random)]))
}

const optionsOf = (random: Random): Options => ({
  ...(random() < 0.6 ? { orderBy: pick(random, SORTED) } : {}),
  ...(random() < 0.5 ? { limit: Math.floor(random() * 6) } : {}),
  ...(random() < 0.5 ? { reverse: random() < 0.8 } : {})
})

const valueOf = (random: Random): Value => ({
  text: random() < 0.1 ? undefined : pick(random, TEXTS),
  // -0 is 0: it is no change.
  number: random() < 0.1 ? pick(random, [undefined, Number.NaN]) : pick(random, NUMBERS) + 0,
  tags: TAGS.filter(() => random() < 0.3)
})

/** Lets all streams take what there is. */
const settle = turns(4)

const plain = (entries: Iterable<Entry>) =>
  Array.from(entries, ({ key, offset, partition, value }) => ({ key, offset, partition, value }))

const contentOf = (result: LiveQuery.QueryResult<string, Value, Entry>) =>
  new Map(Array.from(result, ({ key, value }) => [key, value]))

/** What somebody knows by the first result and the changes. Each change has to fit to that. */
class Follower {
  readonly known: Map<string, Value>
  taken = 0

  constructor(result: LiveQuery.QueryResult<string, Value, Entry>) {
    this.known = contentOf(result)
  }

  readonly follow = (change: TableChange.TableChange<string, Value>) =>
    Effect.sync(() => {
      this.taken++
      const { known } = this
      assert.deepStrictEqual(Option.getOrUndefined(change.previous), known.get(change.key), change.key)
      if (change._tag === "Delete") assert.isTrue(known.delete(change.key), "what was not there")
      else known.set(change.key, change.value)
    })
}

interface Opened {
  readonly live: Live
  readonly where: Where
  readonly options: Options
  readonly all: Follower
  readonly slow: Follower
  readonly slowStream: Stream.Stream<TableChange.TableChange<string, Value>, LiveTable.TableFailure>
  readonly results: Array<LiveQuery.QueryResult<string, Value, Entry>>
  /** The results that were different, one after the other. */
  readonly versions: Array<Map<string, Value>>
}

const makeHand = Effect.gen(function* () {
  const hand = yield* Hand.make<string, Value, Ix>(Codec.utf8)
  yield* hand.index(indexes)
  const query = liveQueriesOf<string, Value, Entry>(hand.publication, hand.names)
  const live = (where?: Where, options?: Options) => query(where, options)
  return { hand, live }
})

const sameContent = (a: ReadonlyMap<string, Value>, b: ReadonlyMap<string, Value>) => sameValue(a, b)

describe("a live query", () => {
  for (let seed = 1; seed <= ofRounds(25, 1_000); seed++) {
    it.effect(`is the query of the same version, and its changes lead there (${seed})`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const random = randomOf(seed)
          const { hand, live } = yield* makeHand
          const opened: Array<Opened> = []
          const held: Array<{ readonly result: LiveQuery.QueryResult<string, Value, Entry>; readonly rows: unknown }> =
            []
          const failures: Array<unknown> = []
          const following = (stream: Stream.Stream<unknown, LiveTable.TableFailure>) =>
            Effect.forkScoped(
              Effect.catchCause(Stream.runDrain(stream), (cause) => Effect.sync(() => failures.push(cause)))
            )
          const open = Effect.gen(function* () {
            const [where, options] = [whereOf(random), optionsOf(random)]
            const query = yield* live(where, options)
            const all = yield* query.subscribe({ strategy: LiveTable.backPressure(100_000) })
            const slow = yield* query.subscribe()
            const one: Opened = {
              live: query,
              where,
              options,
              all: new Follower(all.result),
              slow: new Follower(slow.result),
              slowStream: slow.changes,
              results: [],
              versions: [contentOf(all.result)]
            }
            opened.push(one)
            yield* following(Stream.tap(all.changes, one.all.follow))
            yield* following(Stream.tap(query.result.changes, (result) => Effect.sync(() => one.results.push(result))))
            yield* settle
          })
          const key = () => pick(random, KEYS)
          const change = () => {
            const same = random() < 0.2 ? hand.snapshot.getOrUndefined(key()) : undefined
            const partition = random() < 0.2 ? 1 : 0
            const value = same ?? (random() < 0.3 ? undefined : valueOf(random))
            hand.put(key(), value, { partition, timestamp: Math.floor(random() * 4) })
          }
          for (let step = 0; step < 40; step++) {
            if (step % 8 === 0) yield* open
            const what = random()
            if (what < 0.65) for (let n = Math.floor(random() * 5); n >= 0; n--) change()
            else if (what < 0.7) hand.evict(0, Math.floor(random() * (hand.offsetOf(0) + 1)))
            else if (what < 0.75) {
              hand.replace(
                Math.floor(random() * 2),
                Array.from({ length: Math.floor(random() * 12) }, () => [
                  key(),
                  random() < 0.2 ? undefined : valueOf(random),
                  Math.floor(random() * 4)
                ])
              )
            } else if (what < 0.9) yield* hand.compact
            else {
              // An update that is given up halfway is a part of the next one.
              change()
              hand.publication.prepare(hand.take)
              change()
            }
            yield* hand.publish
            yield* settle
            assert.deepStrictEqual(failures, [])
            for (const { all, live, options, results, slow, slowStream, versions, where } of opened) {
              const at = JSON.stringify([seed, step, where, options])
              const result = live.unsafeCurrent()
              const expected = plain(hand.snapshot.query(where, options))
              assert.deepStrictEqual(plain(result.entries()), expected, at)
              assert.strictEqual(result.version, hand.snapshot.version, at)
              assert.strictEqual(result.size, expected.length, at)
              for (const key of KEYS) {
                const found = expected.find((entry) => entry.key === key)
                assert.strictEqual(result.has(key), found !== undefined, `${key} ${at}`)
                assert.deepStrictEqual(Option.getOrUndefined(result.get(key)), found?.value, at)
              }
              const content = contentOf(result)
              assert.deepStrictEqual(all.known, content, at)
              if (!sameContent(versions.at(-1)!, content)) versions.push(content)
              // Whoever reads all of them, in time, gets each result that is different, once.
              assert.deepStrictEqual(results.map(contentOf), versions, at)
              held.push({ result, rows: plain(result) })
              if (random() < 0.1) {
                const fiber = yield* Effect.forkChild(Stream.runForEach(slowStream, slow.follow))
                yield* settle
                yield* Fiber.interrupt(fiber)
                assert.deepStrictEqual(slow.known, content, at)
              }
            }
          }
          for (const { result, rows } of held) assert.deepStrictEqual(plain(result), rows)
        })
      )
    )
  }
})

const value = (number: number, text = "a", tags: ReadonlyArray<string> = []): Value => ({ number, text, tags })

const tagged = (change: TableChange.TableChange<string, Value>) =>
  `${change._tag} ${change.key} ${Option.match(change.previous, { onNone: () => "-", onSome: ({ number }) => String(number) })}`

describe("the changes of a live query", () => {
  it.effect("with a limit tell of what falls out, and of what moves in", () =>
    Effect.gen(function* () {
      const { hand, live } = yield* makeHand
      for (let i = 0; i < 5; i++) hand.put(`k${i}`, value(i))
      yield* hand.publish
      const top = yield* live({}, { orderBy: "sorted", limit: 2 })
      const seen: Array<string> = []
      yield* Effect.forkScoped(Stream.runForEach(top.changes, (change) => Effect.sync(() => seen.push(tagged(change)))))
      yield* settle
      const told = Effect.andThen(
        Effect.andThen(hand.publish, settle),
        Effect.sync(() => seen.splice(0))
      )
      hand.put("k4", value(-1))
      assert.deepStrictEqual(yield* told, ["Delete k1 1", "Upsert k4 -"])
      hand.put("k4", undefined)
      assert.deepStrictEqual(yield* told, ["Delete k4 -1", "Upsert k1 -"])
      // behind the window nothing is told, nor of what is the same
      hand.put("k3", value(9))
      hand.put("k0", value(0))
      assert.deepStrictEqual(yield* told, [])
      // it changes, and changes places
      hand.put("k0", value(1.5))
      assert.deepStrictEqual(yield* told, ["Upsert k0 0"])
      assert.deepStrictEqual(
        top
          .unsafeCurrent()
          .toArray()
          .map(({ key }) => key),
        ["k1", "k0"]
      )
    })
  )

  it.effect("are told to one who comes while an update is on its way, as to one who was there", () =>
    Effect.gen(function* () {
      for (const options of [{}, { orderBy: "sorted", limit: 2 }] as const) {
        const { hand, live } = yield* makeHand
        for (let i = 0; i < 5; i++) hand.put(`k${i}`, value(i))
        yield* hand.publish
        const query = yield* live({}, options)
        hand.put("k0", undefined)
        hand.put("k1", value(1.5))
        // The views have taken it in, and nobody has seen it yet.
        hand.publication.prepare(hand.take)
        const { changes, result } = yield* query.subscribe()
        assert.isTrue(result.has("k0"))
        yield* hand.publish
        const seen: Array<string> = []
        yield* Effect.forkScoped(Stream.runForEach(changes, (change) => Effect.sync(() => seen.push(tagged(change)))))
        yield* settle
        assert.deepStrictEqual(seen, ["Delete k0 0", "Upsert k1 1", ...("limit" in options ? ["Upsert k2 -"] : [])])
      }
    })
  )

  it.effect("wait for nobody, but for one who asked for that: the table's reader is told so", () =>
    Effect.gen(function* () {
      const { hand, live } = yield* makeHand
      const scope = yield* Scope.make()
      const query = yield* Scope.provide(live({}), scope)
      yield* Scope.provide(query.subscribe({ strategy: LiveTable.backPressure(1) }), scope)
      yield* query.subscribe()
      hand.put("k0", value(0))
      yield* hand.publish
      assert.isFalse(hand.publication.isFull)
      hand.put("k1", value(1))
      yield* hand.publish
      assert.isTrue(hand.publication.isFull)
      const waiting = yield* Effect.forkChild(hand.publication.awaitRoom)
      yield* settle
      assert.isFalse(hasEnded(waiting))
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(waiting)
      assert.isFalse(hand.publication.isFull)
    })
  )

  const failure = new KafkaError.InvalidOptionsError({
    module: "KafkaTable",
    problems: [{ option: "key", problem: "of a test" }]
  })
  for (const [name, how] of [
    ["is closed", undefined],
    ["has failed", failure]
  ] as const) {
    it.effect(`end as those of the table when that ${name}, and the result stays`, () =>
      Effect.gen(function* () {
        const { hand, live } = yield* makeHand
        hand.put("k0", value(0))
        yield* hand.publish
        const query = yield* live({ hash: 0 })
        const { changes } = yield* query.subscribe()
        const streams: ReadonlyArray<Stream.Stream<unknown, LiveTable.TableFailure>> = [
          changes,
          query.changes,
          query.result.changes
        ]
        const fibers = yield* Effect.forEach(streams, (stream) =>
          Effect.forkChild(Effect.exit(Stream.runDrain(stream)))
        )
        yield* settle
        hand.publication.end(how, Cause.die("ended"))
        const end = how === undefined ? Exit.void : Exit.fail(how)
        for (const fiber of fibers) assert.deepStrictEqual(yield* Fiber.join(fiber), end)
        assert.deepStrictEqual(yield* Effect.exit(Stream.runDrain(query.changes)), end)
        const rows: Array<string> = []
        const exit = yield* Effect.exit(
          Stream.runForEach(query.result.changes, (result) => Effect.sync(() => rows.push(...contentOf(result).keys())))
        )
        assert.deepStrictEqual([rows, exit], [["k0"], end])
        // so does one that comes later
        const late = yield* live({ hash: 0 }, { limit: 1 })
        assert.deepStrictEqual([...contentOf(yield* late.current).keys()], ["k0"])
        assert.deepStrictEqual(yield* Effect.exit(Stream.runDrain(late.changes)), end)
      })
    )
  }
})

describe("equal live queries", () => {
  const dates = TableIndex.define<string, Value>()((index) => ({
    date: index.hash((value) => (value.number === undefined ? undefined : new Date(value.number))),
    bigint: index.sorted((value) => (value.number === undefined ? undefined : BigInt(Math.trunc(value.number)))),
    any: index.hash((value): string | number | bigint | boolean | undefined => value.number),
    list: index.sorted((value) => [value.text ?? "", value.number ?? 0])
  }))

  const withDates = Effect.gen(function* () {
    const hand = yield* Hand.make<string, Value, typeof dates>(Codec.utf8)
    yield* hand.index(dates)
    const query = liveQueriesOf<string, Value, Entry>(hand.publication, hand.names)
    const live = (
      where: TableIndex.Where<typeof dates>,
      options?: TableIndex.QueryOptions<TableIndex.SortedNames<typeof dates>>
    ) => query(where, options)
    const before = hand.publication.views.size
    return { hand, live, count: () => hand.publication.views.size - before }
  })

  it.effect("are one view, until the last scope is closed", () =>
    Effect.gen(function* () {
      const { count, hand, live } = yield* withDates
      const scopes = yield* Effect.replicateEffect(Scope.make(), 3)
      const same = [
        live({ date: new Date(5), bigint: { gt: 1n, lte: 5n } }, { orderBy: "list", limit: 3 }),
        live({ bigint: { lte: 5n, gt: 1n }, date: new Date(5) }, { limit: 3, reverse: false, orderBy: "list" }),
        live({ date: new Date(5), bigint: { gt: 1n, lte: 5n } }, { orderBy: "list", limit: 3 })
      ]
      // at the same time
      const all = yield* Effect.all(
        same.map((one, i) => Scope.provide(one, scopes[i])),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(all).size, 1)
      assert.strictEqual(count(), 1)
      const stream = yield* Effect.forkChild(Effect.exit(Stream.runDrain(all[0].changes)))
      yield* settle
      yield* Scope.close(scopes[0], Exit.void)
      yield* Scope.close(scopes[2], Exit.void)
      yield* settle
      assert.deepStrictEqual([count(), hasEnded(stream)], [1, false])
      hand.put("k0", value(5))
      yield* hand.publish
      assert.strictEqual(all[0].unsafeCurrent().size, 1)
      yield* Scope.close(scopes[1], Exit.void)
      assert.strictEqual(count(), 0)
      assert.deepStrictEqual(yield* Fiber.join(stream), Exit.void)
      // what it was stays
      hand.put("k0", undefined)
      yield* hand.publish
      assert.deepStrictEqual([...contentOf(all[1].unsafeCurrent()).keys()], ["k0"])
      const again = yield* same[0]
      assert.notStrictEqual(again, all[0])
      assert.deepStrictEqual([again.unsafeCurrent().size, count()], [0, 1])
    })
  )

  it.effect("are those of the same types, bounds, order and limit only", () =>
    Effect.gen(function* () {
      const { count, live } = yield* withDates
      const different = [
        live({}),
        live({}, { reverse: true }),
        live({}, { limit: 0 }),
        live({}, { limit: 1 }),
        live({}, { orderBy: "list" }),
        live({}, { orderBy: "bigint" }),
        live({ any: 1 }),
        live({ any: "1" }),
        live({ any: 1n }),
        live({ any: true }),
        live({ any: "true" }),
        live({ list: ["a", 1] }),
        live({ list: ["a,1"] }),
        live({ list: { gt: ["a", 1] } }),
        live({ list: { gte: ["a", 1] } }),
        live({ list: {} }),
        live({ date: new Date(1) }),
        live({ bigint: 1n }),
        live({ bigint: 2n })
      ]
      const all = yield* Effect.all(different)
      assert.strictEqual(new Set(all).size, different.length)
      assert.strictEqual(count(), different.length)
      const same = yield* Effect.all([
        live({}, { limit: Number.POSITIVE_INFINITY, reverse: false }),
        live({ any: 1 }, {}),
        live({ any: -0 }),
        live({ any: 0 })
      ])
      assert.strictEqual(same[0], all[0])
      assert.strictEqual(same[1], all[6])
      assert.strictEqual(same[2], same[3])
      assert.strictEqual(count(), different.length + 1)
    })
  )

  it.effect("if the one who makes it is interrupted, the next one does", () =>
    Effect.gen(function* () {
      const { count, hand, live } = yield* withDates
      for (let i = 0; i < 20_000; i++) hand.put(`k${i}`, value(i))
      yield* hand.publish
      const first = yield* Effect.forkChild(Effect.scoped(live({ any: 5 })))
      // It has to wait, as the turn is somebody else's.
      const turn = hand.publication.graph.turn()
      yield* settle
      const second = yield* Effect.forkChild(
        Effect.scoped(Effect.map(live({ any: 5 }), (query) => query.unsafeCurrent().size))
      )
      yield* settle
      yield* Fiber.interrupt(first)
      assert.isFalse(hasEnded(second))
      turn.leave()
      assert.strictEqual(yield* Fiber.join(second), 1)
      assert.strictEqual(count(), 0)
      assert.strictEqual(hand.publication.building.size, 0)
    })
  )

  for (let seed = 1; seed <= ofRounds(3, 60); seed++) {
    it.effect(`hundreds of them, interrupted and closed in any state, while the table goes on (${seed})`, () =>
      Effect.gen(function* () {
        const random = randomOf(seed)
        const { count, hand, live } = yield* withDates
        for (let i = 0; i < 3_000; i++) hand.put(`k${i}`, value(i % 7))
        yield* hand.publish
        const asked = [
          live({ any: 5 }),
          live({ any: 5 }, { orderBy: "list", limit: 3 }),
          live({}, { orderBy: "bigint", reverse: true })
        ]
        let opened = 0
        const one = Effect.scoped(
          Effect.gen(function* () {
            const query = yield* pick(random, asked)
            const { changes, result } = yield* query.subscribe()
            assert.strictEqual(result.version, hand.snapshot.version)
            opened++
            yield* Stream.runDrain(changes)
          })
        )
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        for (let i = 0; i < 200; i++) {
          fibers.push(yield* Effect.forkChild(one))
          const what = random()
          if (what < 0.2) hand.put(`k${Math.floor(random() * 3_000)}`, value(Math.floor(random() * 7)))
          if (what < 0.3) yield* hand.publish
          else if (what < 0.4) yield* hand.compact
          else if (what < 0.7) yield* Fiber.interrupt(pick(random, fibers))
          else if (what < 0.8) yield* settle
        }
        yield* settle
        assert.isAbove(opened, 50)
        assert.isAtMost(count(), asked.length)
        for (const fiber of fibers) yield* Fiber.interrupt(fiber)
        const { graph, holds } = hand.publication
        assert.deepStrictEqual([count(), hand.publication.building.size, holds, graph.isBusy], [0, 0, 0, false])
        assert.strictEqual((yield* asked[2]).unsafeCurrent().size, 3_000)
      }).pipe(Effect.scoped)
    )
  }

  it.effect("are closed by one of their own subscribers", () =>
    Effect.gen(function* () {
      const { count, hand, live } = yield* withDates
      const scope = yield* Scope.make()
      const query = yield* Scope.provide(live({}), scope)
      const other = yield* live({}, { limit: 1 })
      const seen: Array<string> = []
      const closing = yield* Effect.forkChild(
        Effect.exit(
          Stream.runForEach(query.changes, ({ key }) => {
            seen.push(key)
            return Scope.close(scope, Exit.void)
          })
        )
      )
      yield* settle
      hand.put("k0", value(0))
      hand.put("k1", value(1))
      yield* hand.publish
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(closing)))
      // What was told before the end is told whole.
      assert.deepStrictEqual(seen, ["k0", "k1"])
      assert.deepStrictEqual([count(), other.unsafeCurrent().size], [1, 1])
    })
  )

  it.effect("hold nothing when they are dropped", () =>
    Effect.gen(function* () {
      const { hand, live } = yield* withDates
      for (let i = 0; i < 100; i++) hand.put(`k${i}`, value(i))
      yield* hand.publish
      const refs = yield* Effect.scoped(
        Effect.gen(function* () {
          const query = yield* live({ any: 5 }, { orderBy: "list" })
          yield* Effect.forkScoped(Stream.runDrain(query.changes))
          yield* settle
          hand.put("k200", value(5))
          yield* hand.publish
          const [view] = [...hand.publication.views].slice(-1)
          return [new WeakRef(query), new WeakRef(view), new WeakRef(query.unsafeCurrent())]
        })
      )
      assert.isTrue(yield* garbageCollected(refs))
    })
  )

  it.effect("do not hold old versions while nothing of theirs changes", () =>
    Effect.gen(function* () {
      const { hand, live } = yield* withDates
      for (let i = 0; i < 100; i++) hand.put(`k${i}`, value(i))
      yield* hand.publish
      const query = yield* live({ any: 5 })
      yield* Effect.forkScoped(Stream.runDrain(query.changes))
      yield* settle
      const old = new WeakRef(hand.publication.shownVersion.slots)
      assert.strictEqual(query.unsafeCurrent().size, 1)
      hand.put("k7", value(-7))
      yield* hand.publish
      yield* settle
      assert.isTrue(yield* garbageCollected([old]))
      assert.strictEqual(query.unsafeCurrent().version, hand.snapshot.version)
    })
  )
})

describe("what is wrong in a live query", () => {
  it.effect("an order that throws leaves its row out, until it throws no more; all else goes on", () =>
    Effect.gen(function* () {
      const broken = new Error("of the user")
      let isBroken = false
      const breaking = TableIndex.define<string, Value>()((index) => ({
        order: index.sorted((value) => value.number, {
          order: (a, b) => {
            if (isBroken) throw broken
            return Math.sign(a - b) as -1 | 0 | 1
          }
        })
      }))
      const hand = yield* Hand.make<string, Value, typeof breaking>(Codec.utf8)
      yield* hand.index(breaking)
      for (let i = 0; i < 3; i++) hand.put(`k${i}`, value(i))
      yield* hand.publish
      const live = yield* liveQueriesOf<string, Value, Entry>(hand.publication, hand.names)({}, { orderBy: "order" })
      const seen: Array<readonly [string, string]> = []
      yield* Effect.forkScoped(
        Stream.runForEach(live.changes, ({ _tag, key }) => Effect.sync(() => seen.push([_tag, key])))
      )
      yield* settle
      const numbers = () =>
        live
          .unsafeCurrent()
          .toArray()
          .map((entry) => entry.value.number)
      isBroken = true
      hand.put("k0", value(9))
      yield* hand.publish
      yield* settle
      assert.deepStrictEqual(numbers(), [1, 2])
      assert.strictEqual(hand.snapshot.getOrUndefined("k0")?.number, 9)
      isBroken = false
      hand.put("k0", value(8))
      yield* hand.publish
      yield* settle
      assert.deepStrictEqual(numbers(), [1, 2, 8])
      assert.deepStrictEqual(seen, [
        ["Delete", "k0"],
        ["Upsert", "k0"]
      ])
    })
  )

  it.effect("is told as by a query, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const { hand, live } = yield* makeHand
      const before = hand.publication.views.size
      const wrong = [
        live({ hashh: 1 } as never),
        live({ hash: { gt: 1 } } as never),
        live({ hash: Number.NaN }),
        live({}, { orderBy: "hash" as never }),
        live({}, { limit: -1 }),
        live({}, { limitt: 1 } as never)
      ]
      for (const one of wrong) {
        const exit = yield* Effect.exit(Effect.scoped(one))
        assert.isTrue(Exit.isFailure(exit))
        assert.include(String(Exit.isFailure(exit) ? exit.cause : ""), "InvalidOptions")
      }
      assert.strictEqual(hand.publication.views.size, before)
    })
  )

  it.effect("explain says whether an index helps", () =>
    Effect.gen(function* () {
      const { hand, live } = yield* makeHand
      for (let i = 0; i < 10; i++) hand.put(`k${i}`, value(i))
      yield* hand.publish
      const plans = yield* Effect.forEach(
        [live({}), live({ hash: 1 }), live({ hash: 1 }, { orderBy: "sorted" })],
        (one) => Effect.flatMap(one, (query) => query.explain)
      )
      assert.deepStrictEqual(plans, [
        { index: undefined, candidates: 10, sorts: false },
        { index: "hash", candidates: 1, sorts: false },
        { index: "hash", candidates: 1, sorts: true }
      ])
    })
  )
})

describe("the types of live queries", () => {
  /** Nobody runs this: the compiler looks at it. */
  const compiled = (users: KafkaTable.KafkaTable<string, Value, Ix>, other: LiveTable.AnyTable<string, number>) =>
    Effect.gen(function* () {
      const live = yield* users.live({ multi: "x", sorted: { gte: 1 } }, { orderBy: "sorted", limit: 3 })
      const entries: ReadonlyArray<TableSnapshot.RecordEntry<string, Value>> = live.unsafeCurrent().toArray()
      yield* other.live({}, { reverse: true })
      // @ts-expect-error: only a sorted index has an order
      users.live({}, { orderBy: "hash" })
      // @ts-expect-error: no index has this name
      users.live({ nothing: 1 })
      // @ts-expect-error: a key of another type
      users.live({ hash: "1" })
      // @ts-expect-error: only a sorted index has ranges
      users.live({ hash: { gt: 1 } })
      // @ts-expect-error: a table without indexes has no order to ask by
      other.live({}, { orderBy: "sorted" })
      // @ts-expect-error: who reads a result does not write it
      SubscriptionRef.set(live.result, live.unsafeCurrent())
      return entries
    })

  it("are those of the table's indexes", () => {
    assert.isFunction(compiled)
  })
})
