import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { codecs, prepareCodecs } from "../../src/internal/recordBatch/compression.ts"
import type { EncodableRecord } from "../../src/internal/recordBatch/encode.ts"
import { BATCH_OVERHEAD, encodeBatch, estimateSize, stampBatch } from "../../src/internal/recordBatch/encode.ts"
import { scan } from "../../src/internal/recordBatch/scan.ts"
import {
  readVarint,
  readVarlong,
  sizeOfVarint,
  sizeOfVarlong,
  varintEnd,
  writeVarint,
  writeVarlong
} from "../../src/internal/recordBatch/varint.ts"
import { batch, readAll, record } from "./support.ts"

await prepareCodecs()

const bytes = fc.oneof(
  fc.constant(null),
  fc.uint8Array({ maxLength: 20 }),
  fc.integer({ min: 0, max: 40_000 }).map((length) => new Uint8Array(length).fill(length))
)

const records: fc.Arbitrary<ReadonlyArray<EncodableRecord>> = fc.array(
  fc.record({
    key: bytes,
    value: bytes,
    timestamp: fc.oneof(
      fc.integer({ min: 1_700_000_000_000, max: 1_700_000_009_000 }),
      fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER })
    ),
    headers: fc.array(fc.tuple(fc.string({ unit: "grapheme", maxLength: 5 }), bytes), { maxLength: 3 })
  }),
  { minLength: 1, maxLength: 30 }
)

/** Strings are compared faster than arrays. */
const text = (part: Uint8Array | null): string | null => (part === null ? null : Buffer.from(part).toString("latin1"))

describe("what is encoded is decoded", () => {
  for (const codec of codecs) {
    it(codec, () => {
      fc.assert(
        fc.property(
          records,
          fc.record({
            baseOffset: fc.integer({ min: 0, max: 2 ** 52 }),
            producerId: fc.bigInt({ min: -1n, max: 2n ** 63n - 1n }),
            producerEpoch: fc.integer({ min: -1, max: 32767 }),
            baseSequence: fc.integer({ min: -1, max: 0x7fffffff }),
            isTransactional: fc.boolean()
          }),
          (input, { baseOffset, ...rest }) => {
            const encoded = encodeBatch({ records: input, codec, ...rest })
            stampBatch(encoded, baseOffset, 12)
            if (codec === "none") {
              const estimate = input.reduce((sum, one) => sum + estimateSize(one), BATCH_OVERHEAD)
              expect(encoded.length).toBeLessThanOrEqual(estimate)
            }
            const read = readAll(encoded, baseOffset)
            const [{ header, records }] = read.batches
            expect(header).toMatchObject({
              ...rest,
              baseOffset,
              partitionLeaderEpoch: 12,
              magic: 2,
              codec: codecs.indexOf(codec),
              recordCount: input.length,
              lastOffset: baseOffset + input.length - 1,
              nextOffset: baseOffset + input.length,
              firstTimestamp: input[0].timestamp,
              maxTimestamp: Math.max(...input.map(({ timestamp }) => timestamp)),
              isControl: false,
              logAppendTime: false
            })
            expect(
              records.map(({ headers, key, offset, timestamp, value }) => ({
                offset,
                timestamp,
                key: text(key),
                value: text(value),
                headers: headers.map((header) => [header.key, text(header.value)])
              }))
            ).toEqual(
              input.map(({ headers, key, timestamp, value }, i) => ({
                offset: baseOffset + i,
                timestamp,
                key: text(key),
                value: text(value),
                headers: headers.map(([name, part]) => [name, text(part)])
              }))
            )
            expect(scan(encoded, baseOffset)).toEqual({
              nextOffset: baseOffset + input.length,
              completeBatches: 1,
              lastEpoch: 12,
              bytes: encoded.length,
              partialTail: 0,
              malformed: false
            })
          }
        ),
        { numRuns: 60 }
      )
    })
  }

  it("many batches of one answer, of every codec and of very different sizes, one ranges object", () => {
    const sizes = [1, 300, 2, 70_000, 3, 70_001, 1]
    let offset = 5
    const parts = sizes.map((size, i) => {
      const part = batch(
        offset,
        Array.from({ length: size }, (_, n) => record(`k${n}`, n % 7 === 0 ? null : `v${offset + n}`)),
        { codec: codecs[i % codecs.length] }
      )
      offset += size
      return part
    })
    const read = readAll(Buffer.concat(parts), 5)
    const all = read.batches.flatMap(({ records }) => records)
    expect(all.length).toBe(offset - 5)
    expect(all.every((one, i) => one.offset === i + 5)).toBe(true)
    expect(
      all
        .filter(({ value }) => value !== null)
        .every((one) => Buffer.from(one.value ?? []).toString() === `v${one.offset}`)
    ).toBe(true)
    expect(read.position).toBe(offset)
  })

  it("a batch needs a record", () => {
    expect(() => batch(0, [])).toThrow(RangeError)
  })
})

describe("varints", () => {
  it("int32", () => {
    const target = Buffer.alloc(10)
    const check = (value: number): void => {
      const end = writeVarint(target, 1, value)
      expect(end - 1).toBe(sizeOfVarint(value))
      expect(readVarint(target, 1, end)).toBe(value)
      expect(varintEnd).toBe(end)
      expect(() => readVarint(target, 1, end - 1)).toThrow()
    }
    for (let bit = 0; bit < 32; bit++) for (const near of [-1, 0, 1]) check(((1 << bit) + near) | 0)
    fc.assert(fc.property(fc.integer(), check))
  })

  it("int64", () => {
    const target = Buffer.alloc(12)
    const check = (value: number): void => {
      const end = writeVarlong(target, 1, value)
      expect(end - 1).toBe(sizeOfVarlong(value))
      expect(readVarlong(target, 1, end)).toBe(value)
      expect(varintEnd).toBe(end)
      expect(() => readVarlong(target, 1, end - 1)).toThrow()
    }
    for (let bit = 0; bit < 53; bit++)
      for (const near of [-1, 0, 1]) for (const sign of [-1, 1]) check(sign * (2 ** bit + near) + 0)
    for (const value of [2 ** 62, -(2 ** 63)]) check(value)
    fc.assert(fc.property(fc.maxSafeInteger(), check))
  })
})
