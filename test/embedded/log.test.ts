/** One partition's log, as readers and leaders see it. */
import { assert, describe, it } from "@effect/vitest"
import { PartitionLog } from "../../src/internal/embedded/log.ts"
import { offsetAt, recordsOf } from "../../src/internal/embedded/storedRecords.ts"
import { encodeControlBatch } from "../../src/internal/recordBatch/encode.ts"
import { record, batch } from "../recordBatch/support.ts"
import { seen, sent } from "./support.ts"

const MEGABYTE = 1_000_000

/** A log under its first leader, with these batches, all of them replicated. */
const logOf = (...batches: ReadonlyArray<ReadonlyArray<string>>): PartitionLog => {
  const log = new PartitionLog()
  log.beginEpoch(0)
  for (const texts of batches) append(log, texts)
  return log
}

const append = (log: PartitionLog, texts: ReadonlyArray<string>, rest: Parameters<typeof sent>[1] = {}): number => {
  const offset = log.append(sent(texts, rest))
  log.highWatermark = log.endOffset
  return offset
}

const transactional = (producerId: bigint, baseSequence = 0) => ({
  producerId,
  producerEpoch: 0,
  baseSequence,
  isTransactional: true
})

const end = (log: PartitionLog, producerId: bigint, type: "commit" | "abort"): void => {
  log.appendMarker(encodeControlBatch({ type, producerId, producerEpoch: 0, coordinatorEpoch: 0, timestamp: 1 }), type)
  log.highWatermark = log.endOffset
}

const all = (log: PartitionLog, offset = 0) => log.read(offset, log.endOffset, MEGABYTE, true)

describe("PartitionLog", () => {
  it("gives offsets to records, and stamps batches with them and with the leader's epoch", () => {
    const log = new PartitionLog()
    log.beginEpoch(7)
    assert.deepStrictEqual([append(log, ["a=1", "b=2"]), append(log, ["c=3"])], [0, 2])
    assert.strictEqual(log.endOffset, 3)
    assert.deepStrictEqual(seen(all(log).records), ["0:a=1", "1:b=2", "2:c=3"])
    assert.deepStrictEqual(
      log.batches.map(({ header }) => header?.partitionLeaderEpoch),
      [7, 7]
    )
    assert.strictEqual(log.size, all(log).records.length)
  })

  it("is read from the batch on that holds an offset, in copies", () => {
    const log = logOf(["a=1", "b=2"], ["c=3"])
    const { nextOffset, records } = all(log, 1)
    assert.strictEqual(nextOffset, 3)
    assert.deepStrictEqual(seen(records, 1), ["1:b=2", "2:c=3"])
    records.fill(0)
    assert.deepStrictEqual(seen(all(log, 1).records, 1), ["1:b=2", "2:c=3"])
    assert.deepStrictEqual(all(log, 3), { records: Buffer.alloc(0), nextOffset: 3 })
  })

  it("is read up to so many bytes: the first batch whole, where that is asked for, the last one cut off", () => {
    const log = logOf(["a=1"], ["b=2"], ["c=3"])
    const size = log.batches[0].bytes.length
    const read = (maxBytes: number, whole: boolean) => log.read(0, 3, maxBytes, whole).records.length
    assert.deepStrictEqual([read(0, true), read(1, true), read(size, true)], [size, size, size])
    assert.deepStrictEqual([read(0, false), read(size - 1, false), read(size, false)], [0, 0, size])
    assert.strictEqual(read(size + 10, true), size + 10)
    assert.strictEqual(read(MEGABYTE, true), 3 * size)
    // nothing beyond what a reader may see, whatever there is room for
    assert.strictEqual(log.read(0, 2, MEGABYTE, true).records.length, 2 * size)
    assert.strictEqual(log.read(2, 2, MEGABYTE, true).records.length, 0)
  })

  it("counts what a reader could have no further than is enough", () => {
    const log = logOf(["a=1"], ["b=2"], ["c=3"])
    const size = log.batches[0].bytes.length
    assert.deepStrictEqual(
      [log.available(0, 3, 1), log.available(0, 3, MEGABYTE), log.available(2, 3, MEGABYTE), log.available(3, 3, 1)],
      [1, 3 * size, size, 0]
    )
    assert.strictEqual(log.available(0, 1, MEGABYTE), size)
  })

  it("finds the first record that is young enough, by the records and not by the batches", () => {
    const log = new PartitionLog()
    log.beginEpoch(0)
    log.append(batch(0, [record("a", "1", { timestamp: 10 }), record("b", "1", { timestamp: 30 })]))
    log.append(batch(0, [record("c", "1", { timestamp: 20 }), record("d", "1", { timestamp: 40 })]))
    log.highWatermark = 4
    assert.deepStrictEqual(
      [0, 10, 11, 30, 31, 40, 41].map((timestamp) => offsetAt(log, timestamp, 4)),
      [0, 0, 1, 1, 3, 3, -1]
    )
    // one beyond what may be read is none
    assert.strictEqual(offsetAt(log, 31, 2), -1)
    log.deleteBefore(1)
    assert.strictEqual(offsetAt(log, 0, 4), 1)
  })

  describe("transactions", () => {
    it("hold back the last stable offset while they are open, the oldest one for all", () => {
      const log = logOf(["a=1"])
      append(log, ["b=1"], transactional(1n))
      append(log, ["c=1"])
      append(log, ["d=1"], transactional(2n))
      assert.deepStrictEqual([log.lastStableOffset, log.highWatermark], [1, 4])
      assert.deepStrictEqual([log.readableEnd("read_committed"), log.readableEnd("read_uncommitted")], [1, 4])
      end(log, 1n, "commit")
      assert.strictEqual(log.lastStableOffset, 3)
      end(log, 2n, "abort")
      assert.strictEqual(log.lastStableOffset, log.endOffset)
    })

    it("that were aborted are named to those who read where they are", () => {
      const log = logOf(["a=1"])
      append(log, ["b=1"], transactional(1n))
      append(log, ["c=1"], transactional(2n))
      end(log, 1n, "abort")
      end(log, 2n, "commit")
      append(log, ["d=1"], transactional(2n, 1))
      end(log, 2n, "abort")
      const first = { producerId: 1n, firstOffset: 1 }
      const second = { producerId: 2n, firstOffset: 5 }
      assert.deepStrictEqual(log.abortedBetween(0, 7), [first, second])
      assert.deepStrictEqual(log.abortedBetween(0, 1), [])
      assert.deepStrictEqual(log.abortedBetween(0, 2), [first])
      // up to its marker
      assert.deepStrictEqual(log.abortedBetween(3, 5), [first])
      assert.deepStrictEqual(log.abortedBetween(4, 5), [])
      assert.deepStrictEqual(log.abortedBetween(4, 6), [second])
    })

    it("tell of each record what became of it", () => {
      const log = logOf(["a=1"])
      append(log, ["b=1"], transactional(1n))
      append(log, ["c=1"], transactional(2n))
      append(log, ["d=1"], transactional(3n))
      end(log, 1n, "commit")
      end(log, 2n, "abort")
      assert.deepStrictEqual(
        recordsOf(log, 0).map(({ kind, offset, producerId }) => [offset, kind, producerId]),
        [
          [0, "Data", -1n],
          [1, "Committed", 1n],
          [2, "Aborted", 2n],
          [3, "Open", 3n],
          [4, "Marker", 1n],
          [5, "Marker", 2n]
        ]
      )
    })
  })

  describe("epochs", () => {
    const led = (): PartitionLog => {
      const log = logOf(["a=1"], ["b=1"])
      log.beginEpoch(2)
      append(log, ["c=1"])
      log.beginEpoch(5)
      return log
    }

    it("end where the next one begins, and those that nobody had where the last one before them ends", () => {
      const log = led()
      assert.deepStrictEqual(
        [0, 1, 2, 3, 4, 5, 6].map((epoch) => log.endOfEpoch(epoch)),
        [
          { epoch: 0, endOffset: 2 },
          { epoch: 0, endOffset: 2 },
          { epoch: 2, endOffset: 3 },
          { epoch: 2, endOffset: 3 },
          { epoch: 2, endOffset: 3 },
          { epoch: 5, endOffset: 3 },
          undefined
        ]
      )
      assert.deepStrictEqual(
        [0, 1, 2, 3].map((offset) => log.epochAt(offset)),
        [0, 0, 2, 5]
      )
    })

    it("that wrote nothing leave no trace", () => {
      const log = led()
      log.beginEpoch(6)
      assert.deepStrictEqual(log.endOfEpoch(5), { epoch: 2, endOffset: 3 })
    })

    it("before the beginning of the log are not known any more", () => {
      const log = led()
      log.deleteBefore(2)
      assert.deepStrictEqual(log.endOfEpoch(0), { epoch: 0, endOffset: 2 })
      assert.strictEqual(log.epochAt(1), -1)
      assert.strictEqual(log.epochAt(2), 2)
    })
  })

  describe("what is removed", () => {
    it("at the beginning: whole batches, but not the one that goes beyond", () => {
      const log = logOf(["a=1"], ["b=1", "c=1"], ["d=1"])
      log.deleteBefore(2)
      assert.deepStrictEqual([log.startOffset, log.endOffset], [2, 4])
      assert.strictEqual(log.size, all(log, 2).records.length)
      assert.deepStrictEqual(seen(all(log, 2).records, 2), ["2:c=1", "3:d=1"])
      assert.deepStrictEqual(
        recordsOf(log, 0).map(({ offset }) => offset),
        [2, 3]
      )
      log.deleteBefore(1)
      assert.strictEqual(log.startOffset, 2)
      log.deleteBefore(4)
      assert.deepStrictEqual([log.batches.length, log.size, log.startOffset, log.endOffset], [0, 0, 4, 4])
      assert.strictEqual(append(log, ["e=1"]), 4)
    })

    it("at the end: with all that was known of it", () => {
      const log = logOf(["a=1"])
      append(log, ["b=1"], { producerId: 9n, producerEpoch: 0, baseSequence: 0 })
      append(log, ["c=1"], transactional(1n))
      end(log, 1n, "abort")
      append(log, ["d=1"], { producerId: 9n, producerEpoch: 0, baseSequence: 1 })
      append(log, ["e=1"], transactional(2n))
      log.truncateTo(2)
      assert.deepStrictEqual([log.endOffset, log.highWatermark, log.lastStableOffset], [2, 2, 2])
      assert.deepStrictEqual(log.abortedBetween(0, 9), [])
      assert.strictEqual(log.size, all(log).records.length)
      log.beginEpoch(1)
      assert.deepStrictEqual(log.endOfEpoch(0), { epoch: 0, endOffset: 2 })
      // the producer's sequence is the one that is there
      const again = log.batches[1].header!
      assert.deepStrictEqual(log.producers.check({ ...again, baseSequence: 1 }), undefined)
      assert.deepStrictEqual(log.producers.check(again), { _tag: "Duplicate", baseOffset: 1 })
    })
  })

  it("keeps bytes that nobody looks into, and offsets for them", () => {
    const log = logOf(["a=1"])
    log.appendRaw(Buffer.from("no batch at all"), 3)
    log.highWatermark = log.endOffset
    assert.strictEqual(append(log, ["b=1"]), 4)
    assert.deepStrictEqual(
      recordsOf(log, 0).map(({ offset }) => offset),
      [0, 4]
    )
    assert.isTrue(all(log, 1).records.subarray(0, 15).equals(Buffer.from("no batch at all")))
  })
})
