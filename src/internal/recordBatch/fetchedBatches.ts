/** The batches of one fetch answer: their headers, and their records as ranges of bytes. */
import type { BatchHeader } from "./batchHeader.ts"
import { ATTRIBUTES_AT, batchSize, MAGIC_AT, parseHeader, readBaseOffset, RECORDS_AT } from "./batchHeader.ts"
import { crc32, crc32c } from "./checksum.ts"
import { codecs, decompress, DEFAULT_MAX_BATCH_BYTES } from "./compression.ts"
import { BatchCorruption, malformed, Refusal } from "./corruption.ts"
import { decodeRecords } from "./decodeRecords.ts"
import { compressedMessages, decodeMessage, decodeMessages } from "./legacyMessages.ts"
import type { RecordRanges } from "./recordRanges.ts"

export interface DecodeOptions {
  readonly checkCrcs: boolean
  /**
   * The most bytes that one batch may have, compressed or not. Nothing else is limited: a batch is gone before the next
   * one is decompressed, and how well a writer's values compress is no fault of theirs.
   */
  readonly maxBatchBytes: number
}

export const defaultDecodeOptions: DecodeOptions = { checkCrcs: true, maxBatchBytes: DEFAULT_MAX_BATCH_BYTES }

/** The limit where a broker takes what a client sends: as many bytes as an array of Java may have. */
export const LARGEST_BATCH_BYTES = 0x7fff_ffff

/**
 * The batches of one fetch answer, one by one:
 *
 *     const batches = new FetchedBatches(records, position)
 *     for (let header = batches.next(); header !== undefined; header = batches.next()) {
 *       batches.decode(ranges)
 *       // apply ranges.first to ranges.count, unless aborted or control; then
 *       position = header.nextOffset
 *     }
 *
 * Throws `BatchCorruption` and nothing else. A batch that is cut off by the answer's end is no corruption: it is left
 * out, and `partialTail` tells its size.
 */
export class FetchedBatches {
  private readonly buffer: Buffer
  private readonly options: DecodeOptions
  private readonly fetchOffset: number
  private at = 0
  private current: BatchHeader | undefined
  /** Where the next batch may begin: after the batch that `next` returned, at first the fetch offset. */
  position: number
  /**
   * The size of the batch that is cut off at the end, in bytes, once `next` has returned `undefined`; 0 if there is
   * none. If its length is cut off, too, it is the least that a batch takes. An answer with nothing but such a batch
   * needs a higher limit of bytes.
   */
  partialTail = 0

  constructor(buffer: Buffer, fetchOffset: number, options: DecodeOptions = defaultDecodeOptions) {
    this.buffer = buffer
    this.fetchOffset = fetchOffset
    this.position = fetchOffset
    this.options = options
  }

  /** Goes to the next complete batch, verifies its checksum and its header, and returns that; undefined at the end. */
  next(): BatchHeader | undefined {
    this.current = undefined
    if (this.at === this.buffer.length) return undefined
    let header: BatchHeader | undefined
    try {
      const size = batchSize(this.buffer, this.at)
      if (size === undefined || size > this.buffer.length - this.at) {
        this.partialTail = size ?? RECORDS_AT
        return undefined
      }
      const max = this.options.maxBatchBytes
      if (size > max) throw new Refusal("TooLarge", `a batch of ${size} bytes, the limit is ${max}`)
      header = parseHeader(this.buffer, this.at, size)
      if (this.options.checkCrcs) verifyChecksum(this.buffer, header)
      this.verifyHeader(header)
    } catch (error) {
      throw corruption(error, header?.baseOffset ?? this.position)
    }
    this.at = header.end
    this.position = header.nextOffset
    this.current = header
    return header
  }

  /** Decodes the records of the batch that `next` returned. If this throws, `out` is empty. */
  decode(out: RecordRanges): void {
    const header = this.current
    if (header === undefined) throw new RangeError("next() returned no batch to decode")
    try {
      this.decodeInto(header, out)
    } catch (error) {
      out.count = 0
      throw corruption(error, header.baseOffset)
    }
    out.first = firstFrom(out, this.fetchOffset)
  }

  private decodeInto(header: BatchHeader, out: RecordRanges): void {
    const { buffer } = this
    if (header.magic === 2) {
      const start = header.start + RECORDS_AT
      // Compaction leaves the bare header of a batch that it emptied, whatever the codec was.
      if (header.codec === 0 || start === header.end) {
        decodeRecords(buffer, start, header.end, header, out)
      } else {
        const records = this.decompress(header, buffer.subarray(start, header.end), out)
        decodeRecords(records, 0, records.length, header, out)
      }
    } else if (header.codec === 0) {
      decodeMessage(buffer, header, out)
    } else {
      const messages = this.decompress(header, compressedMessages(buffer, header), out)
      decodeMessages(messages, header, this.options.checkCrcs, out)
    }
  }

  private decompress(header: BatchHeader, bytes: Buffer, out: RecordRanges): Buffer {
    // The batch before is let go first, so that there are never two of them in memory.
    out.bytes = NOTHING
    return decompress(codecs[header.codec], bytes, this.options.maxBatchBytes, header.magic)
  }

  /** Verifies what neither the checksum nor the length tells. */
  private verifyHeader(header: BatchHeader): void {
    const { buffer, fetchOffset, position } = this
    if (header.codec >= codecs.length || (header.magic < 2 && header.codec === 4)) {
      throw new Refusal("UnsupportedCodec", `codec ${header.codec} in magic ${header.magic}`)
    }
    if (header.lastOffsetDelta < 0) throw malformed(`last offset delta ${header.lastOffsetDelta}`)
    // The base offset is not under the checksum. The first batch may begin before the position, but not end there.
    if (header.lastOffset < position || (position !== fetchOffset && header.baseOffset < position)) {
      throw malformed(`offsets ${header.baseOffset} to ${header.lastOffset}, but ${position} was reached`)
    }
    // One that is too high shows by the next batch, if that is there.
    if (buffer.length - header.end >= 8) {
      const following = readBaseOffset(buffer, header.end)
      if (following < header.nextOffset) throw malformed(`last offset ${header.lastOffset}, but ${following} follows`)
    }
  }
}

const NOTHING = Buffer.alloc(0)

const verifyChecksum = (buffer: Buffer, header: BatchHeader): void => {
  const sum =
    header.magic === 2
      ? crc32c(buffer.subarray(header.start + ATTRIBUTES_AT, header.end))
      : crc32(buffer.subarray(header.start + MAGIC_AT, header.end))
  if (sum !== header.crc) {
    throw new Refusal("Checksum", `CRC is ${sum.toString(16)}, the header says ${header.crc.toString(16)}`)
  }
}

const corruption = (error: unknown, baseOffset: number): unknown =>
  error instanceof Refusal ? new BatchCorruption(error.reason, baseOffset, error.detail) : error

const firstFrom = (ranges: RecordRanges, position: number): number => {
  let first = 0
  while (first < ranges.count && ranges.baseOffset + ranges.offsetDelta[first] < position) first++
  return first
}
