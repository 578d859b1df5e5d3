/** What is loaded for checksums and codecs, and what becomes of it where that is not to be had. */
import zlib from "node:zlib"
import { afterEach, describe, expect, it, vi } from "vitest"
import type * as Checksum from "../../src/internal/recordBatch/checksum.ts"
import type * as Compression from "../../src/internal/recordBatch/compression.ts"
import { builtInZstd } from "../../src/internal/recordBatch/zstdEngine.ts"

const LOAD = "../../src/internal/recordBatch/load.ts"

afterEach(() => {
  vi.doUnmock(LOAD)
  vi.resetModules()
})

/** The modules as they are before anything was loaded; all that they ask for is written down, and refused if so said. */
const fresh = async (refuses: boolean) => {
  const asked: Array<string> = []
  vi.resetModules()
  const { loadPackage } = await vi.importActual<{ loadPackage: (name: string) => unknown }>(LOAD)
  vi.doMock(LOAD, () => ({
    loadPackage: (name: string) => {
      asked.push(name)
      if (refuses) throw new Error("not on this platform")
      return loadPackage(name)
    }
  }))
  const compression: typeof Compression = await import("../../src/internal/recordBatch/compression.ts")
  const checksum: typeof Checksum = await import("../../src/internal/recordBatch/checksum.ts")
  return { asked, compression, checksum }
}

const thrown = (run: () => unknown): { readonly reason?: string; readonly message: string } => {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  throw new Error("nothing was thrown")
}

const bytes = Buffer.from("abcabcabcabcabcabcabcabc")

describe("where packages cannot be loaded", () => {
  it("snappy and lz4 are unsupported, by name and with the reason", async () => {
    const { compression } = await fresh(true)
    const raw = Buffer.from([1, 0, 0x61])
    const frame = Buffer.from("04224d186040" + "82" + "00000000", "hex")
    for (const [run, name] of [
      [() => compression.compress("snappy", bytes), "snappy"],
      [() => compression.decompress("snappy", raw, 100), "snappy"],
      [() => compression.compress("lz4", bytes), "lz4-napi"],
      [() => compression.decompress("lz4", frame, 100), "lz4-napi"]
    ] as const) {
      const error = thrown(run)
      expect(error.reason).toBe("UnsupportedCodec")
      expect(error.message).toContain(name)
      expect(error.message).toContain("not on this platform")
    }
    expect(compression.decompress("gzip", compression.compress("gzip", bytes), 100).equals(bytes)).toBe(true)
  })

  it("checksums are computed all the same, and the package is asked for once", async () => {
    const { asked, checksum } = await fresh(true)
    const digits = Buffer.from("123456789")
    expect([checksum.crc32c(digits), checksum.crc32c(digits)]).toEqual([0xe3069283, 0xe3069283])
    expect([checksum.crc32(digits), checksum.crc32(digits)]).toEqual([0xcbf43926, 0xcbf43926])
    expect(asked).toEqual(["@node-rs/crc32"])
    const other = await fresh(true)
    expect(other.checksum.crc32(digits)).toBe(0xcbf43926)
    expect(other.asked).toEqual(["@node-rs/crc32"])
  })

  it.skipIf(builtInZstd() !== undefined)("zstd is known to be none after it was asked for", async () => {
    const { asked, compression } = await fresh(true)
    expect(compression.isPrepared("zstd")).toBe(false)
    await compression.prepareCodecs()
    await compression.prepareCodecs()
    expect(asked).toEqual(["@bokuweb/zstd-wasm"])
    expect(compression.isPrepared("zstd")).toBe(true)
    expect(thrown(() => compression.compress("zstd", bytes)).reason).toBe("UnsupportedCodec")
  })
})

describe("where they can", () => {
  it("each is asked for when it is first needed, and once", async () => {
    const { asked, checksum, compression } = await fresh(false)
    expect(asked).toEqual([])
    for (let times = 0; times < 2; times++) {
      for (const codec of ["snappy", "lz4"] as const) {
        expect(compression.decompress(codec, compression.compress(codec, bytes), 100).equals(bytes)).toBe(true)
      }
      expect(checksum.crc32c(bytes)).toBe(checksum.plainCrc32c(bytes))
      expect(checksum.crc32(bytes)).toBe(checksum.plainCrc32(bytes))
    }
    expect(asked).toEqual(["snappy", "lz4-napi", "@node-rs/crc32"])
  })

  it("all but zstd need no preparation; zstd has none before it was prepared", async () => {
    const { compression } = await fresh(false)
    for (const codec of compression.codecs) {
      expect([codec, compression.isPrepared(codec)]).toEqual([codec, codec !== "zstd" || builtInZstd() !== undefined])
    }
    if (builtInZstd() === undefined) {
      expect(thrown(() => compression.compress("zstd", bytes)).reason).toBe("UnsupportedCodec")
    }
    await compression.prepareCodecs()
    expect(compression.isPrepared("zstd")).toBe(true)
    expect(compression.decompress("zstd", compression.compress("zstd", bytes), 100).equals(bytes)).toBe(true)
  })
})

describe("zstd of node:zlib", () => {
  /** As newer versions of Node have it, or in their place. */
  const withZstd = <A>(functions: object, run: () => A): A => {
    const before = Object.getOwnPropertyDescriptors(zlib)
    for (const [name, value] of Object.entries(functions)) {
      Object.defineProperty(zlib, name, { value, configurable: true, writable: true })
    }
    try {
      return run()
    } finally {
      for (const name of Object.keys(functions)) {
        const was = before[name as keyof typeof before] as PropertyDescriptor | undefined
        if (was === undefined) Reflect.deleteProperty(zlib, name)
        else Object.defineProperty(zlib, name, was)
      }
    }
  }

  const failing = (code?: string) => () => {
    throw code === undefined ? new Error("broken") : Object.assign(new Error("broken"), { code })
  }
  const compress = () => Buffer.from("compressed")

  it("is there if both of its functions are", () => {
    const both = { zstdCompressSync: compress, zstdDecompressSync: compress }
    expect(withZstd(both, builtInZstd)).toBeDefined()
    expect(withZstd({ ...both, zstdCompressSync: undefined }, builtInZstd)).toBeUndefined()
    expect(withZstd({ ...both, zstdDecompressSync: undefined }, builtInZstd)).toBeUndefined()
  })

  it("is told how much it may make, and what it takes in one piece", () => {
    const asked: Array<unknown> = []
    const engine = withZstd(
      {
        zstdCompressSync: compress,
        zstdDecompressSync: (frame: Buffer, options: unknown) => {
          asked.push(options)
          return frame
        }
      },
      builtInZstd
    )!
    expect(engine.compress(bytes).toString()).toBe("compressed")
    for (const atMost of [1, 63, 64, 1_000, 8 * 1024 * 1024 - 1, 8 * 1024 * 1024, 100 * 1024 * 1024]) {
      expect(engine.decompress(bytes, atMost)).toBe(bytes)
    }
    const most = 8 * 1024 * 1024
    expect(asked).toEqual([
      { maxOutputLength: 1, chunkSize: 64 },
      { maxOutputLength: 63, chunkSize: 64 },
      { maxOutputLength: 64, chunkSize: 65 },
      { maxOutputLength: 1_000, chunkSize: 1_001 },
      { maxOutputLength: most - 1, chunkSize: most },
      { maxOutputLength: most, chunkSize: most },
      { maxOutputLength: 100 * 1024 * 1024, chunkSize: most }
    ])
  })

  it("says that there is more, and throws what is wrong", () => {
    const engineOf = (zstdDecompressSync: () => never) =>
      withZstd({ zstdCompressSync: compress, zstdDecompressSync }, builtInZstd)!
    expect(engineOf(failing("ERR_BUFFER_TOO_LARGE")).decompress(bytes, 10)).toBeUndefined()
    expect(() => engineOf(failing("ERR_OTHER")).decompress(bytes, 10)).toThrow("broken")
    expect(() => engineOf(failing()).decompress(bytes, 10)).toThrow("broken")
  })
})
