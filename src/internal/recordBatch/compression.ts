/**
 * The codecs of record batches. Nothing is decompressed before it is known, or made sure, that the outcome is within
 * its limit: snappy and lz4 by walking their headers, zstd by that and by a bounded output, gzip by a bounded output.
 *
 * snappy and lz4 are native modules, loaded when first met; where they cannot be, their batches are `UnsupportedCodec`.
 */
import type * as Lz4 from "lz4-napi"
import * as zlib from "node:zlib"
import type * as Snappy from "snappy"
import { loadPackage } from "./load.ts"
import { Refusal } from "./corruption.ts"
import { lz4Frames, repairHeaderChecksums } from "./lz4Frames.ts"
import { frameSnappy, snappyBlocks } from "./snappyBlocks.ts"
import type { ZstdEngine } from "./zstdEngine.ts"
import { builtInZstd, loadWasmZstd } from "./zstdEngine.ts"
import { zstdFrames } from "./zstdFrames.ts"

/** In the order of their numbers in a batch's attributes. */
export const codecs = ["none", "gzip", "snappy", "lz4", "zstd"] as const

export type Codec = (typeof codecs)[number]

/** Most bytes that a record batch may have, compressed or not, for a reader that was told nothing else. */
export const DEFAULT_MAX_BATCH_BYTES = 128 * 1024 * 1024

/** How many bytes, whatever they are, become at most `max` with this codec: what does not compress grows a little. */
export const plainBytesWithin = (codec: Codec, max: number): number =>
  codec === "none" ? max : Math.max(0, Math.floor(((max - 64) * 128) / 129))

const EMPTY = Buffer.alloc(0)

const tooLarge = (codec: Codec, size: number, max: number): Refusal =>
  new Refusal("TooLarge", `${codec}: ${size} bytes would become more than ${max}`)

const broken = (codec: Codec, error: unknown): Refusal =>
  new Refusal("Decompression", `${codec}: ${error instanceof Error ? error.message : String(error)}`)

/** Decompresses the bytes of a batch to at most `max` bytes. `magic` is the batch's: 0 has an lz4 of its own. */
export const decompress = (codec: Codec, bytes: Buffer, max: number, magic = 2): Buffer => {
  switch (codec) {
    case "none":
      return bytes
    case "gzip":
      return gunzip(bytes, max)
    case "snappy":
      return unsnappy(bytes, max)
    case "lz4":
      return unlz4(bytes, max, magic)
    case "zstd":
      return unzstd(bytes, max)
  }
}

/** Compresses the records of a batch. Of zstd only after `prepareCodecs`. */
export const compress = (codec: Codec, bytes: Buffer): Buffer => {
  switch (codec) {
    case "none":
      return bytes
    case "gzip":
      return zlib.gzipSync(bytes)
    case "snappy": {
      const { compressSync } = snappy()
      return frameSnappy(bytes, (block) => compressSync(block))
    }
    case "lz4":
      return lz4().compressFrameSync(bytes)
    case "zstd":
      return zstd().compress(bytes)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// decompressing
// ---------------------------------------------------------------------------------------------------------------------

const GZIP_MAGIC = 0x1f8b
const GZIP_HEADER_AND_TRAILER = 18
const GZIP_MAX_RATIO = 1032

const gunzip = (bytes: Buffer, max: number): Buffer => {
  if (bytes.length < GZIP_HEADER_AND_TRAILER) throw broken("gzip", "cut off")
  if (bytes.readUInt16BE(0) !== GZIP_MAGIC) throw broken("gzip", "no header")
  // The trailer declares the size, which may be a lie; the output's limit holds all the same.
  const declared = bytes.readUInt32LE(bytes.length - 4)
  if (declared > max) throw tooLarge("gzip", bytes.length, max)
  const chunkSize = Math.max(64, Math.min(declared + 1, bytes.length * GZIP_MAX_RATIO))
  try {
    return zlib.gunzipSync(bytes, { maxOutputLength: Math.max(1, max), chunkSize })
  } catch (error) {
    throw isTooLarge(error) ? tooLarge("gzip", bytes.length, max) : broken("gzip", error)
  }
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE"

const unsnappy = (bytes: Buffer, max: number): Buffer => {
  const blocks = snappyBlocks(bytes)
  const size = blocks.reduce((sum, block) => sum + block.size, 0)
  if (size > max) throw tooLarge("snappy", bytes.length, max)
  const { uncompressSync } = snappy()
  return joined(
    "snappy",
    blocks.map((block) => () => {
      // Copied by the module: memory of its own, which waits for the collector, was up to five times slower here.
      const content = uncompressSync(bytes.subarray(block.start, block.end), { copyOutputData: true })
      return typeof content === "string" ? Buffer.from(content) : content
    })
  )
}

const unlz4 = (bytes: Buffer, max: number, magic: number): Buffer => {
  const frames = lz4Frames(bytes, max)
  const size = frames.reduce((sum, frame) => sum + frame.atMost, 0)
  if (size > max) throw tooLarge("lz4", bytes.length, max)
  const sound = magic === 0 ? repairHeaderChecksums(bytes, frames) : bytes
  const { decompressFrameSync } = lz4()
  return joined(
    "lz4",
    frames.map((frame) => () => decompressFrameSync(sound.subarray(frame.start, frame.end)))
  )
}

const unzstd = (bytes: Buffer, max: number): Buffer => {
  const frames = zstdFrames(bytes)
  const size = frames.reduce((sum, frame) => sum + frame.atLeast, 0)
  if (size > max) throw tooLarge("zstd", bytes.length, max)
  const { decompress } = zstd()
  let room = max
  return joined(
    "zstd",
    frames.map((frame) => () => {
      if (frame.atMost === 0) return EMPTY
      // What small blocks may become is far above what they do: the output is bounded by what is left, then.
      const content =
        frame.atLeast > room || room === 0
          ? undefined
          : decompress(bytes.subarray(frame.start, frame.end), Math.min(frame.atMost, room))
      if (content === undefined) {
        throw frame.atMost > room
          ? tooLarge("zstd", bytes.length, max)
          : broken("zstd", `more than ${frame.atMost} bytes, which its header says are the most`)
      }
      // Node 22 takes the end of the input for the end of the content.
      if (content.length < frame.atLeast) throw broken("zstd", `${content.length} bytes of ${frame.atLeast}`)
      room -= content.length
      return content
    })
  )
}

const joined = (codec: Codec, parts: ReadonlyArray<() => Buffer>): Buffer => {
  try {
    if (parts.length === 1) return parts[0]()
    return Buffer.concat(parts.map((part) => part()))
  } catch (error) {
    throw error instanceof Refusal ? error : broken(codec, error)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// loading
// ---------------------------------------------------------------------------------------------------------------------

const load = (codec: Codec, name: string): unknown => {
  try {
    return loadPackage(name)
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw new Refusal("UnsupportedCodec", `${codec}: the package ${name} cannot be loaded on this platform: ${detail}`)
  }
}

let loadedSnappy: typeof Snappy | undefined
const snappy = (): typeof Snappy => (loadedSnappy ??= load("snappy", "snappy") as typeof Snappy)

let loadedLz4: typeof Lz4 | undefined
const lz4 = (): typeof Lz4 => (loadedLz4 ??= load("lz4", "lz4-napi") as typeof Lz4)

let loadedZstd: ZstdEngine | undefined
const zstd = (): ZstdEngine => {
  loadedZstd ??= builtInZstd()
  if (loadedZstd === undefined) {
    throw new Refusal("UnsupportedCodec", "zstd: not loaded (Node 22.15 and later have it built in)")
  }
  return loadedZstd
}

/** Is all known about zstd: its engine, or that there is none? */
let isZstdSettled = builtInZstd() !== undefined

/** Is there nothing of this codec left to load, or only what is loaded synchronously? */
export const isPrepared = (codec: Codec): boolean => codec !== "zstd" || isZstdSettled

let preparing: Promise<void> | undefined

/**
 * Loads what cannot be loaded synchronously: zstd, where Node has none. To be awaited before the first batch of a codec that
 * is not prepared; at once done after that. Never rejects: if there is no zstd, its batches are `UnsupportedCodec`.
 */
export const prepareCodecs = (): Promise<void> =>
  (preparing ??= isZstdSettled
    ? Promise.resolve()
    : loadWasmZstd()
        .then(
          (engine) => {
            loadedZstd = engine
          },
          () => {}
        )
        .finally(() => {
          isZstdSettled = true
        }))
