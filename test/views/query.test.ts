/** Queries: a filter and a sort of the entries, whichever way is taken to them. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, KafkaError, TableIndex } from "../../src/index.ts"
import { HashIndex } from "../../src/internal/views/hashIndex.ts"
import type { FrozenIndex } from "../../src/internal/views/indexView.ts"
import { Query } from "../../src/internal/views/query.ts"
import { it } from "../support/ManualClock.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { Hand } from "./byHand.ts"

interface User {
  readonly city: string
  readonly age: number | undefined
  readonly name: string
  readonly tags: ReadonlyArray<string>
}

const indexes = TableIndex.define<string, User>()((index) => ({
  city: index.hash((user) => user.city),
  tag: index.multi((user) => user.tags),
  age: index.sorted((user) => user.age),
  name: index.sorted((user) => user.name),
  pair: index.sorted((user) => [user.city, user.name]),
  adult: index.sorted((user) => user.city, { where: (user) => (user.age ?? 0) >= 5 }),
  unique: index.unique((user) => user.name),
  reversed: index.sorted((user) => user.name, { order: (a, b) => (a < b ? 1 : a > b ? -1 : 0) })
}))

type Ix = typeof indexes

const CITIES = ["Berlin", "Bern", "Rome", "Oslo"]
const NAMES = ["a", "ab", "b", "c"]
const TAGS = ["x", "y", "z"]

const userOf = (random: () => number): User => {
  const pick = <A>(all: ReadonlyArray<A>): A => all[Math.floor(random() * all.length)]
  return {
    city: pick(CITIES),
    age: random() < 0.1 ? undefined : Math.floor(random() * 10),
    name: pick(NAMES),
    tags: TAGS.filter(() => random() < 0.4)
  }
}

const compare = <A>(a: A, b: A): number => (a < b ? -1 : a > b ? 1 : 0)

const inRange = <A extends string | number>(range: TableIndex.Range<A>, value: A): boolean =>
  (range.gt === undefined || value > range.gt) &&
  (range.gte === undefined || value >= range.gte) &&
  (range.lt === undefined || value < range.lt) &&
  (range.lte === undefined || value <= range.lte)

/** What a condition holds for, told in another way than by the index. */
const naive: { readonly [Name in keyof Ix]: (user: User, asked: never) => boolean } = {
  city: (user, asked: string) => user.city === asked,
  tag: (user, asked: string) => user.tags.includes(asked),
  age: (user, asked: number | TableIndex.Range<number>) =>
    user.age !== undefined && (typeof asked === "number" ? user.age === asked : inRange(asked, user.age)),
  name: (user, asked: TableIndex.Range<string>) =>
    asked.prefix === undefined ? inRange(asked, user.name) : user.name.startsWith(asked.prefix),
  pair: (user, asked: { readonly prefix: ReadonlyArray<string> }) => user.city === asked.prefix[0],
  adult: (user, asked: string) => (user.age ?? 0) >= 5 && user.city === asked,
  unique: (user, asked: string) => user.name === asked,
  reversed: (user, asked: string) => user.name === asked
}

const conditionsOf = (random: () => number): Record<string, unknown> => {
  const pick = <A>(all: ReadonlyArray<A>): A => all[Math.floor(random() * all.length)]
  const where: Record<string, unknown> = {}
  if (random() < 0.3) where["city"] = pick(CITIES)
  if (random() < 0.3) where["tag"] = pick(TAGS)
  if (random() < 0.4) where["age"] = random() < 0.3 ? 5 : { gte: Math.floor(random() * 10), lt: 8 }
  if (random() < 0.3) where["name"] = random() < 0.5 ? { prefix: "a" } : { gt: "a", lte: "c" }
  if (random() < 0.2) where["pair"] = { prefix: [pick(CITIES)] }
  if (random() < 0.2) where["adult"] = pick(CITIES)
  if (random() < 0.2) where["unique"] = pick(NAMES)
  if (random() < 0.2) where["reversed"] = pick(NAMES)
  return where
}

const ORDERS: { readonly [Name in TableIndex.SortedNames<Ix>]: (a: User, b: User) => number } = {
  age: (a, b) => compare(a.age!, b.age!),
  name: (a, b) => compare(a.name, b.name),
  pair: (a, b) => compare(a.city, b.city) || compare(a.name, b.name),
  adult: (a, b) => compare(a.city, b.city),
  reversed: (a, b) => compare(b.name, a.name)
}

describe("a query", () => {
  for (let seed = 1; seed <= ofRounds(15, 500); seed++) {
    it.effect(`finds what a filter and a sort find, on each way (${seed})`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const random = randomOf(seed)
          const hand = yield* Hand.make<string, User, Ix>(Codec.utf8)
          // Every other city has the same hash.
          yield* hand.index(indexes, (name, view) =>
            name === "city" ? new HashIndex(hand.publication, name, view.definition, (key) => String(key).length) : view
          )
          for (let i = 0; i < 60; i++) {
            hand.put(`k${Math.floor(random() * 40)}`, random() < 0.2 ? undefined : userOf(random))
          }
          yield* hand.publish
          const { snapshot } = hand
          const { holding, slots } = hand.publication.shownVersion
          const find = (name: string) => holding.get(hand.names.get(name)!) as FrozenIndex
          for (let i = 0; i < 40; i++) {
            const where = conditionsOf(random)
            const names = Object.keys(ORDERS) as ReadonlyArray<TableIndex.SortedNames<Ix>>
            const orderBy = random() < 0.6 ? names[Math.floor(random() * names.length)] : undefined
            const reverse = random() < 0.5
            const limit = random() < 0.5 ? Math.floor(random() * 6) : undefined
            const found = [...snapshot.entries()].filter(
              ({ value }) =>
                Object.entries(where).every(([name, asked]) => naive[name as keyof Ix](value, asked as never)) &&
                !(orderBy === "age" && value.age === undefined) &&
                !(orderBy === "adult" && (value.age ?? 0) < 5)
            )
            if (orderBy !== undefined) {
              found.sort((a, b) => ORDERS[orderBy](a.value, b.value) || compare(a.key, b.key))
            }
            if (reverse) found.reverse()
            const right = found.slice(0, limit).map(({ key }) => key)
            const options = {
              reverse,
              ...(orderBy === undefined ? {} : { orderBy }),
              ...(limit === undefined ? {} : { limit })
            }
            const keys = (entries: Iterable<{ readonly key: string }>) => Array.from(entries, ({ key }) => key)
            assert.deepStrictEqual(keys(snapshot.query(where as never, options)), right)
            const query = new Query(slots, { names: hand.names, find }, where, options)
            assert.lengthOf(query.ways, Object.keys(where).length + 1)
            for (const way of query.ways) assert.deepStrictEqual(keys(query.run(way)), right)
            const plan = snapshot.explain(where, options)
            assert.strictEqual(plan.candidates, query.way.candidates)
            if (limit === undefined) {
              assert.strictEqual(plan.candidates, Math.min(...query.ways.map(({ candidates }) => candidates)))
            }
          }
        })
      )
    )
  }

  const some = Effect.gen(function* () {
    const hand = yield* Hand.make<string, User, Ix>(Codec.utf8)
    yield* hand.index(indexes)
    for (let i = 0; i < 100; i++) {
      hand.put(`k${i}`, { city: i < 10 ? "Bern" : "Rome", age: i, name: `${i % 50}`, tags: i < 3 ? ["x"] : ["y"] })
    }
    yield* hand.publish
    return hand.snapshot
  })

  it.effect("takes the index with the fewest candidates, and says so", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const snapshot = yield* some
        assert.deepStrictEqual(snapshot.explain({ city: "Bern", tag: "x", age: { gte: 5 } }), {
          index: "tag",
          candidates: 3,
          sorts: false
        })
        assert.deepStrictEqual(snapshot.explain({ city: "Rome", age: { gte: 95 } }), {
          index: "age",
          candidates: 5,
          sorts: false
        })
        assert.deepStrictEqual(snapshot.explain(), { index: undefined, candidates: 100, sorts: false })
        assert.deepStrictEqual(snapshot.explain({ tag: "x" }, { orderBy: "age" }), {
          index: "tag",
          candidates: 3,
          sorts: true
        })
        assert.deepStrictEqual(snapshot.explain({ city: "Rome" }, { orderBy: "age", limit: 5 }), {
          index: "age",
          candidates: 100,
          sorts: false
        })
        assert.deepStrictEqual(snapshot.explain({ age: { lt: 20 } }, { orderBy: "age" }), {
          index: "age",
          candidates: 20,
          sorts: false
        })
      })
    )
  )

  it.effect("that nobody can mean is refused", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const snapshot = (yield* some) as unknown as {
          query(where?: unknown, options?: unknown): unknown
          by(name: string): unknown
        }
        const refused = (where: unknown, options: unknown, ...says: ReadonlyArray<string>) => {
          let thrown: unknown
          try {
            snapshot.query(where, options)
          } catch (error) {
            thrown = error
          }
          assert.instanceOf(thrown, KafkaError.InvalidOptionsError)
          for (const say of says) assert.include((thrown as Error).message, say)
        }
        refused({ cty: "Rome" }, {}, "where.cty", 'did you mean "city"')
        refused({ city: null }, {}, "where.city: must be")
        refused({ city: Number.NaN }, {}, "where.city: must be")
        refused({ city: { gte: "a" } }, {}, "where.city: only a sorted index has ranges")
        refused({ age: { gte: null } }, {}, "range.gte: must be")
        refused({ age: { gte: Number.NaN } }, {}, "range.gte: must be")
        refused({ age: { above: 3 } }, {}, "range.above: unknown")
        refused({ reversed: { prefix: "a" } }, {}, "range.prefix: an index with an order of its own has no prefixes")
        refused({ age: { prefix: 3 } }, {}, "range.prefix: must be a text or a list")
        for (const where of [null, 5, "city", []]) refused(where, {}, "where: must be an object")
        for (const options of [null, 5, "age"]) refused({}, options, "options: must be an object")
        refused({}, { orderBy: "city" }, "orderBy: unknown; known are age, name, pair, adult, reversed")
        refused({}, { orderBy: "nme" }, 'orderBy: unknown; did you mean "name"')
        refused({}, { order: "age" }, "options.order")
        refused(
          {},
          { limit: -1, reverse: 1 },
          "limit: must be a whole number, at least 0",
          "reverse: must be true or false"
        )
        assert.throws(() => snapshot.by("nme"), /index: unknown; did you mean "name"/)
        assert.deepStrictEqual((snapshot.query({ city: undefined }) as ReadonlyArray<unknown>).length, 100)
        assert.deepStrictEqual((snapshot.query({ age: {} }) as ReadonlyArray<unknown>).length, 100)
      })
    )
  )
})
