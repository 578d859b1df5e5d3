import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { codecs, compress, prepareCodecs } from "../../src/internal/recordBatch/compression.ts"
import { controlType } from "../../src/internal/recordBatch/controlType.ts"
import { encodeControlBatch } from "../../src/internal/recordBatch/encode.ts"
import { FetchedBatches } from "../../src/internal/recordBatch/fetchedBatches.ts"
import { RecordRanges } from "../../src/internal/recordBatch/recordRanges.ts"
import { scan } from "../../src/internal/recordBatch/scan.ts"
import { batch, batchAround, corruptionIn, readAll, record, refused, resealed, unsound } from "./support.ts"

await prepareCodecs()

const three = (baseOffset: number): Buffer =>
  batch(baseOffset, [record("a", "1"), record("b", null), record("c", "3", { headers: [["h", Buffer.from("x")]] })])

const offsets = (bytes: Buffer, fetchOffset = 0): ReadonlyArray<number> =>
  readAll(bytes, fetchOffset).batches.flatMap(({ records }) => records.map(({ offset }) => offset))

/** Bytes of one record: each of the parts is as it is written, the length is put before. */
const rawRecord = (...parts: ReadonlyArray<number>): ReadonlyArray<number> => [parts.length * 2, ...parts]

/** The same, of more than 63 bytes or not. */
const rawLong = (...parts: ReadonlyArray<number>): ReadonlyArray<number> => [
  ((parts.length * 2) & 0x7f) | 0x80,
  (parts.length * 2) >>> 7,
  ...parts
]

// attributes, timestamp delta 0, offset delta 0
const start = [0, 0, 0]
// null key, null value, no headers
const nothing = [1, 1, 0]

describe("what the checksum covers", () => {
  it("any byte changed from the attributes on is refused", () => {
    const bytes = three(10)
    for (let at = 21; at < bytes.length; at++) {
      for (const mask of [0x01, 0x10, 0x80, 0xff]) {
        const flipped = Buffer.from(bytes)
        flipped[at] ^= mask
        expect(refused(flipped)?.reason).toBe("Checksum")
      }
    }
  })

  it("any bit of the checksum itself changed is refused", () => {
    const bytes = three(10)
    for (let bit = 0; bit < 32; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[17 + (bit >> 3)] ^= 1 << (bit & 7)
      expect(refused(flipped)?.reason).toBe("Checksum")
    }
  })

  it("is refused with the base offset, and nothing is handed out", () => {
    const bytes = Buffer.concat([three(10), three(13)])
    bytes[bytes.length - 1] ^= 1
    const fetched = new FetchedBatches(bytes, 10)
    expect(fetched.next()?.baseOffset).toBe(10)
    expect(() => fetched.next()).toThrow("Checksum at offset 13")
    expect(fetched.position).toBe(13)
    expect(() => fetched.decode(new RecordRanges())).toThrow(RangeError)
  })

  it("is not looked at if so asked", () => {
    const bytes = three(10)
    bytes[17] ^= 1
    expect(refused(bytes, { checkCrcs: false })).toBeUndefined()
  })
})

describe("what the checksum does not cover", () => {
  it("a changed bit of the magic is refused", () => {
    for (let bit = 0; bit < 8; bit++) {
      const bytes = three(10)
      bytes[16] ^= 1 << bit
      expect(refused(bytes)?.reason).toMatch(/^(Checksum|UnsupportedMagic)$/)
    }
  })

  it("a changed bit of the length is refused, or makes it a partial tail", () => {
    const outcomes = new Set<string>()
    for (let bit = 0; bit < 32; bit++) {
      const bytes = Buffer.concat([three(10), three(13)])
      bytes[8 + (bit >> 3)] ^= 1 << (bit & 7)
      const length = bytes.readInt32BE(8)
      const outcome = length < 49 ? "Malformed" : length + 12 <= bytes.length ? "Checksum" : "tail"
      outcomes.add(outcome)
      if (outcome === "tail") {
        expect(readAll(bytes, 10)).toEqual({ batches: [], position: 10, partialTail: length + 12 })
      } else {
        expect(refused(bytes)?.reason).toBe(outcome)
      }
    }
    expect(outcomes).toEqual(new Set(["Checksum", "Malformed", "tail"]))
  })

  it("a base offset below the position that was reached is refused", () => {
    expect(refused(three(10), { fetchOffset: 13 })?.reason).toBe("Malformed")
    expect(refused(Buffer.concat([three(10), three(12)]), { fetchOffset: 10 })?.reason).toBe("Malformed")
    expect(refused(Buffer.concat([three(10), three(10)]), { fetchOffset: 10 })?.reason).toBe("Malformed")
  })

  it("what a scan says of base offsets: none before the position but of the first batch, which must not end there", () => {
    const scanned = (fetchOffset: number, ...at: ReadonlyArray<number>) => {
      const { completeBatches, malformed, nextOffset } = scan(Buffer.concat(at.map(three)), fetchOffset)
      return [malformed, completeBatches, nextOffset]
    }
    expect(scanned(10, 10, 13)).toEqual([false, 2, 16])
    expect(scanned(12, 10, 13)).toEqual([false, 2, 16])
    expect(scanned(13, 10)).toEqual([true, 0, 13])
    expect(scanned(14, 10, 13)).toEqual([true, 0, 14])
    expect(scanned(10, 10, 12)).toEqual([true, 1, 13])
    expect(scanned(10, 10, 10)).toEqual([true, 1, 13])
    expect(scanned(10, 10, 13, 15)).toEqual([true, 2, 16])
    expect(scanned(10, 10, 20)).toEqual([false, 2, 23])
  })

  it("a base offset that is too high is refused if no more than that of another batch follows", () => {
    const bytes = Buffer.concat([three(14), three(13).subarray(0, 8)])
    expect(refused(bytes, { fetchOffset: 10 })?.baseOffset).toBe(14)
    expect(refused(bytes.subarray(0, -1), { fetchOffset: 10 })).toBeUndefined()
  })

  it("a base offset that is too high is refused if another batch follows", () => {
    expect(refused(Buffer.concat([three(14), three(13)]), { fetchOffset: 10 })?.baseOffset).toBe(14)
  })

  it("a negative base offset and one beyond 2^53 are refused", () => {
    for (const offset of [-1n, -(2n ** 63n), 2n ** 53n, 2n ** 63n - 1n]) {
      const bytes = three(0)
      bytes.writeBigInt64BE(offset, 0)
      expect(refused(bytes)?.reason).toBe("Malformed")
      expect(scan(bytes, 0).malformed).toBe(true)
    }
    const high = three(2 ** 53 - 2 ** 33)
    expect(offsets(high)[2]).toBe(2 ** 53 - 2 ** 33 + 2)
  })
})

describe("cut off", () => {
  it("a truncated batch after complete ones is left out", () => {
    const first = three(10)
    const second = three(13)
    for (let cut = 1; cut < second.length; cut++) {
      const bytes = Buffer.concat([first, second.subarray(0, cut)])
      const read = readAll(bytes, 10)
      expect(read.batches.length).toBe(1)
      expect(read.position).toBe(13)
      expect(read.partialTail).toBe(cut < 12 ? 61 : second.length)
      expect(scan(bytes, 10)).toEqual({
        nextOffset: 13,
        completeBatches: 1,
        lastEpoch: 0,
        bytes: first.length,
        partialTail: read.partialTail,
        malformed: false
      })
    }
  })

  it("only a truncated batch: nothing is read, and how much it needs is told", () => {
    const bytes = three(10)
    const read = readAll(bytes.subarray(0, 40), 10)
    expect(read).toEqual({ batches: [], position: 10, partialTail: bytes.length })
  })

  it("nothing at all is no batch and no tail", () => {
    expect(readAll(Buffer.alloc(0), 10)).toEqual({ batches: [], position: 10, partialTail: 0 })
    expect(scan(Buffer.alloc(0), 10)).toEqual({
      nextOffset: 10,
      completeBatches: 0,
      lastEpoch: -1,
      bytes: 0,
      partialTail: 0,
      malformed: false
    })
  })
})

describe("batch length", () => {
  for (const length of [-1, 0, 1, 13, 48, -(2 ** 31)]) {
    it(`${length} is refused`, () => {
      const bytes = three(10)
      bytes.writeInt32BE(length, 8)
      expect(refused(bytes)?.reason).toBe("Malformed")
      expect(scan(bytes, 10)).toMatchObject({ malformed: true, completeBatches: 0, nextOffset: 10 })
      const after = Buffer.concat([three(7), bytes])
      expect(scan(after, 7)).toMatchObject({ malformed: true, completeBatches: 1, nextOffset: 10 })
    })
  }

  it("above what remains is a partial tail", () => {
    const bytes = three(10)
    bytes.writeInt32BE(0x7fffffff, 8)
    expect(readAll(bytes, 10)).toEqual({ batches: [], position: 10, partialTail: 0x7fffffff + 12 })
  })
})

describe("record count", () => {
  const records = three(0).subarray(61)
  for (const count of [-1, -(2 ** 31), 2, 4, 0, 0x7fffffff]) {
    it(`${count} for three records is refused`, () => {
      expect(refused(batchAround(records, { count, lastOffsetDelta: 5 }))?.reason).toBe("Malformed")
    })
  }

  it("huge in compressed bytes is refused", () => {
    for (const codec of codecs) {
      const bytes = batchAround(compress(codec, records), {
        count: 0x7fffffff,
        attributes: codecs.indexOf(codec),
        lastOffsetDelta: 0x7fffffff
      })
      expect(refused(bytes)?.reason).toBe("Malformed")
    }
  })

  it("bytes left over are refused", () => {
    expect(refused(batchAround(Buffer.concat([records, Buffer.from([0])]), { count: 3 }))?.reason).toBe("Malformed")
    expect(refused(batchAround(Buffer.concat([records, records]), { count: 3 }))?.reason).toBe("Malformed")
  })

  it("that nothing was there for makes no room for as many records", () => {
    for (const count of [0x7fffffff, 1_000_000]) {
      const fetched = new FetchedBatches(batchAround(records, { count, lastOffsetDelta: 0x7fffffff }), 0)
      fetched.next()
      const ranges = new RecordRanges()
      const { length } = ranges.timestamp
      expect(corruptionIn(() => fetched.decode(ranges))?.reason).toBe("Malformed")
      expect(ranges.timestamp.length).toBe(length)
    }
  })

  it("as many as there can be in so many bytes are read, and none of a negative number", () => {
    const smallest = Buffer.from([...rawRecord(0, 0, 0, 1, 1, 0), ...rawRecord(0, 0, 2, 1, 1, 0)])
    expect(smallest.length).toBe(14)
    expect(offsets(batchAround(smallest, { count: 2 }))).toEqual([0, 1])
    expect(refused(batchAround(Buffer.alloc(0), { count: -1, lastOffsetDelta: 3 }))?.reason).toBe("Malformed")
  })

  it("0 is a batch that compaction emptied: the position goes on", () => {
    for (const attributes of [0, 1, 4]) {
      const bytes = batchAround(Buffer.alloc(0), { count: 0, lastOffsetDelta: 9, baseOffset: 20, attributes })
      const read = readAll(Buffer.concat([bytes, three(30)]), 20)
      expect(read.batches.map(({ records }) => records.length)).toEqual([0, 3])
      expect(read.batches[0].header.nextOffset).toBe(30)
    }
  })
})

describe("varints", () => {
  const cases: Record<string, ReadonlyArray<number>> = {
    "a record length of six bytes": [0x8c, 0x80, 0x80, 0x80, 0x80, 0x00, ...start, ...nothing],
    "a timestamp delta of eleven bytes": rawRecord(0, ...Array<number>(10).fill(0x80), 0, 0, ...nothing),
    "an offset delta of six bytes": rawRecord(0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0, ...nothing),
    "a key length of six bytes": rawRecord(...start, 0x81, 0x80, 0x80, 0x80, 0x80, 0, 1, 0),
    "a value length of six bytes": rawRecord(...start, 1, 0x81, 0x80, 0x80, 0x80, 0x80, 0, 0),
    "a header count of six bytes": rawRecord(...start, 1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0),
    "a record length past the end": [0x80],
    "a timestamp delta past the end": [12, 0, 0x80, 0x80, 0x80, 0x80, 0x80],
    "a value length past the record's end": [...rawRecord(...start, 1, 0x80, 0x80), 0x80, 1, 0]
  }
  for (const [name, bytes] of Object.entries(cases)) {
    it(`${name} is refused`, () => {
      expect(refused(batchAround(Buffer.from(bytes)))?.reason).toBe("Malformed")
      // The same before more bytes of the answer: nothing beyond the batch is read.
      const followed = Buffer.concat([batchAround(Buffer.from(bytes)), three(1)])
      expect(refused(followed)?.reason).toBe("Malformed")
    })
  }

  it("negative lengths of two bytes are no positive ones", () => {
    // 0x81 0x01 is -65: as if it were 64, all of these would be sound
    const minus = [0x81, 0x01]
    const key = Array<number>(64).fill(0x61)
    const cases = {
      // attributes, deltas, a key of 55 bytes, a null value, no headers
      record: [...minus, ...start, 0x6e, 0x00, ...key.slice(0, 55), 1, 1, 0].slice(0, 66),
      key: rawLong(...start, ...minus, ...key, 1, 0),
      value: rawLong(...start, 1, ...minus, ...key, 0)
    }
    for (const [name, bytes] of Object.entries(cases)) {
      expect([name, refused(batchAround(Buffer.from(bytes)))?.reason]).toEqual([name, "Malformed"])
    }
    const fine = rawLong(...start, 0x80, 0x01, ...key, 1, 0)
    expect(readAll(batchAround(Buffer.from(fine)), 0).batches[0].records[0].key?.length).toBe(64)
    // of one byte, too: 0x0d is -7
    expect(refused(batchAround(Buffer.from([0x0d, ...start, 0, 1, 0, 0])))?.reason).toBe("Malformed")
    // an offset delta of -65 before one of 64
    const deltas = [...rawLong(0, 0, ...minus, ...nothing)]
    expect(refused(batchAround(Buffer.from(deltas), { lastOffsetDelta: 100 }))?.reason).toBe("Malformed")
  })

  it("a timestamp before the first one's is read, in one byte and in two", () => {
    const bytes = [...rawRecord(0, 0x01, 0, ...nothing), ...rawLong(0, 0x81, 0x01, 2, ...nothing)]
    const [{ header, records }] = readAll(batchAround(Buffer.from(bytes), { count: 2 }), 0).batches
    expect(records.map(({ timestamp }) => timestamp - header.firstTimestamp)).toEqual([-1, -65])
  })

  it("longer than they need be are read all the same", () => {
    const long = (value: number) => [0x80 | value, 0x80, 0x00]
    const bytes = rawLong(0, ...long(0), ...long(0), ...long(2), 0x6b, ...long(2), 0x76, ...long(0))
    const [{ records }] = readAll(batchAround(Buffer.from(bytes)), 0).batches
    expect(records).toMatchObject([{ key: new Uint8Array([0x6b]), value: new Uint8Array([0x76]), headers: [] }])
    const empty = rawLong(0, 0, 0, 0x80, 0x00, 0x80, 0x00, 0x80, 0x00)
    expect(readAll(batchAround(Buffer.from(empty)), 0).batches[0].records).toMatchObject([
      { key: new Uint8Array(0), value: new Uint8Array(0), headers: [] }
    ])
  })

  it("the longest that are allowed are read", () => {
    const bytes = rawRecord(0, ...Array<number>(9).fill(0x80), 0, 0x80, 0x80, 0x80, 0x80, 0, ...nothing)
    expect(offsets(batchAround(Buffer.from(bytes)))).toEqual([0])
  })
})

describe("lengths", () => {
  const cases: Record<string, ReadonlyArray<number>> = {
    "a record of length 0": [0],
    "a record of length -1": [1],
    "a record of length 5": [10, ...start, 1, 1],
    "a record that ends in the middle": rawRecord(...start, 1, 1, 0, 0),
    "a key of length -2": rawRecord(...start, 3, 1, 0),
    "a key past the record's end": rawRecord(...start, 8, 1, 0),
    "a value of length -2": rawRecord(...start, 1, 3, 0),
    "a value past the record's end": rawRecord(...start, 1, 4, 0),
    "a header count of -1": rawRecord(...start, 1, 1, 1),
    "more headers than bytes": rawRecord(...start, 1, 1, 4, 0, 1),
    "a huge header count": rawRecord(...start, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f),
    "a null header key": rawRecord(...start, 1, 1, 2, 1, 1),
    "a header key past the record's end": rawRecord(...start, 1, 1, 2, 8, 1),
    "a header value of length -2": rawRecord(...start, 1, 1, 2, 0, 3),
    "a header value past the record's end": rawRecord(...start, 1, 1, 2, 0, 4)
  }
  for (const [name, bytes] of Object.entries(cases)) {
    it(`${name}: refused`, () => {
      expect(refused(batchAround(Buffer.from(bytes)))?.reason).toBe("Malformed")
      expect(refused(Buffer.concat([batchAround(Buffer.from(bytes)), three(1)]))?.reason).toBe("Malformed")
    })
  }

  it("a record that is shorter than its length, made up for by the one behind it: refused", () => {
    const first = [14, ...start, 1, 1, 0]
    const second = rawRecord(0, 0, 2, ...nothing)
    const bytes = batchAround(Buffer.from([...first, ...second]), { count: 2 })
    expect(refused(bytes)?.reason).toBe("Malformed")
    first[0] = 12
    expect(offsets(batchAround(Buffer.from([...first, ...second]), { count: 2 }))).toEqual([0, 1])
  })

  it("-1 is null, 0 is empty", () => {
    const read = readAll(
      batchAround(Buffer.from([...rawRecord(...start, 1, 0, 0), ...rawRecord(0, 0, 2, 0, 1, 0)]), { count: 2 }),
      0
    )
    expect(read.batches[0].records.map(({ key, value }) => [key?.length, value?.length])).toEqual([
      [undefined, 0],
      [0, undefined]
    ])
  })

  it("headers keep their order, repeated keys and null values", () => {
    const headers = [["a", Buffer.from("1")] as const, ["a", null] as const, ["", Buffer.alloc(0)] as const]
    const [read] = readAll(batch(0, [record("k", "v", { headers })]), 0).batches[0].records
    expect(read.headers).toEqual([
      { key: "a", value: new Uint8Array([49]) },
      { key: "a", value: null },
      { key: "", value: new Uint8Array(0) }
    ])
  })
})

describe("offset deltas", () => {
  const withDeltas = (...deltas: ReadonlyArray<number>): Buffer =>
    Buffer.from(deltas.flatMap((delta) => rawRecord(0, 0, delta < 0 ? -delta * 2 - 1 : delta * 2, ...nothing)))

  it("not increasing are refused", () => {
    for (const deltas of [
      [0, 0],
      [1, 0],
      [-1, 0],
      [0, -1]
    ]) {
      expect(refused(batchAround(withDeltas(...deltas), { count: 2, lastOffsetDelta: 5 }))?.reason).toBe("Malformed")
    }
  })

  it("above the last one are refused", () => {
    expect(refused(batchAround(withDeltas(0, 2), { count: 2, lastOffsetDelta: 1 }))?.reason).toBe("Malformed")
  })

  it("a negative last one is refused, though no record is there and the position is before it", () => {
    const bytes = batchAround(Buffer.alloc(0), { count: 0, lastOffsetDelta: -1, baseOffset: 5 })
    expect(refused(bytes)?.reason).toBe("Malformed")
  })

  it("a negative last one is refused", () => {
    expect(refused(batchAround(withDeltas(0), { lastOffsetDelta: -1, baseOffset: 5 }))?.reason).toBe("Malformed")
    expect(refused(batchAround(Buffer.alloc(0), { count: 0, lastOffsetDelta: -1 }))?.reason).toBe("Malformed")
  })

  it("with gaps, the last record compacted away: the position comes from the header", () => {
    const read = readAll(batchAround(withDeltas(1, 4), { count: 2, lastOffsetDelta: 9, baseOffset: 100 }), 100)
    expect(read.batches[0].records.map(({ offset }) => offset)).toEqual([101, 104])
    expect(read.position).toBe(110)
  })
})

describe("the position", () => {
  it("records before it are dropped from a batch that begins before it", () => {
    expect(offsets(three(10), 11)).toEqual([11, 12])
    expect(offsets(three(10), 12)).toEqual([12])
    const ranges = new RecordRanges()
    const fetched = new FetchedBatches(three(10), 12)
    fetched.next()
    fetched.decode(ranges)
    expect([ranges.first, ranges.count]).toEqual([2, 3])
  })

  it("behind the last record that is left, none is handed out", () => {
    const bytes = three(10)
    bytes.writeInt32BE(9, 23)
    resealed(bytes)
    expect(offsets(bytes, 15)).toEqual([])
    const ranges = new RecordRanges()
    const fetched = new FetchedBatches(bytes, 15)
    fetched.next()
    fetched.decode(ranges)
    expect([ranges.first, ranges.count]).toEqual([3, 3])
    expect(readAll(bytes, 15).position).toBe(20)
  })
})

describe("attributes", () => {
  it("codecs 5 to 7 are refused by name", () => {
    for (const attributes of [5, 6, 7]) {
      const refusal = refused(batchAround(three(0).subarray(61), { count: 3, attributes }))
      expect(refusal?.reason).toBe("UnsupportedCodec")
    }
  })

  it("magic 3 and above is refused by name", () => {
    for (const magic of [3, 4, 127, 255]) {
      const bytes = three(0)
      bytes[16] = magic
      expect(refused(bytes)?.reason).toBe("UnsupportedMagic")
      expect(scan(bytes, 0)).toMatchObject({ malformed: true, completeBatches: 0 })
    }
  })

  it("log-append time: the batch's largest timestamp for every record", () => {
    const bytes = batch(0, [record("a", "1", { timestamp: 5 }), record("b", "2", { timestamp: 9 })])
    bytes.writeInt16BE(8, 21)
    bytes.writeBigInt64BE(1234n, 35)
    const [{ records }] = readAll(resealed(bytes), 0).batches
    expect(records.map(({ timestamp }) => timestamp)).toEqual([1234, 1234])
  })

  it("timestamps of other units than milliseconds are read as the nearest number", () => {
    const nanoseconds = 1_700_000_000_000_000_000
    const [{ records }] = readAll(
      batch(0, [record("a", "1", { timestamp: 0 }), record("b", "2", { timestamp: nanoseconds })]),
      0
    ).batches
    expect(records.map(({ timestamp }) => timestamp)).toEqual([0, nanoseconds])
  })

  it("control batches say so, and what they mark", () => {
    const seen: Array<string> = []
    const markers = (["commit", "abort"] as const).map((type) =>
      encodeControlBatch({ type, producerId: 7n, producerEpoch: 1, coordinatorEpoch: 3, timestamp: 5 })
    )
    markers[1].writeBigInt64BE(1n)
    readAll(Buffer.concat(markers), 0, (header, ranges) => {
      seen.push(`${header.isControl} ${header.isTransactional} ${header.producerId} ${controlType(ranges)}`)
    })
    expect(seen).toEqual(["true true 7 commit", "true true 7 abort"])
  })

  it("markers of an unknown type, without key or emptied are unknown", () => {
    const ranges = new RecordRanges()
    const typeOf = (key: Buffer | null): string => {
      const fetched = new FetchedBatches(
        // a null value behind the key is a byte 1, which is no part of it
        batch(0, [record(null, "x"), { ...record(null, null), key }]),
        1
      )
      fetched.next()
      fetched.decode(ranges)
      ranges.keyStart[0] = ranges.keyStart[1]
      ranges.keyEnd[0] = ranges.keyEnd[1]
      return controlType(ranges)
    }
    expect(typeOf(Buffer.from([0, 0, 0, 1]))).toBe("commit")
    expect(typeOf(Buffer.from([0, 0, 0, 2]))).toBe("unknown")
    expect(typeOf(Buffer.from([255, 255, 0, 1]))).toBe("unknown")
    expect(typeOf(Buffer.from([0, 0, 0]))).toBe("unknown")
    expect(typeOf(null)).toBe("unknown")
    expect(typeOf(Buffer.from([0, 0, 0, 0]))).toBe("abort")
    ranges.reset(0)
    expect(controlType(ranges)).toBe("unknown")
  })
})

describe("bytes that are anything", () => {
  /** Reads as far as it goes, and looks at whatever is handed out. */
  const outcomeOf = (bytes: Buffer): "records" | "refused" | "none" => {
    let batches = 0
    const refusal = corruptionIn(() =>
      readAll(bytes, 0, (header, ranges) => {
        expect(unsound(header, ranges)).toBeUndefined()
        batches++
      })
    )
    return refusal !== undefined ? "refused" : batches > 0 ? "records" : "none"
  }

  it("end in records, a refusal or a tail", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const outcome = outcomeOf(Buffer.from(bytes))
        const { completeBatches, malformed } = scan(Buffer.from(bytes), 0)
        if (outcome !== "refused") expect([malformed, completeBatches > 0]).toEqual([false, outcome === "records"])
      }),
      { numRuns: 2000 }
    )
  })

  it("the same with a sound header and checksum around them, in every codec", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: -1, max: 40 }),
        fc.integer({ min: 0, max: 7 }),
        fc.boolean(),
        (bytes, count, codec, compressed) => {
          const records = compressed && codec < 5 ? compress(codecs[codec], Buffer.from(bytes)) : bytes
          const outcome = outcomeOf(batchAround(records, { count, attributes: codec, lastOffsetDelta: 50 }))
          expect(outcome).not.toBe("none")
          if (codec > 4 || count < 0) expect(outcome).toBe("refused")
        }
      ),
      { numRuns: 2000 }
    )
  })

  it("the same with a byte of sound compressed records changed, the checksum made right", () => {
    for (const codec of codecs) {
      const bytes = batch(
        0,
        Array.from({ length: 20 }, (_, i) => record(`key-${i % 3}`, "v".repeat(i))),
        { codec }
      )
      for (let at = 61; at < bytes.length; at++) {
        for (const mask of [0x01, 0x80, 0xff]) {
          const changed = Buffer.from(bytes)
          changed[at] ^= mask
          expect(outcomeOf(resealed(changed))).not.toBe("none")
        }
      }
    }
  })
})
