/** Looking into batches that are in a log. */
import type { LoggedRecord } from "../../EmbeddedKafka.ts"
import { AbortedTransactions } from "../recordBatch/abortedTransactions.ts"
import type { BatchHeader } from "../recordBatch/batchHeader.ts"
import { controlType } from "../recordBatch/controlType.ts"
import { BatchCorruption } from "../recordBatch/corruption.ts"
import { FetchedBatches, LARGEST_BATCH_BYTES } from "../recordBatch/fetchedBatches.ts"
import { decodeHeaders, RecordRanges } from "../recordBatch/recordRanges.ts"
import { copyBytes } from "../bytes.ts"
import type { PartitionLog, StoredBatch } from "./log.ts"

/** What was checked when it was appended is taken for sound. */
const trusting = { checkCrcs: false, maxBatchBytes: LARGEST_BATCH_BYTES }

/** Decodes a batch that was checked when it was appended. */
export const decodeChecked = (batch: StoredBatch & { readonly header: BatchHeader }, into: RecordRanges): void => {
  const batches = new FetchedBatches(batch.bytes, batch.baseOffset, trusting)
  batches.next()
  batches.decode(into)
}

/** Decodes whatever is there; `undefined` if it cannot be trusted. */
export const decodeAny = (batch: StoredBatch, into: RecordRanges): BatchHeader | undefined => {
  if (hasHeader(batch)) {
    decodeChecked(batch, into)
    return batch.header
  }
  try {
    const batches = new FetchedBatches(batch.bytes, batch.baseOffset)
    const header = batches.next()
    if (header !== undefined) batches.decode(into)
    return header
  } catch (error) {
    if (error instanceof BatchCorruption) return undefined
    throw error
  }
}

export const hasHeader = (batch: StoredBatch): batch is StoredBatch & { readonly header: BatchHeader } =>
  batch.header !== undefined

/** Offset of the first record below `end` that is at least that young; -1 if there is none. */
export const offsetAt = (log: PartitionLog, timestamp: number, end: number): number => {
  const ranges = new RecordRanges()
  for (let n = log.indexOf(log.startOffset); n < log.batches.length; n++) {
    const batch = log.batches[n]
    if (batch.baseOffset >= end) break
    if (batch.maxTimestamp < timestamp || !hasHeader(batch)) continue
    decodeChecked(batch, ranges)
    for (let i = 0; i < ranges.count; i++) {
      const offset = ranges.baseOffset + ranges.offsetDelta[i]
      if (ranges.timestamp[i] >= timestamp && offset >= log.startOffset) return offset < end ? offset : -1
    }
  }
  return -1
}

/** All records that are there, in order; those of batches that cannot be decoded are left out. */
export const recordsOf = (log: PartitionLog, partition: number): ReadonlyArray<LoggedRecord> => {
  const aborted = new AbortedTransactions(log.aborted)
  const ranges = new RecordRanges()
  const list: Array<LoggedRecord> = []
  for (const batch of log.batches) {
    const header = decodeAny(batch, ranges)
    if (header === undefined) continue
    const kind = kindOf(log, aborted, header, ranges)
    for (let i = 0; i < ranges.count; i++) {
      const offset = ranges.baseOffset + ranges.offsetDelta[i]
      if (offset < log.startOffset) continue
      const part = (start: number, end: number) => (start < 0 ? null : copyBytes(ranges.bytes, start, end))
      list.push({
        partition,
        offset,
        timestamp: ranges.timestamp[i],
        key: part(ranges.keyStart[i], ranges.keyEnd[i]),
        value: part(ranges.valueStart[i], ranges.valueEnd[i]),
        headers: decodeHeaders(ranges.bytes, ranges.headersStart[i], ranges.headersEnd[i], ranges.headerCount[i]).map(
          ({ key, value }) => [key, value] as const
        ),
        producerId: header.producerId,
        kind
      })
    }
  }
  return list
}

const kindOf = (
  log: PartitionLog,
  aborted: AbortedTransactions,
  header: BatchHeader,
  records: RecordRanges
): LoggedRecord["kind"] => {
  if (header.isControl) {
    aborted.onControl(header, controlType(records))
    return "Marker"
  }
  const isAborted = aborted.isAborted(header)
  if (!header.isTransactional) return "Data"
  return isAborted ? "Aborted" : log.producers.isOpen(header) ? "Open" : "Committed"
}
