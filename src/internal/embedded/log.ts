/** One partition's log: record batches by offset, as a leader keeps and serves them. Plain and synchronous. */
import type { AbortedTransaction, FetchedPartition, Isolation } from "../../KafkaProtocol.ts"
import type { BatchHeader } from "../recordBatch/batchHeader.ts"
import { parseHeader } from "../recordBatch/batchHeader.ts"
import type { ControlType } from "../recordBatch/controlType.ts"
import { stampBatch } from "../recordBatch/encode.ts"
import { Producers } from "./producers.ts"

export interface StoredBatch {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly maxTimestamp: number
  /** Never changed once it is stored: readers are given copies. */
  readonly bytes: Buffer
  /** `undefined`: these are bytes that nobody has looked into. */
  readonly header: BatchHeader | undefined
}

export interface EndedTransaction extends AbortedTransaction {
  /** Offset of the marker that ended it. */
  readonly lastOffset: number
}

const nothing = Buffer.alloc(0)

export class PartitionLog {
  /** By offset, without overlaps. There are holes where compaction was. */
  batches: Array<StoredBatch> = []
  producers = new Producers()
  /** Those that ended in an abort, by `lastOffset`. */
  aborted: Array<EndedTransaction> = []
  /** The offset that the first record that may be read has at least. */
  startOffset = 0
  endOffset = 0
  /** Readers see what is below it. */
  highWatermark = 0
  size = 0
  /** Which offset each leader began at, by epoch. */
  private epochs: Array<{ readonly epoch: number; readonly startOffset: number }> = []

  // -------------------------------------------------------------------------------------------------------------------
  // writing
  // -------------------------------------------------------------------------------------------------------------------

  /** A leader begins. */
  beginEpoch(epoch: number): void {
    // An epoch in which nothing was written leaves no trace.
    while (this.epochs.length > 0 && this.epochs[this.epochs.length - 1].startOffset >= this.endOffset)
      this.epochs.pop()
    this.epochs.push({ epoch, startOffset: this.endOffset })
  }

  get epoch(): number {
    return this.epochs.at(-1)?.epoch ?? -1
  }

  /** Takes a batch over that was checked, gives it its offsets, and returns the first of them. */
  append(bytes: Buffer): number {
    stampBatch(bytes, this.endOffset, this.epoch)
    const header = parseHeader(bytes, 0, bytes.length)
    this.add({
      baseOffset: header.baseOffset,
      nextOffset: header.nextOffset,
      maxTimestamp: header.maxTimestamp,
      bytes,
      header
    })
    if (header.producerId !== -1n) this.producers.appended(header)
    return header.baseOffset
  }

  /** The marker that ends a producer's transaction. */
  appendMarker(bytes: Buffer, type: Exclude<ControlType, "unknown">): void {
    stampBatch(bytes, this.endOffset, this.epoch)
    const header = parseHeader(bytes, 0, bytes.length)
    this.add({
      baseOffset: header.baseOffset,
      nextOffset: header.nextOffset,
      maxTimestamp: header.maxTimestamp,
      bytes,
      header
    })
    const firstOffset = this.producers.ended(header)
    if (firstOffset !== undefined && type === "abort") {
      this.aborted.push({ producerId: header.producerId, firstOffset, lastOffset: header.lastOffset })
    }
  }

  /** Bytes as they are, which take so many offsets. */
  appendRaw(bytes: Buffer, offsets: number): void {
    this.add({
      baseOffset: this.endOffset,
      nextOffset: this.endOffset + offsets,
      maxTimestamp: -1,
      bytes,
      header: undefined
    })
  }

  private add(batch: StoredBatch): void {
    this.batches.push(batch)
    this.endOffset = batch.nextOffset
    this.size += batch.bytes.length
  }

  // -------------------------------------------------------------------------------------------------------------------
  // reading
  // -------------------------------------------------------------------------------------------------------------------

  /** Below this, transactions have ended. */
  get lastStableOffset(): number {
    const open = this.producers.firstOpenOffset
    return open === undefined ? this.highWatermark : Math.min(open, this.highWatermark)
  }

  /** Where a reader's view ends. */
  readableEnd(isolation: Isolation): number {
    return isolation === "read_committed" ? this.lastStableOffset : this.highWatermark
  }

  /** Index of the first batch that ends after `offset`. */
  indexOf(offset: number): number {
    let low = 0
    let high = this.batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.batches[middle].nextOffset > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  /** Bytes that a reader at `offset` could have, counted no further than `enough`. */
  available(offset: number, end: number, enough: number): number {
    let bytes = 0
    for (let i = this.indexOf(offset); bytes < enough && i < this.batches.length; i++) {
      if (this.batches[i].baseOffset >= end) break
      bytes += this.batches[i].bytes.length
    }
    return Math.min(bytes, enough)
  }

  /**
   * A copy of at most `maxBytes` from the batch on that holds `offset`: the last batch may be cut off, as a broker
   * knows of bytes only. `whole`: of the first batch, never. Where only a part of the first batch would fit, there is
   * nothing.
   */
  read(
    offset: number,
    end: number,
    maxBytes: number,
    whole: boolean
  ): { readonly records: Buffer; readonly nextOffset: number } {
    const from = this.indexOf(offset)
    if (from === this.batches.length || this.batches[from].baseOffset >= end) {
      return { records: nothing, nextOffset: offset }
    }
    const first = this.batches[from].bytes.length
    if (!whole && first > maxBytes) return { records: nothing, nextOffset: offset }
    const limit = Math.max(first, maxBytes)
    let size = 0
    let to = from
    while (to < this.batches.length && size < limit && this.batches[to].baseOffset < end) {
      size += this.batches[to++].bytes.length
    }
    const records = Buffer.allocUnsafe(Math.min(size, limit))
    let position = 0
    for (let i = from; i < to; i++) position += this.batches[i].bytes.copy(records, position)
    return { records, nextOffset: this.batches[to - 1].nextOffset }
  }

  /** What a reader of committed records has to leave out between these offsets. */
  abortedBetween(from: number, to: number): ReadonlyArray<AbortedTransaction> {
    const list: Array<AbortedTransaction> = []
    for (let i = this.aborted.length - 1; i >= 0 && this.aborted[i].lastOffset >= from; i--) {
      const { firstOffset, producerId } = this.aborted[i]
      if (firstOffset < to) list.push({ producerId, firstOffset })
    }
    return list.reverse()
  }

  /** Where the batches of an epoch end, or of the last one before it that there is; `undefined` if nobody knows. */
  endOfEpoch(epoch: number): NonNullable<FetchedPartition["diverging"]> | undefined {
    if (epoch === this.epoch) return { epoch, endOffset: this.endOffset }
    const later = this.epochs.findIndex((entry) => entry.epoch > epoch)
    if (later === -1) return undefined
    const endOffset = this.epochs[later].startOffset
    return { epoch: later === 0 ? epoch : this.epochs[later - 1].epoch, endOffset }
  }

  /** The epoch that the record at this offset was written in; -1 if nobody knows. */
  epochAt(offset: number): number {
    return this.epochs.findLast((entry) => entry.startOffset <= offset)?.epoch ?? -1
  }

  // -------------------------------------------------------------------------------------------------------------------
  // removing
  // -------------------------------------------------------------------------------------------------------------------

  /** Deletes what is below `offset`. A batch that goes beyond it stays. */
  deleteBefore(offset: number): void {
    if (offset <= this.startOffset) return
    this.startOffset = offset
    this.removed(this.batches.splice(0, this.indexOf(offset)))
    this.aborted = this.aborted.filter((transaction) => transaction.lastOffset >= offset)
    const since = this.epochs.findLastIndex((entry) => entry.startOffset <= offset)
    if (since >= 0)
      this.epochs = [{ epoch: this.epochs[since].epoch, startOffset: offset }, ...this.epochs.slice(since + 1)]
  }

  /** Loses the batches from `offset` on, as a log does whose new leader never had them. */
  truncateTo(offset: number): void {
    this.removed(this.batches.splice(this.indexOf(offset)))
    this.endOffset = Math.max(this.startOffset, Math.min(this.endOffset, offset))
    this.highWatermark = Math.min(this.highWatermark, this.endOffset)
    this.aborted = this.aborted.filter((transaction) => transaction.lastOffset < offset)
    this.epochs = this.epochs.filter((entry) => entry.startOffset <= offset)
    this.producers = new Producers()
    for (const { header } of this.batches) {
      if (header === undefined || header.producerId === -1n) continue
      if (header.isControl) this.producers.ended(header)
      else this.producers.appended(header)
    }
  }

  /** Puts what cleaning left in the place of the batches below `end`, and of the aborted transactions there. */
  replaceBelow(
    end: number,
    cleaned: { readonly batches: ReadonlyArray<StoredBatch>; readonly aborted: ReadonlyArray<EndedTransaction> }
  ): void {
    const count = this.indexOf(end)
    this.removed(this.batches.slice(0, count))
    for (const batch of cleaned.batches) this.size += batch.bytes.length
    this.batches = [...cleaned.batches, ...this.batches.slice(count)]
    this.aborted = [...cleaned.aborted, ...this.aborted.filter((transaction) => transaction.lastOffset >= end)]
  }

  private removed(batches: ReadonlyArray<StoredBatch>): void {
    for (const batch of batches) this.size -= batch.bytes.length
  }
}
