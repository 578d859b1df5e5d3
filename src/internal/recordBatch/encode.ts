/** Writes record batches of magic 2. Their layout is in `batchHeader.ts` and `decodeRecords.ts`. */
import {
  ATTRIBUTES_AT,
  CONTROL,
  CRC_AT,
  LENGTH_END,
  LOG_APPEND_TIME,
  MAGIC_AT,
  RECORDS_AT,
  TRANSACTIONAL
} from "./batchHeader.ts"
import { crc32c } from "./checksum.ts"
import type { Codec } from "./compression.ts"
import { codecs, compress } from "./compression.ts"
import { sizeOfVarint, sizeOfVarlong, writeVarint, writeVarlong } from "./varint.ts"

export interface EncodableRecord<Part = Uint8Array> {
  readonly key: Part | null
  readonly value: Part | null
  /** Whole milliseconds since the epoch. */
  readonly timestamp: number
  readonly headers: ReadonlyArray<readonly [key: string, value: Part | null]>
}

/** A part of a record. Text is written as UTF-8, without being made bytes of its own first. */
export type TextOrBytes = string | Uint8Array

export interface EncodableBatch {
  /** The records, at least one. */
  readonly records: ReadonlyArray<EncodableRecord<TextOrBytes>>
  readonly codec: Codec
  /** -1 for a producer that is not idempotent; `producerEpoch` and `baseSequence` are -1, too, then. */
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly isTransactional?: boolean
}

/** The most bytes of a record's length, attributes, timestamp delta and offset delta. */
const RECORD_OVERHEAD = 5 + 1 + 10 + 5

/** Bytes that a batch takes besides its records. */
export const BATCH_OVERHEAD = RECORDS_AT

/** The most bytes that a record takes in a batch, uncompressed. */
export const estimateSize = (record: EncodableRecord<TextOrBytes>): number => RECORD_OVERHEAD + contentSize(record)

const lengthPrefixed = (length: number): number => sizeOfVarint(length) + length

const lengthOf = (part: TextOrBytes): number => (typeof part === "string" ? Buffer.byteLength(part) : part.length)

const partSize = (part: TextOrBytes | null): number => (part === null ? 1 : lengthPrefixed(lengthOf(part)))

/** The bytes of key, value and headers, with their lengths. */
const contentSize = (record: EncodableRecord<TextOrBytes>): number => {
  let size = partSize(record.key) + partSize(record.value) + sizeOfVarint(record.headers.length)
  for (const [key, value] of record.headers) size += partSize(key) + partSize(value)
  return size
}

/** Makes a batch with base offset 0, as a producer sends it. One in zstd can only be made after `prepareCodecs`. */
export const encodeBatch = (batch: EncodableBatch): Buffer => {
  const { records } = batch
  if (records.length === 0) throw new RangeError("a batch needs a record")
  const baseTimestamp = records[0].timestamp
  let maxTimestamp = baseTimestamp
  let size = RECORDS_AT
  const lengths = new Int32Array(records.length)
  for (let i = 0; i < records.length; i++) {
    const record = records[i]
    if (record.timestamp > maxTimestamp) maxTimestamp = record.timestamp
    lengths[i] = 1 + sizeOfVarlong(record.timestamp - baseTimestamp) + sizeOfVarint(i) + contentSize(record)
    size += lengthPrefixed(lengths[i])
  }
  const plain = Buffer.allocUnsafe(size)
  let position = RECORDS_AT
  for (let i = 0; i < records.length; i++) {
    const record = records[i]
    position = writeVarint(plain, position, lengths[i])
    plain[position++] = 0
    position = writeVarlong(plain, position, record.timestamp - baseTimestamp)
    position = writeVarint(plain, position, i)
    position = writePart(plain, position, record.key)
    position = writePart(plain, position, record.value)
    position = writeVarint(plain, position, record.headers.length)
    for (const [key, value] of record.headers) {
      position = writePart(plain, position, key)
      position = writePart(plain, position, value)
    }
  }
  const encoded =
    batch.codec === "none"
      ? plain
      : Buffer.concat([plain.subarray(0, RECORDS_AT), compress(batch.codec, plain.subarray(RECORDS_AT))])
  return sealBatch(encoded, {
    baseOffset: 0,
    partitionLeaderEpoch: -1,
    attributes: codecs.indexOf(batch.codec) | (batch.isTransactional === true ? TRANSACTIONAL : 0),
    lastOffsetDelta: records.length - 1,
    baseTimestamp,
    maxTimestamp,
    producerId: batch.producerId,
    producerEpoch: batch.producerEpoch,
    baseSequence: batch.baseSequence,
    recordCount: records.length
  })
}

const writePart = (target: Buffer, start: number, part: TextOrBytes | null): number => {
  if (part === null) return writeVarint(target, start, -1)
  const length = lengthOf(part)
  const position = writeVarint(target, start, length)
  if (typeof part === "string") target.write(part, position, length, "utf8")
  else target.set(part, position)
  return position + length
}

/** Writes the header before the records, and their checksum. */
export const sealBatch = (
  batch: Buffer,
  header: {
    readonly baseOffset: number
    readonly partitionLeaderEpoch: number
    readonly attributes: number
    readonly lastOffsetDelta: number
    readonly baseTimestamp: number
    readonly maxTimestamp: number
    readonly producerId: bigint
    readonly producerEpoch: number
    readonly baseSequence: number
    readonly recordCount: number
  }
): Buffer => {
  stampBatch(batch, header.baseOffset, header.partitionLeaderEpoch)
  batch.writeInt32BE(batch.length - LENGTH_END, 8)
  batch[MAGIC_AT] = 2
  batch.writeInt16BE(header.attributes, ATTRIBUTES_AT)
  batch.writeInt32BE(header.lastOffsetDelta, 23)
  batch.writeBigInt64BE(BigInt(header.baseTimestamp), 27)
  batch.writeBigInt64BE(BigInt(header.maxTimestamp), 35)
  batch.writeBigInt64BE(header.producerId, 43)
  batch.writeInt16BE(header.producerEpoch, 51)
  batch.writeInt32BE(header.baseSequence, 53)
  batch.writeInt32BE(header.recordCount, 57)
  batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)), CRC_AT)
  return batch
}

/** Gives a batch its place in a log, as a broker does: in place, and outside of what the checksum covers. */
export const stampBatch = (batch: Buffer, baseOffset: number, leaderEpoch: number): void => {
  batch.writeBigInt64BE(BigInt(baseOffset), 0)
  batch.writeInt32BE(leaderEpoch, 12)
}

/** Makes the time at which a batch was appended that of all its records. */
export const stampLogAppendTime = (batch: Buffer, now: number): void => {
  batch.writeInt16BE(batch.readInt16BE(ATTRIBUTES_AT) | LOG_APPEND_TIME, ATTRIBUTES_AT)
  batch.writeBigInt64BE(BigInt(now), 35)
  batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)), CRC_AT)
}

/**
 * The marker that ends a transaction in a partition, as a transaction coordinator writes it. Its record has the key
 * `version: int16 0, type: int16` (0 abort, 1 commit) and the value `version: int16 0, coordinatorEpoch: int32`.
 */
export const encodeControlBatch = (marker: {
  readonly type: "commit" | "abort"
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly timestamp: number
}): Buffer => {
  const key = Buffer.alloc(4)
  key.writeInt16BE(marker.type === "commit" ? 1 : 0, 2)
  const value = Buffer.alloc(6)
  value.writeInt32BE(marker.coordinatorEpoch, 2)
  const batch = encodeBatch({
    records: [{ key, value, timestamp: marker.timestamp, headers: [] }],
    codec: "none",
    producerId: marker.producerId,
    producerEpoch: marker.producerEpoch,
    baseSequence: -1,
    isTransactional: true
  })
  batch.writeInt16BE(TRANSACTIONAL | CONTROL, ATTRIBUTES_AT)
  batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)), CRC_AT)
  return batch
}
