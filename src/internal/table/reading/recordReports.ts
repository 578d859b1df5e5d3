/** What is told of records that a table cannot show: those that do not decode, and those without a key. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { PoisonRecordError } from "../../../KafkaError.ts"
import { kindOfPoison } from "../../codec/schema/issue.ts"
import { LINE_RATE_MILLIS, LineRate } from "../../lineRate.ts"
import { annotateLogs } from "../../log.ts"
import type { Counters } from "./counters.ts"
import type { TableParts } from "./parts.ts"
import { MAX_POISON } from "./recordApplier.ts"

/** How many records did not decode, by their keys or by their values. */
const undecodable = ({ keyErrors, valueErrors }: Counters): number => keyErrors + valueErrors

/** The undecodable records of one answer. */
export interface PoisonFound {
  /** The errors of those that were not handed to `poison` yet. */
  readonly errors: Array<PoisonRecordError>
  /** For how many more of them errors are made. */
  room: number
  /** The kinds of faults among all of them, each with its first record. */
  readonly kinds: Map<string, { readonly first: PoisonRecordError; count: number }>
  /** How many undecodable records the table had met before this answer. */
  readonly before: number
}

export const noPoison = (counters: Counters): PoisonFound => ({
  errors: [],
  room: MAX_POISON,
  kinds: new Map(),
  before: undecodable(counters)
})

interface Place {
  readonly partition: number
  readonly offset: number
}

/** Reports those records, in streams and at a bounded rate in the log. */
export class RecordReports<K, V> {
  private readonly parts: TableParts<K, V>
  private readonly annotate: ReturnType<typeof annotateLogs>
  private readonly lines = new LineRate()
  /** How many undecodable records there were without an error of their own since a line last told of them. */
  private onlyCounted = 0
  /** How many records without a key were told of by now. */
  private keylessTold: number
  /** When they were last told of, in milliseconds of the Clock. */
  private keylessToldAt = Number.NEGATIVE_INFINITY
  /** The first record without a key that was not told of yet. */
  private keylessAt: Place | undefined

  constructor(parts: TableParts<K, V>) {
    this.parts = parts
    this.annotate = annotateLogs("KafkaTable", { topic: parts.config.topic })
    this.keylessTold = parts.counters.keyless
  }

  // -------------------------------------------------------------------------------------------------------------------
  // records that do not decode
  // -------------------------------------------------------------------------------------------------------------------

  /**
   * Hands the errors that were found since the last time to `poison`. It is called between slices, as an answer may
   * hold many.
   */
  publish(found: PoisonFound): void {
    const errors = found.errors.splice(0)
    if (errors.length === 0) return
    for (const error of errors) {
      const kind = kindOfPoison(error.reason, error.cause)
      const known = found.kinds.get(kind)
      if (known === undefined) found.kinds.set(kind, { first: error, count: 1 })
      else known.count++
    }
    this.parts.poison.push(errors)
  }

  /** Whether all records of the answer did decode. */
  isSound(found: PoisonFound): boolean {
    return undecodable(this.parts.counters) === found.before
  }

  /** Tells of all that did not decode in an answer. The log gets one line of each kind of fault, at a bounded rate. */
  report(found: PoisonFound): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      this.publish(found)
      this.onlyCounted += undecodable(this.parts.counters) - found.before - (MAX_POISON - found.room)
      const now = yield* Clock.currentTimeMillis
      for (const [kind, { count, first }] of found.kinds) {
        const told = this.lines.take(kind, count, now)
        if (told !== undefined) yield* this.log(first, told)
      }
    })
  }

  /** Logs a poison record. `told` is how many of its kind there were since the last line, this one among them. */
  private log(error: PoisonRecordError, told: number): Effect.Effect<void> {
    const like = told === 1 ? [] : [`${told - 1} more of this kind`]
    const others = this.onlyCounted === 0 ? [] : [`${this.onlyCounted} others, which are only counted`]
    this.onlyCounted = 0
    const more = [...like, ...others]
    return Effect.logWarning(error.message + (more.length === 0 ? "" : ` (and ${more.join(", and ")})`)).pipe(
      this.annotate,
      Effect.annotateLogs({ partition: error.partition, offset: error.offset })
    )
  }

  // -------------------------------------------------------------------------------------------------------------------
  // records without a key
  // -------------------------------------------------------------------------------------------------------------------

  /** Notes a record without a key. */
  noteKeyless(partition: number, offset: number): void {
    this.keylessAt ??= { partition, offset }
  }

  /** Whether there are records without a key that were not told of yet. */
  get hasKeyless(): boolean {
    return this.keylessAt !== undefined
  }

  /**
   * Tells of records without a key once there are twice as many, or after a while, with the place of the first new one.
   */
  get warnOfKeyless(): Effect.Effect<void> {
    const first = this.keylessAt
    if (first === undefined) return Effect.void
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { keyless } = this.parts.counters
      if (keyless < 2 * this.keylessTold && now - this.keylessToldAt < LINE_RATE_MILLIS) return Effect.void
      const count = keyless - this.keylessTold
      this.keylessTold = keyless
      this.keylessToldAt = now
      this.keylessAt = undefined
      return Effect.logWarning(
        `${count} record(s) without a key were skipped, the first one in partition ${first.partition} at offset ${first.offset}: a table needs keys; does something else write to this topic?`
      ).pipe(this.annotate, Effect.annotateLogs({ ...first }))
    })
  }
}
