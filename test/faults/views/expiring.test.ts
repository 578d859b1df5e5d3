/** Rows that expire are judged: they are there until their time, by the log as far as it was read. */
import { assert, describe, it } from "vitest"
import type { ReadRecord } from "../../kafka/records.ts"
import type { Held } from "../history.ts"
import { Findings } from "../oracle.ts"
import { judgeExpiring, LIFE_MILLIS, type TimedRead } from "./expiring.ts"

const record = (offset: number, key: string, value: string | null, timestamp: number): ReadRecord => ({
  partition: 0,
  offset,
  timestamp,
  key: Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  headers: []
})

const log = [
  record(0, "old", "1", 0),
  record(1, "young", "1", 1_000),
  record(2, "deleted", "1", 1_000),
  record(3, "deleted", null, 1_000),
  record(4, "later", "1", 1_000)
]

const held = (key: string, offset: number): Held => ({ key, value: "1", partition: 0, offset })

const read = (millis: number, ...content: ReadonlyArray<Held>): TimedRead => ({
  table: "expiring",
  positions: new Map([[0, 4]]),
  content,
  millis
})

const foundIn = (one: TimedRead, records: ReadonlyArray<ReadRecord> = log, everything = records) => {
  const findings = new Findings()
  judgeExpiring([one], records, everything, findings)
  return findings.list.map(({ what }) => what)
}

describe("the verdict on rows that expire", () => {
  it("is good for those that are there until their time, and may be there a moment longer", () => {
    assert.deepStrictEqual(foundIn(read(LIFE_MILLIS - 1, held("old", 0), held("young", 1))), [])
    assert.deepStrictEqual(foundIn(read(LIFE_MILLIS, held("young", 1))), [])
    assert.deepStrictEqual(foundIn(read(LIFE_MILLIS, held("old", 0), held("young", 1))), [])
    assert.deepStrictEqual(foundIn(read(LIFE_MILLIS + 1_000)), [])
  })

  it("names a row that is gone before its time, and one that the log has not, or not any more", () => {
    assert.deepStrictEqual(foundIn(read(LIFE_MILLIS - 1, held("young", 1))), [
      "expiring at 0:4: old: only in the log, 1 of 0:0"
    ])
    assert.deepStrictEqual(foundIn(read(LIFE_MILLIS, held("young", 1), held("deleted", 2))), [
      "expiring at 0:4: deleted: only in the table, 1 of 0:2"
    ])
    assert.deepStrictEqual(foundIn(read(LIFE_MILLIS, held("young", 1), held("later", 4))), [
      "expiring at 0:4: later: only in the table, 1 of 0:4"
    ])
  })

  it("is by the log as it was before some of it was removed, or as it is since", () => {
    const rest = log.slice(2)
    assert.deepStrictEqual(foundIn(read(LIFE_MILLIS, held("young", 1)), rest, log), [])
    assert.deepStrictEqual(foundIn(read(LIFE_MILLIS), rest, log), [])
    assert.lengthOf(foundIn(read(LIFE_MILLIS, held("old", 0)), rest, log), 1)
  })
})
