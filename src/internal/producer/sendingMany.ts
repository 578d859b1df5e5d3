import * as Effect from "effect/Effect"
import { WriteError } from "../../KafkaError.ts"
import type { Position } from "../../Position.ts"
import { suspended } from "../codec/codec.ts"
import { errorOf } from "../codec/schema/issue.ts"
import { soon } from "../effect/v4/soon.ts"
import { SLICE_MILLIS, yieldToEventLoop } from "../yield.ts"
import { unencodable, type Encoder } from "./encoding.ts"
import { isFailure, PendingRecord, type EncodedRecord, type WriteResult } from "./record.ts"
import { isError, tooLarge } from "./sending.ts"
import type { TopicLanes } from "./topicLanes.ts"

/**
 * Writes many records of one topic, which is asked for at each call. All are encoded first: if one cannot be, or is too
 * large, none is written. It ends when all have ended, with the error of the first that failed.
 */
export const sendMany = <A>(
  topicOf: () => TopicLanes,
  { encode, encodeNow }: Encoder<A>
): ((writes: Iterable<A>) => Effect.Effect<ReadonlyArray<Position>, WriteError>) => {
  /** Encodes all, in slices; fails with the first that cannot be. */
  const encodeAll = (
    topic: TopicLanes,
    writes: Iterator<A>,
    into: Array<EncodedRecord>
  ): Effect.Effect<ReadonlyArray<EncodedRecord>, WriteError> =>
    Effect.suspend(() => {
      const until = performance.now() + SLICE_MILLIS
      for (;;) {
        const next = nextOf(topic, writes)
        if (next instanceof WriteError) return Effect.fail(next)
        if (next.done === true) return Effect.succeed(into)
        const encoded = encodeNow(topic, next.value)
        if (encoded === suspended) {
          return Effect.flatMap(encode(topic, next.value), (late) => {
            into.push(late)
            return encodeAll(topic, writes, into)
          })
        }
        if (isError(encoded)) return Effect.fail(encoded)
        into.push(encoded)
        if (into.length % 64 === 0 && performance.now() > until) {
          return Effect.andThen(yieldToEventLoop, encodeAll(topic, writes, into))
        }
      }
    })

  return (writes) =>
    Effect.suspend(() => {
      const topic = topicOf()
      const { queue } = topic.shared
      const together = new Together()
      const enqueue = (all: ReadonlyArray<EncodedRecord>): Effect.Effect<void, WriteError> => {
        // If nothing was known of the topic, it may have been forgotten meanwhile.
        const topic = topicOf()
        together.add(all)
        const refused = together.firstOf((record) => tooLarge(topic, record))
        if (refused !== undefined) return Effect.fail(topic.refused(refused))
        return Effect.sync(() => {
          for (const record of together.records) queue.offer(topic, record)
        })
      }
      const enqueued = topic.turns.run(encodeAll(topic, writes[Symbol.iterator](), []), enqueue)
      return Effect.andThen(
        enqueued,
        Effect.onInterrupt(together.results, () =>
          Effect.sync(() => {
            for (const record of together.records) queue.withdraw(record)
          })
        )
      )
    })
}

/** Takes the next one. What gives them is the caller's, and may throw: then there is no telling how many were meant. */
const nextOf = <A>(topic: TopicLanes, writes: Iterator<A>): IteratorResult<A, unknown> | WriteError => {
  try {
    return writes.next()
  } catch (thrown) {
    if (thrown instanceof WriteError) return thrown
    return unencodable(topic, "records", errorOf(thrown, "what gives them threw"))
  }
}

/** The records of one call. */
class Together {
  records: ReadonlyArray<PendingRecord> = []
  private positions: Array<Position> = []
  private failure: { readonly index: number; readonly error: WriteError } | undefined
  private left = 0
  private resume: (() => void) | undefined

  add(all: ReadonlyArray<EncodedRecord>): void {
    this.left = all.length
    this.positions = new Array<Position>(all.length)
    this.records = all.map((encoded, index) => new PendingRecord(encoded, (result) => this.settled(index, result)))
  }

  firstOf(f: (record: PendingRecord) => WriteError | undefined): WriteError | undefined {
    for (const record of this.records) {
      const found = f(record)
      if (found !== undefined) return found
    }
    return undefined
  }

  private settled(index: number, result: WriteResult): void {
    if (!isFailure(result)) this.positions[index] = result
    else if (this.failure === undefined || index < this.failure.index) this.failure = { index, error: result }
    if (--this.left === 0 && this.resume !== undefined) soon(this.resume)
  }

  /** When all have ended: their positions, or the error of the first that failed. */
  readonly results: Effect.Effect<ReadonlyArray<Position>, WriteError> = Effect.callback((resume) => {
    this.resume = () =>
      resume(this.failure === undefined ? Effect.succeed(this.positions) : Effect.fail(this.failure.error))
    if (this.left === 0) this.resume()
  })
}
