/** Kafka's rules about the epochs and sequences of producers. */
import { assert, describe, it } from "@effect/vitest"
import { parseHeader, type BatchHeader } from "../../src/internal/recordBatch/batchHeader.ts"
import { encodeControlBatch, stampBatch } from "../../src/internal/recordBatch/encode.ts"
import { Producers } from "../../src/internal/embedded/producers.ts"
import { refusedWith, sent } from "./support.ts"

const OUT_OF_ORDER = 45
const INVALID_EPOCH = 47
const INVALID_TXN_STATE = 48
const LAST_SEQUENCE = 0x7fffffff

/** A batch of so many records. */
const batch = (
  baseSequence: number,
  count = 1,
  rest: { readonly epoch?: number; readonly producerId?: bigint; readonly isTransactional?: boolean } = {}
): BatchHeader => {
  const bytes = sent(
    Array.from({ length: count }, (_, i) => `k${i}=v`),
    {
      producerId: rest.producerId ?? 1n,
      producerEpoch: rest.epoch ?? 0,
      baseSequence,
      isTransactional: rest.isTransactional ?? false
    }
  )
  return parseHeader(bytes, 0, bytes.length)
}

/** Appends batches at the offsets that follow each other, as a log does; each is to be allowed. */
class Partition {
  readonly producers = new Producers()
  private offset = 0

  append(header: BatchHeader): number {
    assert.isUndefined(this.producers.check(header))
    const baseOffset = this.offset
    this.producers.appended({ ...header, baseOffset, lastOffset: baseOffset + header.lastOffsetDelta })
    this.offset += header.lastOffsetDelta + 1
    return baseOffset
  }

  end(epoch: number): number | undefined {
    const marker = encodeControlBatch({
      type: "commit",
      producerId: 1n,
      producerEpoch: epoch,
      coordinatorEpoch: 0,
      timestamp: 0
    })
    stampBatch(marker, this.offset++, 0)
    return this.producers.ended(parseHeader(marker, 0, marker.length))
  }

  refused(header: BatchHeader): number | undefined {
    return refusedWith(this.producers.check(header))
  }
}

describe("Producers", () => {
  it("that are not known may begin with any sequence: what they wrote may have been deleted", () => {
    new Partition().append(batch(17))
  })

  it("go on where they were, and nowhere else", () => {
    const partition = new Partition()
    partition.append(batch(0, 3))
    assert.strictEqual(partition.refused(batch(4)), OUT_OF_ORDER)
    assert.strictEqual(partition.refused(batch(2)), OUT_OF_ORDER)
    partition.append(batch(3))
  })

  it("each for itself", () => {
    const partition = new Partition()
    partition.append(batch(0, 3))
    partition.append(batch(0, 1, { producerId: 2n }))
    partition.append(batch(3))
    partition.append(batch(1, 1, { producerId: 2n }))
  })

  it("who repeat one of the last five batches are told where it is", () => {
    const partition = new Partition()
    for (let i = 0; i < 7; i++) partition.append(batch(2 * i, 2))
    for (let i = 2; i < 7; i++) {
      assert.deepStrictEqual(partition.producers.check(batch(2 * i, 2)), { _tag: "Duplicate", baseOffset: 2 * i })
    }
    assert.strictEqual(partition.refused(batch(2, 2)), OUT_OF_ORDER)
    // not if it is of another size
    assert.strictEqual(partition.refused(batch(12, 1)), OUT_OF_ORDER)
  })

  it("begin anew under a later epoch, and are not let in under an earlier one", () => {
    const partition = new Partition()
    partition.append(batch(0, 3, { epoch: 4 }))
    assert.strictEqual(partition.refused(batch(3, 1, { epoch: 5 })), OUT_OF_ORDER)
    assert.strictEqual(partition.refused(batch(3, 1, { epoch: 3 })), INVALID_EPOCH)
    partition.append(batch(0, 1, { epoch: 5 }))
    assert.strictEqual(partition.refused(batch(0, 3, { epoch: 4 })), INVALID_EPOCH)
    partition.append(batch(1, 1, { epoch: 5 }))
  })

  it("come to 0 after the last sequence", () => {
    const partition = new Partition()
    partition.append(batch(LAST_SEQUENCE))
    partition.append(batch(0))
    const other = new Partition()
    other.append(batch(LAST_SEQUENCE - 1, 5))
    assert.deepStrictEqual(other.producers.check(batch(LAST_SEQUENCE - 1, 5)), { _tag: "Duplicate", baseOffset: 0 })
    assert.strictEqual(other.refused(batch(4)), OUT_OF_ORDER)
    other.append(batch(3))
  })

  it("within a transaction write nothing outside of it", () => {
    const partition = new Partition()
    partition.append(batch(0, 1, { isTransactional: true }))
    assert.strictEqual(partition.refused(batch(1)), INVALID_TXN_STATE)
    partition.append(batch(1, 1, { isTransactional: true }))
    assert.strictEqual(partition.producers.firstOpenOffset, 0)
    assert.strictEqual(partition.end(0), 0)
    assert.isUndefined(partition.producers.firstOpenOffset)
    assert.isUndefined(partition.end(0))
    partition.append(batch(2))
  })

  it("take the epoch of the marker that ends their transaction", () => {
    const partition = new Partition()
    partition.append(batch(0, 2, { isTransactional: true }))
    partition.end(1)
    assert.strictEqual(partition.refused(batch(2, 1, { isTransactional: true })), INVALID_EPOCH)
    assert.strictEqual(partition.refused(batch(2, 1, { epoch: 1, isTransactional: true })), OUT_OF_ORDER)
    partition.append(batch(0, 1, { epoch: 1, isTransactional: true }))
  })
})
