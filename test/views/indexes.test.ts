/** Indexes are what their snapshot's rows say, whatever is done to the rows: each one is held against a recomputation. */
import { assert, describe } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { TableSnapshot } from "../../src/index.ts"
import { Codec, TableIndex } from "../../src/index.ts"
import { HashIndex } from "../../src/internal/views/hashIndex.ts"
import { it } from "../support/ManualClock.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { assertSame } from "../support/same.ts"
import { Hand, type Snapshot } from "./byHand.ts"

interface Value {
  readonly text: string | undefined
  readonly number: number | undefined
  readonly tags: ReadonlyArray<string | number>
  readonly date: Date | undefined
}

type Entry = TableSnapshot.RecordEntry<string, Value>

/** The shorter one is first, and texts of one length are one key. */
const byLength = (a: string, b: string) => Math.sign(a.length - b.length) as -1 | 0 | 1
const latestFirst = (a: Date, b: Date) => Math.sign(b.getTime() - a.getTime()) as -1 | 0 | 1

const failing = (number: number | undefined) => {
  if (number === 3) throw new Error("of the user")
  return number
}

const indexes = TableIndex.define<string, Value>()((index) => ({
  unique: index.unique((value) => value.text),
  hash: index.hash((value) => value.number),
  multi: index.multi((value) => value.tags),
  sorted: index.sorted((value) => value.number),
  lengths: index.sorted((value) => value.text, { order: byLength }),
  dates: index.sorted((value) => value.date),
  latest: index.sorted((value) => value.date, { order: latestFirst }),
  hashedDates: index.hash((value) => value.date),
  partial: index.sorted((value) => value.text, { where: (value) => (value.number ?? 0) > 1 }),
  partialHash: index.hash((value) => value.text, { where: (value) => (value.number ?? 0) > 1 }),
  partialUnique: index.unique((value) => value.number, { where: (value) => failing(value.number) !== 1 }),
  lists: index.sorted((value) =>
    value.text === undefined || value.number === undefined ? undefined : [value.text, value.number]
  ),
  hashedLists: index.hash((value) =>
    value.text === undefined || value.number === undefined ? undefined : [value.text, value.number]
  ),
  failing: index.hash((value) => failing(value.number)),
  failingSorted: index.sorted((value) => failing(value.number)),
  failingTags: index.multi((value) => (value.number === 3 ? (undefined as unknown as Array<string>) : value.tags)),
  ownKey: index.sorted((_, key) => key.slice(1))
}))

type Ix = typeof indexes
type Shot = Snapshot<string, Value, Ix>

const TEXTS = ["", "a", "b", "ab", "é", "\u{1F600}", "\uFFFF"]
const NUMBERS = [0, -0, 1, 2, 3, -1.5, Number.POSITIVE_INFINITY]
const TAGS = ["x", "y", 1, 2, 0, Number.NaN]
const DATES = [new Date(0), new Date(5), new Date(-5)]
const KEYS = Array.from({ length: 14 }, (_, i) => `k${i}`)

type Given = string | number | Date | ReadonlyArray<string | number>

/** What a key is, as a text: the same for the same keys only. */
const idOf = (key: Given): string =>
  key instanceof Date
    ? `n${key.getTime()}`
    : typeof key === "object"
      ? `[${key.map(idOf).join()}]`
      : `${typeof key}:${key === 0 ? 0 : String(key)}`

const isKey = (key: Given | undefined): key is Given => {
  if (key === undefined) return false
  if (key instanceof Date) return !Number.isNaN(key.getTime())
  return typeof key === "object" ? key.every(isKey) : !Number.isNaN(key)
}

/** What the rows have as keys, told in another way than by the definitions. */
const naive: { readonly [Name in keyof Ix]: (entry: Entry) => ReadonlyArray<Given | undefined> } = {
  unique: ({ value }) => [value.text],
  hash: ({ value }) => [value.number],
  multi: ({ value }) => value.tags,
  sorted: ({ value }) => [value.number],
  lengths: ({ value }) => [value.text],
  dates: ({ value }) => [value.date],
  latest: ({ value }) => [value.date],
  hashedDates: ({ value }) => [value.date],
  partial: ({ value }) => ((value.number ?? 0) > 1 ? [value.text] : []),
  partialHash: ({ value }) => ((value.number ?? 0) > 1 ? [value.text] : []),
  partialUnique: ({ value }) => (value.number === 1 || value.number === 3 ? [] : [value.number]),
  lists: ({ value }) => (value.text === undefined || value.number === undefined ? [] : [[value.text, value.number]]),
  hashedLists: ({ value }) =>
    value.text === undefined || value.number === undefined ? [] : [[value.text, value.number]],
  failing: ({ value }) => (value.number === 3 ? [] : [value.number]),
  failingSorted: ({ value }) => (value.number === 3 ? [] : [value.number]),
  failingTags: ({ value }) => (value.number === 3 ? [] : value.tags),
  ownKey: ({ key }) => [key.slice(1)]
}

const compareGiven = (a: Given, b: Given): number => {
  if (a instanceof Date) return a.getTime() - (b as Date).getTime()
  if (typeof a === "object") {
    const [[text, number], [otherText, otherNumber]] = [a, b as ReadonlyArray<string | number>]
    return compareGiven(text, otherText) || compareGiven(number, otherNumber)
  }
  return a < b ? -1 : a > b ? 1 : 0
}

const orders: Partial<Record<keyof Ix, (a: never, b: never) => number>> = { lengths: byLength, latest: latestFirst }

const orderOf = (name: keyof Ix) => (orders[name] ?? compareGiven) as (a: Given, b: Given) => number

interface Pair {
  readonly key: Given
  readonly entry: Entry
}

/** All pairs of a row and a key in an index, each once. */
const pairsOf = (entries: ReadonlyArray<Entry>, name: keyof Ix): ReadonlyArray<Pair> =>
  entries.flatMap((entry) => {
    const all = new Map(
      naive[name](entry)
        .filter(isKey)
        .map((key) => [idOf(key), key])
    )
    return [...all.values()].map((key) => ({ key, entry }))
  })

const plain = (entries: Iterable<Entry>) =>
  Array.from(entries, ({ key, offset, partition }) => [key, partition, offset])

const isOlder = (a: Entry, b: Entry) =>
  (a.timestamp - b.timestamp || a.partition - b.partition || a.offset - b.offset) < 0

const winnersOf = (pairs: ReadonlyArray<Pair>): ReadonlyMap<string, Entry> => {
  const winners = new Map<string, Entry>()
  for (const { entry, key } of pairs) {
    const other = winners.get(idOf(key))
    if (other === undefined || isOlder(entry, other)) winners.set(idOf(key), entry)
  }
  return winners
}

const ASKED: Partial<Record<keyof Ix, ReadonlyArray<Given>>> = {
  multi: ["x", "y", 1, 2, 0, "no"],
  failingTags: ["x", "y", 1, 2, 0, "no"],
  dates: DATES,
  latest: DATES,
  hashedDates: DATES,
  lists: TEXTS.flatMap((text) => NUMBERS.map((number) => [text, number])),
  hashedLists: TEXTS.flatMap((text) => NUMBERS.map((number) => [text, number])),
  hash: NUMBERS,
  sorted: NUMBERS,
  partialUnique: NUMBERS,
  failing: NUMBERS,
  failingSorted: NUMBERS
}

const askedOf = (name: keyof Ix): ReadonlyArray<Given> => ASKED[name] ?? TEXTS

/** All that an index of a snapshot can be asked, as the snapshot's rows say. */
const check = (shot: Shot, name: keyof Ix, random: () => number, defined: keyof Ix = name): void => {
  const entries = [...shot.entries()]
  const pairs = pairsOf(entries, defined)
  const { kind } = indexes[defined]
  const at = `${name} of version ${shot.version}`
  if (kind === "unique") {
    const lookup = shot.by(name) as unknown as TableIndex.UniqueLookup<Given, Entry>
    const winners = winnersOf(pairs)
    for (const key of askedOf(defined)) {
      const winner = winners.get(idOf(key))
      assertSame(plain(Option.toArray(lookup.get(key))), plain(winner === undefined ? [] : [winner]), at)
      assert.strictEqual(lookup.has(key), winner !== undefined, at)
    }
    const losers = pairs.filter(({ entry, key }) => winners.get(idOf(key)) !== entry).map(({ entry }) => entry)
    assertSame(plain(lookup.conflicts()), plain(losers), at)
    assert.strictEqual(lookup.size, pairs.length, at)
    return
  }
  if (kind !== "sorted") {
    const lookup = shot.by(name) as unknown as TableIndex.HashLookup<Given, Entry>
    for (const key of askedOf(defined)) {
      const found = pairs.filter((pair) => idOf(pair.key) === idOf(key)).map(({ entry }) => entry)
      assertSame(plain(lookup.get(key)), plain(found), at)
      assert.strictEqual(lookup.count(key), found.length, at)
      assert.strictEqual(lookup.has(key), found.length > 0, at)
    }
    assert.strictEqual(lookup.size, pairs.length, at)
    return
  }
  const lookup = shot.by(name) as unknown as TableIndex.SortedLookup<Given, Entry>
  const compare = orderOf(defined)
  const sorted = [...pairs].sort(
    (a, b) => compare(a.key, b.key) || Buffer.compare(Buffer.from(a.entry.key), Buffer.from(b.entry.key))
  )
  assertSame(plain(lookup.range()), plain(sorted.map(({ entry }) => entry)), at)
  assert.strictEqual(lookup.size, pairs.length, at)
  const asked = askedOf(defined)
  for (const key of asked) {
    const found = sorted.filter((pair) => compare(pair.key, key) === 0).map(({ entry }) => entry)
    assertSame(plain(lookup.get(key)), plain(found), at)
    assert.strictEqual(lookup.has(key), found.length > 0, at)
  }
  const pick = (): Given => asked[Math.floor(random() * asked.length)]
  for (let i = 0; i < 4; i++) {
    const range: { [Name in "gt" | "gte" | "lt" | "lte"]?: Given } = {}
    if (random() < 0.4) range.gt = pick()
    if (random() < 0.4) range.gte = pick()
    if (random() < 0.4) range.lt = pick()
    if (random() < 0.4) range.lte = pick()
    const holds = ({ key }: Pair) =>
      (range.gt === undefined || compare(key, range.gt) > 0) &&
      (range.gte === undefined || compare(key, range.gte) >= 0) &&
      (range.lt === undefined || compare(key, range.lt) < 0) &&
      (range.lte === undefined || compare(key, range.lte) <= 0)
    const found = sorted.filter(holds).map(({ entry }) => entry)
    const [reverse, limit] = [random() < 0.5, random() < 0.5 ? Math.floor(random() * 5) : undefined]
    const right = (reverse ? [...found].reverse() : found).slice(0, limit)
    const options = { reverse, ...(limit === undefined ? {} : { limit }) }
    assertSame(plain(lookup.range(range as never, options)), plain(right), at)
    assert.strictEqual(lookup.count(range as never), found.length, at)
  }
  if (orders[defined] !== undefined) return
  for (const prefix of defined === "lists" ? [[], ["a"], ["a", 1], ["a", 1, 2]] : ["", "a", "\uD83D"]) {
    const begins = ({ key }: Pair) =>
      typeof prefix === "string"
        ? typeof key === "string" && key.startsWith(prefix)
        : idOf((key as ReadonlyArray<string>).slice(0, prefix.length)) === idOf(prefix)
    const found = sorted.filter(begins).map(({ entry }) => entry)
    assertSame(plain(lookup.prefix(prefix as never)), plain(found), at)
  }
}

const names = Object.keys(indexes) as ReadonlyArray<keyof Ix>
const hashed = names.filter((name) => indexes[name].kind !== "sorted")

/** An index of few hashes, so that keys that are not the same have the same one. */
const COLLIDING = "Colliding"

const checkAll = (shot: Shot, random: () => number): void => {
  for (const name of names) check(shot, name, random)
  for (const name of hashed) check(shot, `${name}${COLLIDING}` as keyof Ix, random, name)
}

const leftOutOf = (entries: ReadonlyArray<Entry>, name: keyof Ix): number =>
  entries.filter((entry) => {
    const { number, text } = entry.value
    if (name.startsWith("failing") && number === 3) return true
    if (name === "partialUnique" && number === 3) return true
    if (name === "lists" || name === "hashedLists") return !isKey(text) || !isKey(number)
    const keys = naive[name](entry)
    return keys.length > 0 && !keys.some(isKey)
  }).length

const checkStats = (hand: Hand<string, Value, Ix>): void => {
  const entries = [...hand.snapshot.entries()]
  for (const [name, view] of hand.names) {
    const defined = name.replace(COLLIDING, "") as keyof Ix
    const pairs = pairsOf(entries, defined)
    const { conflicts, entries: count, leftOut } = view.stats
    const isUnique = indexes[defined].kind === "unique"
    assert.deepStrictEqual(
      { name, conflicts, count, leftOut },
      {
        name,
        conflicts: isUnique ? pairs.length - winnersOf(pairs).size : 0,
        count: pairs.length,
        leftOut: leftOutOf(entries, defined)
      }
    )
  }
}

const valueOf = (random: () => number): Value => {
  const pick = <A>(all: ReadonlyArray<A>): A => all[Math.floor(random() * all.length)]
  return {
    text: random() < 0.1 ? undefined : pick(TEXTS),
    number: random() < 0.1 ? pick([undefined, Number.NaN]) : pick(NUMBERS),
    tags: Array.from({ length: Math.floor(random() * 4) }, () => pick(TAGS)),
    date: random() < 0.2 ? pick([undefined, new Date(Number.NaN)]) : pick(DATES)
  }
}

const makeHand = Effect.map(Hand.make<string, Value, Ix>(Codec.utf8), (hand) => {
  const colliding = Object.fromEntries(hashed.map((name) => [`${name}${COLLIDING}`, indexes[name]]))
  const attached = hand.index({ ...indexes, ...colliding }, (name, view) =>
    name.endsWith(COLLIDING)
      ? new HashIndex(hand.publication, name, view.definition, (key) => String(key).length % 2)
      : view
  )
  return { hand, attached }
})

describe("an index is what its snapshot's rows say", () => {
  for (let seed = 1; seed <= ofRounds(8, 500); seed++) {
    it.effect(`at each version, of puts, deletes, evictions, rebuilds and new slots (${seed})`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const random = randomOf(seed)
          const { attached, hand } = yield* makeHand
          const held: Array<{ readonly shot: Shot; readonly rows: ReadonlyArray<unknown> }> = []
          const hold = () => held.push({ shot: hand.snapshot, rows: plain(hand.snapshot.entries()) })
          const key = () => KEYS[Math.floor(random() * KEYS.length)]
          const change = () => {
            const partition = random() < 0.3 ? 1 : 0
            const timestamp = Math.floor(random() * 4)
            hand.put(key(), random() < 0.3 ? undefined : valueOf(random), { partition, timestamp })
          }
          const attachedAt = Math.floor(random() * 5)
          for (let step = 0; step < 30; step++) {
            if (step === attachedAt) {
              yield* attached
              hold()
            }
            const what = random()
            if (what < 0.6) for (let n = Math.floor(random() * 6); n >= 0; n--) change()
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
            if (step >= attachedAt) {
              hold()
              checkStats(hand)
            }
          }
          assert.isAtLeast(held.length, 20)
          for (const { rows, shot } of held) {
            assert.deepStrictEqual(plain(shot.entries()), rows)
            checkAll(shot, random)
          }
        })
      )
    )
  }
})
