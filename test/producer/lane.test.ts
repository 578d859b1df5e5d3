import { assert, describe, it } from "@effect/vitest"
import { ANONYMOUS, Lane } from "../../src/internal/producer/lane.ts"
import { PendingRecord, type WriteResult } from "../../src/internal/producer/record.ts"
import type { TopicLanes } from "../../src/internal/producer/topicLanes.ts"

const record = (deadline: number, size = 1): PendingRecord => {
  const made = new PendingRecord(
    { key: new Uint8Array(1), value: new Uint8Array(size), headers: [], timestamp: 0, partition: undefined },
    (_: WriteResult) => {}
  )
  made.deadline = deadline
  return made
}

/** A lane never asks its topic for anything: it only tells others which one it is. */
const topic = {} as TopicLanes

const lane = (maxBytes = 1_000_000) => new Lane(topic, 0, { producerId: 1n, epoch: 0 }, maxBytes)

describe("a lane", () => {
  it("gives each record one sequence, and wraps to 0 after 2^31 - 1", () => {
    const one = lane()
    one.nextSequence = 2 ** 31 - 2
    for (let i = 0; i < 3; i++) one.push(record(1))
    one.advance(one.cut()!)
    assert.strictEqual(one.nextSequence, 1)
  })

  it("renews: the next epoch from sequence 0, and no identity after the last epoch", () => {
    const one = lane()
    one.nextSequence = 7
    one.renew()
    assert.deepStrictEqual([one.identity?.epoch, one.nextSequence], [1, 0])
    one.identity = { producerId: 1n, epoch: 0x7fff }
    one.renew()
    assert.isUndefined(one.identity)
  })

  it("keeps its order through cutting, splitting and deadlines", () => {
    const one = lane(61 + 3 * record(0).size)
    const records = Array.from({ length: 5_000 }, (_, i) => record(i))
    for (const r of records) one.push(r)
    assert.strictEqual(one.deadline, 0)
    const first = one.cut()!
    assert.deepStrictEqual(first.records, records.slice(0, 3))
    assert.strictEqual(one.cut(), first)
    one.split(first)
    assert.deepStrictEqual(one.cut()!.records, records.slice(0, 1))
    assert.deepStrictEqual(one.takeOverdue(3_000), records.slice(1, 3_001))
    assert.strictEqual([...one.unsettled()].length, 1 + 1_999)
    one.batch = undefined
    assert.strictEqual(one.deadline, 3_001)
    assert.strictEqual(one.takeAll().length, 1_999)
    assert.isTrue(one.isIdle)
    assert.strictEqual(one.deadline, Number.POSITIVE_INFINITY)
  })

  it("a batch of all that there is stays as it was cut", () => {
    const one = lane()
    const records = Array.from({ length: 3 }, (_, i) => record(i))
    one.push(records[0])
    one.push(records[1])
    const first = one.cut()!
    one.push(records[2])
    assert.deepStrictEqual(first.records, records.slice(0, 2))
    one.batch = undefined
    assert.deepStrictEqual(one.cut()!.records, records.slice(2))
  })

  it("takes a record that is larger than a batch alone", () => {
    const one = lane(100)
    one.push(record(0, 1_000))
    one.push(record(0))
    assert.strictEqual(one.cut()!.records.length, 1)
  })

  it("has nothing to cut where nothing waits", () => {
    const one = lane()
    assert.isUndefined(one.cut())
    one.push(record(1))
    one.takeAll()
    assert.isUndefined(one.cut())
  })

  it("waits for an identity as it was, however often it is to be renewed", () => {
    const one = new Lane(topic, 0, undefined, 1_000_000)
    one.renew()
    assert.isUndefined(one.identity)
    one.identity = ANONYMOUS
    one.renew()
    assert.strictEqual(one.identity, ANONYMOUS)
  })

  it("where a record is refused without a name, few go together after it was found: twice as many each time", () => {
    const one = lane()
    const records = Array.from({ length: 40 }, (_, i) => record(i))
    for (const r of records) one.push(r)
    const sizes: Array<number> = []
    const cut = () => {
      const batch = one.cut()!
      sizes.push(batch.records.length)
      return batch
    }
    one.suspect(cut())
    // the halves in front are taken until the one is alone
    for (let i = 0; i < 4; i++) one.suspect(cut())
    one.suspect(cut())
    one.putBack(cut().records.slice(1))
    one.found()
    const taken = () => {
      one.advance(cut())
      one.batch = undefined
    }
    for (let i = 0; i < 5; i++) taken()
    assert.deepStrictEqual(sizes, [40, 20, 10, 5, 3, 2, 1, 1, 2, 4, 8, 16])
    assert.strictEqual([...one.unsettled()].length, 40 - 1 - 31)
  })
})
