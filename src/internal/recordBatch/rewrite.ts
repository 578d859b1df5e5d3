/** Writes a batch again without some of its records, as Kafka's cleaner does: all offsets stay what they were. */
import type { BatchHeader } from "./batchHeader.ts"
import {
  ATTRIBUTES_AT,
  CODEC_MASK,
  CONTROL,
  DELETE_HORIZON,
  LOG_APPEND_TIME,
  RECORDS_AT,
  TRANSACTIONAL
} from "./batchHeader.ts"
import { codecs, compress, type Codec } from "./compression.ts"
import { sealBatch } from "./encode.ts"
import type { RecordRanges } from "./recordRanges.ts"
import { sizeOfVarint, sizeOfVarlong, writeVarint, writeVarlong } from "./varint.ts"

export interface Rewriting {
  /** The batch, of magic 2, and its records. */
  readonly batch: Buffer
  readonly header: BatchHeader
  readonly records: RecordRanges
  /** Indexes of the records that stay. At least one. */
  readonly kept: ArrayLike<number>
  readonly codec: Codec
  /**
   * When the tombstones and markers in it may go, in milliseconds since the epoch; `undefined` if that is not known.
   */
  readonly deleteHorizon: number | undefined
}

export const rewriteBatch = (rewriting: Rewriting): Buffer => {
  const { batch, codec, deleteHorizon, header, kept, records } = rewriting
  const baseTimestamp = deleteHorizon ?? records.timestamp[kept[0]]
  const lengths = new Int32Array(kept.length)
  let maxTimestamp = -1
  let size = RECORDS_AT
  for (let n = 0; n < kept.length; n++) {
    const i = kept[n]
    maxTimestamp = Math.max(maxTimestamp, records.timestamp[i])
    lengths[n] =
      1 +
      sizeOfVarlong(records.timestamp[i] - baseTimestamp) +
      sizeOfVarint(records.offsetDelta[i]) +
      partSize(records.keyStart[i], records.keyEnd[i]) +
      partSize(records.valueStart[i], records.valueEnd[i]) +
      sizeOfVarint(records.headerCount[i]) +
      (records.headersEnd[i] - records.headersStart[i])
    size += sizeOfVarint(lengths[n]) + lengths[n]
  }
  const plain = Buffer.allocUnsafe(size)
  const from = records.bytes
  const writePart = (at: number, start: number, end: number): number => {
    if (start < 0) return writeVarint(plain, at, -1)
    const position = writeVarint(plain, at, end - start)
    return position + from.copy(plain, position, start, end)
  }
  let position = RECORDS_AT
  for (let n = 0; n < kept.length; n++) {
    const i = kept[n]
    position = writeVarint(plain, position, lengths[n])
    plain[position++] = 0
    position = writeVarlong(plain, position, records.timestamp[i] - baseTimestamp)
    position = writeVarint(plain, position, records.offsetDelta[i])
    position = writePart(position, records.keyStart[i], records.keyEnd[i])
    position = writePart(position, records.valueStart[i], records.valueEnd[i])
    position = writeVarint(plain, position, records.headerCount[i])
    position += from.copy(plain, position, records.headersStart[i], records.headersEnd[i])
  }
  const encoded =
    codec === "none"
      ? plain
      : Buffer.concat([plain.subarray(0, RECORDS_AT), compress(codec, plain.subarray(RECORDS_AT))])
  const attributes = batch.readInt16BE(header.start + ATTRIBUTES_AT) & ~CODEC_MASK & ~DELETE_HORIZON
  return sealBatch(encoded, {
    ...header,
    attributes: attributes | codecs.indexOf(codec) | (deleteHorizon === undefined ? 0 : DELETE_HORIZON),
    baseTimestamp,
    // With log-append time, this is the timestamp of all records.
    maxTimestamp: header.logAppendTime ? header.maxTimestamp : maxTimestamp,
    recordCount: kept.length
  })
}

const partSize = (start: number, end: number): number => (start < 0 ? 1 : sizeOfVarint(end - start) + end - start)

/** The header alone, which tells how far its producer and the offsets have come. */
export const emptyBatch = (header: BatchHeader): Buffer =>
  sealBatch(Buffer.alloc(RECORDS_AT), {
    ...header,
    attributes:
      (header.logAppendTime ? LOG_APPEND_TIME : 0) |
      (header.isTransactional ? TRANSACTIONAL : 0) |
      (header.isControl ? CONTROL : 0),
    baseTimestamp: header.maxTimestamp,
    maxTimestamp: header.maxTimestamp,
    recordCount: 0
  })
