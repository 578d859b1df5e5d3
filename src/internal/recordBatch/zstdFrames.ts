/**
 * Walks zstd frames by their headers (RFC 8878), without decompressing, to know how much they would become.
 *
 *     frame: magic 0xFD2FB528 LE, descriptor, [window], [dictionary id], [content size], blocks, [checksum: 4]
 *     descriptor: bits 6-7 size of the content size, 5 single segment, 2 checksum, 0-1 size of the dictionary id
 *     block header, 3 bytes LE: bit 0 last, bits 1-2 type (0 raw, 1 run of one byte, 2 compressed), then the size
 *     skippable frame: magic 0x184D2A5? LE, size: uint32 LE, bytes
 */
import { Refusal } from "./corruption.ts"

export interface ZstdFrame {
  readonly start: number
  readonly end: number
  /** No fewer bytes than this come out of it. */
  readonly atLeast: number
  /** No more bytes than this come out of it. Equal to `atLeast` if the frame declares its content size. */
  readonly atMost: number
}

const MAX_BLOCK = 128 * 1024
/** Kafka's decoder, which reads a stream, makes room for no larger window. */
const MAX_WINDOW = 128 * 1024 * 1024
const DICTIONARY_ID_SIZES = [0, 1, 2, 4]

const broken = (detail: string): Refusal => new Refusal("Decompression", `zstd: ${detail}`)

/** The frames in `bytes`, skippable ones left out. */
export const zstdFrames = (bytes: Buffer): ReadonlyArray<ZstdFrame> => {
  const frames: Array<ZstdFrame> = []
  let position = 0
  while (position < bytes.length) {
    if (bytes.length - position < 8) throw broken("a frame header is cut off")
    const magic = bytes.readUInt32LE(position)
    if (magic >>> 4 === 0x184d2a5) {
      position += 8 + bytes.readUInt32LE(position + 4)
      if (position > bytes.length) throw broken("a skippable frame is cut off")
    } else if (magic === 0xfd2fb528) {
      const frame = walkFrame(bytes, position)
      frames.push(frame)
      position = frame.end
    } else {
      throw broken("no frame begins where one should")
    }
  }
  return frames
}

/** Five bits of exponent, and three of eighths. */
const windowSize = (code: number): number => {
  const base = 2 ** (10 + (code >>> 3))
  return base + (base / 8) * (code & 7)
}

const walkFrame = (bytes: Buffer, start: number): ZstdFrame => {
  const descriptor = bytes[start + 4]
  if (descriptor & 0x08) throw broken("a reserved bit is set")
  const singleSegment = (descriptor & 0x20) !== 0
  const sizeFlag = descriptor >>> 6
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag
  let position = start + 5
  const blocksAt = position + (singleSegment ? 0 : 1) + DICTIONARY_ID_SIZES[descriptor & 3] + sizeBytes
  if (blocksAt > bytes.length) throw broken("a frame header is cut off")
  const windowCode = bytes[position]
  position = blocksAt - sizeBytes
  const contentSize =
    sizeBytes === 0
      ? undefined
      : sizeBytes === 1
        ? bytes[position]
        : sizeBytes === 2
          ? bytes.readUInt16LE(position) + 256
          : sizeBytes === 4
            ? bytes.readUInt32LE(position)
            : bytes.readUInt32LE(position) + bytes.readUInt32LE(position + 4) * 0x100000000
  // A single segment declares its content, which is its window.
  const window = singleSegment ? (contentSize ?? 0) : windowSize(windowCode)
  if (window > MAX_WINDOW) throw broken(`needs a window of ${window} bytes`)
  const maxBlock = Math.min(MAX_BLOCK, window)

  let atLeast = 0
  let atMost = 0
  let last = false
  position = blocksAt
  while (!last) {
    if (bytes.length - position < 3) throw broken("a block header is cut off")
    const block = bytes.readUIntLE(position, 3)
    last = (block & 1) !== 0
    const type = (block >>> 1) & 3
    const size = block >>> 3
    if (type === 3) throw broken("a reserved block type")
    if (type !== 2 && size > MAX_BLOCK) throw broken(`a block of ${size} bytes`)
    position += 3 + (type === 1 ? 1 : size)
    if (position > bytes.length) throw broken("a block is cut off")
    atMost += type === 2 ? maxBlock : size
    if (type !== 2) atLeast += size
  }
  if (descriptor & 0x04) position += 4
  if (position > bytes.length) throw broken("the checksum is cut off")
  if (contentSize !== undefined) {
    if (contentSize < atLeast || contentSize > atMost) throw broken(`declares ${contentSize} bytes, which cannot be`)
    atLeast = contentSize
    atMost = contentSize
  }
  return { start, end: position, atLeast, atMost }
}
