/**
 * Orders that are none: a user's function that throws for some keys, gives no number, or contradicts itself. Whatever order
 * comes of that, an index and a live query have each row once, and nothing else.
 */
import { assert, describe } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { Codec, LiveTable, TableIndex, type TableSnapshot } from "../../src/index.ts"
import { liveQueriesOf } from "../../src/internal/views/liveQuery.ts"
import type { SortedIndex } from "../../src/internal/views/sortedIndex.ts"
import { it } from "../support/ManualClock.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { assertSame } from "../support/same.ts"
import { turns } from "../support/turns.ts"
import { Hand } from "./byHand.ts"

type Compare = (a: number, b: number) => number

type Entry = TableSnapshot.RecordEntry<string, number>

const settle = turns(4)

/** Each tells that a key is the same as itself, or the row would not be in the index at all. */
const ORDERS: Readonly<Record<string, (random: () => number) => Compare>> = {
  "throws for some pairs": () => (a, b) => {
    if ((a === 3) !== (b === 3)) throw new Error("of the user")
    return b - a
  },
  "gives NaN for some pairs": () => (a, b) => ((a + b) % 2 === 1 ? Number.NaN : b - a),
  "gives texts": () => (a, b) => (a === b ? 0 : ("less" as never)),
  "goes in circles": () => (a, b) => (a === b ? 0 : (a - b + 30) % 3 === 1 ? -1 : 1),
  "is another one each time": (random) => (a, b) => (a === b ? 0 : random() < 0.5 ? -1 : 1),
  "forgets that some are less": () => (a, b) => (a > b ? 1 : 0),
  "calls all the same": () => () => 0
}

/** Whether that is more than a coarse order. */
const isBroken = (name: string) => name !== "calls all the same"

const indexesOf = (compare: Compare) =>
  TableIndex.define<string, number>()((index) => ({
    order: index.sorted((value) => value, { order: compare as never }),
    odd: index.hash((value) => value % 2)
  }))

const keysOf = (entries: Iterable<Entry>) => Array.from(entries, ({ key }) => key).sort()

describe("an order that", () => {
  for (const [name, make] of Object.entries(ORDERS)) {
    for (let seed = 1; seed <= ofRounds(2, 50); seed++) {
      it.effect(`${name} (${seed})`, () =>
        Effect.gen(function* () {
          const random = randomOf(seed)
          const hand = yield* Hand.make<string, number, ReturnType<typeof indexesOf>>(Codec.utf8)
          const compare = make(random)
          const put = () => {
            const key = `k${Math.floor(random() * 300)}`
            hand.put(key, random() < 0.3 ? undefined : Math.floor(random() * 10))
          }
          // Built of what there is, and then kept in step.
          for (let n = 0; n < 200; n++) put()
          yield* hand.publish
          yield* hand.index(indexesOf(compare))
          const query = liveQueriesOf<string, number, Entry>(hand.publication, hand.names)
          const lives = [
            yield* query({}, { orderBy: "order" }),
            yield* query({ odd: 0 }, { orderBy: "order", reverse: true })
          ]
          const [first] = [yield* query({}, { orderBy: "order", limit: 5 })]
          const wrong: Array<string> = []
          const known = yield* Effect.forEach([...lives, first], (live) =>
            Effect.gen(function* () {
              const { changes, result } = yield* live.subscribe({ strategy: LiveTable.backPressure(1_000_000) })
              const content = new Map(Array.from(result, ({ key, value }) => [key, value]))
              const take = Stream.runForEach(changes, (change) =>
                Effect.sync(() => {
                  if (Option.getOrUndefined(change.previous) !== content.get(change.key)) wrong.push(change.key)
                  if (change._tag === "Upsert") content.set(change.key, change.value)
                  else content.delete(change.key)
                })
              )
              yield* Effect.forkScoped(Effect.catchCause(take, (cause) => Effect.sync(() => wrong.push(String(cause)))))
              return { content, live }
            })
          )
          for (let step = 0; step < 60; step++) {
            if (random() < 0.1) yield* hand.compact
            for (let n = 0; n < 5; n++) put()
            yield* hand.publish
            yield* settle
            const rows = [...hand.snapshot.entries()]
            const all = rows.map(({ key }) => key).sort()
            const { snapshot } = hand
            assertSame(keysOf(snapshot.by("order").range({})), all)
            assertSame(keysOf(snapshot.query({}, { orderBy: "order" })), all)
            assertSame(keysOf(lives[0].unsafeCurrent()), all)
            assertSame(
              keysOf(lives[1].unsafeCurrent()),
              rows
                .filter(({ value }) => value % 2 === 0)
                .map(({ key }) => key)
                .sort()
            )
            assert.strictEqual(first.unsafeCurrent().size, Math.min(5, all.length))
            for (const { content, live } of known) {
              const result = live.unsafeCurrent().toArray()
              assertSame(new Map(result.map(({ key, value }) => [key, value])), content)
              for (const { key, value } of result) assertSame(snapshot.get(key), Option.some(value))
            }
            assertSame(wrong, [])
          }
          const { problems } = (hand.names.get("order") as SortedIndex).stats
          if (isBroken(name)) assert.isAbove(problems, 0)
          else assert.strictEqual(problems, 0)
        })
      )
    }
  }
})
