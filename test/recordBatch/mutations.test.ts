/**
 * Every byte of every batch that Kafka's own code wrote, changed; every such batch cut off everywhere. What comes out is
 * what was written, a refusal, or a partial tail; nothing else, and soon.
 */
import { afterAll, afterEach, assert, beforeAll, describe, expect, it } from "vitest"
import type { BatchHeader } from "../../src/internal/recordBatch/batchHeader.ts"
import { prepareCodecs } from "../../src/internal/recordBatch/compression.ts"
import { BatchCorruption } from "../../src/internal/recordBatch/corruption.ts"
import { FetchedBatches } from "../../src/internal/recordBatch/fetchedBatches.ts"
import { RecordRanges } from "../../src/internal/recordBatch/recordRanges.ts"
import { scan } from "../../src/internal/recordBatch/scan.ts"
import fixtures from "./fixtures.json" with { type: "json" }
import { isLongRun } from "../support/rounds.ts"
import { readAll, recordsOf, resealed, resealedMessage, unsound, type ReadRecord } from "./support.ts"

await prepareCodecs()

/** Far above what reading a few kilobytes takes, on whatever machine. */
const SLOW_MILLIS = 1_000

/** Bytes of a fixture of which not all changes are tried. */
const LARGE = 400

/** Of fewer bytes, a batch is short enough to try all values of each in every run. */
const SMALL = 90

/** Beyond it, offsets of a batch may be no safe integers. */
const MAX_OFFSET = 2n ** 53n - 1n - 2n ** 32n

const ranges = new RecordRanges()

/** What took longest to read. */
let slowest = { millis: 0, bytes: Buffer.alloc(0), fetchOffset: 0 }

/** As the runner's, and a hundred times faster. */
const is = <A>(actual: A, expected: A): void => {
  if (actual !== expected) assert.strictEqual(actual, expected)
}

interface Outcome {
  /** What was handed out before the end. */
  readonly batches: ReadonlyArray<BatchHeader>
  readonly corruption: BatchCorruption | undefined
  readonly partialTail: number
  readonly position: number
}

/** Reads as far as it goes; anything thrown but a `BatchCorruption` fails the test. */
const read = (bytes: Buffer, fetchOffset: number, onBatch: (header: BatchHeader, index: number) => void): Outcome => {
  const begin = performance.now()
  const fetched = new FetchedBatches(bytes, fetchOffset)
  const batches: Array<BatchHeader> = []
  let corruption: BatchCorruption | undefined
  try {
    for (let header = fetched.next(); header !== undefined; header = fetched.next()) {
      fetched.decode(ranges)
      onBatch(header, batches.push(header) - 1)
    }
  } catch (error) {
    if (!(error instanceof BatchCorruption)) throw error
    corruption = error
  }
  const { partialTail, position } = fetched
  const scanned = scan(bytes, fetchOffset)
  if (corruption === undefined) {
    is(scanned.malformed, false)
    is(scanned.nextOffset, position)
    is(scanned.partialTail, partialTail)
  }
  const millis = performance.now() - begin
  if (millis > slowest.millis) slowest = { millis, bytes: Buffer.from(bytes), fetchOffset }
  return { batches, corruption, partialTail, position }
}

/** A batch of a fixture: what it is, and what Kafka's own code reads from it (`interop.test.ts`). */
interface Known {
  readonly header: BatchHeader
  readonly records: ReadonlyArray<ReadRecord>
}

const show = (records: ReadonlyArray<ReadRecord>, shift = 0): string =>
  JSON.stringify(
    records.map(({ headers, key, offset, timestamp, value }) => [
      offset - shift,
      timestamp,
      key && Buffer.from(key).toString("latin1"),
      value && Buffer.from(value).toString("latin1"),
      headers.map((header) => [header.key, header.value && Buffer.from(header.value).toString("latin1")])
    ])
  )

const all = fixtures.map(({ bytes: text, name }) => {
  const bytes = Buffer.from(text, "base64")
  const { batches } = readAll(bytes, 0)
  const from = Math.min(batches[0].header.baseOffset, batches[0].records[0]?.offset ?? Infinity)
  const known: ReadonlyArray<Known> = batches
  return { name, bytes, from, known, shown: known.map(({ records }) => show(records)) }
})

type Fixture = (typeof all)[number]

/** All values of a byte; of a batch that is not small, outside of long runs, each bit, all bits, and the extremes. */
const changes = ({ bytes }: Fixture, at: number): ReadonlyArray<number> => {
  const was = bytes[at]
  const values =
    isLongRun || bytes.length < SMALL
      ? Array.from({ length: 256 }, (_, value) => value)
      : [...Array.from({ length: 8 }, (_, bit) => was ^ (1 << bit)), was ^ 0xff, 0, 0x7f, 0x80, 0xff]
  return values.filter((value) => value !== was)
}

const where = (fixture: Fixture, at: number, value: number) => (): string =>
  `${fixture.name}: byte ${at} became ${value}`

/** What becomes of a batch whose base offset was changed, all else sound. */
const checkBaseOffset = (fixture: Fixture, index: number, changed: Buffer): void => {
  const { header, records } = fixture.known[index]
  const before = index === 0 ? fixture.from : fixture.known[index - 1].header.nextOffset
  const base = changed.readBigInt64BE(header.start)
  const lastOffset = base + BigInt(header.lastOffset - header.baseOffset)
  const follows = fixture.known.at(index + 1)?.header.baseOffset
  const shift = Number(base) - header.baseOffset
  // The offsets inside of compressed messages are absolute with magic 0, and relative to the last one with magic 1.
  const isCompressedMessage = header.magic < 2 && header.codec !== 0
  const moved = isCompressedMessage && header.magic === 0 ? 0 : shift
  const expected = show(records.filter(({ offset }) => offset + moved >= fixture.from))
  const { batches, corruption } = read(changed, fixture.from, (_, i) => {
    if (i === index) is(show(recordsOf(ranges), moved), expected)
    else is(show(recordsOf(ranges)), fixture.shown[i])
  })
  if (base < 0n || base > MAX_OFFSET || lastOffset < BigInt(before) || (index > 0 && base < BigInt(before))) {
    is(corruption?.reason, "Malformed")
    // In an answer, it shows already when the batch in front of it is about to be handed out.
    is(batches.length, Math.max(0, index - 1))
  } else if (follows !== undefined && lastOffset >= BigInt(follows)) {
    is(corruption?.reason, "Malformed")
    is(batches.length, index)
  } else if (corruption !== undefined) {
    is(corruption.reason, "Malformed")
    is(batches.length, index)
    assert.isTrue(isCompressedMessage && shift < 0, "inside, offsets are below 0 or above that of the message")
  } else {
    is(batches.length, fixture.known.length)
  }
}

const check = (fixture: Fixture, at: number, changed: Buffer): void => {
  const index = fixture.known.findIndex(({ header }) => at < header.end)
  const { header } = fixture.known[index]
  const place = at - header.start
  if (place < 8) return checkBaseOffset(fixture, index, changed)
  const { batches, corruption, partialTail, position } = read(changed, fixture.from, (_, i) => {
    is(show(recordsOf(ranges)), fixture.shown[i])
  })
  if (place >= 12 && place < 16 && header.magic === 2) {
    is(corruption, undefined)
    is(batches.length, fixture.known.length)
    is(batches[index].partitionLeaderEpoch, changed.readInt32BE(header.start + 12))
    return
  }
  is(batches.length, index)
  if (place < 12) {
    const length = changed.readInt32BE(header.start + 8)
    const least = [14, 22, 49][header.magic]
    if (length < least) is(corruption?.reason, "Malformed")
    else if (length <= fixture.bytes.length - header.start - 12) is(corruption?.reason, "Checksum")
    else {
      is(corruption, undefined)
      is(partialTail, length + 12)
      is(position, index === 0 ? fixture.from : fixture.known[index - 1].header.nextOffset)
    }
  } else if (place === 16) {
    const magic = changed[at]
    const least = [14, 22, 49][magic] ?? 14
    is(corruption?.reason, header.batchLength < least ? "Malformed" : magic > 2 ? "UnsupportedMagic" : "Checksum")
  } else {
    is(corruption?.reason, "Checksum")
    is(corruption?.baseOffset, header.baseOffset)
  }
}

const { stackTraceLimit } = Error
// A million refusals: most of their cost is the stack that each takes down.
beforeAll(() => {
  Error.stackTraceLimit = 0
})
// The runner has its turn between two of these tests, which never wait.
afterEach(() => new Promise<void>((resume) => setImmediate(resume)))
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit
  // what was slow only since the machine was busy is not so again
  const { bytes, fetchOffset } = slowest
  for (let again = 0; again < 3 && slowest.millis > SLOW_MILLIS; again++) {
    slowest = { ...slowest, millis: 0 }
    read(bytes, fetchOffset, () => {})
  }
  expect(slowest.millis).toBeLessThan(SLOW_MILLIS)
})

/** Says which case it was. */
const failing = (what: () => string, body: () => void): void => {
  try {
    body()
  } catch (error) {
    throw new Error(`${what()}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

describe("a byte changed, the checksum left as it was", () => {
  for (const fixture of all) {
    it(fixture.name, () => {
      for (let at = 0; at < fixture.bytes.length; at++) {
        const changed = Buffer.from(fixture.bytes)
        for (const value of changes(fixture, at)) {
          changed[at] = value
          failing(where(fixture, at, value), () => check(fixture, at, changed))
        }
      }
    })
  }
})

describe("cut off anywhere", () => {
  for (const fixture of all) {
    it(fixture.name, () => {
      for (let cut = 0; cut < fixture.bytes.length; cut++) {
        failing(
          () => `${fixture.name}: cut at ${cut}`,
          () => {
            const complete = fixture.known.filter(({ header }) => header.end <= cut)
            const outcome = read(fixture.bytes.subarray(0, cut), fixture.from, (_, i) => {
              is(show(recordsOf(ranges)), fixture.shown[i])
            })
            is(outcome.corruption, undefined)
            is(outcome.batches.length, complete.length)
            const { end, start } = fixture.known[complete.length].header
            is(outcome.partialTail, cut === start ? 0 : cut - start < 12 ? 61 : end - start)
            is(outcome.position, complete.at(-1)?.header.nextOffset ?? fixture.from)
          }
        )
      }
    })
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// with the checksum made right again
// ---------------------------------------------------------------------------------------------------------------------

const sealed = (bytes: Buffer): Buffer => (bytes[16] === 2 ? resealed(bytes) : resealedMessage(bytes))

const contents = (records: ReadonlyArray<ReadRecord>): string => show(records.map((one) => ({ ...one, offset: 0 })))

/**
 * Other data may be what was meant, then: but it is as whole. gzip has a checksum of its own, and so has each message inside
 * of a message, but for its offset.
 */
const checkResealed = (fixture: Fixture, index: number, changed: Buffer, place: number): void => {
  const { header, records } = fixture.known[index]
  const { batches, corruption } = read(changed, header.baseOffset, (found) => {
    is(unsound(found, ranges), undefined)
    if (header.magic === 2 && header.codec === 1 && place >= 61) is(show(recordsOf(ranges)), fixture.shown[index])
    if (header.magic < 2 && header.codec !== 0 && place >= 26 + header.magic * 8) {
      ranges.first = 0
      is(contents(recordsOf(ranges)), contents(records))
    }
  })
  is(batches.length, corruption === undefined ? 1 : 0)
  // of messages inside of a message
  if (corruption?.reason === "Checksum") assert.isTrue(header.magic < 2 && header.codec !== 0)
}

describe("a byte changed, the checksum made right", () => {
  for (const fixture of all) {
    it(fixture.name, () => {
      for (const [index, { header }] of fixture.known.entries()) {
        const own = fixture.bytes.subarray(header.start, header.end)
        for (let place = 16; place < own.length; place++) {
          const was = own[place]
          const values = [was ^ 1, was ^ 2, was ^ 4, was ^ 0x10, was ^ 0x80, was ^ 0xff, 0, 0x7f, 0xff]
          for (const value of own.length < LARGE ? values : [was ^ 1, was ^ 0x80, was ^ 0xff]) {
            if (value === was) continue
            const changed = Buffer.from(own)
            changed[place] = value
            failing(where(fixture, header.start + place, value), () => {
              checkResealed(fixture, index, sealed(changed), place)
            })
          }
        }
      }
    })
  }
})

describe("cut off anywhere, length and checksum made right", () => {
  for (const fixture of all) {
    it(fixture.name, () => {
      for (const { header } of fixture.known) {
        const own = fixture.bytes.subarray(header.start, header.end)
        for (let cut = 22; cut < own.length; cut++) {
          failing(
            () => `${fixture.name}: ${header.start} cut at ${cut}`,
            () => {
              const { batches, corruption } = read(
                sealed(Buffer.from(own.subarray(0, cut))),
                header.baseOffset,
                () => {}
              )
              is(batches.length, 0)
              assert.isDefined(corruption)
            }
          )
        }
      }
    })
  }
})
