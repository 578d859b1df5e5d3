/**
 * Compaction, as Kafka's log cleaner does it: of each key the last record stays, and nothing changes its offset. What
 * is not needed by readers, but by the broker, stays as well: how far a producer has come, where the log ends, and, for
 * a while, tombstones and markers.
 */
import type { BatchHeader } from "../recordBatch/batchHeader.ts"
import { parseHeader, readDeleteHorizon } from "../recordBatch/batchHeader.ts"
import { codecs } from "../recordBatch/compression.ts"
import { controlType } from "../recordBatch/controlType.ts"
import { RecordRanges } from "../recordBatch/recordRanges.ts"
import { emptyBatch, rewriteBatch } from "../recordBatch/rewrite.ts"
import type { EndedTransaction, PartitionLog, StoredBatch } from "./log.ts"
import { decodeChecked, hasHeader } from "./storedRecords.ts"

export interface Cleaning {
  readonly now: number
  /** How long tombstones and markers stay after the first cleaning that met them. */
  readonly deleteRetentionMillis: number
  /** Records younger than this are left alone. */
  readonly minLagMillis: number
}

export const compact = (log: PartitionLog, cleaning: Cleaning): void => {
  const end = firstUncleanable(log, cleaning)
  const batches = log.batches.slice(0, log.indexOf(end))
  const last = batches.at(-1)
  if (last === undefined) return
  const latest = latestOffsets(log, batches)
  const transactions = new CleanedTransactions(log.aborted)
  const ranges = new RecordRanges()
  const cleaned: Array<StoredBatch> = []
  for (const batch of batches) {
    const kept = hasHeader(batch)
      ? cleanBatch({ log, cleaning, batch, latest, transactions, ranges, isLast: batch === last })
      : batch
    if (kept !== undefined) cleaned.push(kept)
  }
  log.replaceBelow(end, { batches: cleaned, aborted: transactions.remaining })
}

/** Not what a transaction may still undo, and not what is too young. */
const firstUncleanable = (log: PartitionLog, { minLagMillis, now }: Cleaning): number => {
  const stable = log.lastStableOffset
  if (minLagMillis === 0) return stable
  const young = log.batches.find((batch) => batch.maxTimestamp > now - minLagMillis)
  return young === undefined ? stable : Math.min(stable, young.baseOffset)
}

const keyOf = (ranges: RecordRanges, i: number): string =>
  ranges.bytes.toString("latin1", ranges.keyStart[i], ranges.keyEnd[i])

/** Where the last record of each key is, those of aborted transactions left out. */
const latestOffsets = (log: PartitionLog, batches: ReadonlyArray<StoredBatch>): ReadonlyMap<string, number> => {
  const latest = new Map<string, number>()
  const transactions = new CleanedTransactions(log.aborted)
  const ranges = new RecordRanges()
  for (const batch of batches) {
    if (!hasHeader(batch)) continue
    decodeChecked(batch, ranges)
    if (transactions.isDone(batch.header, ranges) || batch.header.isControl) continue
    for (let i = 0; i < ranges.count; i++) {
      if (ranges.keyStart[i] >= 0) latest.set(keyOf(ranges, i), ranges.baseOffset + ranges.offsetDelta[i])
    }
  }
  return latest
}

const cleanBatch = (context: {
  readonly log: PartitionLog
  readonly cleaning: Cleaning
  readonly batch: StoredBatch & { readonly header: BatchHeader }
  readonly latest: ReadonlyMap<string, number>
  readonly transactions: CleanedTransactions
  readonly ranges: RecordRanges
  readonly isLast: boolean
}): StoredBatch | undefined => {
  const { batch, cleaning, isLast, latest, log, ranges, transactions } = context
  const { bytes, header } = batch
  decodeChecked(batch, ranges)
  const horizon = readDeleteHorizon(bytes, 0)
  const isPast = horizon !== undefined && horizon <= cleaning.now
  const isDone = transactions.isDone(header, ranges)

  const kept: Array<number> = []
  let hasTombstones = false
  if (!(header.isControl ? isDone && isPast : isDone)) {
    for (let i = 0; i < ranges.count; i++) {
      const isTombstone = ranges.valueStart[i] < 0
      if (!header.isControl) {
        if (ranges.keyStart[i] < 0 || (isTombstone && isPast)) continue
        if (latest.get(keyOf(ranges, i))! > ranges.baseOffset + ranges.offsetDelta[i]) continue
      }
      kept.push(i)
      if (isTombstone) hasTombstones = true
    }
  }
  if (kept.length === 0) {
    if (!isLast && !(header.producerId !== -1n && log.producers.isLastOf(header))) return undefined
    return ranges.count === 0 ? batch : stored(batch, emptyBatch(header))
  }
  const needsHorizon = horizon === undefined && (hasTombstones || (header.isControl && isDone))
  if (kept.length === ranges.count && !needsHorizon) return batch
  return stored(
    batch,
    rewriteBatch({
      batch: bytes,
      header,
      records: ranges,
      kept,
      codec: codecs[header.codec],
      deleteHorizon: needsHorizon ? cleaning.now + cleaning.deleteRetentionMillis : horizon
    })
  )
}

/** An entry at the same place in the log, with other bytes. */
const stored = ({ baseOffset, nextOffset }: StoredBatch, bytes: Buffer): StoredBatch => {
  const header = parseHeader(bytes, 0, bytes.length)
  return { baseOffset, nextOffset, maxTimestamp: header.maxTimestamp, bytes, header }
}

/** Follows the transactions of a log while it is cleaned, to know which batches and markers nobody needs any more. */
class CleanedTransactions {
  /** By their first offset. */
  private readonly upcoming: ReadonlyArray<EndedTransaction>
  private taken = 0
  private readonly aborted = new Map<bigint, { readonly transaction: EndedTransaction; hadData: boolean }>()
  private readonly committed = new Set<bigint>()
  /** Aborted ones of which there were records before this cleaning: readers on their way may still need to know. */
  readonly remaining: Array<EndedTransaction> = []

  constructor(aborted: ReadonlyArray<EndedTransaction>) {
    this.upcoming = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /**
   * To be asked about every batch, in order. Of a data batch: was it aborted? Of a marker: are all records of its
   * transaction gone?
   */
  isDone(header: BatchHeader, records: RecordRanges): boolean {
    while (this.taken < this.upcoming.length && this.upcoming[this.taken].firstOffset <= header.lastOffset) {
      const transaction = this.upcoming[this.taken++]
      if (!this.aborted.has(transaction.producerId)) {
        this.aborted.set(transaction.producerId, { transaction, hadData: false })
      }
    }
    const { producerId } = header
    const aborted = this.aborted.get(producerId)
    if (!header.isControl) {
      if (!header.isTransactional) return false
      if (aborted === undefined) this.committed.add(producerId)
      else aborted.hadData = true
      return aborted !== undefined
    }
    // An earlier cleaning has emptied this batch.
    if (records.count === 0) return true
    switch (controlType(records)) {
      case "abort":
        this.aborted.delete(producerId)
        if (aborted?.hadData === true) this.remaining.push(aborted.transaction)
        return aborted?.hadData !== true
      case "commit":
        return !this.committed.delete(producerId)
      case "unknown":
        return false
    }
  }
}
