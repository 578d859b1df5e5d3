/** Which readers that come back can be told what they missed, and what that is. */
import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { History } from "../../src/internal/feed/history.ts"
import { parseToken, printToken, type Token } from "../../src/internal/feed/token.ts"
import type { Place } from "../../src/internal/table/place.ts"

const at = (positions: ReadonlyArray<number>, tombstones = 0, topicId = "topic"): Place => ({
  topicId,
  positions: new Map(positions.map((position, partition) => [partition, position])),
  starts: new Map(positions.map((_, partition) => [partition, 0])),
  tombstones
})

const upsert = (key: string, partition: number, offset: number) => ({
  _tag: "Upsert" as const,
  key,
  value: "v",
  previous: Option.none(),
  partition,
  offset
})

const deleted = (key: string, partition: number, offset: number) => ({
  _tag: "Delete" as const,
  key,
  previous: Option.some("v"),
  partition,
  offset
})

const logOf = (...changes: ReadonlyArray<ReturnType<typeof upsert> | ReturnType<typeof deleted>>) => ({
  ids: changes.map(({ key }) => key),
  changes: [...changes]
})

const begun = (capacity: number) => new History<string>({ capacity, version: 5, place: at([10, 20]) })

const names = (keys: ReadonlyMap<string, string> | undefined) => (keys === undefined ? undefined : [...keys.keys()])

describe("a history", () => {
  it("knows what has changed since each version that it holds all changes of", () => {
    const history = begun(2)
    assert.isUndefined(history.after(4))
    assert.deepStrictEqual(names(history.after(5)), [])
    history.push(logOf(upsert("a", 0, 10), upsert("b", 0, 11)), 6, at([12, 20]))
    history.push(logOf(upsert("a", 0, 12)), 8, at([13, 20]))
    assert.deepStrictEqual(names(history.after(5)), ["a", "b"])
    assert.deepStrictEqual(names(history.after(6)), ["a"])
    assert.deepStrictEqual(names(history.after(7)), ["a"])
    assert.deepStrictEqual(names(history.after(8)), [])
    // twice as many as it has to hold: the first two are forgotten, of which version 6 was the last
    history.push(logOf(upsert("c", 1, 20)), 9, at([13, 21]))
    assert.isUndefined(history.after(5))
    assert.deepStrictEqual(names(history.after(6)), ["a", "c"])
  })

  it("of no capacity knows the present version only", () => {
    const history = begun(0)
    history.push(logOf(upsert("a", 0, 10)), 6, at([11, 20]))
    assert.isUndefined(history.after(5))
    assert.deepStrictEqual(names(history.after(6)), [])
  })

  it("knows what has changed since a place, if that lies between its beginning and the table's place", () => {
    const history = begun(100)
    const now = at([12, 21])
    history.push(logOf(upsert("a", 0, 10), upsert("b", 1, 20), upsert("c", 0, 11)), 6, now)
    assert.deepStrictEqual(names(history.from(at([10, 20]), now)), ["a", "b", "c"])
    assert.deepStrictEqual(names(history.from(at([11, 20]), now)), ["b", "c"])
    assert.deepStrictEqual(names(history.from(at([12, 21]), now)), [])
    const refused = {
      "before the beginning": at([9, 21]),
      "ahead of the table": at([12, 22]),
      "another topic": at([12, 21], 0, "other"),
      "fewer partitions": at([12]),
      "more partitions": at([12, 21, 0]),
      "other partitions": { ...now, positions: new Map([[0, 12]].concat([[2, 21]]) as Array<[number, number]>) },
      "a log that began elsewhere": { ...now, starts: new Map([[0, 0] as const, [1, 3] as const]) }
    }
    for (const [what, place] of Object.entries(refused)) assert.isUndefined(history.from(place, now), what)
    assert.isUndefined(history.from(now, undefined), "a table whose place is not certain")
  })

  it("of fewer changes than one publication has keeps the last ones", () => {
    const history = begun(2)
    history.push(logOf(upsert("a", 0, 10)), 6, at([11, 20]))
    history.push(
      logOf(deleted("b", 0, 11), upsert("c", 0, 12), upsert("d", 1, 20), upsert("e", 0, 13)),
      7,
      at([14, 21], 1)
    )
    assert.isUndefined(history.after(6))
    assert.deepStrictEqual(names(history.after(7)), [])
    const now = at([14, 21], 1)
    assert.isUndefined(history.from(at([12, 20]), now))
    assert.deepStrictEqual(names(history.from(at([13, 20]), now)), ["d", "e"])
    history.push(logOf(upsert("f", 0, 14)), 8, at([15, 21], 1))
    assert.deepStrictEqual(names(history.after(7)), ["f"])
  })

  it("forgets places with the changes that it forgets", () => {
    const history = begun(1)
    history.push(logOf(upsert("a", 0, 10), upsert("b", 0, 14)), 6, at([15, 20]))
    const now = at([15, 20])
    assert.isUndefined(history.from(at([10, 20]), now))
    assert.deepStrictEqual(names(history.from(at([11, 20]), now)), ["b"])
  })

  it("begins anew behind a tombstone that deleted nothing here, as it may have elsewhere", () => {
    const history = begun(100)
    history.push(logOf(upsert("a", 0, 10), deleted("a", 0, 11)), 6, at([12, 20], 1))
    assert.deepStrictEqual(names(history.from(at([10, 20]), at([12, 20], 1))), ["a"])
    // it has been read, and is not in any version yet
    assert.isUndefined(history.from(at([12, 20]), at([13, 20], 2)))
    history.push(logOf(upsert("b", 0, 13)), 7, at([14, 20], 2))
    assert.isUndefined(history.from(at([12, 20]), at([14, 20], 2)))
    assert.deepStrictEqual(names(history.from(at([14, 20]), at([14, 20], 2))), [])
    // versions have nothing to do with that
    assert.deepStrictEqual(names(history.after(5)), ["a", "b"])
  })

  it("begins anew with another topic, and where no place was certain before", () => {
    const history = new History<string>({ capacity: 100, version: 0, place: undefined })
    history.push(logOf(upsert("a", 0, 0)), 1, undefined)
    assert.isUndefined(history.from(at([0]), at([1])))
    history.push(logOf(upsert("b", 0, 1)), 2, at([2]))
    assert.isUndefined(history.from(at([0]), at([2])))
    assert.deepStrictEqual(names(history.from(at([2]), at([2]))), [])
    history.push(logOf(upsert("c", 0, 5)), 3, at([6], 0, "next"))
    assert.isUndefined(history.from(at([2]), at([6], 0, "next")))
    assert.deepStrictEqual(names(history.from(at([6], 0, "next"), at([6], 0, "next"))), [])
  })
})

describe("a token", () => {
  it("comes back as it was, and is told from any other text", () => {
    const feed = "0123456789abcdef"
    const topicId = "5b3c2a1e-9d0f-4f7a-8c1d-2b6e7f8a9b0c"
    const tokens: ReadonlyArray<Token> = [
      { feed, version: 0, place: undefined },
      { feed, version: 123, place: at([0], 0, topicId) },
      { feed, version: 123, place: at([7, 0, 5e14], 0, topicId) },
      { feed, version: 123, place: { ...at([7, 9], 0, topicId), starts: new Map([[0, 0] as const, [1, 5] as const]) } }
    ]
    for (const token of tokens) {
      const { feed, place, version } = token
      const same = parseToken(printToken(token))
      assert.deepStrictEqual([same?.feed, same?.version], [feed, version])
      assert.deepStrictEqual(same?.place?.positions, place?.positions)
      assert.deepStrictEqual(same?.place?.starts, place?.starts)
    }
    const text = printToken(tokens[3])
    assert.strictEqual(text, `${feed}.123.${topicId}.0:7,1:5-9`)
    for (const wrong of [
      "",
      "x",
      `${text},`,
      `${text}.`,
      ` ${text}`,
      text.slice(1),
      `${feed}.-1`,
      `${feed}.1e3`,
      `${feed}.1.`,
      `${text}\n`,
      `${text}-1`,
      text.replace("5-9", "-9"),
      text.replace("5-9", "4-5-9"),
      text.toUpperCase().replace("T", "t"),
      `${feed}.${"9".repeat(16)}`,
      `${feed}.1.${"t".repeat(65)}.0:0`,
      `${text}${",0:1".repeat(100_000)}`
    ]) {
      assert.isUndefined(parseToken(wrong), wrong.slice(0, 100))
    }
  })

  it("that was cut off is none, or one from before: who has it is told more than is needed, and never less", () => {
    const place = { ...at([712, 93], 0, "topic"), starts: new Map([[0, 0] as const, [1, 51] as const]) }
    const text = printToken({ feed: "0123456789abcdef", version: 123, place })
    let found = 0
    for (let length = 0; length < text.length; length++) {
      const cut = parseToken(text.slice(0, length))
      if (cut === undefined) continue
      found++
      assert.isAtMost(cut.version, 123)
      // Of another number of partitions, or of a log that began elsewhere, nothing is taken.
      if (cut.place?.positions.size !== 2 || cut.place.starts.get(1) !== 51) continue
      for (const [partition, position] of cut.place.positions) {
        assert.isAtMost(position, place.positions.get(partition)!)
      }
    }
    assert.isAbove(found, 5)
  })

  it("has the place only where that fits into the header of a request", () => {
    const feed = "0123456789abcdef"
    const many = (count: number) => ({ feed, version: 1, place: at(new Array<number>(count).fill(1e9)) })
    assert.isDefined(parseToken(printToken(many(100)))?.place)
    const long = printToken(many(1000))
    assert.strictEqual(long, `${feed}.1`)
    assert.deepStrictEqual(parseToken(long), { feed, version: 1, place: undefined })
  })
})
