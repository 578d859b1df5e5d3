/**
 * Messages of magic 0 and 1, the formats before record batches: topics that were written before Kafka 0.11, or by its
 * clients until `log.message.format.version` was raised, still hold them. Their layout is in `batchHeader.ts`.
 *
 * The value of a compressed message is messages again. Offsets inside are absolute with magic 0; with magic 1 they are
 * relative, so that the last of them has the offset of the message around them.
 */
import type { BatchHeader } from "./batchHeader.ts"
import { ATTRIBUTES_AT_LEGACY, CODEC_MASK, LENGTH_END, MAGIC_AT, readInt64 } from "./batchHeader.ts"
import { crc32 } from "./checksum.ts"
import { malformed, Refusal } from "./corruption.ts"
import type { RecordRanges } from "./recordRanges.ts"

/** Bytes before the key's length, by magic. */
const KEY_AT = [18, 26]
/** Offset and size, and the least size. */
const SMALLEST_MESSAGE = LENGTH_END + 14

interface ByteRange {
  /** -1 for null. */
  readonly start: number
  readonly end: number
}

const readRange = (bytes: Buffer, at: number, end: number, what: string): ByteRange => {
  if (end - at < 4) throw malformed(`${what} length goes past the end`)
  const length = bytes.readInt32BE(at)
  if (length === -1) return { start: -1, end: at + 4 }
  if (length < 0 || length > end - at - 4) throw malformed(`${what} length ${length}`)
  return { start: at + 4, end: at + 4 + length }
}

/** The bytes that a compressed message holds compressed. */
export const compressedMessages = (buffer: Buffer, header: BatchHeader): Buffer => {
  const key = readRange(buffer, header.start + KEY_AT[header.magic], header.end, "key")
  const value = readRange(buffer, key.end, header.end, "value")
  if (value.start < 0) throw malformed("a compressed message without value")
  if (value.end !== header.end) throw malformed(`${header.end - value.end} bytes after the value`)
  return buffer.subarray(value.start, value.end)
}

/** Reads an uncompressed message as a batch of one record. */
export const decodeMessage = (buffer: Buffer, header: BatchHeader, out: RecordRanges): void => {
  out.reset(1)
  out.bytes = buffer
  out.baseOffset = header.baseOffset
  readMessage(buffer, header.start, header.end, header.magic, out, 0)
  out.offsetDelta[0] = 0
  out.timestamp[0] = header.maxTimestamp
  out.count = 1
}

/** Reads what a compressed message held: messages from the first to the last byte. */
export const decodeMessages = (bytes: Buffer, header: BatchHeader, checkCrcs: boolean, out: RecordRanges): void => {
  const count = countMessages(bytes)
  if (count === 0) throw malformed("a compressed message that holds none")
  out.reset(count)
  out.bytes = bytes
  let lastInner = 0
  let position = 0
  for (let i = 0; i < count; i++) {
    const inner = readInt64(bytes, position)
    const end = position + LENGTH_END + bytes.readInt32BE(position + 8)
    const magic = bytes[position + MAGIC_AT]
    if (magic > 1 || end - position < KEY_AT[magic] + 8) throw malformed(`message ${i} inside has magic ${magic}`)
    if ((bytes[position + ATTRIBUTES_AT_LEGACY] & CODEC_MASK) !== 0)
      throw malformed(`message ${i} inside is compressed`)
    if (checkCrcs && crc32(bytes.subarray(position + MAGIC_AT, end)) !== bytes.readUInt32BE(position + LENGTH_END)) {
      throw new Refusal("Checksum", `CRC-32 of message ${i} inside does not match`)
    }
    if (inner < 0 || (i > 0 && inner <= lastInner)) throw malformed(`offset ${inner} of message ${i} inside`)
    if (i === 0) out.baseOffset = inner
    lastInner = inner
    const delta = inner - out.baseOffset
    if (delta > 0x7fffffff) throw malformed(`offset ${inner} of message ${i} inside is too far from the first`)
    out.offsetDelta[i] = delta
    out.timestamp[i] = header.logAppendTime ? header.maxTimestamp : magic === 0 ? -1 : readInt64(bytes, position + 18)
    readMessage(bytes, position, end, magic, out, i)
    position = end
  }
  if (lastInner > header.lastOffset) throw malformed(`offset ${lastInner} inside of a message at ${header.lastOffset}`)
  if (header.magic === 1) out.baseOffset += header.lastOffset - lastInner
  out.count = count
}

/** Hops from message to message, so that nothing is allocated for bytes that are none. */
const countMessages = (bytes: Buffer): number => {
  let count = 0
  let position = 0
  while (position < bytes.length) {
    const left = bytes.length - position
    if (left < SMALLEST_MESSAGE) throw malformed(`${left} bytes after message ${count - 1} inside`)
    const size = LENGTH_END + bytes.readInt32BE(position + 8)
    if (size < SMALLEST_MESSAGE || size > left) throw malformed(`size ${size - LENGTH_END} of message ${count} inside`)
    position += size
    count++
  }
  return count
}

const readMessage = (
  bytes: Buffer,
  start: number,
  end: number,
  magic: number,
  out: RecordRanges,
  index: number
): void => {
  const key = readRange(bytes, start + KEY_AT[magic], end, "key")
  const value = readRange(bytes, key.end, end, "value")
  if (value.end !== end) throw malformed(`${end - value.end} bytes after the value`)
  out.keyStart[index] = key.start
  out.keyEnd[index] = key.start < 0 ? -1 : key.end
  out.valueStart[index] = value.start
  out.valueEnd[index] = value.start < 0 ? -1 : value.end
  out.headersStart[index] = end
  out.headersEnd[index] = end
  out.headerCount[index] = 0
}
