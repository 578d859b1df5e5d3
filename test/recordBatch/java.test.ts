/** Records at random, from here to Kafka's own code and back; and what Kafka makes of bytes that are damaged. */
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { afterAll, assert, describe, expect, it } from "vitest"
import type { BatchHeader } from "../../src/internal/recordBatch/batchHeader.ts"
import { codecs, prepareCodecs } from "../../src/internal/recordBatch/compression.ts"
import { controlType } from "../../src/internal/recordBatch/controlType.ts"
import { BatchCorruption } from "../../src/internal/recordBatch/corruption.ts"
import {
  encodeBatch,
  encodeControlBatch,
  stampBatch,
  type EncodableRecord
} from "../../src/internal/recordBatch/encode.ts"
import { realKafka } from "../kafka/realKafka.ts"
import { shared } from "../support/live.ts"
import { ofRounds } from "../support/rounds.ts"
import fixtures from "./fixtures.json" with { type: "json" }
import * as KafkaRecords from "./kafkaRecords.ts"
import { readAll, resealed, resealedMessage, type ReadBatch, type ReadRecord } from "./support.ts"

await prepareCodecs()

const RUNS = ofRounds(75, 300)

const TIME = 1_700_000_000_000

// ---------------------------------------------------------------------------------------------------------------------
// records at random
// ---------------------------------------------------------------------------------------------------------------------

/** Null, nothing, little, something that compresses and much. */
const part = fc.oneof(
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constant(new Uint8Array(0)) },
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  {
    weight: 2,
    arbitrary: fc
      .string({ unit: "grapheme", maxLength: 30 })
      .map((text) => new Uint8Array(Buffer.from(text.repeat(20))))
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.integer({ min: 0, max: 100_000 }), fc.nat(255)).map(([length, from]) => {
      const bytes = new Uint8Array(length)
      for (let i = 0; i < length; i++) bytes[i] = from + ((i * i) >> 7)
      return bytes
    })
  }
)

/** Of the present, of none, of whatever. */
const timestamp = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: TIME, max: TIME + 100_000 }) },
  { weight: 1, arbitrary: fc.constant(-1) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }) }
)

const header = fc.tuple(fc.string({ unit: "grapheme", maxLength: 8 }), part)

const anyRecord: fc.Arbitrary<EncodableRecord> = fc.record({
  key: part,
  value: part,
  timestamp,
  headers: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(header, { maxLength: 4 }) }
  )
})

/** Few of any kind, or many of the same kind. */
const records = fc.oneof(
  { weight: 9, arbitrary: fc.array(anyRecord, { minLength: 1, maxLength: 12 }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.integer({ min: 60, max: 3_000 }), fc.integer({ min: 0, max: 200 }))
      .map(([count, step]): ReadonlyArray<EncodableRecord> =>
        Array.from({ length: count }, (_, i) => ({
          key: Buffer.from(`key-${i % 50}`),
          value: i % 5 === 0 ? null : Buffer.from(`{"n":${i * step}}`),
          timestamp: TIME + i * step,
          headers: []
        }))
      )
  }
)

const producer = fc.oneof(
  fc.constant({ producerId: -1n, producerEpoch: -1, baseSequence: -1, isTransactional: false }),
  fc.record({
    producerId: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    producerEpoch: fc.integer({ min: 0, max: 32_767 }),
    baseSequence: fc.integer({ min: 0, max: 0x7fffffff }),
    isTransactional: fc.boolean()
  })
)

const baseOffset = fc.oneof(fc.nat(1_000), fc.integer({ min: 0, max: 2 ** 52 }))

// ---------------------------------------------------------------------------------------------------------------------
// comparing
// ---------------------------------------------------------------------------------------------------------------------

const text = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString("latin1")

const shown = ({ headers, key, offset, timestamp, value }: ReadRecord) => ({
  offset,
  timestamp,
  key: text(key),
  value: text(value),
  headers: headers.map((one) => [one.key, text(one.value)])
})

/** What a batch of records must be read as. */
const expected = (
  input: ReadonlyArray<EncodableRecord>,
  baseOffset: number,
  timestampOf: (one: EncodableRecord) => number = ({ timestamp }) => timestamp
) =>
  input.map((one, i) =>
    shown({
      ...one,
      offset: baseOffset + i,
      timestamp: timestampOf(one),
      headers: one.headers.map(([key, value]) => ({ key, value }))
    })
  )

/** What both sides say about a batch. */
const facts = (header: Omit<BatchHeader, "start" | "end"> | KafkaRecords.KafkaBatch) => ({
  magic: header.magic,
  lastOffset: header.lastOffset,
  nextOffset: header.nextOffset,
  maxTimestamp: header.maxTimestamp,
  producerId: header.producerId,
  producerEpoch: header.producerEpoch,
  baseSequence: header.baseSequence,
  partitionLeaderEpoch: header.partitionLeaderEpoch,
  codec: header.codec,
  logAppendTime: header.logAppendTime,
  isTransactional: header.isTransactional,
  isControl: header.isControl
})

const ours = ({ header, records }: ReadBatch) => ({ ...facts(header), records: records.map(shown) })
const theirs = (batch: KafkaRecords.KafkaBatch) => ({ ...facts(batch), records: batch.records.map(shown) })

const accepted = (answer: ReadonlyArray<KafkaRecords.KafkaBatch> | string): ReadonlyArray<KafkaRecords.KafkaBatch> =>
  typeof answer === "string" ? assert.fail(`Kafka: ${answer}`) : answer

realKafka("Kafka's own code", { java: true }, () => {
  const made = shared(KafkaRecords.make)
  const kafka = () => Effect.runPromise(made)

  describe("writes, and we read", () => {
    for (const [codec, name] of codecs.entries()) {
      for (const magic of name === "zstd" ? ([2] as const) : ([0, 1, 2] as const)) {
        it(`magic ${magic}, ${name}`, { timeout: 120_000 }, async () => {
          const { encode } = await kafka()
          const property = fc.asyncProperty(
            records,
            producer,
            baseOffset,
            fc.option(fc.nat(TIME), { nil: undefined }),
            async (input, producer, baseOffset, appendTime) => {
              const legacy = magic < 2
              const records = legacy ? input.map((one) => ({ ...one, headers: [] })) : input
              const logAppendTime = magic === 0 ? undefined : appendTime
              const nobody = { producerId: -1n, producerEpoch: -1, baseSequence: -1, isTransactional: false }
              const rest = { baseOffset, ...(legacy ? nobody : producer) }
              const bytes = await encode({ magic, codec, logAppendTime, records, ...rest })
              const read = readAll(bytes, baseOffset)
              assert.strictEqual(read.partialTail, 0)
              assert.strictEqual(read.position, baseOffset + records.length)
              const timestampOf = (one: EncodableRecord) => (magic === 0 ? -1 : (logAppendTime ?? one.timestamp))
              assert.deepStrictEqual(
                read.batches.flatMap((one) => one.records.map(shown)),
                expected(records, baseOffset, timestampOf)
              )
              if (!legacy) {
                assert.deepInclude(read.batches[0].header, { ...rest, partitionLeaderEpoch: 7, codec })
              }
            }
          )
          await fc.assert(property, { numRuns: magic === 2 ? RUNS : RUNS / 3 })
        })
      }
    }

    it("markers", async () => {
      const { encodeMarker } = await kafka()
      const property = fc.asyncProperty(marker, async (one) => {
        const types: Array<string> = []
        const { batches } = readAll(await encodeMarker(one), one.offset, (_, ranges) => types.push(controlType(ranges)))
        assert.deepStrictEqual(types, [one.type])
        assert.deepInclude(batches[0].header, {
          isControl: true,
          isTransactional: true,
          producerId: one.producerId,
          producerEpoch: one.producerEpoch,
          baseOffset: one.offset,
          nextOffset: one.offset + 1
        })
      })
      await fc.assert(property, { numRuns: RUNS })
    })
  })

  describe("reads what we write", () => {
    for (const [codec, name] of codecs.entries()) {
      it(name, { timeout: 120_000 }, async () => {
        const { decode } = await kafka()
        const property = fc.asyncProperty(records, producer, baseOffset, async (input, producer, baseOffset) => {
          const bytes = encodeBatch({ records: input, codec: codecs[codec], ...producer })
          stampBatch(bytes, baseOffset, 12)
          const [batch, ...others] = accepted(await decode(bytes))
          assert.deepStrictEqual(others, [])
          assert.deepStrictEqual(theirs(batch), {
            magic: 2,
            lastOffset: baseOffset + input.length - 1,
            nextOffset: baseOffset + input.length,
            maxTimestamp: Math.max(...input.map(({ timestamp }) => timestamp)),
            ...producer,
            partitionLeaderEpoch: 12,
            codec,
            logAppendTime: false,
            isControl: false,
            records: expected(input, baseOffset)
          })
        })
        await fc.assert(property, { numRuns: RUNS })
      })
    }

    it("markers", async () => {
      const { decode } = await kafka()
      const property = fc.asyncProperty(marker, async (one) => {
        const bytes = encodeControlBatch(one)
        stampBatch(bytes, one.offset, 12)
        const [batch] = accepted(await decode(bytes))
        assert.deepInclude(batch, {
          isControl: true,
          isTransactional: true,
          lastOffset: one.offset,
          producerId: one.producerId,
          producerEpoch: one.producerEpoch,
          controlType: one.type === "abort" ? 0 : 1,
          coordinatorEpoch: one.coordinatorEpoch
        })
      })
      await fc.assert(property, { numRuns: RUNS })
    })
  })

  describe("and damaged batches, their checksums made right", () => {
    let compared = 0
    // or nothing was
    afterAll(() => {
      expect(compared).toBeGreaterThan(RUNS)
    })

    const batches = fixtures.flatMap((fixture) => {
      const bytes = Buffer.from(fixture.bytes, "base64")
      return readAll(bytes, 0).batches.map(({ header }) => bytes.subarray(header.start, header.end))
    })

    /** What we read of it, Kafka reads as well, and the same. */
    const compare = async (damaged: Buffer): Promise<void> => {
      const { decode } = await kafka()
      if (damaged[16] === 2) resealed(damaged)
      else resealedMessage(damaged)
      const read = attempt(damaged)
      if (read === undefined) return
      const answer = await decode(damaged)
      if (typeof answer === "string") {
        // What a marker says, and means nothing to a reader; flags of lz4 that its own library minds less than Kafka.
        const [{ header }] = read
        assert.isTrue(header.isControl || codecs[header.codec] === "lz4", answer)
        return
      }
      compared++
      assert.deepStrictEqual(read.map(ours).map(readable), answer.map(theirs).map(readable))
    }

    it("what we read, Kafka reads the same, if it reads it", { timeout: 120_000 }, async () => {
      const change = fc.record({ place: fc.nat(), value: fc.nat(255) })
      const property = fc.asyncProperty(
        fc.constantFrom(...batches),
        fc.array(change, { minLength: 1, maxLength: 2 }),
        async (bytes, changes) => {
          const damaged = Buffer.from(bytes)
          for (const { place, value } of changes) damaged[22 + (place % (damaged.length - 22))] = value
          await compare(damaged)
        }
      )
      await fc.assert(property, { numRuns: RUNS * 20 })
    })

    it("each byte of a frame's header, with each value", { timeout: 120_000 }, async () => {
      const frames = batches.filter((bytes) => bytes[16] === 2 && (bytes[22] & 7) !== 0 && bytes.length < 400)
      assert.deepStrictEqual(new Set(frames.map((bytes) => bytes[22] & 7)), new Set([1, 2, 3, 4]))
      for (const bytes of frames) {
        for (let at = 61; at < 61 + 14; at++) {
          for (let value = 0; value < 256; value++) {
            const damaged = Buffer.from(bytes)
            damaged[at] = value
            await compare(damaged)
          }
        }
      }
    })
  })
})

/** As far as both can say it: bytes that are no UTF-8 are one sign here and several there, times beyond 2^53 are near. */
const readable = <
  R extends { readonly maxTimestamp: number; readonly records: ReadonlyArray<ReturnType<typeof shown>> }
>(
  batch: R
) => ({
  ...batch,
  maxTimestamp: time(batch.maxTimestamp),
  records: batch.records.map((one) => ({
    ...one,
    timestamp: time(one.timestamp),
    headers: one.headers.map(([key, value]) => [key!.replaceAll(/\uFFFD+/g, "\uFFFD"), value])
  }))
})

const time = (millis: number): number | string => (Number.isSafeInteger(millis) ? millis : "beyond 2^53")

/** Undefined if it is refused. */
const attempt = (bytes: Buffer): ReadonlyArray<ReadBatch> | undefined => {
  try {
    return readAll(bytes, 0).batches
  } catch (error) {
    if (error instanceof BatchCorruption) return undefined
    throw error
  }
}

const marker = fc.record({
  type: fc.constantFrom("commit" as const, "abort" as const),
  offset: baseOffset,
  timestamp: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  producerId: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  producerEpoch: fc.integer({ min: 0, max: 32_767 }),
  coordinatorEpoch: fc.integer({ min: 0, max: 0x7fffffff })
})
