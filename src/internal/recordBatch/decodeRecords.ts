import type { BatchHeader } from "./batchHeader.ts"
import { malformed } from "./corruption.ts"
import type { RecordRanges } from "./recordRanges.ts"
import { skipHeaders } from "./recordRanges.ts"
import { readVarint, readVarlong, varintEnd } from "./varint.ts"

/**
 * The fewest bytes of a record: length, attributes, timestamp delta, offset delta, key length, value length and header
 * count take at least a byte each.
 */
const SMALLEST_RECORD = 7

/**
 * Reads the records of a magic 2 batch, uncompressed, in `bytes` from `start` to `end`:
 *
 *     length: varint, of what follows
 *     attributes: int8, unused
 *     timestampDelta: varlong, from the header's base timestamp
 *     offsetDelta: varint
 *     key: varint length (-1 null), bytes
 *     value: varint length (-1 null), bytes
 *     headers: varint count, each: varint length, key bytes, varint length (-1 null), value bytes
 *
 * This is the hot loop: varints of one and two bytes are read in place. A byte past the buffer reads as undefined,
 * which is below nothing, so that `readVarint` is asked and refuses; a byte past the record's end but within the buffer
 * shows at the end of the record, which must be met exactly. `out.count` stays 0 unless everything was sound.
 */
export const decodeRecords = (
  bytes: Buffer,
  start: number,
  end: number,
  header: BatchHeader,
  out: RecordRanges
): void => {
  const { firstTimestamp, lastOffsetDelta, logAppendTime, maxTimestamp, recordCount } = header
  if (recordCount < 0 || recordCount > (end - start) / SMALLEST_RECORD) {
    throw malformed(`record count ${recordCount} in ${end - start} bytes`)
  }
  out.reset(recordCount)
  out.bytes = bytes
  out.baseOffset = header.baseOffset
  const { headerCount, headersEnd, headersStart, keyEnd, keyStart, offsetDelta, timestamp, valueEnd, valueStart } = out
  let position = start
  let previousDelta = -1
  let byte = 0
  let second = 0
  let value = 0
  for (let i = 0; i < recordCount; i++) {
    byte = bytes[position]
    if (byte < 0x80) {
      value = (byte >>> 1) ^ -(byte & 1)
      position += 1
    } else if ((second = bytes[position + 1]) < 0x80) {
      value = ((byte & 0x7f) | (second << 7)) >>> 1
      if (byte & 1) value = ~value
      position += 2
    } else {
      value = readVarint(bytes, position, end)
      position = varintEnd
    }
    if (value < SMALLEST_RECORD - 1 || value > end - position) throw malformed(`length ${value} of record ${i}`)
    const recordEnd = position + value

    // Skips the attributes.
    position += 1

    byte = bytes[position]
    if (byte < 0x80) {
      value = (byte >>> 1) ^ -(byte & 1)
      position += 1
    } else if ((second = bytes[position + 1]) < 0x80) {
      value = ((byte & 0x7f) | (second << 7)) >>> 1
      if (byte & 1) value = ~value
      position += 2
    } else {
      value = readVarlong(bytes, position, recordEnd)
      position = varintEnd
    }
    timestamp[i] = logAppendTime ? maxTimestamp : firstTimestamp + value

    byte = bytes[position]
    if (byte < 0x80) {
      value = (byte >>> 1) ^ -(byte & 1)
      position += 1
    } else if ((second = bytes[position + 1]) < 0x80) {
      value = ((byte & 0x7f) | (second << 7)) >>> 1
      if (byte & 1) value = ~value
      position += 2
    } else {
      value = readVarint(bytes, position, recordEnd)
      position = varintEnd
    }
    if (value <= previousDelta || value > lastOffsetDelta) {
      throw malformed(`offset delta ${value} of record ${i} after ${previousDelta}, the last is ${lastOffsetDelta}`)
    }
    previousDelta = value
    offsetDelta[i] = value

    byte = bytes[position]
    if (byte < 0x80) {
      value = (byte >>> 1) ^ -(byte & 1)
      position += 1
    } else if ((second = bytes[position + 1]) < 0x80) {
      value = ((byte & 0x7f) | (second << 7)) >>> 1
      if (byte & 1) value = ~value
      position += 2
    } else {
      value = readVarint(bytes, position, recordEnd)
      position = varintEnd
    }
    if (value < 0) {
      if (value !== -1) throw malformed(`key length ${value} of record ${i}`)
      keyStart[i] = -1
      keyEnd[i] = -1
    } else {
      if (value > recordEnd - position) throw malformed(`key length ${value} of record ${i}`)
      keyStart[i] = position
      position += value
      keyEnd[i] = position
    }

    byte = bytes[position]
    if (byte < 0x80) {
      value = (byte >>> 1) ^ -(byte & 1)
      position += 1
    } else if ((second = bytes[position + 1]) < 0x80) {
      value = ((byte & 0x7f) | (second << 7)) >>> 1
      if (byte & 1) value = ~value
      position += 2
    } else {
      value = readVarint(bytes, position, recordEnd)
      position = varintEnd
    }
    if (value < 0) {
      if (value !== -1) throw malformed(`value length ${value} of record ${i}`)
      valueStart[i] = -1
      valueEnd[i] = -1
    } else {
      if (value > recordEnd - position) throw malformed(`value length ${value} of record ${i}`)
      valueStart[i] = position
      position += value
      valueEnd[i] = position
    }

    // Mostly there are no headers.
    if (bytes[position] === 0) {
      position += 1
      headerCount[i] = 0
      headersStart[i] = position
    } else {
      value = readVarint(bytes, position, recordEnd)
      headerCount[i] = value
      headersStart[i] = varintEnd
      position = skipHeaders(bytes, varintEnd, recordEnd, value)
    }
    headersEnd[i] = position
    if (position !== recordEnd) throw malformed(`record ${i} ends at ${position}, by its length at ${recordEnd}`)
  }
  if (position !== end) throw malformed(`${end - position} bytes after the last record`)
  out.count = recordCount
}
