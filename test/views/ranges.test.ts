/** Ranges of keys, and pages of them and of indexes: a sort and a filter of the entries, whatever asks for them. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Option } from "effect"
import { Codec, KafkaError, TableIndex, type TableSnapshot } from "../../src/index.ts"
import { KeyOrder } from "../../src/internal/views/keyOrder.ts"
import { attach } from "../../src/internal/table/publication/attaching.ts"
import { writeCursor } from "../../src/internal/views/cursor.ts"
import { it } from "../support/ManualClock.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { Hand } from "./byHand.ts"

type Entry<K> = TableSnapshot.RecordEntry<K, number>

interface Tenant {
  readonly tenant: string
  readonly name: string
}

/** Keys of a kind: how they are written, some of them, and what they may begin with. */
interface Kind<K> {
  readonly name: string
  readonly codec: Codec.Codec<K>
  readonly keys: ReadonlyArray<K>
  readonly prefixes: ReadonlyArray<readonly [prefix: unknown, begins: (key: K) => boolean]>
}

const texts: ReadonlyArray<string> = [
  "",
  "a",
  "ab",
  "abc",
  "abcd",
  "b",
  "é",
  "\uFFFF",
  "\u{1F600}",
  "\u{1F600}a",
  "Z",
  "~"
]
const blobs = [[], [0], [0, 0], [0, 255], [1], [255], [255, 0], [128, 1, 2, 3], [128, 1, 2, 4]].map((b) =>
  Uint8Array.from(b)
)
const integers = [0, 1, 2, 255, 256, -1, -256, 2 ** 31 - 1, -(2 ** 31)]
const tenants: ReadonlyArray<Tenant> = ["", "a", "ab", "b"].flatMap((tenant) =>
  ["", "x", "xy", "\0"].map((name) => ({ tenant, name }))
)

const kindOf = <K>(kind: Kind<K>): Kind<unknown> => kind as unknown as Kind<unknown>

const kinds: ReadonlyArray<Kind<unknown>> = [
  kindOf({
    name: "text, by its bytes in UTF-8",
    codec: Codec.utf8,
    keys: texts,
    prefixes: ["", "a", "ab", "no", "\u{1F600}"].map((prefix) => [prefix, (key: string) => key.startsWith(prefix)])
  }),
  kindOf({
    name: "bytes",
    codec: Codec.bytes,
    keys: blobs,
    prefixes: [[], [0], [128, 1, 2], [9]].map((p) => [
      Uint8Array.from(p),
      (key: Uint8Array) => p.every((byte, i) => key[i] === byte)
    ])
  }),
  kindOf({
    name: "integers, by their bytes: those below 0 come last",
    codec: Codec.int32,
    keys: integers,
    prefixes: []
  }),
  kindOf({
    name: "composite keys, by their parts",
    codec: Codec.tuple({ tenant: Codec.utf8, name: Codec.utf8 }),
    keys: tenants,
    prefixes: [
      [{}, () => true],
      [{ tenant: "a" }, (key: Tenant) => key.tenant === "a"],
      [{ tenant: "a", name: "x" }, (key: Tenant) => key.tenant === "a" && key.name === "x"],
      [{ tenant: "no" }, () => false]
    ]
  })
]

const plain = (entries: Iterable<{ readonly key: unknown; readonly value: unknown }>) =>
  Array.from(entries, ({ key, value }) => [key, value])

describe("ranges of keys", () => {
  for (const { codec, keys, name, prefixes } of kinds) {
    for (const isKept of [true, false]) {
      it.effect(`${name}: ${isKept ? "in the order that a table keeps" : "sorted once for a snapshot"}`, () =>
        Effect.scoped(
          Effect.gen(function* () {
            const random = randomOf(keys.length)
            const pick = () => keys[Math.floor(random() * keys.length)]
            const bytesOf = (key: unknown) => Buffer.from(Effect.runSync(codec.encode(key)))
            const compare = (a: unknown, b: unknown) => Buffer.compare(bytesOf(a), bytesOf(b))
            const hand = yield* Hand.make<unknown, number>(codec)
            if (isKept) yield* attach(new KeyOrder(hand.publication))
            const held: Array<typeof hand.snapshot> = [hand.snapshot]
            for (let i = 0; i < 60; i++) {
              for (let n = 0; n < 3; n++) hand.put(pick(), random() < 0.3 ? undefined : i)
              yield* hand.publish
              if (i % 10 === 5) yield* hand.compact
              held.push(hand.snapshot)
            }
            for (const snapshot of held) {
              const sorted = [...snapshot.entries()].sort((a, b) => compare(a.key, b.key))
              assert.deepStrictEqual(plain(snapshot.range()), plain(sorted))
              for (let i = 0; i < ofRounds(4, 50); i++) {
                const range: { [Name in "gt" | "gte" | "lt" | "lte"]?: unknown } = {}
                if (random() < 0.4) range.gt = pick()
                if (random() < 0.4) range.gte = pick()
                if (random() < 0.4) range.lt = pick()
                if (random() < 0.4) range.lte = pick()
                const found = sorted.filter(
                  ({ key }) =>
                    (range.gt === undefined || compare(key, range.gt) > 0) &&
                    (range.gte === undefined || compare(key, range.gte) >= 0) &&
                    (range.lt === undefined || compare(key, range.lt) < 0) &&
                    (range.lte === undefined || compare(key, range.lte) <= 0)
                )
                const limit = random() < 0.5 ? Math.floor(random() * 4) : Number.POSITIVE_INFINITY
                assert.deepStrictEqual(plain(snapshot.range(range)), plain(found))
                assert.deepStrictEqual(plain(snapshot.range(range, { limit })), plain(found.slice(0, limit)))
                const reversed = [...found].reverse()
                assert.deepStrictEqual(plain(snapshot.range(range, { reverse: true })), plain(reversed))
                assert.deepStrictEqual(
                  plain(snapshot.range(range, { reverse: true, limit })),
                  plain(reversed.slice(0, limit))
                )
                assert.strictEqual(snapshot.count(range), found.length)
                for (const reverse of [false, true]) {
                  const pages: Array<Entry<unknown>> = []
                  let after: string | undefined
                  do {
                    const page = snapshot.page(range, { limit: 2, reverse, after })
                    assert.isAtMost(page.entries.length, 2)
                    pages.push(...page.entries)
                    after = Option.getOrUndefined(page.next)
                    if (after !== undefined) assert.isAbove(page.entries.length, 0)
                  } while (after !== undefined)
                  assert.deepStrictEqual(plain(pages), plain(reverse ? reversed : found))
                }
              }
              for (const [prefix, begins] of prefixes) {
                const found = sorted.filter(({ key }) => begins(key))
                assert.deepStrictEqual(plain(snapshot.prefix(prefix as never)), plain(found))
                assert.strictEqual(snapshot.count({ prefix: prefix as never }), found.length)
              }
            }
          })
        )
      )
    }
  }

  it.effect("with bounds that cross each other, or that are undefined", () =>
    Effect.gen(function* () {
      const hand = yield* Hand.make<string, number>(Codec.utf8)
      for (const key of ["a", "b", "c"]) hand.put(key, 1)
      yield* hand.publish
      const { snapshot } = hand
      const keys = (range: TableIndex.Range<string>) => Array.from(snapshot.range(range), ({ key }) => key)
      assert.deepStrictEqual(keys({ gt: "b", lt: "b" }), [])
      assert.deepStrictEqual(keys({ gte: "c", lt: "a" }), [])
      assert.deepStrictEqual(keys({ gte: "b", lte: "b" }), ["b"])
      assert.strictEqual(snapshot.count({ gt: "c", lt: "a" }), 0)
      assert.deepStrictEqual(keys({ gte: undefined, lt: "c" }), ["a", "b"])
      assert.deepStrictEqual(snapshot.page({ gt: "z" }), { entries: [], next: Option.none() })
    })
  )
})

describe("pages", () => {
  const indexes = TableIndex.define<string, number>()((index) => ({ number: index.sorted((value) => value) }))
  type Ix = typeof indexes

  for (let seed = 1; seed <= ofRounds(20, 1000); seed++) {
    it.effect(`what was not changed between them comes once, by keys and by an index, both ways (${seed})`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const random = randomOf(seed)
          const hand = yield* Hand.make<string, number, Ix>(Codec.utf8)
          yield* attach(new KeyOrder(hand.publication))
          yield* hand.index(indexes)
          const put = (i: number, value: number | undefined) => hand.put(`k${i}`, value)
          const count = 30
          for (let i = 0; i < count; i++) put(i, i % 7)
          yield* hand.publish
          for (const isByKey of [true, false]) {
            for (const reverse of [false, true]) {
              const before = new Map(Array.from(hand.snapshot.entries(), (entry) => [entry.key, entry.offset]))
              const seen: Array<Entry<string>> = []
              let after: string | undefined
              do {
                const options = { limit: 3, reverse, ...(after === undefined ? {} : { after }) }
                const page = isByKey ? hand.snapshot.page({}, options) : hand.snapshot.by("number").page({}, options)
                seen.push(...page.entries)
                after = Option.getOrUndefined(page.next)
                for (let n = 0; n < 3; n++) {
                  put(Math.floor(random() * count * 1.2), random() < 0.5 ? undefined : Math.floor(random() * 7))
                }
                yield* hand.publish
                if (random() < 0.3) yield* hand.compact
              } while (after !== undefined)
              const unchanged = [...hand.snapshot.entries()].filter(({ key, offset }) => before.get(key) === offset)
              for (const { key, offset } of unchanged) {
                assert.lengthOf(
                  seen.filter((entry) => entry.key === key && entry.offset === offset),
                  1,
                  key
                )
              }
              const places = seen.map(({ key, value }) => (isByKey ? key : `${value} ${key}`))
              const sorted = [...new Set(places)].sort()
              assert.deepStrictEqual(places, reverse ? sorted.reverse() : sorted)
            }
          }
        })
      )
    )
  }

  it.effect("what is no `next` of such a page is refused, whatever it is", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const made = TableIndex.define<string, Date>()((index) => ({
          date: index.sorted((value) => value),
          latest: index.sorted((value) => value, {
            order: (a, b) => Math.sign(b.getTime() - a.getTime()) as -1 | 0 | 1
          })
        }))
        const hand = yield* Hand.make<string, Date, typeof made>(Codec.utf8)
        yield* hand.index(made)
        for (let i = 0; i < 10; i++) hand.put(`k${i}`, new Date(i))
        yield* hand.publish
        const { snapshot } = hand
        const byKey = (after: string) => snapshot.page({}, { after })
        const byDate = (after: string) => snapshot.by("date").page({}, { after })
        const byLatest = (after: string) => snapshot.by("latest").page({}, { after })
        const next = (page: TableIndex.Page<unknown>) => Option.getOrThrow(page.next)
        const row = Buffer.from("k3")
        const ofKey = next(snapshot.page({}, { limit: 1 }))
        const ofLatest = next(snapshot.by("latest").page({}, { limit: 1 }))
        const json = (text: string) => Buffer.from(text).toString("base64url")
        const garbage = ["", "!", "e30", "bnVsbA", json("[1]"), json("[1,2]"), json('["x","a"]'), json('["n","a"]')]
        const more = [json('["nNaN","a"]'), json('["bx","a"]'), json('["d","a"]'), json('[["s"],["a"]]'), json("{")]
        for (const page of [byKey, byDate, byLatest]) {
          for (const after of [...garbage, ...more, 5 as unknown as string]) {
            assert.throws(() => page(after), /after: must be the `next` of a page/, JSON.stringify(after))
          }
        }
        assert.throws(() => byKey(next(snapshot.by("date").page({}, { limit: 1 }))), /after/)
        assert.throws(() => byDate(ofKey), /after/)
        assert.throws(() => byLatest(writeCursor({ key: [new Date(0)], row })), /after/)
        assert.throws(() => byLatest(ofKey), /after/)
        // Keys of its own kind are places, also where no row is.
        assert.lengthOf(byLatest(ofLatest).entries, 9)
        assert.lengthOf(byDate(writeCursor({ key: 2.5, row })).entries, 7)
      })
    )
  )
})

describe("a range that nobody can mean", () => {
  const refused = (what: () => unknown, ...says: ReadonlyArray<string>) => {
    const exit = Effect.runSyncExit(Effect.sync(what))
    assert.isTrue(Exit.isFailure(exit))
    try {
      what()
    } catch (thrown) {
      assert.instanceOf(thrown, KafkaError.InvalidOptionsError)
      for (const say of says) assert.include((thrown as Error).message, say)
    }
  }

  it.effect("is refused, with what, where, and what to do", () =>
    Effect.gen(function* () {
      const hand = yield* Hand.make<string, number>(Codec.utf8)
      hand.put("a", 1)
      yield* hand.publish
      const snapshot = hand.snapshot as unknown as {
        range(range: unknown, options?: unknown): Iterable<unknown>
        prefix(prefix: unknown): Iterable<unknown>
        count(range: unknown): number
        page(range: unknown, options?: unknown): unknown
      }
      for (const range of [null, 5, "a", ["a"], new Date()])
        refused(() => snapshot.range(range), "range: must be an object")
      refused(() => snapshot.range({ gtt: "a" }), "range.gtt", 'did you mean "gt"')
      for (const bound of [null, Number.NaN, 5, {}]) {
        refused(() => snapshot.range({ gte: bound }), "range.gte: must be a key of the table")
        refused(() => snapshot.count({ lt: bound }), "range.lt")
      }
      refused(() => snapshot.prefix(5), "range.prefix")
      for (const limit of [-1, 1.5, Number.NaN, "3", null, 3n]) {
        refused(() => snapshot.range({}, { limit }), "limit: must be a whole number, at least 0")
        refused(() => snapshot.page({}, { limit }), "limit: must be a whole number, at least 1")
      }
      refused(() => snapshot.page({}, { limit: 0 }), "limit")
      refused(() => snapshot.range({}, { reverse: "yes", limit: -1 }), "reverse: must be true or false", "limit")
      for (const options of [null, 5, []]) refused(() => snapshot.range({}, options), "options: must be an object")
      refused(() => snapshot.range({}, { limits: 1 }), "options.limits", 'did you mean "limit"')
      refused(() => snapshot.page({}, { before: "x" }), "options.before")
    })
  )
})
