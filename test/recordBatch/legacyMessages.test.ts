import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { compress } from "../../src/internal/recordBatch/compression.ts"
import { scan } from "../../src/internal/recordBatch/scan.ts"
import { batch, message, readAll, record, refused, resealedMessage } from "./support.ts"

const utf8 = (text: string): Buffer => Buffer.from(text)

const offsets = (bytes: Buffer, fetchOffset = 0): ReadonlyArray<number> =>
  readAll(bytes, fetchOffset).batches.flatMap(({ records }) => records.map(({ offset }) => offset))

/** A compressed message around others. */
const wrapper = (magic: 0 | 1, offset: number, inner: ReadonlyArray<Buffer>, attributes = 0): Buffer =>
  message(magic, offset, null, compress("gzip", Buffer.concat(inner)), 1 | attributes)

const both = [0, 1] as const

describe("messages of magic 0 and 1", () => {
  for (const magic of both) {
    describe(`magic ${magic}`, () => {
      const one = message(magic, 5, utf8("key"), utf8("value"))

      it("any bit changed from the checksum on is refused", () => {
        for (let at = 12; at < one.length; at++) {
          for (let bit = 0; bit < 8; bit++) {
            const flipped = Buffer.from(one)
            flipped[at] ^= 1 << bit
            expect(refused(flipped)?.reason).toMatch(/^(Checksum|UnsupportedMagic|Malformed)$/)
          }
        }
      })

      it("cut off: a partial tail", () => {
        const next = message(magic, 6, null, null)
        for (let cut = 1; cut < next.length; cut++) {
          const read = readAll(Buffer.concat([one, next.subarray(0, cut)]), 0)
          expect(read.batches.map(({ records }) => records.map(({ offset }) => offset))).toEqual([[5]])
          expect(read.partialTail).toBe(cut < 12 ? 61 : next.length)
          expect(read.position).toBe(6)
        }
      })

      it("sizes that cannot be are refused", () => {
        for (const size of [-1, 0, 13, magic === 0 ? 13 : 21]) {
          const bytes = Buffer.from(one)
          bytes.writeInt32BE(size, 8)
          expect(refused(bytes)?.reason).toBe("Malformed")
          expect(scan(bytes, 0).malformed).toBe(true)
        }
      })

      it("key and value lengths that cannot be, and bytes left over, are refused", () => {
        const keyAt = magic === 0 ? 18 : 26
        for (const at of [keyAt, keyAt + 4 + 3]) {
          for (const length of [-2, 100, 0x7fffffff, -(2 ** 31)]) {
            const bytes = Buffer.from(one)
            bytes.writeInt32BE(length, at)
            expect(refused(resealedMessage(bytes))?.reason).toBe("Malformed")
          }
        }
        expect(refused(resealedMessage(Buffer.concat([one, Buffer.from([0])])))?.reason).toBe("Malformed")
      })

      it("nulls and empty bytes are kept apart", () => {
        const [{ records }] = readAll(message(magic, 5, null, Buffer.alloc(0)), 0).batches
        expect(records).toMatchObject([{ key: null, value: new Uint8Array(0), offset: 5, headers: [] }])
        const [{ records: other }] = readAll(message(magic, 5, Buffer.alloc(0), null), 0).batches
        expect(other).toMatchObject([{ key: new Uint8Array(0), value: null }])
      })

      it("codecs that this format does not have are refused by name", () => {
        for (const codec of [4, 5, 6, 7]) {
          expect(refused(message(magic, 5, null, utf8("x"), codec))?.reason).toBe("UnsupportedCodec")
        }
      })

      it("compressed inside of compressed is refused", () => {
        const inner = wrapper(magic, 0, [message(magic, 0, null, utf8("x"))])
        expect(refused(wrapper(magic, 0, [inner]))?.reason).toBe("Malformed")
      })

      it("compressed without value, with nothing inside, cut off inside: refused", () => {
        expect(refused(message(magic, 0, null, null, 1))?.reason).toBe("Malformed")
        expect(refused(wrapper(magic, 0, []))?.reason).toBe("Malformed")
        expect(refused(wrapper(magic, 1, [one, one.subarray(0, 20)]))?.reason).toBe("Malformed")
        expect(refused(wrapper(magic, 1, [one, one.subarray(0, one.length - 1)]))?.reason).toBe("Malformed")
        expect(refused(message(magic, 0, null, utf8("not gzip, not at all"), 1))?.reason).toBe("Decompression")
      })

      it("a message that ends within a length is refused, whatever follows it", () => {
        const keyAt = magic === 0 ? 18 : 26
        for (const end of [keyAt + 2, keyAt + 4 + 3 + 2]) {
          const bytes = resealedMessage(Buffer.from(one.subarray(0, end)))
          if (bytes.length < 12 + (magic === 0 ? 14 : 22)) continue
          for (const follows of [Buffer.alloc(0), message(magic, 6, null, null)]) {
            expect(refused(Buffer.concat([bytes, follows]))?.reason).toBe("Malformed")
          }
        }
      })

      it("bytes after the value of a compressed one are refused", () => {
        const bytes = wrapper(magic, 0, [message(magic, 0, null, utf8("x"))])
        expect(refused(bytes)).toBeUndefined()
        expect(refused(resealedMessage(Buffer.concat([bytes, Buffer.from([0])])))?.reason).toBe("Malformed")
      })

      it("messages inside are of these formats, and as long as theirs is", () => {
        const smallest = message(magic, 0, null, null)
        expect(offsets(wrapper(magic, 0, [smallest]))).toEqual([0])
        expect(offsets(wrapper(magic, 1, [smallest, message(magic, 1, null, null)]))).toEqual([0, 1])
        const newer = Buffer.from(smallest)
        newer[16] = 2
        expect(refused(wrapper(magic, 0, [resealedMessage(newer)]))?.reason).toBe("Malformed")
        // of magic 1, and as long as one of magic 0
        const short = message(0, 0, null, null)
        short[16] = 1
        const followed = [resealedMessage(short), message(magic, 1, null, null)]
        expect(refused(wrapper(magic, 1, followed))?.reason).toBe("Malformed")
        const none = resealedMessage(Buffer.from(smallest.subarray(0, 24)))
        expect(refused(wrapper(magic, 0, [none, smallest]))?.reason).toBe("Malformed")
      })

      it("offsets inside may be as far apart as 31 bits say", () => {
        const far = 0x7fffffff
        const inner = [0, far].map((offset) => message(magic, offset, null, utf8("x")))
        expect(offsets(wrapper(magic, far, inner))).toEqual([0, far])
      })

      it("the checksum of a message inside is verified", () => {
        const inner = Buffer.from(one)
        inner[inner.length - 1] ^= 1
        expect(refused(wrapper(magic, 5, [inner]))?.reason).toBe("Checksum")
        expect(refused(wrapper(magic, 5, [inner]), { checkCrcs: false })).toBeUndefined()
      })

      it("offsets inside that do not increase are refused", () => {
        const inner = [3, 3].map((offset) => message(magic, offset, null, utf8("x")))
        expect(refused(wrapper(magic, 3, inner))?.reason).toBe("Malformed")
        const above = [4, 9].map((offset) => message(magic, offset, null, utf8("x")))
        expect(refused(wrapper(magic, 8, above))?.reason).toBe("Malformed")
        const negative = [message(magic, -1, null, utf8("x")), message(magic, 0, null, utf8("x"))]
        expect(refused(wrapper(magic, 0, negative))?.reason).toBe("Malformed")
        const far = [0, 2 ** 31].map((offset) => message(magic, offset, null, utf8("x")))
        expect(refused(wrapper(magic, 2 ** 31, far))?.reason).toBe("Malformed")
      })

      it("bytes that are anything inside end in records or a refusal", () => {
        fc.assert(
          fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
            refused(message(magic, 50, null, compress("gzip", Buffer.from(bytes)), 1))
            const messages = Buffer.concat([one, Buffer.from(bytes)])
            refused(message(magic, 50, null, compress("gzip", messages), 1))
          }),
          { numRuns: 300 }
        )
      })
    })
  }

  it("magic 0: offsets inside are absolute, and there are no timestamps", () => {
    const bytes = wrapper(
      0,
      14,
      [10, 12, 14].map((offset) => message(0, offset, utf8("k"), utf8("v")))
    )
    expect(offsets(bytes, 10)).toEqual([10, 12, 14])
    expect(offsets(bytes, 12)).toEqual([12, 14])
    expect(readAll(bytes, 10).batches[0].records.map(({ timestamp }) => timestamp)).toEqual([-1, -1, -1])
  })

  it("magic 0: offsets inside are what they are, far from 0, and below that of the message around them", () => {
    const inner = [2 ** 40, 2 ** 40 + 2].map((offset) => message(0, offset, utf8("k"), utf8("v")))
    expect(offsets(wrapper(0, 2 ** 40 + 9, inner))).toEqual([2 ** 40, 2 ** 40 + 2])
  })

  it("magic 1: offsets inside are relative, gaps kept", () => {
    const bytes = wrapper(
      1,
      104,
      [0, 2, 4].map((offset) => message(1, offset, utf8("k"), utf8("v")))
    )
    expect(offsets(bytes, 100)).toEqual([100, 102, 104])
    expect(offsets(bytes, 103)).toEqual([104])
    expect(readAll(bytes, 100).position).toBe(105)
  })

  it("magic 1: log-append time of the message around them is theirs", () => {
    const inner = [0, 1].map((offset) => message(1, offset, null, utf8("v")))
    inner[0].writeBigInt64BE(5n, 18)
    resealedMessage(inner[0])
    const timestamps = (bytes: Buffer): ReadonlyArray<number> =>
      readAll(bytes, 0).batches[0].records.map(({ timestamp }) => timestamp)
    expect(timestamps(wrapper(1, 1, inner))).toEqual([5, 1_700_000_000_000])
    expect(timestamps(wrapper(1, 1, inner, 8))).toEqual([1_700_000_000_000, 1_700_000_000_000])
  })

  it("all formats in one answer, decided batch by batch", () => {
    const bytes = Buffer.concat([
      message(0, 3, utf8("a"), utf8("0")),
      wrapper(1, 5, [message(1, 0, utf8("b"), null), message(1, 1, utf8("c"), utf8("1"))]),
      batch(6, [record("d", "2"), record("e", "2")], { codec: "lz4" }),
      message(1, 8, utf8("f"), utf8("1"))
    ])
    expect(offsets(bytes, 3)).toEqual([3, 4, 5, 6, 7, 8])
    expect(scan(bytes, 3)).toMatchObject({ nextOffset: 9, completeBatches: 4, malformed: false })
  })

  it("an offset below the position that was reached is refused", () => {
    const bytes = Buffer.concat([message(1, 3, null, utf8("a")), message(1, 3, null, utf8("b"))])
    expect(refused(bytes)?.reason).toBe("Malformed")
    expect(refused(message(1, 3, null, utf8("a")), { fetchOffset: 4 })?.reason).toBe("Malformed")
  })
})
