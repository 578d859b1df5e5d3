/** Where zstd comes from: `node:zlib` has it from Node 22.15 on; before that, a WebAssembly build that is loaded once. */
import type * as ZstdWasm from "@bokuweb/zstd-wasm"
// Not by name, as a bundler would make it of a namespace: Node refuses to link names that it does not have.
import zlib from "node:zlib"
import { loadPackage } from "./load.ts"

export interface ZstdEngine {
  readonly compress: (bytes: Buffer) => Buffer
  /** Decompresses one whole frame to at most `atMost` bytes, above 0; undefined if there is more in it. Throws if it is broken. */
  readonly decompress: (frame: Buffer, atMost: number) => Buffer | undefined
}

/** What the types of Node 20 do not know of. */
interface ZlibWithZstd {
  readonly zstdCompressSync?: (bytes: Buffer) => Buffer
  readonly zstdDecompressSync?: (bytes: Buffer, options: { maxOutputLength: number; chunkSize: number }) => Buffer
}

/** Enough that a batch is mostly one chunk, which saves a copy. */
const MAX_CHUNK = 8 * 1024 * 1024

/** Zstd of `node:zlib`, if this Node has it. */
export const builtInZstd = (): ZstdEngine | undefined => {
  const { zstdCompressSync, zstdDecompressSync } = zlib as ZlibWithZstd
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined) return undefined
  return {
    compress: (bytes) => zstdCompressSync(bytes),
    decompress: (frame, atMost) => {
      try {
        const chunkSize = Math.min(Math.max(atMost + 1, 64), MAX_CHUNK)
        return zstdDecompressSync(frame, { maxOutputLength: atMost, chunkSize })
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE") return undefined
        throw error
      }
    }
  }
}

/** How the WebAssembly build reports zstd's error 70, an output buffer that is too small. */
const DOES_NOT_FIT = "code -70"

/**
 * The package has one instance in a process, which is broken for all who use it when it is initialized again: what is
 * compressed after that may be garbage.
 */
const works = (wasm: typeof ZstdWasm): boolean => {
  try {
    return wasm.compress(new Uint8Array(1)).length > 0
  } catch {
    return false
  }
}

/** Loads the WebAssembly build. Its memory grows to the largest batch (both forms of it), and stays. */
export const loadWasmZstd = async (): Promise<ZstdEngine> => {
  const wasm = loadPackage("@bokuweb/zstd-wasm") as typeof ZstdWasm
  if (!works(wasm)) await wasm.init()
  const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    compress: (bytes) => view(wasm.compress(bytes)),
    decompress: (frame, atMost) => {
      try {
        return view(wasm.decompress(frame, { defaultHeapSize: atMost }))
      } catch (error) {
        if (error instanceof Error && error.message.endsWith(DOES_NOT_FIT)) return undefined
        throw error
      }
    }
  }
}
