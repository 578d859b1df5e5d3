import type { BatchHeader } from "../../src/internal/recordBatch/batchHeader.ts"
import { crc32, crc32c } from "../../src/internal/recordBatch/checksum.ts"
import { BatchCorruption } from "../../src/internal/recordBatch/corruption.ts"
import type { EncodableBatch, EncodableRecord } from "../../src/internal/recordBatch/encode.ts"
import { encodeBatch, stampBatch } from "../../src/internal/recordBatch/encode.ts"
import type { DecodeOptions } from "../../src/internal/recordBatch/fetchedBatches.ts"
import { defaultDecodeOptions, FetchedBatches } from "../../src/internal/recordBatch/fetchedBatches.ts"
import type { RecordHeader } from "../../src/internal/recordBatch/recordRanges.ts"
import { decodeHeaders, RecordRanges } from "../../src/internal/recordBatch/recordRanges.ts"

export interface ReadRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: ReadonlyArray<RecordHeader>
}

export const recordsOf = (ranges: RecordRanges): ReadonlyArray<ReadRecord> => {
  const copy = (start: number, end: number): Uint8Array | null =>
    start < 0 ? null : new Uint8Array(ranges.bytes.subarray(start, end))
  const records: Array<ReadRecord> = []
  for (let i = ranges.first; i < ranges.count; i++) {
    records.push({
      offset: ranges.baseOffset + ranges.offsetDelta[i],
      timestamp: ranges.timestamp[i],
      key: copy(ranges.keyStart[i], ranges.keyEnd[i]),
      value: copy(ranges.valueStart[i], ranges.valueEnd[i]),
      headers: decodeHeaders(ranges.bytes, ranges.headersStart[i], ranges.headersEnd[i], ranges.headerCount[i])
    })
  }
  return records
}

export interface ReadBatch {
  readonly header: BatchHeader
  readonly records: ReadonlyArray<ReadRecord>
}

/** Reads all batches of an answer, one ranges object for all of them. */
export const readAll = (
  bytes: Buffer,
  fetchOffset: number,
  onBatch: (header: BatchHeader, ranges: RecordRanges) => void = () => {},
  options: Partial<DecodeOptions> = {}
): { readonly batches: ReadonlyArray<ReadBatch>; readonly partialTail: number; readonly position: number } => {
  const fetched = new FetchedBatches(bytes, fetchOffset, { ...defaultDecodeOptions, ...options })
  const ranges = new RecordRanges()
  const batches: Array<ReadBatch> = []
  for (let header = fetched.next(); header !== undefined; header = fetched.next()) {
    fetched.decode(ranges)
    const wrong = unsound(header, ranges)
    if (wrong !== undefined) throw new Error(wrong)
    onBatch(header, ranges)
    batches.push({ header, records: recordsOf(ranges) })
  }
  return { batches, partialTail: fetched.partialTail, position: fetched.position }
}

/** What reading refuses, or undefined if it does not. Anything else that is thrown is a failure. */
export const refused = (
  bytes: Buffer,
  options: Partial<DecodeOptions> & { readonly fetchOffset?: number } = {}
): BatchCorruption | undefined => {
  return corruptionIn(() => readAll(bytes, options.fetchOffset ?? 0, () => {}, options))
}

/** What it throws, if that is a `BatchCorruption`; anything else goes on. */
export const corruptionIn = (f: () => unknown): BatchCorruption | undefined => {
  try {
    f()
    return undefined
  } catch (error) {
    if (error instanceof BatchCorruption) return error
    throw error
  }
}

export const record = (
  key: string | null,
  value: string | Uint8Array | null,
  rest: Partial<EncodableRecord> = {}
): EncodableRecord => ({
  key: key === null ? null : Buffer.from(key),
  value: typeof value === "string" ? Buffer.from(value) : value,
  timestamp: 1_700_000_000_000,
  headers: [],
  ...rest
})

/** A batch at an offset. */
export const batch = (
  baseOffset: number,
  records: ReadonlyArray<EncodableRecord>,
  rest: Partial<EncodableBatch> = {}
): Buffer => {
  const bytes = encodeBatch({
    records,
    codec: "none",
    producerId: -1n,
    producerEpoch: -1,
    baseSequence: -1,
    ...rest
  })
  stampBatch(bytes, baseOffset, 0)
  return bytes
}

/** Makes a magic 2 batch's length and checksum right after its bytes were changed. */
export const resealed = (bytes: Buffer): Buffer => {
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17)
  return bytes
}

/** A magic 2 batch around the given bytes of records, which may be anything. */
export const batchAround = (
  records: Uint8Array,
  rest: {
    readonly count?: number
    readonly attributes?: number
    readonly lastOffsetDelta?: number
    readonly baseOffset?: number
  } = {}
): Buffer => {
  const count = rest.count ?? 1
  const bytes = Buffer.concat([batch(rest.baseOffset ?? 0, [record("k", "v")]).subarray(0, 61), records])
  bytes.writeInt16BE(rest.attributes ?? 0, 21)
  bytes.writeInt32BE(rest.lastOffsetDelta ?? Math.max(0, count - 1), 23)
  bytes.writeInt32BE(count, 57)
  return resealed(bytes)
}

/** A message of magic 0 or 1. */
export const message = (
  magic: 0 | 1,
  offset: number,
  key: Uint8Array | null,
  value: Uint8Array | null,
  attributes = 0
): Buffer => {
  const part = (bytes: Uint8Array | null): Buffer => {
    const size = Buffer.alloc(4)
    size.writeInt32BE(bytes === null ? -1 : bytes.length)
    return Buffer.concat([size, bytes ?? Buffer.alloc(0)])
  }
  const timestamp = Buffer.alloc(magic === 0 ? 0 : 8)
  if (magic === 1) timestamp.writeBigInt64BE(1_700_000_000_000n)
  const bytes = Buffer.concat([Buffer.alloc(18), timestamp, part(key), part(value)])
  bytes.writeBigInt64BE(BigInt(offset))
  bytes[16] = magic
  bytes[17] = attributes
  return resealedMessage(bytes)
}

/** Makes the size and the checksum of a message right. */
export const resealedMessage = (bytes: Buffer): Buffer => {
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(16)), 12)
  return bytes
}

/**
 * What is wrong with the records that a batch was decoded to, besides their content: ranges outside of the bytes, offsets
 * that do not rise or are not the batch's, headers that cannot be read, bytes that are no record's. `undefined` if nothing is.
 */
export const unsound = (header: BatchHeader, ranges: RecordRanges): string | undefined => {
  const { bytes, count, headerCount, headersEnd, headersStart, keyEnd, keyStart, offsetDelta, valueEnd, valueStart } =
    ranges
  if (header.recordCount >= 0 && header.recordCount !== count) return `${count} records of ${header.recordCount}`
  let reached = 0
  let last = -1
  for (let i = 0; i < count; i++) {
    const offset = ranges.baseOffset + offsetDelta[i]
    if (offset <= last || offset > header.lastOffset) return `offset ${offset} after ${last}`
    last = offset
    if (Number.isNaN(ranges.timestamp[i])) return `no timestamp at ${offset}`
    for (const [start, end] of [
      [keyStart[i], keyEnd[i]],
      [valueStart[i], valueEnd[i]]
    ]) {
      if (start < 0 ? start !== -1 || end !== -1 : start < reached || end < start)
        return `${start} to ${end} at ${offset}`
      if (start >= 0) reached = end
    }
    if (headersStart[i] < reached || headersEnd[i] < headersStart[i]) return `headers of ${offset}`
    reached = headersEnd[i]
    if (headerCount[i] > 0) {
      const headers = decodeHeaders(bytes, headersStart[i], headersEnd[i], headerCount[i])
      if (headers.length !== headerCount[i]) return `${headers.length} headers of ${headerCount[i]} at ${offset}`
    }
  }
  const end = header.codec === 0 ? header.end : bytes.length
  return count > 0 && reached !== end ? `${reached} bytes of ${end}` : undefined
}
