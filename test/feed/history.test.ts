/** Which readers that come back can be told what they missed, and what that is. */
import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { History } from "../../src/internal/feed/history.ts"
import { parseToken, printToken, type Token } from "../../src/internal/feed/token.ts"
import type { Place } from "../../src/internal/table/place.ts"

const at = (positions: ReadonlyArray<number>, tombstones = 0, topicId = "topic"): Place => ({
  topicId,
  positions: new Map(positions.map((position, partition) => [partition, position])),
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
      "other partitions": { ...now, positions: new Map([[0, 12]].concat([[2, 21]]) as Array<[number, number]>) }
    }
    for (const [what, place] of Object.entries(refused)) assert.isUndefined(history.from(place, now), what)
    assert.isUndefined(history.from(now, undefined), "a table whose place is not certain")
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
      { feed, version: 123, place: { topicId, positions: new Map([[0, 0]]) } },
      {
        feed,
        version: 123,
        place: { topicId, positions: new Map(Object.entries([7, 0, 5e14]).map(([p, o]) => [+p, o])) }
      }
    ]
    for (const token of tokens) assert.deepStrictEqual(parseToken(printToken(token)), token)
    const text = printToken(tokens[2])
    for (const wrong of [
      "",
      "x",
      `${text},`,
      `${text}.`,
      ` ${text}`,
      text.slice(1),
      `${feed}.-1`,
      `${feed}.1e3`,
      `${feed}.1.`
    ]) {
      assert.isUndefined(parseToken(wrong), wrong)
    }
  })
})
