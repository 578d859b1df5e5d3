/** Bytes as they are documented, written out by hand: what is read from them and what is written must be just these. */
import { describe, expect, it } from "vitest"
import {
  batchSize,
  parseHeader,
  readDeleteHorizon,
  readLastOffsetDelta,
  readLeaderEpoch
} from "../../src/internal/recordBatch/batchHeader.ts"
import { crc32, crc32c } from "../../src/internal/recordBatch/checksum.ts"
import { Refusal } from "../../src/internal/recordBatch/corruption.ts"
import {
  BATCH_OVERHEAD,
  encodeBatch,
  encodeControlBatch,
  estimateSize,
  stampLogAppendTime
} from "../../src/internal/recordBatch/encode.ts"
import { lz4Frames } from "../../src/internal/recordBatch/lz4Frames.ts"
import { RecordRanges } from "../../src/internal/recordBatch/recordRanges.ts"
import { frameSnappy, snappyBlocks } from "../../src/internal/recordBatch/snappyBlocks.ts"
import {
  readVarint,
  readVarlong,
  sizeOfVarint,
  sizeOfVarlong,
  varintEnd,
  writeVarint,
  writeVarlong
} from "../../src/internal/recordBatch/varint.ts"
import { zstdFrames } from "../../src/internal/recordBatch/zstdFrames.ts"
import { message, readAll } from "./support.ts"

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/[^0-9a-f]/g, ""), "hex")

const reasonOf = (run: () => unknown): string | undefined => {
  try {
    run()
    return undefined
  } catch (error) {
    if (error instanceof Refusal) return error.reason
    throw error
  }
}

describe("a batch", () => {
  // length 16, attributes, two deltas; key "k", value "vv"; two headers: "h" of null, "i" of "x"
  const content = "20 00 00 00" + "02 6b 04 76 76" + "04 02 68 01 02 69 02 78"
  const encoded = () =>
    encodeBatch({
      records: [
        {
          key: Buffer.from("k"),
          value: "vv",
          timestamp: 1_000,
          headers: [
            ["h", null],
            ["i", "x"]
          ]
        }
      ],
      codec: "none",
      producerId: 0x0102030405060708n,
      producerEpoch: 0x0a0b,
      baseSequence: 0x0c0d0e0f,
      isTransactional: true
    })

  it("is written as documented", () => {
    const bytes = encoded()
    const checksum = crc32c(bytes.subarray(21)).toString(16).padStart(8, "0")
    expect(bytes.toString("hex")).toBe(
      hex(
        "0000000000000000" + // base offset
          "00000042" + // length
          "ffffffff" + // leader epoch
          "02" +
          checksum +
          "0010" + // attributes: transactional
          "00000000" + // last offset delta
          "00000000000003e8" +
          "00000000000003e8" +
          "0102030405060708" +
          "0a0b" +
          "0c0d0e0f" +
          "00000001" +
          content
      ).toString("hex")
    )
  })

  it("has a header of which each field is in its place", () => {
    const bytes = encoded()
    const other = Buffer.from(bytes)
    other.writeBigInt64BE(0x0000010203040506n, 0)
    other.writeInt32BE(0x11121314, 12)
    other.writeInt32BE(0x21222324, 23)
    other.writeBigInt64BE(0x0000313233343536n, 27)
    other.writeBigInt64BE(0x0000414243444546n, 35)
    const around = Buffer.concat([Buffer.alloc(5), other])
    expect(parseHeader(around, 5, other.length)).toEqual({
      start: 5,
      end: 5 + other.length,
      baseOffset: 0x010203040506,
      batchLength: other.length - 12,
      partitionLeaderEpoch: 0x11121314,
      magic: 2,
      crc: other.readUInt32BE(17),
      codec: 0,
      logAppendTime: false,
      isTransactional: true,
      isControl: false,
      lastOffsetDelta: 0x21222324,
      lastOffset: 0x010203040506 + 0x21222324,
      nextOffset: 0x010203040506 + 0x21222325,
      firstTimestamp: 0x313233343536,
      maxTimestamp: 0x414243444546,
      producerId: 0x0102030405060708n,
      producerEpoch: 0x0a0b,
      baseSequence: 0x0c0d0e0f,
      recordCount: 1
    })
    expect(readLeaderEpoch(around, 5)).toBe(0x11121314)
    expect(readLastOffsetDelta(around, 5)).toBe(0x21222324)
  })

  it("has flags of which each is by itself", () => {
    const bytes = encoded()
    const flags = (attributes: number) => {
      const other = Buffer.from(bytes)
      other.writeInt16BE(attributes, 21)
      const { codec, isControl, isTransactional, logAppendTime } = parseHeader(other, 0, other.length)
      return [codec, logAppendTime, isTransactional, isControl, readDeleteHorizon(other, 0)]
    }
    expect(flags(0)).toEqual([0, false, false, false, undefined])
    expect(flags(5)).toEqual([5, false, false, false, undefined])
    expect(flags(8)).toEqual([0, true, false, false, undefined])
    expect(flags(16)).toEqual([0, false, true, false, undefined])
    expect(flags(32)).toEqual([0, false, false, true, undefined])
    expect(flags(64)).toEqual([0, false, false, false, 1_000])
    expect(flags(0x7fff)).toEqual([7, true, true, true, 1_000])
  })

  it("has no producer only where all bytes of its id say so", () => {
    const bytes = encoded()
    const producerOf = (id: bigint) => {
      const other = Buffer.from(bytes)
      other.writeBigInt64BE(id, 43)
      return parseHeader(other, 0, other.length).producerId
    }
    for (const id of [-1n, 0n, 0xffffffffn, -0x100000000n, -2n, 2n ** 63n - 1n]) expect(producerOf(id)).toBe(id)
  })

  it("tells its size as soon as its length is there, and refuses one that is too short for its format", () => {
    const sized = (length: number, magic: number, size = 100) => {
      const other = Buffer.alloc(size)
      other.writeInt32BE(length, 8)
      if (size > 16) other[16] = magic
      return other
    }
    for (const [magic, shortest] of [
      [0, 14],
      [1, 22],
      [2, 49],
      [3, 14]
    ] as const) {
      expect(batchSize(sized(shortest, magic), 0)).toBe(shortest + 12)
      expect(reasonOf(() => batchSize(sized(shortest - 1, magic), 0))).toBe("Malformed")
    }
    // where the format is cut off, any length that some format has will do
    expect(batchSize(sized(14, 2, 16), 0)).toBe(26)
    expect(reasonOf(() => batchSize(sized(14, 2, 17), 0))).toBe("Malformed")
    expect(batchSize(sized(14, 2, 12), 0)).toBe(26)
    expect(batchSize(sized(14, 2, 12).subarray(0, 11), 0)).toBeUndefined()
    expect(batchSize(Buffer.concat([Buffer.alloc(7), sized(60, 2)]), 7)).toBe(72)
  })

  it("that takes the time of the log says so, and keeps all else", () => {
    const bytes = encoded()
    const other = Buffer.from(bytes)
    stampLogAppendTime(other, 0x010203040506)
    expect(other.subarray(35, 43).toString("hex")).toBe("0000010203040506")
    expect(other.readInt16BE(21)).toBe(0x18)
    expect(other.readUInt32BE(17)).toBe(crc32c(other.subarray(21)))
    other.writeInt16BE(0x10, 21)
    bytes.copy(other, 35, 35, 43)
    bytes.copy(other, 17, 17, 21)
    expect(other.equals(bytes)).toBe(true)
  })

  it("is never larger than was estimated, and text takes as many bytes as it has", () => {
    for (const [key, value] of [
      ["k", "v"],
      ["ключ", "значение".repeat(9)],
      ["", null],
      [null, ""]
    ] as const) {
      const headers = [["héäder", "ẞ"] as const, ["n", null] as const]
      const text = { key, value, timestamp: 5, headers }
      const asBytes = (part: string | null) => (part === null ? null : Buffer.from(part))
      const same = {
        key: asBytes(key),
        value: asBytes(value),
        timestamp: 5,
        headers: headers.map(([name, part]) => [name, asBytes(part)] as const)
      }
      const rest = { codec: "none", producerId: -1n, producerEpoch: -1, baseSequence: -1 } as const
      const written = encodeBatch({ records: [text], ...rest })
      expect(written.equals(encodeBatch({ records: [same], ...rest }))).toBe(true)
      expect(estimateSize(text)).toBe(estimateSize(same))
      const content = written.length - BATCH_OVERHEAD
      // length, attributes, timestamp delta and offset delta take a byte each here, and 21 at most
      expect(estimateSize(text) - content).toBe(21 - 3 - sizeOfVarint(content - sizeOfVarint(content - 1)))
      const [{ records: read }] = readAll(written, 0).batches
      expect(Buffer.from(read[0].headers[0].value ?? []).toString()).toBe("ẞ")
    }
  })
})

describe("a marker", () => {
  it("is written as documented", () => {
    for (const [type, code] of [
      ["abort", "0000"],
      ["commit", "0001"]
    ] as const) {
      const bytes = encodeControlBatch({
        type,
        producerId: 9n,
        producerEpoch: 8,
        coordinatorEpoch: 0x01020304,
        timestamp: 1_000
      })
      expect(bytes.subarray(61).toString("hex")).toBe(
        hex(`20 000000 08 0000${code} 0c 000001020304 00`).toString("hex")
      )
      expect(bytes.readInt16BE(21)).toBe(0x30)
      expect(bytes.readUInt32BE(17)).toBe(crc32c(bytes.subarray(21)))
      expect(bytes.readInt32BE(53)).toBe(-1)
    }
  })
})

describe("a message of magic 0 or 1", () => {
  it("has a header of which each field is in its place", () => {
    for (const magic of [0, 1] as const) {
      const bytes = message(magic, 0x010203040506, Buffer.from("key"), Buffer.from("value"))
      bytes[17] = 0x0b
      expect(parseHeader(bytes, 0, bytes.length)).toEqual({
        start: 0,
        end: bytes.length,
        baseOffset: 0x010203040506,
        batchLength: bytes.length - 12,
        partitionLeaderEpoch: -1,
        magic,
        crc: crc32(message(magic, 0, Buffer.from("key"), Buffer.from("value")).subarray(16)),
        codec: 3,
        logAppendTime: magic === 1,
        isTransactional: false,
        isControl: false,
        lastOffsetDelta: 0,
        lastOffset: 0x010203040506,
        nextOffset: 0x010203040507,
        firstTimestamp: magic === 0 ? -1 : 1_700_000_000_000,
        maxTimestamp: magic === 0 ? -1 : 1_700_000_000_000,
        producerId: -1n,
        producerEpoch: -1,
        baseSequence: -1,
        recordCount: -1
      })
      bytes[17] = 0
      expect(parseHeader(bytes, 0, bytes.length)).toMatchObject({ codec: 0, logAppendTime: false, recordCount: 1 })
      expect(readLeaderEpoch(bytes, 0)).toBe(-1)
      expect(readLastOffsetDelta(bytes, 0)).toBe(0)
    }
  })
})

describe("varints", () => {
  const int32: ReadonlyArray<readonly [number, string]> = [
    [0, "00"],
    [-1, "01"],
    [1, "02"],
    [63, "7e"],
    [-64, "7f"],
    [64, "8001"],
    [-65, "8101"],
    [8_191, "fe7f"],
    [8_192, "808001"],
    [1_048_575, "feff7f"],
    [1_048_576, "80808001"],
    [134_217_727, "feffff7f"],
    [134_217_728, "8080808001"],
    [0x7fffffff, "feffffff0f"],
    [-0x80000000, "ffffffff0f"]
  ]
  const int64: ReadonlyArray<readonly [number, string]> = [
    ...int32,
    [0x80000000, "8080808010"],
    [-0x80000001, "8180808010"],
    [2 ** 34 - 1, "feffffff7f"],
    [2 ** 34, "808080808001"],
    [2 ** 41, "80808080808001"],
    [2 ** 48, "8080808080808001"],
    [2 ** 53 - 2, "fcffffffffffff1f"],
    [-(2 ** 53 - 2), "fbffffffffffff1f"],
    [2 ** 55, "808080808080808001"],
    [2 ** 62, "80808080808080808001"],
    [-(2 ** 63), "ffffffffffffffffff01"]
  ]

  it("of 32 bits are these bytes", () => {
    const target = Buffer.alloc(12, 0xee)
    for (const [value, text] of int32) {
      const size = text.length / 2
      expect(sizeOfVarint(value)).toBe(size)
      expect(writeVarint(target, 1, value)).toBe(1 + size)
      expect(target.subarray(1, 1 + size).toString("hex")).toBe(text)
      expect(readVarint(target, 1, 1 + size)).toBe(value)
      expect(varintEnd).toBe(1 + size)
    }
  })

  it("of 64 bits are these bytes", () => {
    const target = Buffer.alloc(12, 0xee)
    for (const [value, text] of int64) {
      const size = text.length / 2
      expect([value, sizeOfVarlong(value)]).toEqual([value, size])
      expect(writeVarlong(target, 1, value)).toBe(1 + size)
      expect(target.subarray(1, 1 + size).toString("hex")).toBe(text)
      if (value !== -(2 ** 63)) expect(readVarlong(target, 1, 1 + size)).toBe(value)
      expect(varintEnd === 1 + size || value === -(2 ** 63)).toBe(true)
    }
  })

  it("end where they must, and not beyond their end", () => {
    const long = Buffer.alloc(12, 0x80)
    expect(reasonOf(() => readVarint(long, 0, 12))).toBe("Malformed")
    expect(reasonOf(() => readVarlong(long, 0, 12))).toBe("Malformed")
    long[4] = 0
    expect(readVarint(long, 0, 5)).toBe(0)
    expect(reasonOf(() => readVarint(long, 0, 4))).toBe("Malformed")
    long[4] = 0x80
    long[9] = 0
    expect(readVarlong(long, 0, 10)).toBe(0)
    expect(reasonOf(() => readVarlong(long, 0, 9))).toBe("Malformed")
    expect(reasonOf(() => readVarint(long, 3, 3))).toBe("Malformed")
    expect(reasonOf(() => readVarlong(long, 3, 3))).toBe("Malformed")
  })
})

describe("room for records", () => {
  const capacity = (ranges: RecordRanges): number => {
    const { headerCount, headersEnd, headersStart, keyEnd, keyStart, offsetDelta, timestamp, valueEnd, valueStart } =
      ranges
    const lengths = [
      headerCount,
      headersEnd,
      headersStart,
      keyEnd,
      keyStart,
      offsetDelta,
      timestamp,
      valueEnd,
      valueStart
    ].map(({ length }) => length)
    expect(new Set(lengths).size).toBe(1)
    return lengths[0]
  }

  it("grows by doubling, to what is needed beyond that, and is given back when that is over", () => {
    const ranges = new RecordRanges()
    const after = (count: number): number => {
      ranges.count = 9
      ranges.first = 9
      ranges.reset(count)
      expect([ranges.count, ranges.first]).toEqual([0, 0])
      return capacity(ranges)
    }
    expect(capacity(ranges)).toBe(256)
    expect(after(256)).toBe(256)
    expect(after(257)).toBe(512)
    expect(after(10)).toBe(512)
    expect(after(2_000)).toBe(2_000)
    expect(after(2_001)).toBe(4_000)
    expect(after(40_000)).toBe(40_000)
    expect(after(40_001)).toBe(65_536)
    expect(after(65_536)).toBe(65_536)
    expect(after(65_537)).toBe(65_537)
    const { offsetDelta } = ranges
    expect(after(65_537)).toBe(65_537)
    expect(ranges.offsetDelta).toBe(offsetDelta)
    expect(after(65_536)).toBe(65_536)
    expect(after(200_000)).toBe(200_000)
    expect(after(1)).toBe(65_536)
  })
})

describe("frames of zstd", () => {
  const raw = (size: number, last: boolean) => {
    const header = Buffer.alloc(3)
    header.writeUIntLE((size << 3) | (last ? 1 : 0), 0, 3)
    return Buffer.concat([header, Buffer.alloc(size, 0x61)])
  }
  const compressed = (size: number, last: boolean) => {
    const block = raw(size, last)
    block[0] |= 4
    return block
  }
  const run = (size: number, last: boolean) => {
    const header = Buffer.alloc(3)
    header.writeUIntLE((size << 3) | 2 | (last ? 1 : 0), 0, 3)
    return Buffer.concat([header, Buffer.from([0x61])])
  }
  const frame = (header: string, ...blocks: ReadonlyArray<Buffer>) =>
    Buffer.concat([hex(`28b52ffd${header}`), ...blocks])
  const bounds = (bytes: Buffer) =>
    zstdFrames(bytes).map(({ atLeast, atMost, end, start }) => [start, end, atLeast, atMost])

  it("without a declared size become what their blocks may", () => {
    const bytes = frame("0058", raw(10, false), run(1_000, false), compressed(20, true))
    expect(bounds(bytes)).toEqual([[0, bytes.length, 1_010, 1_010 + 128 * 1024]])
    // a window of 1 KiB: no block is larger
    const small = frame("0000", compressed(20, true))
    expect(bounds(small)).toEqual([[0, small.length, 0, 1_024]])
    // 1 KiB and three eighths of it
    const eighths = frame("0003", compressed(20, true))
    expect(bounds(eighths)).toEqual([[0, eighths.length, 0, 1_408]])
    const empty = frame("0058", raw(0, true))
    expect(bounds(empty)).toEqual([[0, empty.length, 0, 0]])
  })

  it("declare it in one, two, four or eight bytes, after a dictionary's id of none to four", () => {
    for (const [header, size] of [
      ["20 c8", 200],
      ["60 2c01", 300 + 256],
      ["a0 2c010000", 300],
      ["e0 2c01000000000000", 300],
      ["40 58 2c01", 300 + 256],
      ["80 58 2c010000", 300],
      ["c0 58 2c01000000000000", 300],
      ["21 00 c8", 200],
      ["62 0000 2c01", 300 + 256],
      ["a3 00000000 2c010000", 300],
      ["83 58 00000000 2c010000", 300]
    ] as const) {
      const bytes = frame(header, run(size, true))
      expect([header, bounds(bytes)]).toEqual([header, [[0, bytes.length, size, size]]])
    }
    const far = frame("e0 0000000001000000", compressed(20, true))
    expect(reasonOf(() => zstdFrames(far))).toBe("Decompression")
  })

  it("have a checksum where they say so", () => {
    const bytes = Buffer.concat([frame("0458", raw(3, true)), Buffer.alloc(4)])
    expect(bounds(bytes)).toEqual([[0, bytes.length, 3, 3]])
    expect(reasonOf(() => zstdFrames(bytes.subarray(0, -1)))).toBe("Decompression")
  })

  it("declare what their blocks can be", () => {
    const declaring = (size: number, ...blocks: ReadonlyArray<Buffer>) => {
      const header = Buffer.alloc(4)
      header.writeUInt32LE(size)
      return frame(`80 58 ${header.toString("hex")}`, ...blocks)
    }
    expect(reasonOf(() => zstdFrames(declaring(9, raw(10, true))))).toBe("Decompression")
    expect(reasonOf(() => zstdFrames(declaring(11, raw(10, true))))).toBe("Decompression")
    expect(bounds(declaring(10, raw(10, false), compressed(5, true)))[0].slice(2)).toEqual([10, 10])
    const most = 10 + 128 * 1024
    expect(bounds(declaring(most, raw(10, false), compressed(5, true)))[0].slice(2)).toEqual([most, most])
    expect(reasonOf(() => zstdFrames(declaring(most + 1, raw(10, false), compressed(5, true))))).toBe("Decompression")
  })

  it("follow each other, and what may be skipped is", () => {
    const one = frame("0058", raw(3, true))
    const skipped = (magic: number, size: number) => {
      const bytes = Buffer.alloc(8 + size)
      bytes.writeUInt32LE(magic)
      bytes.writeUInt32LE(size, 4)
      return bytes
    }
    const bytes = Buffer.concat([skipped(0x184d2a50, 5), one, skipped(0x184d2a5f, 0), one])
    const second = 13 + one.length + 8
    expect(bounds(bytes)).toEqual([
      [13, 13 + one.length, 3, 3],
      [second, second + one.length, 3, 3]
    ])
    expect(reasonOf(() => zstdFrames(skipped(0x184d2a60, 5)))).toBe("Decompression")
    expect(reasonOf(() => zstdFrames(skipped(0x184d2a50, 5).subarray(0, -1)))).toBe("Decompression")
    expect(zstdFrames(skipped(0x184d2a50, 0))).toEqual([])
    expect(reasonOf(() => zstdFrames(Buffer.concat([one, Buffer.alloc(7)])))).toBe("Decompression")
  })

  it("have no reserved bits, no reserved blocks, and none that are too large", () => {
    expect(reasonOf(() => zstdFrames(frame("0858", raw(3, true))))).toBe("Decompression")
    const reserved = frame("0058", raw(3, true))
    reserved[6] |= 6
    expect(reasonOf(() => zstdFrames(reserved))).toBe("Decompression")
    expect(bounds(frame("0058", run(128 * 1024, true)))[0].slice(2)).toEqual([128 * 1024, 128 * 1024])
    expect(reasonOf(() => zstdFrames(frame("0058", run(128 * 1024 + 1, true))))).toBe("Decompression")
    expect(reasonOf(() => zstdFrames(frame("0058", raw(128 * 1024 + 1, true))))).toBe("Decompression")
  })
})

describe("frames of lz4", () => {
  const block = (size: number, stored = false) => {
    const bytes = Buffer.alloc(4 + size)
    bytes.writeUInt32LE(size + (stored ? 0x80000000 : 0))
    return bytes
  }
  const end = Buffer.alloc(4)
  const frame = (flags: number, descriptor: number, ...rest: ReadonlyArray<Buffer>) =>
    Buffer.concat([hex("04224d18"), Buffer.from([flags, descriptor]), ...rest])
  const header = Buffer.alloc(1)
  const bounds = (bytes: Buffer, max = Infinity) =>
    lz4Frames(bytes, max).map(({ atMost, end, headerChecksumAt, start }) => [start, end, headerChecksumAt, atMost])

  it("become at most what their blocks may: 255 times their size, and no more than the largest block", () => {
    const bytes = frame(0x60, 0x40, header, block(10), block(20, true), end)
    expect(bounds(bytes)).toEqual([[0, bytes.length, 6, 2_550 + 20]])
    for (const [descriptor, largest] of [
      [0x40, 64 * 1024],
      [0x50, 256 * 1024],
      [0x60, 1024 * 1024],
      [0x70, 4 * 1024 * 1024]
    ] as const) {
      const full = frame(0x60, descriptor, header, block(largest), end)
      expect(bounds(full)).toEqual([[0, full.length, 6, largest]])
      expect(reasonOf(() => lz4Frames(frame(0x60, descriptor, header, block(largest + 1), end), Infinity))).toBe(
        "Decompression"
      )
    }
  })

  it("have a declared size before the header's checksum, and checksums of blocks and content, where they say so", () => {
    const sized = frame(0x68, 0x40, Buffer.alloc(8), header, block(1, true), end)
    expect(bounds(sized)).toEqual([[0, sized.length, 14, 1]])
    const summed = frame(
      0x74,
      0x40,
      header,
      block(1, true),
      Buffer.alloc(4),
      block(2, true),
      Buffer.alloc(4),
      end,
      Buffer.alloc(4)
    )
    expect(bounds(summed)).toEqual([[0, summed.length, 6, 3]])
    expect(reasonOf(() => lz4Frames(summed.subarray(0, -1), Infinity))).toBe("Decompression")
    const two = Buffer.concat([sized, summed])
    expect(bounds(two)).toEqual([
      [0, sized.length, 14, 1],
      [sized.length, two.length, sized.length + 6, 3]
    ])
  })

  it("that might become too much are measured by their sequences", () => {
    const tokens = (...bytes: ReadonlyArray<number>) => {
      const size = Buffer.alloc(4)
      size.writeUInt32LE(bytes.length)
      return frame(0x60, 0x70, header, size, Buffer.from(bytes), end)
    }
    const sizeOf = (...bytes: ReadonlyArray<number>) => bounds(tokens(...bytes), 0)[0][3]
    const letters = (count: number) => Array<number>(count).fill(0x61)
    expect(sizeOf(0x30, ...letters(3))).toBe(3)
    // three literals, a match of 4 + 5, two literals
    expect(sizeOf(0x35, ...letters(3), 1, 0, 0x20, ...letters(2))).toBe(3 + 9 + 2)
    // 15 + 255 + 7 literals; a match of 15 + 4 + 255 + 255 + 3
    expect(sizeOf(0xf0, 255, 7, ...letters(277))).toBe(277)
    expect(sizeOf(0x1f, 0x61, 1, 0, 255, 255, 3, 0x10, 0x61)).toBe(1 + 19 + 513 + 1)
    expect(sizeOf(0xf0, 0, ...letters(15))).toBe(15)
    expect(sizeOf(0x1f, 0x61, 1, 0, 0, 0x10, 0x61)).toBe(1 + 19 + 1)
    // counts that go on to the end of the block
    expect(sizeOf(0xf0, 255)).toBe(270)
    expect(sizeOf(0x1f, 0x61, 1, 0, 255)).toBe(1 + 19 + 255)
    expect(bounds(tokens(0x30, ...letters(3)), 4 * 255)[0][3]).toBe(4 * 255)
    expect(bounds(tokens(0x30, ...letters(3)), 4 * 255 - 1)[0][3]).toBe(3)
  })

  it("that might become too much are measured within their blocks, whatever follows these", () => {
    const measured = (...bytes: ReadonlyArray<number>) => {
      const size = Buffer.alloc(4)
      size.writeUInt32LE(bytes.length)
      // with a checksum behind the block
      return bounds(frame(0x70, 0x70, header, size, Buffer.from(bytes), Buffer.alloc(4, 0x11), end), 0)[0][3]
    }
    expect(measured(0x30, 0x61, 0x61, 0x61)).toBe(3)
    expect(measured(0xf0, 255)).toBe(270)
    expect(measured(0xf0)).toBe(15)
    expect(measured(0x1f, 0x61, 1, 0, 255)).toBe(1 + 19 + 255)
    expect(measured(0x1f, 0x61, 1, 0)).toBe(1 + 19)
  })

  it("of another magic, version, block size, or that need a dictionary are refused", () => {
    const sound = frame(0x60, 0x40, header, block(1, true), end)
    expect(reasonOf(() => lz4Frames(sound, 100))).toBeUndefined()
    for (const [at, value] of [
      [0, 0x05],
      [3, 0x19],
      [4, 0x20],
      [4, 0xa0],
      [4, 0x61],
      [5, 0x30],
      [5, 0x00]
    ] as const) {
      const other = Buffer.from(sound)
      other[at] = value
      expect([at, value, reasonOf(() => lz4Frames(other, 100))]).toEqual([at, value, "Decompression"])
    }
  })

  it("cut off anywhere are refused", () => {
    const bytes = frame(0x60, 0x40, header, block(10), end)
    for (let cut = 1; cut < bytes.length; cut++) {
      expect([cut, reasonOf(() => lz4Frames(bytes.subarray(0, cut), 100))]).toEqual([cut, "Decompression"])
    }
    expect(lz4Frames(Buffer.alloc(0), 100)).toEqual([])
  })
})

describe("blocks of snappy", () => {
  const framing = hex("82534e41505059 00 00000001 00000001")
  const block = (...bytes: ReadonlyArray<number>) => {
    const size = Buffer.alloc(4)
    size.writeInt32BE(bytes.length)
    return Buffer.concat([size, Buffer.from(bytes)])
  }

  it("tell what they become, in one byte or several", () => {
    expect(snappyBlocks(Buffer.from([22, 0]))).toEqual([{ start: 0, end: 2, size: 22 }])
    expect(snappyBlocks(Buffer.from([44, 0]))).toEqual([{ start: 0, end: 2, size: 44 }])
    const long = Buffer.concat([Buffer.from([0xac, 0x02]), Buffer.alloc(20)])
    expect(snappyBlocks(long)).toEqual([{ start: 0, end: 22, size: 300 }])
    expect(reasonOf(() => snappyBlocks(Buffer.from([45, 0])))).toBe("Decompression")
    // a fifth byte is the last
    const five = Buffer.concat([Buffer.from([0x80, 0x80, 0x80, 0x80, 0x00]), Buffer.alloc(5)])
    expect(snappyBlocks(five)).toEqual([{ start: 0, end: 10, size: 0 }])
    const six = Buffer.concat([Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), Buffer.alloc(5)])
    expect(reasonOf(() => snappyBlocks(six))).toBe("Decompression")
  })

  it("lie behind the framing of Java's library, one after the other", () => {
    const bytes = Buffer.concat([framing, block(1, 0), framing, block(2, 0, 0)])
    expect(snappyBlocks(bytes)).toEqual([
      { start: 20, end: 22, size: 1 },
      { start: 42, end: 45, size: 2 }
    ])
    expect(snappyBlocks(framing)).toEqual([])
    expect(reasonOf(() => snappyBlocks(Buffer.concat([framing, Buffer.alloc(3)])))).toBe("Decompression")
    expect(reasonOf(() => snappyBlocks(Buffer.concat([framing, Buffer.from([0, 0, 0, 0])])))).toBe("Decompression")
    expect(reasonOf(() => snappyBlocks(Buffer.concat([framing, Buffer.from([0, 0, 0, 2, 1])])))).toBe("Decompression")
  })

  it("have sizes of their own, and no part of the next block's", () => {
    expect(reasonOf(() => snappyBlocks(Buffer.concat([framing, block(0x80), block(1, 0)])))).toBe("Decompression")
    expect(reasonOf(() => snappyBlocks(Buffer.concat([framing, block(45, 0)])))).toBe("Decompression")
    expect(snappyBlocks(Buffer.concat([framing, block(44, 0)]))).toEqual([{ start: 20, end: 22, size: 44 }])
  })

  it("are written of 32 KiB each, and none of nothing", () => {
    const sizes = (length: number) => {
      const seen: Array<number> = []
      const written = frameSnappy(Buffer.alloc(length), (part) => {
        seen.push(part.length)
        return Buffer.from([0])
      })
      expect(written.length).toBe(16 + 5 * seen.length)
      expect(written.subarray(0, 16).equals(framing)).toBe(true)
      return seen
    }
    expect(sizes(0)).toEqual([])
    expect(sizes(1)).toEqual([1])
    expect(sizes(32_768)).toEqual([32_768])
    expect(sizes(32_769)).toEqual([32_768, 1])
  })

  it("are one raw block where the framing is not all there", () => {
    const short = framing.subarray(0, 15)
    // 0x82 0x53: a size of 0x53 * 128 + 2, which 15 bytes cannot become
    expect(reasonOf(() => snappyBlocks(short))).toBe("Decompression")
    const other = Buffer.from(framing)
    other[7] = 1
    expect(reasonOf(() => snappyBlocks(other))).toBe("Decompression")
  })
})
