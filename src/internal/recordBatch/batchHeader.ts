/**
 * The header of a record batch (magic 2), and of a message of the formats before it (magic 0 and 1), which counts as a
 * batch of its own: of one record, or, when compressed, of the messages inside.
 *
 *     magic 2                            magic 0 and 1
 *      0 baseOffset: int64                0 offset: int64
 *      8 batchLength: int32               8 messageSize: int32
 *     12 partitionLeaderEpoch: int32     12 crc: int32, CRC-32 of what follows
 *     16 magic: int8                     16 magic: int8
 *     17 crc: int32, CRC-32C of what     17 attributes: int8
 *        follows                         18 timestamp: int64 (magic 1)
 *     21 attributes: int16                  key: int32 length, bytes
 *     23 lastOffsetDelta: int32             value: int32 length, bytes
 *     27 baseTimestamp: int64
 *     35 maxTimestamp: int64
 *     43 producerId: int64
 *     51 producerEpoch: int16
 *     53 baseSequence: int32
 *     57 recordCount: int32
 *     61 records
 *
 * Attributes: bits 0 to 2 codec, 3 log-append time, 4 transactional, 5 control, 6 delete horizon (the base timestamp is
 * the horizon then; the records' timestamps are relative to it all the same).
 *
 * The lengths count from byte 12.
 */
import { malformed, Refusal } from "./corruption.ts"

export interface BatchHeader {
  /** Where the batch begins and ends in its buffer. */
  readonly start: number
  readonly end: number
  /** For a compressed message of magic 0 or 1 the offset of its last record: only decoding tells the first. */
  readonly baseOffset: number
  readonly batchLength: number
  /** -1 where the format has none. */
  readonly partitionLeaderEpoch: number
  readonly magic: number
  readonly crc: number
  /** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
  readonly codec: number
  readonly logAppendTime: boolean
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly lastOffsetDelta: number
  readonly lastOffset: number
  /** The position after this batch: never taken from its last record, which compaction may have removed. */
  readonly nextOffset: number
  /** Milliseconds since the epoch, -1 if there is none. */
  readonly firstTimestamp: number
  readonly maxTimestamp: number
  /** -1 if there is none. */
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  /** -1 for a compressed message of magic 0 or 1: only decoding tells. */
  readonly recordCount: number
}

/** Bytes before the length's scope: base offset and the length itself. */
export const LENGTH_END = 12
export const MAGIC_AT = 16
export const CRC_AT = 17
export const ATTRIBUTES_AT_LEGACY = 17
export const ATTRIBUTES_AT = 21
export const RECORDS_AT = 61

export const CODEC_MASK = 0x07
export const LOG_APPEND_TIME = 0x08
export const TRANSACTIONAL = 0x10
export const CONTROL = 0x20
export const DELETE_HORIZON = 0x40

const NO_PRODUCER = -1n

/** Least length that each format can have, counted as the length is: from byte 12. */
const SHORTEST_LENGTH = [14, 22, RECORDS_AT - LENGTH_END]

/** Room for the last offset of a batch to stay a safe integer. */
const MAX_OFFSET = Number.MAX_SAFE_INTEGER - 2 ** 32

/** An int64 as the nearest number. */
export const readInt64 = (buffer: Buffer, at: number): number =>
  buffer.readInt32BE(at) * 0x100000000 + buffer.readUInt32BE(at + 4)

/**
 * Bytes that the batch at `start` takes in all, as far as its length can be read; undefined if too few bytes are left
 * to know. Throws where the length cannot be.
 */
export const batchSize = (buffer: Buffer, start: number): number | undefined => {
  const left = buffer.length - start
  if (left < LENGTH_END) return undefined
  const length = buffer.readInt32BE(start + 8)
  const shortest =
    left > MAGIC_AT ? (SHORTEST_LENGTH[buffer[start + MAGIC_AT]] ?? SHORTEST_LENGTH[0]) : SHORTEST_LENGTH[0]
  if (length < shortest) throw malformed(`batch length ${length}, at least ${shortest} is needed`)
  return LENGTH_END + length
}

/** The offset in the first eight bytes of a batch. */
export const readBaseOffset = (buffer: Buffer, start: number): number => {
  const offset = readInt64(buffer, start)
  if (offset < 0 || offset > MAX_OFFSET) throw malformed(`offset ${offset} is negative or beyond 2^53`)
  return offset
}

/** From a batch's base offset to its last one. */
export const readLastOffsetDelta = (buffer: Buffer, start: number): number =>
  buffer[start + MAGIC_AT] === 2 ? buffer.readInt32BE(start + 23) : 0

/** Throws where the format is none that can be read. */
export const readMagic = (buffer: Buffer, start: number): number => {
  const magic = buffer[start + MAGIC_AT]
  if (magic > 2) throw new Refusal("UnsupportedMagic", `magic ${magic}`)
  return magic
}

/** Leader epoch of a complete batch, -1 where the format has none. */
export const readLeaderEpoch = (buffer: Buffer, start: number): number =>
  buffer[start + MAGIC_AT] === 2 ? buffer.readInt32BE(start + 12) : -1

/** When the tombstones and markers of a complete batch of magic 2 may go; `undefined` where the cleaner did not say yet. */
export const readDeleteHorizon = (buffer: Buffer, start: number): number | undefined =>
  (buffer.readInt16BE(start + ATTRIBUTES_AT) & DELETE_HORIZON) === 0 ? undefined : readInt64(buffer, start + 27)

/**
 * Reads the header of a batch that is complete in the buffer: `size` bytes from `start`. Its checksum is not verified
 * here.
 */
export const parseHeader = (buffer: Buffer, start: number, size: number): BatchHeader => {
  const magic = readMagic(buffer, start)
  const baseOffset = readBaseOffset(buffer, start)
  return magic === 2
    ? parseBatch(buffer, start, size, baseOffset)
    : parseMessage(buffer, start, size, baseOffset, magic)
}

const parseBatch = (buffer: Buffer, start: number, size: number, baseOffset: number): BatchHeader => {
  const attributes = buffer.readInt16BE(start + ATTRIBUTES_AT)
  const lastOffsetDelta = readLastOffsetDelta(buffer, start)
  const lastOffset = baseOffset + lastOffsetDelta
  const hasProducer = buffer.readInt32BE(start + 43) !== -1 || buffer.readInt32BE(start + 47) !== -1
  return {
    start,
    end: start + size,
    baseOffset,
    batchLength: size - LENGTH_END,
    partitionLeaderEpoch: buffer.readInt32BE(start + 12),
    magic: 2,
    crc: buffer.readUInt32BE(start + CRC_AT),
    codec: attributes & CODEC_MASK,
    logAppendTime: (attributes & LOG_APPEND_TIME) !== 0,
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    lastOffsetDelta,
    lastOffset,
    nextOffset: lastOffset + 1,
    firstTimestamp: readInt64(buffer, start + 27),
    maxTimestamp: readInt64(buffer, start + 35),
    producerId: hasProducer ? buffer.readBigInt64BE(start + 43) : NO_PRODUCER,
    producerEpoch: buffer.readInt16BE(start + 51),
    baseSequence: buffer.readInt32BE(start + 53),
    recordCount: buffer.readInt32BE(start + 57)
  }
}

const parseMessage = (buffer: Buffer, start: number, size: number, offset: number, magic: number): BatchHeader => {
  const attributes = buffer[start + ATTRIBUTES_AT_LEGACY]
  const timestamp = magic === 0 ? -1 : readInt64(buffer, start + 18)
  const codec = attributes & CODEC_MASK
  return {
    start,
    end: start + size,
    baseOffset: offset,
    batchLength: size - LENGTH_END,
    partitionLeaderEpoch: -1,
    magic,
    crc: buffer.readUInt32BE(start + 12),
    codec,
    logAppendTime: magic === 1 && (attributes & LOG_APPEND_TIME) !== 0,
    isTransactional: false,
    isControl: false,
    lastOffsetDelta: 0,
    lastOffset: offset,
    nextOffset: offset + 1,
    firstTimestamp: timestamp,
    maxTimestamp: timestamp,
    producerId: NO_PRODUCER,
    producerEpoch: -1,
    baseSequence: -1,
    recordCount: codec === 0 ? 1 : -1
  }
}
