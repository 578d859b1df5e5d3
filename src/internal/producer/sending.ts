/** From a call to a record's place in the queue, in the order of the calls, and to its acknowledgement. */
import { soon } from "../effect/v4/soon.ts"
import { makeDeferred, settleDeferred } from "../effect/v4/deferred.ts"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { WriteError } from "../../KafkaError.ts"
import type { Position } from "../../Position.ts"
import { suspended } from "../codec/codec.ts"
import type { Encoder } from "./encoding.ts"
import { untilSettled } from "./fibers.ts"
import type { Producer } from "./producer.ts"
import { isFailure, PendingRecord, type EncodedRecord } from "./record.ts"
import type { TopicLanes } from "./topicLanes.ts"

/**
 * Writes one record, and ends at its acknowledgement. `topicOf` is asked at each call, as a topic of which nothing is
 * known may have been forgotten.
 */
export const sendOne = <A>(
  topicOf: (write: A) => TopicLanes,
  { encode, encodeNow }: Encoder<A>
): ((write: A) => Effect.Effect<Position, WriteError>) => {
  /** Encodes by Effects, all at the same time; each record has its place in the queue after those that were called before. */
  const later = (write: A): Effect.Effect<Position, WriteError> =>
    Effect.suspend(() => {
      const topic = topicOf(write)
      const { queue } = topic.shared
      const answer = makeDeferred<Position, WriteError>()
      const enqueue = (encoded: EncodedRecord) =>
        Effect.suspend(() => {
          // If nothing was known of the topic, it may have been forgotten meanwhile.
          const topic = topicOf(write)
          const record = new PendingRecord(encoded, (result) =>
            settleDeferred(answer, isFailure(result) ? Exit.fail(result) : Exit.succeed(result))
          )
          const refused = tooLarge(topic, record)
          if (refused !== undefined) return Effect.fail(topic.refused(refused))
          queue.offer(topic, record)
          return Effect.succeed(record)
        })
      const encoding = Effect.tapError(encode(topic, write), (error) => Effect.sync(() => topic.refused(error)))
      return Effect.flatMap(topic.turns.run(encoding, enqueue), (record) =>
        Effect.onInterrupt(Deferred.await(answer), () => Effect.sync(() => queue.withdraw(record)))
      )
    })

  /**
   * Nothing comes between the call, the encoding of a record and its place in the queue; and nothing has to be undone when
   * the caller is interrupted later on, which an Effect would pay for each time.
   */
  return (write) =>
    Effect.callback((resume) => {
      const topic = topicOf(write)
      if (!topic.turns.isFree) return resume(later(write))
      const encoded = encodeNow(topic, write)
      if (encoded === suspended) return resume(later(write))
      if (isError(encoded)) return resume(Effect.fail(topic.refused(encoded)))
      const record = new PendingRecord(encoded, (result) =>
        soon(() => resume(isFailure(result) ? Effect.fail(result) : Effect.succeed(result)))
      )
      const refused = tooLarge(topic, record)
      if (refused !== undefined) return resume(Effect.fail(topic.refused(refused)))
      const { queue } = topic.shared
      return queue.offer(topic, record) ? Effect.sync(() => queue.withdraw(record)) : undefined
    })
}

/** Is the record within the producer's own limit? */
export const tooLarge = (topic: TopicLanes, record: PendingRecord): WriteError | undefined => {
  const { maxRecordBytes } = topic.shared.settings
  return record.aloneSize <= maxRecordBytes
    ? undefined
    : topic.error("TooLarge", { detail: `${record.aloneSize} bytes, maxRecordBytes is ${maxRecordBytes}` })
}

export const isError = (encoded: EncodedRecord | WriteError): encoded is WriteError => "_tag" in encoded

/** Waits until all that was called before has ended, whatever its topic: what is being encoded has its turn first. */
export const flush = (producer: Producer): Effect.Effect<void> =>
  Effect.suspend(() => {
    const busy = [...producer.topics.values()].filter(({ turns }) => !turns.isFree)
    const settled = Effect.suspend(() => untilSettled(producer))
    if (busy.length === 0) return settled
    return Effect.andThen(
      Effect.forEach(busy, ({ turns }) => turns.run(Effect.void, () => Effect.void), {
        concurrency: "unbounded",
        discard: true
      }),
      settled
    )
  })
