/**
 * Bytes at random, from pure noise to batches that are sound but for one thing: each ends in sound records, a refusal or a
 * tail, within bounds of time and memory.
 *
 * Each buffer is made from the seed of the run and its own number. `SEED` repeats a run, with `BUFFER` only one of it.
 */
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import { BatchCorruption } from "../../src/internal/recordBatch/corruption.ts"
import { codecs, compress, prepareCodecs } from "../../src/internal/recordBatch/compression.ts"
import { controlType } from "../../src/internal/recordBatch/controlType.ts"
import { crc32, crc32c } from "../../src/internal/recordBatch/checksum.ts"
import { writeVarint } from "../../src/internal/recordBatch/varint.ts"
import { defaultDecodeOptions, FetchedBatches } from "../../src/internal/recordBatch/fetchedBatches.ts"
import { RecordRanges } from "../../src/internal/recordBatch/recordRanges.ts"
import { scan } from "../../src/internal/recordBatch/scan.ts"
import { bytesInUse, MIB } from "../support/garbage.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { batch, message, record, unsound } from "./support.ts"

await prepareCodecs()

const BUFFERS = ofRounds(150_000, 1_000_000)
/** After so many the runner has its turn. */
const CHUNK = 5_000

/** Far above what a few hundred bytes take. */
const SLOW_MILLIS = 1_000
/** Besides compiled code: what is kept must not depend on how much was read. */
const KEPT_LIMIT = 16 * MIB
/** While it runs, garbage included. */
const RESIDENT_LIMIT = 400 * MIB
/** A batch may become 4 MiB whatever its size was, of which a record takes seven bytes at least. */
const RECORDS_LIMIT = (4 * MIB) / 7

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
const only = process.env["BUFFER"]

type Random = (below: number) => number

// ---------------------------------------------------------------------------------------------------------------------
// making them
// ---------------------------------------------------------------------------------------------------------------------

/** Where buffers are made, one after the other: none is longer. */
const room = Buffer.alloc(128 * 1024)

const fill = (start: number, end: number, random: Random): void => {
  for (let at = start; at < end; at++) room[at] = random(256)
}

/** Numbers that are at the edge of something. */
const edges = [-1, 0, 1, 2, 6, 7, 0x7f, 0x80, 0x3fff, 0x4000, 0x7fffffff, -2, -(2 ** 31), 0x7ffffff]

const edge = (random: Random): number => edges[random(edges.length)]

/** Records as they are written, each number of them wrong now and then. */
const writeRecords = (start: number, count: number, random: Random): number => {
  const number = (right: number): number => (random(60) === 0 ? edge(random) : right)
  let at = start
  for (let i = 0; i < count; i++) {
    const sizes = [random(6) - 1, random(20) - 1].map((size) => (random(100) === 0 ? edge(random) : size))
    const headers = random(4) === 0 ? random(4) : 0
    const from = at + 5
    let end = from
    room[end++] = 0
    end = writeVarint(room, end, number(random(1000) - 500))
    end = writeVarint(room, end, number(i))
    for (const size of sizes) {
      end = writeVarint(room, end, size)
      const length = Math.max(0, Math.min(size, 20))
      fill(end, end + length, random)
      end += length
    }
    end = writeVarint(room, end, number(headers))
    for (let n = 0; n < headers * 2; n++) {
      const length = random(5)
      end = writeVarint(room, end, number(n % 2 === 1 && length === 0 ? -1 : length))
      fill(end, end + length, random)
      end += length
    }
    // the length goes in front, of as many bytes as it needs
    const content = Buffer.from(room.subarray(from, end))
    at = writeVarint(room, at, number(content.length))
    at += content.copy(room, at)
  }
  return at
}

/** Puts a header of magic 2 with a right checksum around what is in the room from byte 61 on. */
const seal = (start: number, end: number, codec: number, count: number, random: Random): void => {
  room.fill(0, start, start + 61)
  room.writeInt32BE(random(100), start + 4)
  room.writeInt32BE(end - start - 12, start + 8)
  room[start + 16] = 2
  // log-append time, transactional, control, delete horizon
  const flags = random(4) === 0 ? random(16) << 3 : 0
  room.writeInt16BE(codec | flags, start + 21)
  room.writeInt32BE(random(20) === 0 ? edge(random) : Math.max(0, count - 1) + random(3), start + 23)
  room.writeInt32BE(random(20) === 0 ? edge(random) : count, start + 57)
  room.writeUInt32BE(crc32c(room.subarray(start + 21, end)), start + 17)
}

const sealMessage = (start: number, end: number, magic: number, codec: number, random: Random): void => {
  room.fill(0, start, start + 18)
  room.writeInt32BE(random(100), start + 4)
  room.writeInt32BE(end - start - 12, start + 8)
  room[start + 16] = magic
  room[start + 17] = codec
  room.writeUInt32BE(crc32(room.subarray(start + 16, end)), start + 12)
}

/** Flips, sets, leaves out, repeats: a few times. Returns the new end. */
const damage = (start: number, end: number, random: Random): number => {
  let last = end
  for (let times = random(3); times >= 0 && last > start; times--) {
    const at = start + random(last - start)
    const length = Math.min(1 + random(8), last - at)
    switch (random(6)) {
      case 0:
        room[at] ^= 1 << random(8)
        break
      case 1:
        room[at] = random(256)
        break
      case 2:
        last = at
        break
      case 3:
        room.copyWithin(at, at + length, last)
        last -= length
        break
      case 4:
        room.copyWithin(at + length, at, last)
        last += length
        break
      default:
        fill(at, at + length, random)
    }
  }
  return last
}

const uncompressed = (() => {
  const random = randomOf(1)
  const below: Random = (n) => Math.floor(random() * n)
  const records = Array.from({ length: 40 }, (_, i) =>
    record(`key-${below(9)}`, "value ".repeat(below(12)), { timestamp: i })
  )
  const plain = batch(0, records).subarray(61)
  const messages = ([0, 1] as const).map((magic) =>
    Buffer.concat(records.slice(0, 9).map(({ key, value }, i) => message(magic, i, key, value)))
  )
  return [plain, ...messages]
})()

/** By codec, of each of the formats: sound ones, to be damaged. */
const compressed = codecs.map((codec) => uncompressed.map((bytes) => compress(codec, bytes)))

/** How the formats of the codecs begin, so that noise after it gets further. */
const beginnings = [
  [],
  [0x1f, 0x8b, 8, 0],
  [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0],
  [4, 0x22, 0x4d, 0x18],
  [0x28, 0xb5, 0x2f, 0xfd]
]

/** One batch, from `start` on; returns its end. */
const write = (start: number, random: Random): number => {
  const records = start + 61
  const count = random(12)
  switch (random(10)) {
    case 0: {
      const end = start + random(300)
      fill(start, end, random)
      return end
    }
    case 1: {
      // noise that is of a known format, and complete
      const end = start + 17 + random(200)
      fill(start, end, random)
      room.writeInt32BE(0, start)
      room.writeInt32BE(end - start - 12, start + 8)
      room[start + 16] = random(4)
      return end
    }
    case 2: {
      const end = records + random(120)
      fill(records, end, random)
      seal(start, end, 0, count, random)
      return end
    }
    case 3:
    case 4: {
      const end = writeRecords(records, count, random)
      seal(start, end, 0, count, random)
      return end
    }
    case 5: {
      const codec = random(8)
      const beginning = beginnings.at(codec) ?? []
      const end = records + beginning.length + random(100)
      fill(records, end, random)
      room.set(beginning, records)
      seal(start, end, codec, count, random)
      return end
    }
    case 6: {
      const codec = random(codecs.length)
      const end = damage(records, records + compressed[codec][0].copy(room, records), random)
      seal(start, end, codec, 40, random)
      return end
    }
    case 7: {
      // sound bytes of a codec around unsound records
      const codec = 1 + random(codecs.length - 1)
      const end = random(8) === 0 ? writeRecords(records, count, random) : records + random(20)
      const bytes = compress(codecs[codec], Buffer.from(room.subarray(records, end)))
      const sealedEnd = records + bytes.copy(room, records)
      seal(start, sealedEnd, codec, count, random)
      return sealedEnd
    }
    case 8: {
      const magic = random(2)
      const end = start + 18 + random(80)
      fill(start, end, random)
      sealMessage(start, end, magic, random(10) === 0 ? random(16) : 0, random)
      return end
    }
    default: {
      const magic = random(2)
      const codec = random(codecs.length)
      const valueAt = start + 22 + magic * 8 + 4
      const end = damage(valueAt, valueAt + compressed[codec][1 + magic].copy(room, valueAt), random)
      room.fill(0xff, valueAt - 8, valueAt - 4)
      room.writeInt32BE(end - valueAt, valueAt - 4)
      room.fill(0, start + 18, start + 18 + magic * 8)
      sealMessage(start, end, magic, codec, random)
      return end
    }
  }
}

const make = (index: number): { readonly bytes: Buffer; readonly from: number; readonly checkCrcs: boolean } => {
  const next = randomOf(Math.imul(seed, 0x9e3779b1) ^ index)
  const random: Random = (below) => Math.floor(next() * below)
  let end = 0
  for (let batches = random(8) === 0 ? 3 : 1; batches > 0; batches--) end = write(end, random)
  if (random(10) === 0) end = random(end + 1)
  return { bytes: room.subarray(0, end), from: random(3) === 0 ? random(100) : 0, checkCrcs: random(4) > 0 }
}

// ---------------------------------------------------------------------------------------------------------------------
// reading them
// ---------------------------------------------------------------------------------------------------------------------

const ranges = new RecordRanges()

/** What became of one: for the test of the test. */
type End = "records" | "tail" | BatchCorruption["reason"]

const readOne = ({ bytes, checkCrcs, from }: ReturnType<typeof make>): End => {
  const scanned = scan(bytes, from)
  const fetched = new FetchedBatches(bytes, from, { ...defaultDecodeOptions, checkCrcs })
  let batches = 0
  try {
    for (let header = fetched.next(); header !== undefined; header = fetched.next()) {
      fetched.decode(ranges)
      const wrong = unsound(header, ranges)
      if (wrong !== undefined) assert.fail(wrong)
      controlType(ranges)
      batches++
    }
  } catch (error) {
    if (error instanceof BatchCorruption) return error.reason
    throw error
  } finally {
    // room for as many records as there were bytes for, not for as many as were promised
    assert.isAtMost(ranges.timestamp.length, RECORDS_LIMIT)
  }
  assert.isFalse(scanned.malformed)
  assert.deepStrictEqual([scanned.nextOffset, scanned.partialTail], [fetched.position, fetched.partialTail])
  return batches === 0 ? "tail" : "records"
}

const millisOf = (index: number): number => {
  const one = make(index)
  const begin = performance.now()
  readOne(one)
  return performance.now() - begin
}

describe(`bytes at random, SEED=${seed}`, () => {
  if (only !== undefined) {
    it(`number ${only}`, () => {
      const one = make(Number(only))
      process.stdout.write(`${one.bytes.toString("hex")}\n${readOne(one)} in ${millisOf(Number(only))} ms\n`)
    })
    return
  }

  it(`${BUFFERS} buffers`, { timeout: 600_000 }, async () => {
    const ends = new Map<End, number>()
    let slowest = { index: -1, millis: 0 }
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    for (let index = 0; index < 2 * CHUNK; index++) readOne(make(index))
    const kept = await Effect.runPromise(bytesInUse)
    const resident = process.memoryUsage.rss()
    const begin = performance.now()
    let index = 0
    try {
      for (; index < BUFFERS; index++) {
        const one = make(index)
        const before = performance.now()
        const end = readOne(one)
        const millis = performance.now() - before
        ends.set(end, (ends.get(end) ?? 0) + 1)
        if (millis > slowest.millis) slowest = { index, millis }
        if (index % CHUNK === 0) {
          assert.isBelow(process.memoryUsage.rss() - resident, RESIDENT_LIMIT)
          await new Promise((resume) => setImmediate(resume))
        }
      }
    } catch (cause) {
      const what = cause instanceof Error ? cause.message : String(cause)
      throw new Error(`SEED=${seed} BUFFER=${index}: ${what}`, { cause })
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
    const seconds = (performance.now() - begin) / 1000
    const grown = (await Effect.runPromise(bytesInUse)) - kept
    process.stdout.write(
      `${BUFFERS} buffers of SEED=${seed} in ${seconds.toFixed(1)} s, the slowest in ${slowest.millis.toFixed(1)} ms, ` +
        `${(grown / MIB).toFixed(1)} MiB more in use: ${[...ends].map((one) => one.join(" ")).join(", ")}\n`
    )
    // one that was slow since the machine was busy, is not again
    if (slowest.millis > SLOW_MILLIS) {
      const again = Math.min(millisOf(slowest.index), millisOf(slowest.index), millisOf(slowest.index))
      assert.isBelow(again, SLOW_MILLIS, `SEED=${seed} BUFFER=${slowest.index}`)
    }
    assert.isBelow(grown, KEPT_LIMIT)
    // noise that never gets past the first check would show nothing
    for (const end of [
      "records",
      "tail",
      "Checksum",
      "Malformed",
      "Decompression",
      "UnsupportedCodec",
      "UnsupportedMagic"
    ] as const) {
      assert.isAbove((ends.get(end) ?? 0) / BUFFERS, 0.002, `${end} of SEED=${seed}`)
    }
  })
})
