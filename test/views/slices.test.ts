/** Updates with much to tell: nothing of that holds the event loop, whoever listens. */
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Option, Stream } from "effect"
import { Codec, DerivedTable, LiveTable, type TableChange, TableIndex } from "../../src/index.ts"
import { conflate, Conflating } from "../../src/internal/table/publication/conflating.ts"
import { PIECE } from "../../src/internal/table/publication/lateLogs.ts"
import { Subscriptions } from "../../src/internal/table/publication/subscriptions.ts"
import { runAtOnce, yieldToEventLoop } from "../../src/internal/yield.ts"
import { it } from "../support/ManualClock.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { turn } from "../table/support.ts"
import { handTableOf } from "./handTable.ts"

/** More than are taken in at once. */
const ROWS = PIECE + 1000

/** Counts what is done from one turn of the event loop to the next, and has each of that take its time. */
class Work {
  private done = 0
  /** The most that was done between two turns, since it began. */
  most = 0

  begin(): void {
    this.done = this.most = 0
  }

  readonly do = (): void => {
    this.done++
    this.most = Math.max(this.most, this.done)
    const end = performance.now() + 0.01
    while (performance.now() < end);
  }

  readonly watch = Effect.forkScoped(
    Effect.forever(
      Effect.andThen(
        yieldToEventLoop,
        Effect.sync(() => {
          this.done = 0
        })
      )
    )
  )
}

/** One row of the second table is joined with all of the first one. */
const fanOut = (work: Work) =>
  Effect.gen(function* () {
    const text = Codec.make<string>({
      decode: (bytes) => Buffer.from(bytes).toString(),
      encode: (key) => {
        work.do()
        return Buffer.from(key)
      }
    })
    const numbers = yield* handTableOf<string, number>(text, "numbers")
    const one = yield* handTableOf<string, number>(text, "one")
    yield* numbers.write(Array.from({ length: ROWS }, (_, i) => [`k${i}`, i]))
    yield* one.write([["one", 0]])
    const table = yield* DerivedTable.make(
      DerivedTable.from(numbers.table).pipe(
        DerivedTable.join(one.table, {
          on: () => "one",
          select: (i, j) => ({
            i,
            get j() {
              work.do()
              return j
            }
          })
        })
      ),
      TableIndex.define<string, { readonly i: number; readonly j: number }>()((index) => ({
        i: index.sorted((row) => {
          work.do()
          return row.i
        })
      }))
    )
    return { one, table }
  })

describe("a fan-out", () => {
  for (const [name, changesOf] of [
    ["of a table", (table: Made) => Effect.succeed(table.changes)],
    [
      "of a table, to one who waits for nobody",
      (table: Made) => Effect.succeed(table.changesWith(LiveTable.sliding(ROWS)))
    ],
    ["of a live query", (table: Made) => Effect.map(table.live(), ({ changes }) => changes)],
    [
      "of a live query with a limit",
      (table: Made) => Effect.map(table.live({}, { orderBy: "i", limit: ROWS - 1 }), ({ changes }) => changes)
    ]
  ] as const) {
    it.effect(`${name} is told in slices`, () =>
      Effect.gen(function* () {
        const work = new Work()
        const { one, table } = yield* fanOut(work)
        const changes = yield* changesOf(table)
        let told = 0
        yield* Effect.forkScoped(Stream.runForEach(changes, () => Effect.sync(() => told++)))
        yield* turn
        yield* work.watch
        yield* turn
        work.begin()
        yield* one.write([["one", 1]])
        yield* Effect.repeat(yieldToEventLoop, { until: () => told >= ROWS - 1 })
        assert.isBelow(work.most, ROWS / 2)
      })
    )
  }
})

type Made = Effect.Success<ReturnType<typeof fanOut>>["table"]

describe("a large publication", () => {
  type Change = TableChange.TableChange<string, number>

  const changeOf = (key: string, value: number | undefined, previous: number | undefined): Change =>
    value === undefined
      ? { _tag: "Delete", key, previous: Option.fromNullishOr(previous) }
      : { _tag: "Upsert", key, value, previous: Option.fromNullishOr(previous) }

  /** The identities of the changes count how often somebody has looked at one. */
  const publish = (subscriptions: Subscriptions<Change>, changes: Array<Change>) => {
    let looks = 0
    const ids = new Proxy(
      changes.map(({ key }) => key),
      {
        get: (target, name) => {
          looks++
          return Reflect.get(target, name) as unknown
        }
      }
    )
    subscriptions.push({ ids, changes })
    return looks
  }

  it.effect("is handed to those who conflate as it is, and folded before the next one", () =>
    Effect.gen(function* () {
      const subscriptions = new Subscriptions<Change>()
      const { changes } = subscriptions.add(LiveTable.conflate)
      const size = 10 * PIECE
      const upserts = (value: number) =>
        Array.from({ length: size }, (_, i) => changeOf(`k${i}`, value, value === 0 ? undefined : value - 1))
      assert.isBelow(publish(subscriptions, upserts(0)), 10)
      assert.isTrue(subscriptions.isFull)
      const awaiting = yield* Effect.forkChild(subscriptions.awaitRoom)
      yield* turn
      // Nobody waits for who conflates.
      yield* Fiber.join(awaiting)
      yield* subscriptions.fold
      assert.isFalse(subscriptions.isFull)
      assert.isBelow(publish(subscriptions, upserts(1)), 10)
      publish(subscriptions, [changeOf("k0", undefined, 1), changeOf("new", 5, undefined)])
      yield* subscriptions.fold
      subscriptions.close()
      const told = Array.from(yield* Stream.runCollect(changes))
      // What came and went unseen is nothing.
      assert.lengthOf(told, size)
      assert.deepStrictEqual(told.at(-1), changeOf("new", 5, undefined))
      assert.isTrue(told.slice(0, -1).every((change) => change._tag === "Upsert" && change.value === 1))
      assert.isTrue(told.every(({ previous }) => Option.isNone(previous)))
    })
  )

  it.effect("is looked through for single keys later, unless who watches one came after it", () =>
    Effect.gen(function* () {
      const subscriptions = new Subscriptions<Change>()
      const watch = (key: string) => subscriptions.add(LiveTable.conflate, key).changes
      const [first, last] = [watch("k0"), watch(`k${3 * PIECE - 1}`)]
      const large = (value: number) =>
        Array.from({ length: 3 * PIECE }, (_, i) => changeOf(`k${i}`, value, value === 0 ? undefined : value - 1))
      assert.isBelow(publish(subscriptions, large(0)), 10)
      const between = watch("k0")
      // What comes next waits, too, or it would be told before.
      publish(subscriptions, [changeOf("k0", 1, 0)])
      const after = watch("k0")
      assert.isTrue(subscriptions.isFull)
      yield* subscriptions.fold
      assert.isFalse(subscriptions.isFull)
      assert.isBelow(publish(subscriptions, large(2)), 10)
      // Nobody folds any more.
      subscriptions.close()
      const told = (changes: Stream.Stream<Change>) =>
        Effect.map(Stream.runCollect(changes), (all) =>
          Array.from(all, (change) => [
            change._tag === "Upsert" ? change.value : undefined,
            Option.getOrUndefined(change.previous)
          ])
        )
      assert.deepStrictEqual(yield* told(first), [[2, undefined]])
      assert.deepStrictEqual(yield* told(last), [[2, undefined]])
      assert.deepStrictEqual(yield* told(between), [[2, 0]])
      assert.deepStrictEqual(yield* told(after), [[2, 1]])
    })
  )

  it.effect("leads those who conflate to the content, however it is taken and folded", () =>
    Effect.gen(function* () {
      for (let seed = 1; seed <= ofRounds(5, 100); seed++) {
        const random = randomOf(seed)
        const below = (n: number) => Math.floor(random() * n)
        const conflating = new Conflating<Change>(conflate)
        const content = new Map<string, number>()
        const copy = new Map<string, number>()
        const take = () => {
          const piece = conflating.drain()
          for (const change of piece) {
            if (Option.getOrUndefined(change.previous) !== copy.get(change.key)) assert.fail(change.key)
            if (change._tag === "Upsert") copy.set(change.key, change.value)
            else copy.delete(change.key)
          }
          assert.strictEqual(new Set(piece.map(({ key }) => key)).size, piece.length)
          return piece.length > 0
        }
        for (let round = 0; round < 12; round++) {
          const changes: Array<Change> = []
          for (let n = below(3) === 0 ? 2 * PIECE + below(PIECE) : below(50); n > 0; n--) {
            const key = `k${below(PIECE + 500)}`
            const value = random() < 0.3 ? undefined : round
            const previous = content.get(key)
            if (value === undefined && previous === undefined) continue
            changes.push(changeOf(key, value, previous))
            if (value === undefined) content.delete(key)
            else content.set(key, value)
          }
          conflating.push({ ids: changes.map(({ key }) => key), changes })
          const folding = conflating.fold()
          for (let n = below(4); n > 0; n--) folding.next()
          for (let n = below(4); n > 0; n--) take()
          if (random() < 0.3) runAtOnce(conflating.fold())
        }
        while (take());
        assert.isFalse(conflating.isLate)
        assert.deepStrictEqual(new Map([...copy].sort()), new Map([...content].sort()))
      }
    })
  )
})
