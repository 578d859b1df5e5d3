/** What catalogs answer is judged: a sound history passes, and each way of breaking it is named. */
import { assert, describe, it } from "vitest"
import { identify } from "../../../src/internal/catalog/configuration.ts"
import { identityBytes, withId } from "../../../src/internal/catalog/keys.ts"
import { shown } from "../../catalog/naive.ts"
import { KEYS, part, type Part } from "../../catalog/support.ts"
import type { ReadRecord } from "../../kafka/records.ts"
import { Findings } from "../oracle.ts"
import { judgeCatalog, type CatalogEvidence } from "./catalogOracle.ts"
import type { CatalogOperation, CatalogOutcome, Filter } from "./catalogs.ts"

/** The record of an insert that came to the log, or the tombstone for it. */
const record = (offset: number, of: Part, isTombstone = false): ReadRecord => {
  const identity = identify("topic", KEYS, of)
  if (!("rowKey" in identity)) throw new Error("no identity")
  return {
    partition: 0,
    offset,
    timestamp: offset,
    key: withId(identityBytes(identity), Buffer.alloc(16, of.stock)),
    value: isTombstone ? null : Buffer.from(JSON.stringify(of)),
    headers: []
  }
}

const insert = (calledAt: number, asked: Part, outcome: CatalogOutcome | undefined): CatalogOperation => ({
  by: "one",
  asked: { _tag: "Insert", part: asked },
  calledAt,
  endedAt: calledAt + 5,
  outcome
})

const remove = (calledAt: number, filter: Filter, outcome: CatalogOutcome): CatalogOperation => ({
  by: "other",
  asked: { _tag: "Delete", filter },
  calledAt,
  endedAt: calledAt + 5,
  outcome
})

const inserted = (part: Part): CatalogOutcome => ({ _tag: "Inserted", part })
const failed: CatalogOutcome = { _tag: "Failed", error: "KafkaWriteError" }
const deleted: CatalogOutcome = { _tag: "Deleted" }

const first = part("a", "acme", "eu", 1)
const second = part("a", "ACME", "eu", 2)
const other = part("b", "acme", "eu", 3)
const again = part("a", "acme", "eu", 4)

/** The first of two inserts counts; another record is deleted, and inserted again with a failure. */
const sound: CatalogEvidence = {
  operations: [
    insert(0, first, inserted(first)),
    insert(1, second, inserted(first)),
    insert(10, other, inserted(other)),
    remove(20, { sku: "b" }, deleted),
    insert(30, part("b", "acme", "eu", 5), failed)
  ],
  contents: new Map([["one", [shown({ part: first, partition: 0, offset: 0, timestamp: 0 })]]])
}
const log = [record(0, first), record(2, other), record(3, other, true)]

const foundIn = (change: Partial<CatalogEvidence>, records: ReadonlyArray<ReadRecord> = log) => {
  const findings = new Findings()
  judgeCatalog({ ...sound, ...change }, records, findings)
  return findings.list.map(({ invariant, what }) => `${invariant} ${what}`)
}

const withOperation = (operation: CatalogOperation) => ({ operations: [...sound.operations, operation] })

describe("the verdict on catalogs", () => {
  it("is good for a sound history", () => {
    assert.deepStrictEqual(foundIn({}), [])
    // What was deleted, or may have been, and what may have been inserted, may be there or not.
    const rest = [record(4, part("b", "acme", "eu", 5))]
    const contents = new Map([
      [
        "one",
        [
          ...sound.contents.get("one")!,
          shown({ part: part("b", "acme", "eu", 5), partition: 0, offset: 4, timestamp: 4 })
        ]
      ]
    ])
    assert.deepStrictEqual(foundIn({ contents }, [...log, ...rest]), [])
    const gone = [record(0, first), record(1, first, true), ...log.slice(1)]
    assert.deepStrictEqual(
      foundIn({ ...withOperation(remove(40, { vendor: "Acme" }, failed)), contents: new Map([["one", []]]) }, gone),
      []
    )
  })

  it("names what a catalog shows, and the log has not, and the other way round", () => {
    const [row] = sound.contents.get("one")!
    assert.deepStrictEqual(foundIn({ contents: new Map([["one", []]]) }), [`17 one: ${row} is only in the log`])
    const contents = new Map([["one", [row, "x acme 9 @0:9"]]])
    assert.deepStrictEqual(foundIn({ contents }), ["17 one: x acme 9 @0:9 is only in the catalog"])
  })

  it("names inserts that were told of another record than the one that counts", () => {
    const identity = "a/acme/eu"
    assert.deepStrictEqual(foundIn(withOperation(insert(5, again, inserted(again)))), [
      `18 one was told that ${identity} is 4, and it is 1`
    ])
    assert.deepStrictEqual(foundIn(withOperation(insert(5, again, inserted(part("a", "acme", "eu", 77))))), [
      `18 one was told that ${identity} is 77, which nobody had inserted`
    ])
    assert.deepStrictEqual(foundIn(withOperation(insert(25, again, inserted(other)))), [
      `18 one was told that ${identity} is 3, which nobody had inserted`
    ])
  })

  it("names what is gone and was not deleted, and what was deleted and is there", () => {
    const empty = new Map([["one", []]])
    assert.deepStrictEqual(foundIn({ contents: empty }, [...log, record(9, first, true)]), [
      "18 one was told that a/acme/eu is 1, and it is gone",
      "18 one was told that a/acme/eu is 1, and it is gone"
    ])
    const contents = new Map([
      ["one", [...sound.contents.get("one")!, shown({ part: other, partition: 0, offset: 2, timestamp: 2 })]]
    ])
    assert.deepStrictEqual(foundIn({ contents }, log.slice(0, 2)), ["18 b/acme/eu is 3, which other had deleted"])
  })

  it("names operations that did not end, or died", () => {
    assert.deepStrictEqual(foundIn(withOperation(insert(5, again, undefined))), [
      "11 Insert of one never ended, or died"
    ])
  })
})
