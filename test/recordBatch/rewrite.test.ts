/** Batches that are written again without some of their records: what stays is what it was, to the last bit that is read. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  ATTRIBUTES_AT,
  DELETE_HORIZON,
  parseHeader,
  readDeleteHorizon,
  type BatchHeader
} from "../../src/internal/recordBatch/batchHeader.ts"
import { codecs, prepareCodecs, type Codec } from "../../src/internal/recordBatch/compression.ts"
import { controlType } from "../../src/internal/recordBatch/controlType.ts"
import { encodeControlBatch, stampLogAppendTime, type EncodableRecord } from "../../src/internal/recordBatch/encode.ts"
import { FetchedBatches } from "../../src/internal/recordBatch/fetchedBatches.ts"
import { RecordRanges } from "../../src/internal/recordBatch/recordRanges.ts"
import { emptyBatch, rewriteBatch } from "../../src/internal/recordBatch/rewrite.ts"
import { batch, readAll, record, recordsOf, resealed } from "./support.ts"

await prepareCodecs()

const decoded = (bytes: Buffer): { readonly header: BatchHeader; readonly records: RecordRanges } => {
  const fetched = new FetchedBatches(bytes, 0)
  const header = fetched.next()
  if (header === undefined) throw new Error("no batch")
  const records = new RecordRanges()
  fetched.decode(records)
  return { header, records }
}

const rewritten = (
  bytes: Buffer,
  kept: ReadonlyArray<number>,
  rest: { readonly codec?: Codec; readonly deleteHorizon?: number } = {}
): Buffer =>
  rewriteBatch({
    batch: bytes,
    ...decoded(bytes),
    kept,
    codec: rest.codec ?? "none",
    deleteHorizon: rest.deleteHorizon
  })

/** All that a header says, but what follows from the batch's size and content. */
const identity = ({ batchLength: _, crc: __, end: ___, ...rest }: BatchHeader) => rest

const five = (rest: Parameters<typeof batch>[2] = {}): Buffer =>
  batch(
    100,
    [
      record("a", "1", { timestamp: 5_000 }),
      record(null, "2", { timestamp: 9_000 }),
      record("c", null, {
        timestamp: 7_000,
        headers: [
          ["h", Buffer.from("x")],
          ["h", null],
          ["", Buffer.alloc(0)]
        ]
      }),
      record("", "", { timestamp: 1_000 }),
      record("e", "5", { timestamp: 6_000 })
    ],
    { producerId: 2n ** 40n, producerEpoch: 7, baseSequence: 77, isTransactional: true, ...rest }
  )

const original = readAll(five(), 0).batches[0]

describe("some records of a batch", () => {
  it("keep their offsets, times, keys, values and headers, whatever is between them", () => {
    for (const kept of [[0], [4], [1, 3], [0, 2, 4], [2], [0, 1, 2, 3, 4]]) {
      const [{ header, records }] = readAll(rewritten(five(), kept), 0).batches
      expect(records).toEqual(kept.map((i) => original.records[i]))
      expect(header.recordCount).toBe(kept.length)
    }
  })

  it("are in a batch that says all else that the first one said", () => {
    const [{ header }] = readAll(rewritten(five(), [1, 3]), 0).batches
    expect(identity(header)).toEqual({
      ...identity(original.header),
      recordCount: 2,
      firstTimestamp: 9_000,
      maxTimestamp: 9_000
    })
    expect(header).toMatchObject({
      baseOffset: 100,
      lastOffset: 104,
      nextOffset: 105,
      producerId: 2n ** 40n,
      producerEpoch: 7,
      baseSequence: 77,
      isTransactional: true
    })
  })

  it("have their own largest time as the batch's", () => {
    for (const [kept, max] of [
      [[0, 3], 5_000],
      [[3], 1_000],
      [[2, 4], 7_000]
    ] as const) {
      expect(readAll(rewritten(five(), kept), 0).batches[0].header.maxTimestamp).toBe(max)
    }
    const none = batch(0, [record("a", "1", { timestamp: -1 }), record("b", "1", { timestamp: -1 })])
    expect(readAll(rewritten(none, [1]), 0).batches[0]).toMatchObject({
      header: { maxTimestamp: -1 },
      records: [{ timestamp: -1, offset: 1 }]
    })
  })

  it("are compressed as is asked for, whatever they were", () => {
    for (const from of codecs) {
      for (const codec of codecs) {
        const again = rewritten(five({ codec: from }), [0, 2], { codec })
        const [{ header, records }] = readAll(again, 0).batches
        expect(header.codec).toBe(codecs.indexOf(codec))
        expect(records).toEqual([original.records[0], original.records[2]])
      }
    }
  })

  it("keep the time at which they were appended, which is the batch's", () => {
    const bytes = five()
    stampLogAppendTime(bytes, 123_456)
    const [{ header, records }] = readAll(rewritten(bytes, [0, 3]), 0).batches
    expect(header).toMatchObject({ logAppendTime: true, maxTimestamp: 123_456 })
    expect(records.map(({ timestamp }) => timestamp)).toEqual([123_456, 123_456])
  })

  it("keep their times when the batch says from when on its tombstones may go", () => {
    for (const deleteHorizon of [0, 6_000, 1_700_000_000_000]) {
      const again = rewritten(five(), [2, 4], { deleteHorizon })
      expect(readDeleteHorizon(again, 0)).toBe(deleteHorizon)
      const [{ header, records }] = readAll(again, 0).batches
      expect(records).toEqual([original.records[2], original.records[4]])
      expect(header).toMatchObject({ maxTimestamp: 7_000, isTransactional: true, codec: 0 })
      // and what it said is not kept, if it is not said again
      expect(readDeleteHorizon(rewritten(again, [0]), 0)).toBeUndefined()
      expect(readDeleteHorizon(rewritten(again, [0], { deleteHorizon: 9 }), 0)).toBe(9)
    }
    expect(readDeleteHorizon(rewritten(five(), [2, 4]), 0)).toBeUndefined()
  })

  it("of a batch that lies within an answer are found there", () => {
    const bytes = Buffer.concat([batch(90, [record("z", "0")]), five()])
    const fetched = new FetchedBatches(bytes, 90)
    fetched.next()
    const header = fetched.next()!
    const records = new RecordRanges()
    fetched.decode(records)
    const again = rewriteBatch({ batch: bytes, header, records, kept: [4], codec: "none", deleteHorizon: undefined })
    const [read] = readAll(again, 0).batches
    expect(read.header).toMatchObject({ isTransactional: true, start: 0, baseOffset: 100 })
    expect(read.records).toEqual([original.records[4]])
  })

  it("of any kind, any of them", () => {
    const part = fc.option(fc.uint8Array({ maxLength: 200 }), { nil: null })
    const anyRecord: fc.Arbitrary<EncodableRecord> = fc.record({
      key: part,
      value: part,
      timestamp: fc.oneof(fc.integer({ min: 0, max: 2 ** 45 }), fc.constant(-1)),
      headers: fc.array(fc.tuple(fc.string({ maxLength: 4 }), part), { maxLength: 3 })
    })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyRecord, fc.boolean()), { minLength: 1, maxLength: 200 }),
        fc.constantFrom(...codecs),
        fc.option(fc.integer({ min: 0, max: 2 ** 45 }), { nil: undefined }),
        (input, codec, deleteHorizon) => {
          const bytes = batch(
            9,
            input.map(([one]) => one)
          )
          const kept = input.flatMap(([, stays], i) => (stays || i === 0 ? [i] : []))
          const before = readAll(bytes, 0).batches[0].records
          const again = rewriteBatch({ batch: bytes, ...decoded(bytes), kept, codec, deleteHorizon })
          const { batches, partialTail } = readAll(again, 0)
          expect(partialTail).toBe(0)
          expect(batches[0].records).toEqual(kept.map((i) => before[i]))
          expect(batches[0].header.lastOffset).toBe(9 + input.length - 1)
        }
      ),
      { numRuns: 100 }
    )
  })
})

describe("a batch without its records", () => {
  it("says how far offsets and its producer have come, and no codec and no horizon any more", () => {
    const bytes = five({ codec: "gzip" })
    bytes.writeInt16BE(bytes.readInt16BE(ATTRIBUTES_AT) | DELETE_HORIZON, ATTRIBUTES_AT)
    const { header } = decoded(resealed(bytes))
    const empty = emptyBatch(header)
    expect(empty.length).toBe(61)
    const { batches, position } = readAll(empty, 0)
    expect(batches[0].records).toEqual([])
    expect(position).toBe(105)
    expect(identity(batches[0].header)).toEqual({
      ...identity(header),
      codec: 0,
      recordCount: 0,
      firstTimestamp: 9_000,
      maxTimestamp: 9_000
    })
    expect(readDeleteHorizon(empty, 0)).toBeUndefined()
  })

  it("is of the same kind as before: by the time of its records or of the log, in a transaction or not, a marker or not", () => {
    const plain = five({ isTransactional: false })
    const appended = five({ isTransactional: false })
    stampLogAppendTime(appended, 4_321)
    const marker = encodeControlBatch({
      type: "abort",
      producerId: 3n,
      producerEpoch: 1,
      coordinatorEpoch: 2,
      timestamp: 5
    })
    const kinds = [plain, five(), appended, marker].map((bytes) => {
      const empty = emptyBatch(decoded(bytes).header)
      const { isControl, isTransactional, logAppendTime, maxTimestamp } = parseHeader(empty, 0, empty.length)
      return [logAppendTime, isTransactional, isControl, maxTimestamp]
    })
    expect(kinds).toEqual([
      [false, false, false, 9_000],
      [false, true, false, 9_000],
      [true, false, false, 4_321],
      [false, true, true, 5]
    ])
  })
})

describe("a marker", () => {
  it("that is written again says the same", () => {
    for (const type of ["commit", "abort"] as const) {
      const bytes = encodeControlBatch({ type, producerId: 3n, producerEpoch: 1, coordinatorEpoch: 258, timestamp: 5 })
      const again = rewritten(bytes, [0], { deleteHorizon: 77 })
      const { header, records } = decoded(again)
      expect(header).toMatchObject({ isControl: true, isTransactional: true, producerId: 3n, producerEpoch: 1 })
      expect(controlType(records)).toBe(type)
      expect(recordsOf(records)).toEqual(readAll(bytes, 0).batches[0].records)
    }
  })
})
