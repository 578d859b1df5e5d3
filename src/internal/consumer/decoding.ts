/**
 * Makes records of the bytes of one fetched partition. This is the hot path, so it is plain synchronous code that runs in
 * slices; an Effect begins only where something has to be waited for.
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { Codec } from "../../Codec.ts"
import { PoisonRecordError } from "../../KafkaError.ts"
import { suspended } from "../codec/codec.ts"
import { codecError, errorOf, errorOfCause } from "../codec/schema/issue.ts"
import { AbortedTransactions } from "../recordBatch/abortedTransactions.ts"
import { codecs, isPrepared } from "../recordBatch/compression.ts"
import { controlType } from "../recordBatch/controlType.ts"
import { FetchedBatches, type DecodeOptions } from "../recordBatch/fetchedBatches.ts"
import type { RecordRanges } from "../recordBatch/recordRanges.ts"
import type { BatchHeader } from "../recordBatch/batchHeader.ts"
import type { FetchedRecords } from "../source/cursor.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import { ConsumedRecord, type Settling } from "./record.ts"

/**
 * Why a run has stopped:
 *
 * - `done`: all of the answer is decoded.
 * - `full`: there is room for no more records.
 * - `more`: the time was up.
 * - `compression`: the compression of the next batch has to be loaded first.
 * - `key`, `value`: that of the next record has to be decoded by the Effect of its codec: see `decodeByEffect`.
 * - `poison`: a record did not decode, and the policy is to fail.
 */
export type Stop = "done" | "full" | "more" | "compression" | "key" | "value" | "poison"

export interface DecodingSettings<K, V> {
  readonly key: Codec<K>
  readonly value: Codec<V>
  readonly committedOnly: boolean
  /** The group, which its errors name. */
  readonly group: string
  readonly failOnPoison: boolean
  readonly logValues: boolean
  readonly decode: DecodeOptions
}

/** The most bytes of a key, and of a value, that an error keeps. */
const KEPT_POISON_BYTES = 16 * 1024

const NO_VALUE = "the record has no value: it is a tombstone"

type Decoded<A> = { readonly value: A } | { readonly error: Schema.SchemaError }

export class PartitionDecoder<K, V> {
  /** Offset of the next record to decode. */
  position: number
  /** Records that did not decode, in their order. */
  readonly poison: Array<PoisonRecordError> = []
  private readonly batches: FetchedBatches
  private readonly aborted: AbortedTransactions
  private readonly ranges: RecordRanges
  /** Position after the batch that is being decoded; `undefined` between two batches. */
  private batchEnd: number | undefined
  private waiting: BatchHeader | undefined
  private isCompressionLoaded = false
  private index = 0
  private keyByEffect: Decoded<K> | undefined
  private valueByEffect: Decoded<V> | undefined

  constructor(
    private readonly settings: DecodingSettings<K, V>,
    private readonly settling: Settling,
    private readonly owned: OwnedPartition,
    readonly fetched: FetchedRecords,
    position: number
  ) {
    this.position = position
    this.ranges = owned.ranges
    this.batches = new FetchedBatches(fetched.records, position, settings.decode)
    this.aborted = new AbortedTransactions(settings.committedOnly ? fetched.aborted : [])
  }

  /**
   * Decodes records into `out`, until it has `most`, or until `until`, a time of `performance.now()`. Throws
   * `BatchCorruption`, after what came before it is decoded.
   */
  run(out: Array<ConsumedRecord<K, V>>, most: number, until: number): Stop {
    while (true) {
      if (this.batchEnd === undefined) {
        const found = this.nextBatch(until)
        if (found !== "batch") return found
      }
      const stop = this.decodeRecords(out, most, until)
      if (stop !== "done") return stop
      this.position = this.batchEnd!
      this.batchEnd = undefined
    }
  }

  private nextBatch(until: number): "batch" | "done" | "compression" | "more" {
    const { aborted, batches, ranges } = this
    for (let header = this.waiting ?? batches.next(); header !== undefined; header = batches.next()) {
      if (header.isControl) {
        batches.decode(ranges)
        aborted.onControl(header, controlType(ranges))
      } else if (!aborted.isAborted(header)) {
        this.waiting = this.isCompressionLoaded || isPrepared(codecs[header.codec]) ? undefined : header
        if (this.waiting !== undefined) return "compression"
        batches.decode(ranges)
        this.index = ranges.first
        this.batchEnd = header.nextOffset
        return "batch"
      }
      this.position = header.nextOffset
      if (performance.now() >= until) return "more"
    }
    return "done"
  }

  /** Notes that the compression is loaded, as far as possible. */
  compressionIsLoaded(): void {
    this.isCompressionLoaded = true
  }

  private decodeRecords(out: Array<ConsumedRecord<K, V>>, most: number, until: number): Stop {
    const { owned, ranges, settling } = this
    const { key: keyCodec, value: valueCodec } = this.settings
    const { bytes, count, headerCount, keyEnd, keyStart, timestamp, valueEnd, valueStart } = ranges
    for (let i = this.index; i < count; i++) {
      this.index = i
      // The clock is read every few records, as that takes as long as a small one.
      if ((i & 63) === 63 && performance.now() >= until) return "more"
      if (out.length >= most) return "full"
      const offset = ranges.baseOffset + ranges.offsetDelta[i]
      let key: K | null = null
      if (keyStart[i] >= 0) {
        try {
          const decoded =
            this.keyByEffect === undefined
              ? keyCodec.decodeSync(bytes, keyStart[i], keyEnd[i])
              : valueOf(this.keyByEffect)
          if (decoded === suspended) return "key"
          key = decoded
        } catch (error) {
          this.keyByEffect = undefined
          if (this.isPoison("Key", error, i)) return "poison"
          continue
        }
      }
      let value: V
      try {
        if (valueStart[i] < 0) throw codecError(NO_VALUE)
        const decoded =
          this.valueByEffect === undefined
            ? valueCodec.decodeSync(bytes, valueStart[i], valueEnd[i])
            : valueOf(this.valueByEffect)
        if (decoded === suspended) return "value"
        value = decoded
      } catch (error) {
        this.keyByEffect = this.valueByEffect = undefined
        if (this.isPoison("Value", error, i)) return "poison"
        continue
      }
      this.keyByEffect = this.valueByEffect = undefined
      const headers =
        headerCount[i] === 0
          ? undefined
          : { bytes, start: ranges.headersStart[i], end: ranges.headersEnd[i], count: headerCount[i] }
      out.push(new ConsumedRecord(settling, owned, offset, timestamp[i], key, value, headers))
      this.position = offset + 1
    }
    this.index = count
    return "done"
  }

  /** Decodes the key or the value at which `run` has stopped by the Effect of its codec: `run` goes on with it. */
  decodeByEffect(what: "key" | "value"): Effect.Effect<void> {
    const { bytes, keyEnd, keyStart, valueEnd, valueStart } = this.ranges
    const i = this.index
    if (what === "key") {
      return Effect.map(settled(this.settings.key, bytes.subarray(keyStart[i], keyEnd[i])), (decoded) => {
        this.keyByEffect = decoded
      })
    }
    return Effect.map(settled(this.settings.value, bytes.subarray(valueStart[i], valueEnd[i])), (decoded) => {
      this.valueByEffect = decoded
    })
  }

  /** Notes a record that did not decode. Returns whether the consumer fails because of it. */
  private isPoison(reason: "Key" | "Value", error: unknown, i: number): boolean {
    const { bytes, keyEnd, keyStart, timestamp, valueEnd, valueStart } = this.ranges
    const offset = this.ranges.baseOffset + this.ranges.offsetDelta[i]
    this.poison.push(
      new PoisonRecordError({
        reason,
        group: this.settings.group,
        topic: this.owned.topic,
        partition: this.owned.partition,
        offset,
        timestamp: timestamp[i],
        key: keyStart[i] < 0 ? new Uint8Array(0) : excerpt(bytes, keyStart[i], keyEnd[i]),
        value: valueStart[i] < 0 ? null : excerpt(bytes, valueStart[i], valueEnd[i]),
        cause: keptCause(error, Math.max(keyEnd[i] - keyStart[i], valueEnd[i] - valueStart[i])),
        logValues: this.settings.logValues,
        secretKey: this.settings.key.secret === true
      })
    )
    // It stays where it is if the consumer fails of it.
    if (!this.settings.failOnPoison) this.position = offset + 1
    return this.settings.failOnPoison
  }
}

const valueOf = <A>(decoded: Decoded<A>): A => {
  if ("error" in decoded) throw decoded.error
  return decoded.value
}

/** However the Effect ends, by a defect or by interruption, too, a failure means that this does not decode. */
const settled = <A>(codec: Codec<A>, bytes: Uint8Array): Effect.Effect<Decoded<A>> =>
  Effect.matchCause(
    Effect.suspend(() => codec.decode(bytes)),
    {
      onSuccess: (value): Decoded<A> => ({ value }),
      onFailure: (cause): Decoded<A> => ({ error: errorOfCause(cause) })
    }
  )

const excerpt = (bytes: Buffer, start: number, end: number): Uint8Array =>
  new Uint8Array(bytes.subarray(start, Math.min(end, start + KEPT_POISON_BYTES)))

const keptCause = (error: unknown, bytes: number): Schema.SchemaError =>
  bytes <= KEPT_POISON_BYTES ? errorOf(error) : codecError(String(errorOf(error)))
