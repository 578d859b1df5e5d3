/**
 * Walks lz4 frames by their headers, and blocks by their tokens, without decompressing, to know what they would become.
 *
 *     frame: magic 0x184D2204 LE, FLG, BD, [content size: 8], [dictionary id: 4], HC, blocks, 0: uint32, [checksum: 4]
 *     FLG: bits 6-7 version 1, 5 blocks are independent, 4 block checksums, 3 content size, 2 content checksum, 0 dictionary
 *     BD: bits 4-6 the largest block (4: 64 kB, 5: 256 kB, 6: 1 MB, 7: 4 MB)
 *     HC: second byte of the xxHash-32 of FLG to before HC
 *     block: size: uint32 LE, the highest bit set if it is stored uncompressed, bytes, [checksum: 4]
 */
import { Refusal } from "./corruption.ts"

export interface Lz4Frame {
  readonly start: number
  readonly end: number
  /** Where the header's checksum is, one byte before the blocks. */
  readonly headerChecksumAt: number
  /** No more bytes than this come out of it. */
  readonly atMost: number
}

const MAGIC = 0x184d2204
/** A byte of a compressed block stands for 255 bytes at most. */
const MAX_RATIO = 255

const broken = (detail: string): Refusal => new Refusal("Decompression", `lz4: ${detail}`)

/** The frames in `bytes`. Block sizes are bounds by their headers, or exact where all of them together exceed `max`. */
export const lz4Frames = (bytes: Buffer, max: number): ReadonlyArray<Lz4Frame> => {
  const rough = walkFrames(bytes, (size) => size * MAX_RATIO)
  return total(rough) <= max ? rough : walkFrames(bytes, (size, start) => blockSize(bytes, start, start + size))
}

const total = (frames: ReadonlyArray<Lz4Frame>): number => frames.reduce((sum, frame) => sum + frame.atMost, 0)

const walkFrames = (bytes: Buffer, sizeOf: (size: number, start: number) => number): ReadonlyArray<Lz4Frame> => {
  const frames: Array<Lz4Frame> = []
  let position = 0
  while (position < bytes.length) {
    const frame = walkFrame(bytes, position, sizeOf)
    frames.push(frame)
    position = frame.end
  }
  return frames
}

const walkFrame = (bytes: Buffer, start: number, sizeOf: (size: number, start: number) => number): Lz4Frame => {
  if (bytes.length - start < 7) throw broken("a frame header is cut off")
  if (bytes.readUInt32LE(start) !== MAGIC) throw broken("no frame begins where one should")
  const flags = bytes[start + 4]
  const descriptor = (bytes[start + 5] >>> 4) & 7
  if (flags >>> 6 !== 1) throw broken(`version ${flags >>> 6}`)
  if (descriptor < 4) throw broken(`block size code ${descriptor}`)
  if (flags & 0x01) throw broken("needs a dictionary")
  const maxBlock = 2 ** (8 + 2 * descriptor)
  const headerChecksumAt = start + 6 + (flags & 0x08 ? 8 : 0)
  const blockTail = flags & 0x10 ? 4 : 0
  let position = headerChecksumAt + 1
  let atMost = 0
  for (;;) {
    if (bytes.length - position < 4) throw broken("cut off before its end mark")
    const word = bytes.readUInt32LE(position)
    position += 4
    if (word === 0) break
    const stored = word >= 0x80000000
    const size = word % 0x80000000
    if (size > maxBlock) throw broken(`a block of ${size} bytes`)
    if (size + blockTail > bytes.length - position) throw broken("a block is cut off")
    atMost += stored ? size : Math.min(maxBlock, sizeOf(size, position))
    position += size + blockTail
  }
  if (flags & 0x04) position += 4
  if (position > bytes.length) throw broken("the checksum is cut off")
  return { start, end: position, headerChecksumAt, atMost }
}

/**
 * What a compressed block becomes, exactly, by walking its sequences: a token (high half: count of literals, low half:
 * match length less 4; 15 means that bytes to be added follow, up to one below 255), the literals, a two-byte distance.
 * The last one ends after its literals.
 */
const blockSize = (bytes: Buffer, start: number, end: number): number => {
  let size = 0
  let position = start
  while (position < end) {
    const token = bytes[position++]
    let literals = token >>> 4
    if (literals === 15) {
      let more = 255
      while (more === 255 && position < end) literals += more = bytes[position++]
    }
    position += literals
    size += literals
    if (position >= end) break
    position += 2
    let match = token & 15
    if (match === 15) {
      let more = 255
      while (more === 255 && position < end) match += more = bytes[position++]
    }
    size += match + 4
  }
  return size
}

/**
 * Messages of magic 0 have a wrong header checksum, which reaches back to the frame's magic: Kafka wrote it so, and reads
 * it without looking. Here the right one is put in, on a copy.
 */
export const repairHeaderChecksums = (bytes: Buffer, frames: ReadonlyArray<Lz4Frame>): Buffer => {
  const repaired = Buffer.from(bytes)
  for (const { headerChecksumAt, start } of frames) {
    repaired[headerChecksumAt] = (shortXxHash32(bytes.subarray(start + 4, headerChecksumAt)) >>> 8) & 0xff
  }
  return repaired
}

const PRIME_2 = 0x85ebca77
const PRIME_3 = 0xc2b2ae3d
const PRIME_4 = 0x27d4eb2f
const PRIME_5 = 0x165667b1

const rotateLeft = (value: number, by: number): number => (value << by) | (value >>> (32 - by))

/** xxHash-32 with seed 0 of fewer than 16 bytes, which is all that a frame header has. */
const shortXxHash32 = (bytes: Buffer): number => {
  let hash = (PRIME_5 + bytes.length) | 0
  let position = 0
  for (; position + 4 <= bytes.length; position += 4) {
    hash = Math.imul(rotateLeft((hash + Math.imul(bytes.readUInt32LE(position), PRIME_3)) | 0, 17), PRIME_4)
  }
  for (; position < bytes.length; position++) {
    hash = Math.imul(rotateLeft((hash + Math.imul(bytes[position], PRIME_5)) | 0, 11), 0x9e3779b1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}
