/**
 * Snappy comes to Kafka in two shapes: one raw block (librdkafka, Go), or blocks in the framing of the Java library:
 *
 *     0x82 "SNAPPY" 0x00, version: int32, compatible version: int32, then blocks, each: size: int32, raw block
 *
 * The header may come again between blocks. A raw block begins with the size of what it becomes, as an unsigned varint.
 */
import { Refusal } from "./corruption.ts"

export interface SnappyBlock {
  readonly start: number
  readonly end: number
  /** Bytes that it declares to become; decompressing it to another size fails. */
  readonly size: number
}

const FRAMING = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const FRAMING_HEADER = 16
/** Three bytes copy 64 at most. */
const MAX_RATIO = 22

const broken = (detail: string): Refusal => new Refusal("Decompression", `snappy: ${detail}`)

const isFraming = (bytes: Buffer, at: number): boolean =>
  bytes.length - at >= FRAMING_HEADER && bytes.compare(FRAMING, 0, FRAMING.length, at, at + FRAMING.length) === 0

/** The raw blocks in `bytes`. */
export const snappyBlocks = (bytes: Buffer): ReadonlyArray<SnappyBlock> => {
  if (!isFraming(bytes, 0)) return [rawBlock(bytes, 0, bytes.length)]
  const blocks: Array<SnappyBlock> = []
  let position = FRAMING_HEADER
  while (position < bytes.length) {
    if (isFraming(bytes, position)) {
      position += FRAMING_HEADER
      continue
    }
    if (bytes.length - position < 4) throw broken("the size of a block is cut off")
    const size = bytes.readInt32BE(position)
    position += 4
    if (size <= 0 || size > bytes.length - position) throw broken(`a block of ${size} bytes`)
    blocks.push(rawBlock(bytes, position, position + size))
    position += size
  }
  return blocks
}

const rawBlock = (bytes: Buffer, start: number, end: number): SnappyBlock => {
  let size = 0
  let position = start
  for (let factor = 1; ; factor *= 128) {
    if (position >= end || factor > 2 ** 28) throw broken("the size of a block's content is not readable")
    const byte = bytes[position++]
    size += (byte & 0x7f) * factor
    if (byte < 0x80) break
  }
  if (size > (end - start) * MAX_RATIO) throw broken(`a block of ${end - start} bytes cannot become ${size}`)
  return { start, end, size }
}

/** What the Java library makes blocks of. */
const BLOCK = 32 * 1024

/** Writes the Java library's framing, which every client reads. */
export const frameSnappy = (bytes: Buffer, compressRaw: (bytes: Buffer) => Buffer): Buffer => {
  const header = Buffer.alloc(FRAMING_HEADER)
  FRAMING.copy(header)
  header.writeInt32BE(1, 8)
  header.writeInt32BE(1, 12)
  const parts: Array<Buffer> = [header]
  for (let at = 0; at < bytes.length; at += BLOCK) {
    const block = compressRaw(bytes.subarray(at, at + BLOCK))
    const size = Buffer.allocUnsafe(4)
    size.writeInt32BE(block.length)
    parts.push(size, block)
  }
  return Buffer.concat(parts)
}
