/** From a call to a record's place in the queue, in the order of the calls, and to its acknowledgement. */
import { soon } from "../effect/v4/soon.ts"
import { makeDeferred, settleDeferred } from "../effect/v4/deferred.ts"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { WriteError } from "../../KafkaError.ts"
import type { Position } from "../../Position.ts"
import { suspended } from "../codec/codec.ts"
import type { Encoder } from "./encoding.ts"
import { untilSettled } from "./fibers.ts"
import type { Producer } from "./producer.ts"
import { isFailure, PendingRecord, type EncodedRecord, type WriteResult } from "./record.ts"
import type { TopicLanes } from "./topicLanes.ts"

/** Writes of one kind, to the topic that `topicOf` gives: it is asked at each call, as a topic of which nothing is known may have been forgotten. */
export interface Sending<A> {
  readonly topicOf: (write: A) => TopicLanes
  readonly encoder: Encoder<A>
}

/** A record that has got its place in the queue, or its turn to wait for one. */
interface Placed {
  readonly record: PendingRecord
  /** Whether it still waits for room. */
  readonly isWaiting: boolean
  readonly topic: TopicLanes
}

/**
 * Encodes by Effects, all at the same time; each record has its place in the queue after those that were called before.
 * `onDone` is told how it ended.
 */
const placeLater = <A>(
  { encoder, topicOf }: Sending<A>,
  write: A,
  onDone: (result: WriteResult) => void
): Effect.Effect<Placed, WriteError> =>
  Effect.suspend(() => {
    const topic = topicOf(write)
    const enqueue = (encoded: EncodedRecord) =>
      Effect.suspend(() => {
        // If nothing was known of the topic, it may have been forgotten meanwhile.
        const placed = place(topicOf(write), encoded, onDone)
        return placed instanceof WriteError ? Effect.fail(placed) : Effect.succeed(placed)
      })
    const encoding = Effect.tapError(encoder.encode(topic, write), (error) => Effect.sync(() => topic.refused(error)))
    return topic.turns.run(encoding, enqueue)
  })

/** Gives a record its place; or says why it gets none. */
const place = (
  topic: TopicLanes,
  encoded: EncodedRecord,
  onDone: (result: WriteResult) => void
): Placed | WriteError => {
  const record = new PendingRecord(encoded, onDone)
  const refused = tooLarge(topic, record)
  if (refused !== undefined) return topic.refused(refused)
  return { record, topic, isWaiting: topic.shared.queue.offer(topic, record) }
}

/** As `place`, at once; `suspended` where it has to be encoded by Effects, or has to come after one that is. */
const placeNow = <A>(
  { encoder, topicOf }: Sending<A>,
  write: A,
  onDone: (result: WriteResult) => void
): Placed | WriteError | typeof suspended => {
  const topic = topicOf(write)
  if (!topic.turns.isFree) return suspended
  const encoded = encoder.encodeNow(topic, write)
  if (encoded === suspended) return suspended
  return isError(encoded) ? topic.refused(encoded) : place(topic, encoded, onDone)
}

const withdrawing = ({ record, topic }: Placed) => Effect.sync(() => topic.shared.queue.withdraw(record))

const exitOf = (result: WriteResult): Exit.Exit<Position, WriteError> =>
  isFailure(result) ? Exit.fail(result) : Exit.succeed(result)

/** Writes one record, and ends at its acknowledgement. */
export const sendOne = <A>(sending: Sending<A>): ((write: A) => Effect.Effect<Position, WriteError>) => {
  const later = (write: A): Effect.Effect<Position, WriteError> =>
    Effect.suspend(() => {
      const answer = makeDeferred<Position, WriteError>()
      return Effect.flatMap(
        placeLater(sending, write, (result) => settleDeferred(answer, exitOf(result))),
        (placed) => Effect.onInterrupt(Deferred.await(answer), () => withdrawing(placed))
      )
    })

  /**
   * Nothing comes between the call, the encoding of a record and its place in the queue; and nothing has to be undone when
   * the caller is interrupted later on, which an Effect would pay for each time.
   */
  return (write) =>
    Effect.callback((resume) => {
      const placed = placeNow(sending, write, (result) => soon(() => resume(exitOf(result))))
      if (placed === suspended) return resume(later(write))
      if (placed instanceof WriteError) return resume(Effect.fail(placed))
      return placed.isWaiting ? withdrawing(placed) : undefined
    })
}

/** Ends when a record has its place in the queue, with an Effect that ends at its acknowledgement. */
export const enqueueOne =
  <A>(sending: Sending<A>) =>
  (write: A): Effect.Effect<Effect.Effect<Position, WriteError>, WriteError> =>
    Effect.suspend(() => {
      const answer = makeDeferred<Position, WriteError>()
      const accepted = makeDeferred<void, WriteError>()
      const onDone = (result: WriteResult) => {
        // It may have been refused while it waited for room; if it was accepted before, this changes nothing.
        settleDeferred(accepted, Exit.asVoid(exitOf(result)))
        settleDeferred(answer, exitOf(result))
      }
      const untilAccepted = (placed: Placed) => {
        if (placed.isWaiting) placed.record.whenAccepted(() => settleDeferred(accepted, Exit.void))
        else settleDeferred(accepted, Exit.void)
        return Effect.as(
          Effect.onInterrupt(Deferred.await(accepted), () => withdrawing(placed)),
          Deferred.await(answer)
        )
      }
      const placed = placeNow(sending, write, onDone)
      if (placed === suspended) return Effect.flatMap(placeLater(sending, write, onDone), untilAccepted)
      return placed instanceof WriteError ? Effect.fail(placed) : untilAccepted(placed)
    })

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
