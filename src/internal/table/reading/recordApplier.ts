/**
 * Makes rows of the bytes of one fetched partition: batches, then their records, then keys and values, then `put`. This
 * is the hot path, so it is plain synchronous code, and it runs in slices, as the host has other work.
 */
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { Codec } from "../../../Codec.ts"
import { PoisonRecordError } from "../../../KafkaError.ts"
import { asBytes, suspended } from "../../codec/codec.ts"
import { utf8 } from "../../codec/plain.ts"
import { codecError, errorOf } from "../../codec/schema/issue.ts"
import { AbortedTransactions } from "../../recordBatch/abortedTransactions.ts"
import type { BatchHeader } from "../../recordBatch/batchHeader.ts"
import { codecs, isPrepared } from "../../recordBatch/compression.ts"
import { controlType } from "../../recordBatch/controlType.ts"
import { FetchedBatches, type DecodeOptions } from "../../recordBatch/fetchedBatches.ts"
import { RecordRanges } from "../../recordBatch/recordRanges.ts"
import type { FetchedRecords } from "../../source/cursor.ts"
import type { Counters } from "./counters.ts"
import { AHEAD, UNKNOWN } from "../content/keyIndex.ts"
import { RecordHeaders } from "../content/recordHeaders.ts"
import { ABSENT } from "../content/rowVector.ts"
import type { TableState } from "../content/state.ts"

/**
 * Why a run has stopped:
 *
 * - `done`: everything is applied.
 * - `more`: the time was up.
 * - `compression`: the compression of the next batch has to be loaded first; then `compressionIsLoaded` is to be called.
 * - `decode`: `suspendedValue` has to be decoded by its Effect, and the result given to `decoded`.
 * - `key`: only an Effect can decode this key, which a table cannot wait for.
 * - `poison`: a record did not decode, and the policy is to fail.
 */
export type Stop = "done" | "more" | "compression" | "decode" | "key" | "poison"

/** Errors are made of this many undecodable records of one answer at most, and as many are kept for a slow consumer. */
export const MAX_POISON = 1024

/** Bytes of a key, and of a value, that such an error keeps at most: a topic full of them is not to fill the memory. */
const KEPT_POISON_BYTES = 16 * 1024

export interface ApplierSettings<K, V> {
  readonly topic: string
  readonly key: Codec<K>
  readonly value: Codec<V>
  readonly keepHeaders: boolean
  readonly committedOnly: boolean
  readonly failOnPoison: boolean
  readonly logValues: boolean
  readonly decode: DecodeOptions
}

/** What the Effect of a codec made of a value. */
export type Decoded<V> = { readonly value: V } | { readonly error: Schema.SchemaError }

/** The arrays that hold the records' places in the batch that is applied. A reader uses them again for each batch. */
export type Scratch = RecordRanges

export const makeScratch = (): Scratch => new RecordRanges()

/** Applies what one answer has about one partition. */
export class RecordApplier<K, V> {
  /** Offset of the next record to apply. It goes past whole batches, whatever records compaction left in them. */
  position: number
  /** Offset of the first record without a key, -1 if there was none. */
  keylessAt = -1
  /** Undecodable records, in order, as far as there was room for them. */
  readonly poison: Array<PoisonRecordError> = []
  /** For how many more undecodable records an error is made. All of them are counted. */
  private poisonRoom: number
  private readonly partition: number
  private readonly answer: Buffer
  /** Whether the store was told what the answer is like. */
  private begun = false
  private readonly batches: FetchedBatches
  private readonly aborted: AbortedTransactions
  private readonly ranges: Scratch
  private readonly settings: ApplierSettings<K, V>
  private readonly state: TableState<K, V>
  private readonly counters: Counters
  /** Position after the batch that is being applied; `undefined` between two batches. */
  private batchEnd: number | undefined
  /** The batch whose compression has to be loaded. */
  private waiting: BatchHeader | undefined
  private isCompressionLoaded = false
  /** Which record of the batch is the next one. */
  private index = 0
  /** What the Effect made of the value at which `run` stopped with `decode`. */
  private effectResult: Decoded<V> | undefined

  constructor(
    settings: ApplierSettings<K, V>,
    fetched: Pick<FetchedRecords, "partition" | "records" | "aborted">,
    position: number,
    state: TableState<K, V>,
    counters: Counters,
    scratch: Scratch,
    poisonRoom = MAX_POISON
  ) {
    this.poisonRoom = poisonRoom
    this.settings = settings
    this.partition = fetched.partition
    this.position = position
    this.state = state
    this.counters = counters
    this.ranges = scratch
    this.answer = fetched.records
    this.batches = new FetchedBatches(fetched.records, position, settings.decode)
    this.aborted = new AbortedTransactions(settings.committedOnly ? fetched.aborted : [])
  }

  /**
   * Goes on until `until`, a time of `performance.now()`. Throws `BatchCorruption`, after what came before it is
   * applied.
   */
  run(until: number): Stop {
    const { stackTraceLimit } = Error
    try {
      if (this.poisonRoom === 0) Error.stackTraceLimit = 0
      return this.runBatches(until)
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  }

  private runBatches(until: number): Stop {
    while (true) {
      if (this.batchEnd === undefined) {
        const found = this.nextBatch(until)
        if (found !== "batch") return found
      }
      const outcome = this.applyRecords(until)
      if (outcome !== "done") return outcome
      this.position = this.batchEnd!
      this.batchEnd = undefined
      if (performance.now() >= until) return "more"
    }
  }

  /**
   * Goes to the next batch that has records for the table. There may be any number of others before it, so time counts
   * here, too.
   */
  private nextBatch(until: number): "batch" | "done" | "compression" | "more" {
    const { aborted, batches, counters, ranges } = this
    for (let header = this.waiting ?? batches.next(); header !== undefined; header = batches.next()) {
      if (header.isControl) {
        batches.decode(ranges)
        aborted.onControl(header, controlType(ranges))
      } else if (aborted.isAborted(header)) {
        counters.aborted += header.recordCount
      } else {
        this.waiting = this.isCompressionLoaded || isPrepared(codecs[header.codec]) ? undefined : header
        if (this.waiting !== undefined) return "compression"
        batches.decode(ranges)
        if (!this.begun && ranges.count > 0 && ranges.bytes === this.answer) this.begin(header.end - header.start)
        this.index = ranges.first
        this.batchEnd = header.nextOffset
        return "batch"
      }
      this.position = header.nextOffset
      if (performance.now() >= until) return "more"
    }
    return "done"
  }

  /**
   * Notes that the compression is loaded, as far as possible: `run` goes on with the batch at which it stopped for
   * that.
   */
  compressionIsLoaded(): void {
    this.isCompressionLoaded = true
  }

  /** Tells the store what the answer is like, by the first batch whose values lie in the answer itself. */
  private begin(bytes: number): void {
    const { count, valueEnd, valueStart } = this.ranges
    let valueBytes = 0
    for (let i = 0; i < count; i++) valueBytes += valueEnd[i] - valueStart[i]
    this.state.records.beginAnswer(this.answer, { records: count, bytes, valueBytes })
    this.begun = true
  }

  /** Applies the records of the batch from `index` on. The loop is written out, as it runs for each record. */
  private applyRecords(until: number): Stop {
    const { counters, partition, ranges, state } = this
    const { key: keyCodec, keepHeaders, value: valueCodec } = this.settings
    const { bytes, keyEnd, keyStart, timestamp, valueEnd, valueStart } = ranges
    const { count } = ranges
    const { decodeSync, stored } = valueCodec
    const isText = (keyCodec as Codec<unknown>) === utf8
    // Values may stay bytes until they are read. That of an update is wanted at once, so it is decoded.
    const decode = stored === undefined || (stored.once && !state.replayed) ? decodeSync : stored.check
    const memory = bytes.buffer
    let hashes: Int32Array | undefined
    let first = this.index
    for (let i = this.index; i < count; i++) {
      if (hashes === undefined || i === first + AHEAD) {
        if (hashes !== undefined && performance.now() >= until) {
          this.index = i
          return "more"
        }
        hashes = state.hashesOf(bytes, keyStart, keyEnd, i, Math.min(count, i + AHEAD))
        first = i
      }
      const start = keyStart[i]
      if (start < 0) {
        counters.keyless++
        if (this.keylessAt < 0) this.keylessAt = ranges.baseOffset + ranges.offsetDelta[i]
        continue
      }
      // Most keys are known, and found by their bytes alone.
      let slot = state.find(bytes, start, keyEnd[i], hashes[i - first])
      let key: K | undefined
      // A key in ASCII is text for certain, without making one of it.
      if (slot === UNKNOWN && !(isText && isAscii(bytes, start, keyEnd[i]))) {
        try {
          const decoded = keyCodec.decodeSync(bytes, start, keyEnd[i])
          if (decoded === suspended) return "key"
          key = decoded
        } catch (error) {
          if (this.isPoison("Key", error, i)) return "poison"
          continue
        }
      }
      const from = valueStart[i]
      let value: unknown = ABSENT
      if (from < 0) {
        counters.tombstones++
        // There is nothing to delete, and no other partition with a record that this tombstone may have to outweigh.
        if (slot === UNKNOWN && !state.multiPartition) continue
      } else {
        try {
          value = this.effectResult === undefined ? decode(bytes, from, valueEnd[i]) : this.takeResult()
        } catch (error) {
          if (this.isPoison("Value", error, i)) return "poison"
          continue
        }
        if (value === suspended) {
          this.index = i
          return "decode"
        }
      }
      if (slot === UNKNOWN) slot = state.addKey(bytes, start, keyEnd[i], key as K, hashes[i - first])
      if (from >= 0) counters.applied++
      const offset = ranges.baseOffset + ranges.offsetDelta[i]
      const headers =
        keepHeaders && ranges.headerCount[i] > 0
          ? new RecordHeaders(bytes, ranges.headersStart[i], ranges.headersEnd[i], ranges.headerCount[i])
          : undefined
      if (value === asBytes) {
        state.putBytes(slot, bytes, memory, from, valueEnd[i], partition, offset, timestamp[i], headers)
      } else {
        state.put(slot, value, partition, offset, timestamp[i], headers)
      }
    }
    this.index = count
    return "done"
  }

  /** The value at which `run` stopped with `decode`, by its Effect. */
  get suspendedValue(): Effect.Effect<V, Schema.SchemaError> {
    const { bytes, valueEnd, valueStart } = this.ranges
    return this.settings.value.decode(bytes.subarray(valueStart[this.index], valueEnd[this.index]))
  }

  /** Takes what came of that Effect: `run` goes on with this record. */
  decoded(result: Decoded<V>): void {
    this.effectResult = result
  }

  private takeResult(): V {
    const result = this.effectResult!
    this.effectResult = undefined
    if ("error" in result) throw result.error
    return result.value
  }

  /** Notes a record that did not decode. Returns whether the reader has to fail because of it. */
  private isPoison(reason: "Key" | "Value", error: unknown, i: number): boolean {
    const { bytes, keyEnd, keyStart, timestamp, valueEnd, valueStart } = this.ranges
    if (reason === "Key") this.counters.keyErrors++
    else this.counters.valueErrors++
    if (this.poisonRoom === 0) return false
    // No error is made of the others, so nobody sees where they are thrown, and finding that out takes most of the
    // time.
    if (--this.poisonRoom === 0) Error.stackTraceLimit = 0
    this.poison.push(
      new PoisonRecordError({
        reason,
        topic: this.settings.topic,
        partition: this.partition,
        offset: this.ranges.baseOffset + this.ranges.offsetDelta[i],
        timestamp: timestamp[i],
        key: excerpt(bytes, keyStart[i], keyEnd[i]),
        value: valueStart[i] < 0 ? null : excerpt(bytes, valueStart[i], valueEnd[i]),
        cause: keptCause(error, Math.max(keyEnd[i] - keyStart[i], valueEnd[i] - valueStart[i])),
        logValues: this.settings.logValues,
        secretKey: this.settings.key.secret === true
      })
    )
    return this.settings.failOnPoison
  }
}

/** A copy of the first bytes, as many as are kept. */
const excerpt = (bytes: Buffer, start: number, end: number): Uint8Array =>
  new Uint8Array(bytes.subarray(start, Math.min(end, start + KEPT_POISON_BYTES)))

/**
 * The cause that a poison error keeps, of what a codec threw about this many bytes. A codec's error may hold all that
 * was made of the bytes, to quote it when it is asked to: of many bytes, only the error's words are kept.
 */
const keptCause = (error: unknown, bytes: number): Schema.SchemaError =>
  // By its contract a codec throws nothing but a SchemaError, but one that was written by hand may throw anything.
  bytes <= KEPT_POISON_BYTES ? errorOf(error) : codecError(String(errorOf(error)))

const isAscii = (bytes: Buffer, start: number, end: number): boolean => {
  let all = 0
  for (let i = start; i < end; i++) all |= bytes[i]
  return all <= 0x7f
}
