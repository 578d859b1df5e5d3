import { readFileSync } from "node:fs"
import * as zlib from "node:zlib"
import { describe, expect, it } from "vitest"
import { crc32, crc32c, plainCrc32, plainCrc32c } from "../../src/internal/recordBatch/checksum.ts"
import type { Codec } from "../../src/internal/recordBatch/compression.ts"
import {
  codecs,
  compress,
  decompress,
  plainBytesWithin,
  prepareCodecs
} from "../../src/internal/recordBatch/compression.ts"
import { Refusal } from "../../src/internal/recordBatch/corruption.ts"
import { FetchedBatches } from "../../src/internal/recordBatch/fetchedBatches.ts"
import { RecordRanges } from "../../src/internal/recordBatch/recordRanges.ts"
import { builtInZstd, loadWasmZstd } from "../../src/internal/recordBatch/zstdEngine.ts"
import { batch, batchAround, corruptionIn, readAll, record, refused } from "./support.ts"

await prepareCodecs()
await prepareCodecs()

const MiB = 1024 * 1024

/** Text that compresses, but not to nothing. */
const text = (size: number): Buffer => {
  const words = readFileSync(new URL("./fixtures.json", import.meta.url))
  return Buffer.concat(Array.from({ length: Math.ceil(size / words.length) }, () => words)).subarray(0, size)
}

/** Bytes that do not compress, the same each time. */
const noise = (size: number): Buffer => {
  const bytes = Buffer.alloc(size)
  let state = 1
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    bytes[i] = state >>> 24
  }
  return bytes
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

const reasonOf = (codec: Codec, bytes: Buffer, max: number): string => {
  try {
    decompress(codec, bytes, max)
    return "read"
  } catch (error) {
    if (error instanceof Refusal) return error.reason
    throw error
  }
}

/** Runs within a time of the processor that decompressing a bomb would not do with, however busy the machine is. */
const quickly = <A>(run: () => A): A => {
  const before = process.cpuUsage()
  const result = run()
  const { system, user } = process.cpuUsage(before)
  expect((user + system) / 1000).toBeLessThan(1000)
  return result
}

const snappyPreamble = (size: number): ReadonlyArray<number> =>
  size < 128 ? [size] : [(size % 128) + 128, ...snappyPreamble(Math.floor(size / 128))]

/** zstd: a frame of blocks that repeat one byte 128 kB each, without a declared size. */
const zstdRuns = (blocks: number): Buffer => {
  const run = (last: number): Buffer => Buffer.from([...uint32((131072 << 3) | (1 << 1) | last).subarray(0, 3), 0x61])
  return Buffer.concat([
    uint32(0xfd2fb528),
    Buffer.from([0x00, 0x70]),
    ...Array.from({ length: blocks - 1 }, () => run(0)),
    run(1)
  ])
}

/** Takes the declared size out of the frame of one segment that a one-shot compressor writes. */
const withoutContentSize = (frame: Buffer): Buffer => {
  const sizes = [1, 2, 4, 8]
  const descriptor = frame[4]
  expect(descriptor & 0x03).toBe(0)
  const single = (descriptor & 0x20) !== 0
  const size = descriptor >>> 6 === 0 && !single ? 0 : sizes[descriptor >>> 6]
  return Buffer.concat([
    frame.subarray(0, 4),
    Buffer.from([descriptor & 0x04, 0x70]),
    frame.subarray(5 + (single ? 0 : 1) + size)
  ])
}

describe("compression", () => {
  for (const codec of codecs) {
    it(`${codec}: nothing, little and much`, () => {
      for (const size of [0, 1, 100, 65_536, 65_537, 3 * MiB]) {
        const bytes = text(size)
        const packed = compress(codec, bytes)
        expect(decompress(codec, packed, 4 * MiB).equals(bytes)).toBe(true)
        if (codec !== "none" && size >= MiB) expect(packed.length).toBeLessThan(size / 2)
      }
    })
    if (codec === "none") continue

    it(`${codec}: exactly as large as allowed, and one byte more`, () => {
      const packed = compress(codec, text(200_000))
      expect(decompress(codec, packed, 200_000).length).toBe(200_000)
      expect(reasonOf(codec, packed, 199_999)).toBe("TooLarge")
      expect(reasonOf(codec, packed, 0)).toBe("TooLarge")
    })

    it(`${codec}: cut off anywhere`, () => {
      const packed = compress(codec, text(2000))
      for (let cut = 0; cut < packed.length; cut++) {
        const reason = reasonOf(codec, packed.subarray(0, cut), MiB)
        // Framed snappy and zstd's frames may end anywhere between two blocks or frames: nothing is no block at all.
        if (reason === "read") expect([codec, cut]).toSatisfy(([c, n]) => (c === "snappy" ? n === 16 : n === 0))
        else expect(reason).toMatch(/^(Decompression|TooLarge)$/)
      }
    })

    it(`${codec}: a bomb is refused quickly`, () => {
      const bomb = compress(codec, Buffer.alloc(160 * MiB))
      expect(quickly(() => reasonOf(codec, bomb, 4 * MiB))).toBe("TooLarge")
      const bytes = batchAround(bomb, { count: 1000, attributes: codecs.indexOf(codec) })
      expect(quickly(() => refused(bytes)?.reason)).toBe("TooLarge")
    })

    it(`${codec}: a batch is read however well it compresses, up to its limit in bytes`, () => {
      const value = Buffer.alloc(12 * MiB)
      const bytes = batch(0, [record("k", value)], { codec })
      expect(value.length / bytes.length).toBeGreaterThan(codec === "zstd" || codec === "gzip" ? 1000 : 20)
      const { batches } = readAll(bytes, 0)
      expect(batches[0].records.map((r) => [r.value?.length, value.equals(r.value!)])).toEqual([[value.length, true]])
      const size = batch(0, [record("k", value)]).length - 61
      expect(refused(bytes, { maxBatchBytes: size })).toBeUndefined()
      expect(refused(bytes, { maxBatchBytes: size - 1 })?.reason).toBe("TooLarge")
    })

    it(`${codec}: the batches of one answer are unpacked one after the other, each up to the limit`, () => {
      const value = Buffer.alloc(200_000)
      const size = batch(0, [record("k", value)]).length - 61
      const batches = Array.from({ length: 20 }, (_, i) => batch(i, [record(`k`, value)], { codec }))
      const seen: Array<number> = []
      readAll(Buffer.concat(batches), 0, (_, ranges) => seen.push(ranges.bytes.length), { maxBatchBytes: size })
      expect(seen).toEqual(Array.from({ length: 20 }, () => size))
    })

    it(`${codec}: what was unpacked before is let go before the next is`, () => {
      const bomb = batchAround(compress(codec, Buffer.alloc(3 * MiB)), {
        baseOffset: 1,
        attributes: codecs.indexOf(codec)
      })
      const fetched = new FetchedBatches(Buffer.concat([batch(0, [record("k", "v")], { codec }), bomb]), 0, {
        checkCrcs: true,
        maxBatchBytes: 2 * MiB
      })
      const ranges = new RecordRanges()
      fetched.next()
      fetched.decode(ranges)
      expect([ranges.count, ranges.bytes.length]).not.toContain(0)
      fetched.next()
      expect(corruptionIn(() => fetched.decode(ranges))?.reason).toBe("TooLarge")
      expect([ranges.count, ranges.bytes.length]).toEqual([0, 0])
    })

    it(`${codec}: what does not compress grows by no more than is reckoned with`, () => {
      for (const max of [65, 100, 1_000, 65_536, 131_072, 3 * MiB]) {
        const size = plainBytesWithin(codec, max)
        expect(compress(codec, noise(size)).length).toBeLessThanOrEqual(max)
        expect(size).toBeGreaterThan(max * 0.99 - 65)
      }
      expect(plainBytesWithin(codec, 10)).toBe(0)
    })
  }
})

describe("without compression", () => {
  it("a batch is read up to its limit in bytes", () => {
    const bytes = batch(0, [record("k", "v".repeat(1_000))])
    expect(refused(bytes, { maxBatchBytes: bytes.length })).toBeUndefined()
    expect(refused(bytes, { maxBatchBytes: bytes.length - 1 })?.reason).toBe("TooLarge")
  })
})

describe("gzip", () => {
  it("a declared size that is a lie", () => {
    const bomb = zlib.gzipSync(Buffer.alloc(64 * MiB))
    bomb.writeUInt32LE(1000, bomb.length - 4)
    expect(quickly(() => reasonOf("gzip", bomb, 4 * MiB))).toBe("TooLarge")
    const packed = zlib.gzipSync(text(1000))
    packed.writeUInt32LE(0xffffffff, packed.length - 4)
    expect(reasonOf("gzip", packed, MiB)).toBe("TooLarge")
    packed.writeUInt32LE(MiB, packed.length - 4)
    expect(reasonOf("gzip", packed, MiB)).toBe("Decompression")
  })

  it("several members", () => {
    const packed = Buffer.concat([zlib.gzipSync(text(1000)), zlib.gzipSync(text(500))])
    expect(decompress("gzip", packed, MiB).length).toBe(1500)
  })
})

describe("snappy", () => {
  // 64 literals at most in this form: a tag, then the bytes.
  const raw = Buffer.from([5, 4 << 2, 0x68, 0x65, 0x6c, 0x6c, 0x6f])

  it("a raw block, as other clients than Java's write it", () => {
    expect(decompress("snappy", raw, 100).toString()).toBe("hello")
  })

  it("Java's framing, its header again between blocks", () => {
    const framed = compress("snappy", text(50_000))
    expect(
      decompress("snappy", Buffer.concat([framed, framed]), MiB).equals(Buffer.concat([text(50_000), text(50_000)]))
    ).toBe(true)
  })

  it("a raw bomb: the size that it declares is refused", () => {
    for (const size of [2 ** 32 - 1, 2 ** 31, 200]) {
      const bomb = Buffer.from([...snappyPreamble(size), 0, 0x61])
      expect(quickly(() => reasonOf("snappy", bomb, 2 ** 40))).toBe("Decompression")
    }
    expect(reasonOf("snappy", Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), 2 ** 40)).toBe("Decompression")
    expect(reasonOf("snappy", Buffer.alloc(0), 100)).toBe("Decompression")
  })

  it("a framed bomb: the sizes of all blocks are added up first", () => {
    const framed = compress("snappy", Buffer.alloc(64 * MiB))
    expect(quickly(() => reasonOf("snappy", framed, 63 * MiB))).toBe("TooLarge")
  })

  it("block sizes that cannot be", () => {
    for (const size of [0, -1, 100, 0x7fffffff]) {
      const framed = compress("snappy", text(100))
      framed.writeInt32BE(size, 16)
      expect(reasonOf("snappy", framed, MiB)).toBe("Decompression")
    }
  })

  it("a block that becomes less or more than declared", () => {
    for (const size of [4, 6]) {
      const lying = Buffer.from(raw)
      lying[0] = size
      expect(reasonOf("snappy", lying, 100)).toBe("Decompression")
    }
  })
})

describe("lz4", () => {
  const header = Buffer.from(compress("lz4", Buffer.alloc(0)).subarray(0, 7))

  /** Header of a frame whose blocks refer to those before them. Its checksum is xxHash's of the two bytes. */
  const linkedHeader = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0])

  const block = (bytes: ReadonlyArray<number>, stored = false): Buffer =>
    Buffer.concat([uint32((stored ? 0x80000000 : 0) + bytes.length), Buffer.from(bytes)])

  const letters = [..."abcdefghijklmnop"].map((letter) => letter.charCodeAt(0))

  it("blocks that refer to those before them", () => {
    // 16 literals; then a match of 8 at distance 16, which is in the block before, and five literals.
    const frame = Buffer.concat([
      linkedHeader,
      block([0xf0, 1, ...letters]),
      block([0x04, 16, 0, 0x50, ...letters.slice(0, 5)]),
      uint32(0)
    ])
    expect(decompress("lz4", frame, 100).toString()).toBe("abcdefghijklmnopabcdefghabcde")
  })

  it("stored blocks, and several frames", () => {
    const frame = Buffer.concat([header, block(letters, true), uint32(0)])
    expect(decompress("lz4", Buffer.concat([frame, frame]), 100).toString()).toBe("abcdefghijklmnop".repeat(2))
  })

  it("many small blocks are measured, not refused by their number", () => {
    const small = [0xf0, 1, ...letters]
    const frame = Buffer.concat([header, ...Array.from({ length: 100 }, () => block(small)), uint32(0)])
    expect(decompress("lz4", frame, 1600).length).toBe(1600)
    expect(reasonOf("lz4", frame, 1599)).toBe("TooLarge")
  })

  it("an unknown version, block size, magic, or a dictionary", () => {
    for (const [at, value] of [
      [0, 0x02],
      [4, 0x00],
      [4, 0x61],
      [5, 0x30]
    ]) {
      const frame = Buffer.from(compress("lz4", text(100)))
      frame[at] = value
      expect(reasonOf("lz4", frame, MiB)).toBe("Decompression")
    }
  })

  it("a wrong header checksum is refused, but for magic 0, which always had one", () => {
    const frame = Buffer.from(compress("lz4", text(100)))
    frame[6] ^= 0xff
    expect(reasonOf("lz4", frame, MiB)).toBe("Decompression")
    expect(decompress("lz4", frame, MiB, 0).equals(text(100))).toBe(true)
  })

  it("the same where the frame declares its size, which is under that checksum", () => {
    const frame = compress("lz4", text(300))
    const size = Buffer.alloc(8)
    size.writeUInt32LE(300)
    const declared = frame[4] & 0x08 ? frame.subarray(6, 14) : size
    const flags = Buffer.from([frame[4] | 0x08, frame[5]])
    const blocks = frame.subarray(frame[4] & 0x08 ? 15 : 7)
    for (const wrong of [0, 1]) {
      const other = Buffer.concat([frame.subarray(0, 4), flags, declared, Buffer.from([wrong]), blocks])
      expect(decompress("lz4", other, MiB, 0).equals(text(300))).toBe(true)
    }
  })
})

const engines = [["WebAssembly", await loadWasmZstd()] as const, ["node:zlib", builtInZstd()] as const]

describe("zstd", () => {
  for (const [name, engine] of engines) {
    it.skipIf(engine === undefined)(`${name}: to and fro, bounded`, () => {
      if (engine === undefined) return
      for (const size of [1, 1000, 300_000, 3 * MiB]) {
        const frame = engine.compress(text(size))
        expect(engine.decompress(frame, size)?.equals(text(size))).toBe(true)
        for (const other of engines) expect(other[1]?.decompress(frame, size)?.equals(text(size)) ?? true).toBe(true)
        const open = withoutContentSize(frame)
        expect(engine.decompress(open, size + 1)?.equals(text(size))).toBe(true)
        expect(engine.decompress(open, size)?.equals(text(size))).toBe(true)
        if (size > 1) expect(engine.decompress(open, size - 1)).toBeUndefined()
      }
    })
  }

  it("WebAssembly: loaded again, as by another copy of this package in the process, all of them go on", async () => {
    const loaded = [await loadWasmZstd()]
    for (let times = 0; times < 3; times++) {
      loaded.push(await loadWasmZstd())
      for (const engine of loaded) {
        const frame = engine.compress(text(100_000))
        expect(engine.decompress(frame, 100_000)?.equals(text(100_000))).toBe(true)
      }
    }
    expect(decompress("zstd", compress("zstd", text(1000)), 1000).equals(text(1000))).toBe(true)
  })

  it("a frame that does not declare its size", () => {
    const frame = withoutContentSize(compress("zstd", text(300_000)))
    expect(decompress("zstd", frame, MiB).equals(text(300_000))).toBe(true)
    expect(decompress("zstd", frame, 300_000).equals(text(300_000))).toBe(true)
    expect(reasonOf("zstd", frame, 299_999)).toBe("TooLarge")
  })

  it("cut off anywhere, without a declared size", () => {
    const frame = withoutContentSize(compress("zstd", text(2000)))
    for (let cut = 1; cut < frame.length; cut++) {
      expect(reasonOf("zstd", frame.subarray(0, cut), MiB)).toBe("Decompression")
    }
  })

  it("several frames, skippable ones between", () => {
    const skippable = Buffer.concat([uint32(0x184d2a53), uint32(3), Buffer.from("abc")])
    const frames = [compress("zstd", text(1000)), skippable, withoutContentSize(compress("zstd", text(500)))]
    expect(decompress("zstd", Buffer.concat(frames), MiB).equals(Buffer.concat([text(1000), text(500)]))).toBe(true)
    expect(decompress("zstd", Buffer.concat(frames), 1500).length).toBe(1500)
    expect(reasonOf("zstd", Buffer.concat(frames), 1499)).toBe("TooLarge")
    expect(reasonOf("zstd", Buffer.concat(frames), 1000)).toBe("TooLarge")
  })

  it("a bomb of runs: blocks are added up first", () => {
    expect(quickly(() => reasonOf("zstd", zstdRuns(100_000), 128 * MiB))).toBe("TooLarge")
    expect(decompress("zstd", zstdRuns(8), MiB).length).toBe(MiB)
  })

  it("a bomb without a declared size: the output is bounded", () => {
    const bomb = withoutContentSize(compress("zstd", Buffer.concat([text(1000), Buffer.alloc(64 * MiB), text(1000)])))
    expect(quickly(() => reasonOf("zstd", bomb, 4 * MiB))).toBe("TooLarge")
  })

  it("a declared size that cannot be", () => {
    const frame = Buffer.concat([
      uint32(0xfd2fb528),
      Buffer.from([0xe0]),
      Buffer.from([0, 0, 0, 0, 0, 0, 0, 0x10]),
      Buffer.from([0x09, 0, 0, 0x61])
    ])
    expect(reasonOf("zstd", frame, MiB)).toBe("Decompression")
    expect(reasonOf("zstd", Buffer.from("28b52ffd2005010000", "hex"), MiB)).toBe("Decompression")
  })

  it("a window that is larger than what Kafka's decoder makes room for", () => {
    const open = withoutContentSize(compress("zstd", text(2000)))
    // 5 bits of exponent, 3 of mantissa: 0x88 is 128 MiB
    for (const window of [0x70, 0x87, 0x88]) {
      open[5] = window
      expect(decompress("zstd", open, MiB).equals(text(2000))).toBe(true)
    }
    for (let window = 0x89; window <= 0xff; window++) {
      open[5] = window
      expect(reasonOf("zstd", open, MiB)).toBe("Decompression")
    }
  })

  it("a window that is larger, beside a declared size that is small", () => {
    const frame = compress("zstd", text(2000))
    expect(frame[4]).toBe(0x60)
    const withWindow = (window: number) =>
      Buffer.concat([frame.subarray(0, 4), Buffer.from([0x40, window]), frame.subarray(5)])
    expect(decompress("zstd", withWindow(0x88), MiB).equals(text(2000))).toBe(true)
    expect(reasonOf("zstd", withWindow(0x89), MiB)).toBe("Decompression")
  })

  it("a single segment, whose window is its content, of more than that", () => {
    const segment = (size: number) => {
      // blocks of one repeated byte, so that the declared size can be
      const blocks = zstdRuns(size / 131_072).subarray(6)
      const header = Buffer.from([0xa0, ...uint32(size)])
      return Buffer.concat([uint32(0xfd2fb528), header, blocks])
    }
    expect(decompress("zstd", segment(128 * MiB), 256 * MiB).length).toBe(128 * MiB)
    expect(reasonOf("zstd", segment(128 * MiB + 131_072), 256 * MiB)).toBe("Decompression")
  })

  it("blocks that cannot be read are no matter of size", () => {
    const frame = compress("zstd", text(2000))
    const reasons = new Set<string>()
    for (let at = 9; at < frame.length; at++) {
      const damaged = Buffer.from(frame)
      damaged[at] ^= 0xff
      reasons.add(reasonOf("zstd", damaged, MiB))
    }
    // or other text of the same size, as there is no checksum
    expect([...reasons].filter((reason) => reason !== "read")).toEqual(["Decompression"])
    for (const [, engine] of engines) {
      if (engine !== undefined) expect(() => engine.decompress(Buffer.alloc(20, 7), 100)).toThrow()
    }
  })

  it("what is no zstd", () => {
    expect(reasonOf("zstd", text(100), MiB)).toBe("Decompression")
    expect(reasonOf("zstd", Buffer.from("28b52ffd28", "hex"), MiB)).toBe("Decompression")
  })
})

describe("checksums", () => {
  it("known values", () => {
    const digits = Buffer.from("123456789")
    expect([crc32c(digits), plainCrc32c(digits)]).toEqual([0xe3069283, 0xe3069283])
    expect([crc32(digits), plainCrc32(digits)]).toEqual([0xcbf43926, 0xcbf43926])
  })

  it("native and plain agree on every length and alignment", () => {
    const bytes = text(3000)
    for (let size = 0; size < 200; size++) {
      for (const start of [0, 1, 7]) {
        const part = bytes.subarray(start * 61, start * 61 + size * (start + 1))
        expect(plainCrc32c(part)).toBe(crc32c(part))
        expect(plainCrc32(part)).toBe(crc32(part))
      }
    }
  })
})
