/**
 * What a fetched partition means for its cursor: how far it moves, whether it is at the head, and what its consumer is
 * told.
 */
import type * as Effect from "effect/Effect"
import { CorruptBatchError } from "../../KafkaError.ts"
import type { FetchedPartition } from "../../KafkaProtocol.ts"
import type { Scan } from "../recordBatch/scan.ts"
import type { SourceContext } from "./context.ts"
import type { Cursor, FetchedRecords } from "./cursor.ts"

/**
 * After an absence from the head of more milliseconds than this, a consumer is told that the head is reached again, and
 * then that it is reached in time, even by answers that have nothing new.
 */
export const LONG_AWAY_MILLIS = 1_000

/** Has the opener find out what it means that the leader's log does not fit the cursor. */
export const doubt = (context: SourceContext, p: Cursor, about: "range" | "end"): void => {
  p.doubt = about
  p.phase = "opening"
  p.retryAt = 0
  context.changed.notify()
}

/**
 * Moves the cursor past what was fetched, so that the next request can go out before this answer is decoded. Returns
 * what there is to tell of the partition, if anything, or an Effect if nothing can be done with what has come.
 */
export const advance = (
  context: SourceContext,
  p: Cursor,
  found: FetchedPartition,
  scanned: Scan | undefined,
  askedAt: number,
  now: number
): FetchedRecords | Effect.Effect<void> | undefined => {
  const { records } = found
  const { generation, headAt } = p
  p.highWatermark = found.highWatermark
  p.lastStableOffset = found.lastStableOffset === -1 ? found.highWatermark : found.lastStableOffset
  const hasMovedStart = found.logStartOffset > p.logStart
  if (hasMovedStart) p.logStart = found.logStartOffset
  if (scanned !== undefined) {
    if (scanned.malformed) {
      // The decoder is going to say what is wrong with it. Nothing behind it can be found.
      p.phase = "held"
    } else if (scanned.completeBatches === 0) {
      return askForMore(context, p, scanned.partialTail)
    } else {
      p.fetchOffset = scanned.nextOffset
      p.lastEpoch = scanned.lastEpoch
      p.maxBytes = context.options.fetch.maxPartitionBytes
    }
  }
  const isAtHead = noteHead(context, p, askedAt, now)
  const isAway = askedAt - headAt > LONG_AWAY_MILLIS
  const tells = isAtHead && (isAway || p.wasAway)
  if (isAtHead) p.wasAway = isAway
  if (scanned === undefined && !hasMovedStart && !tells) return undefined
  return {
    topic: p.topic.name,
    partition: p.partition,
    generation,
    records,
    aborted: found.abortedTransactions,
    logStart: p.logStart,
    isComplete: p.reachedHead || p.fetchOffset >= p.end,
    isAtHead,
    headAt
  }
}

/**
 * Whether all that there was is fetched, which the cursor notes. A broker that holds an answer back says nothing of an
 * absence, as it answers as soon as there is something. But an answer that took longer than the broker was to wait may
 * have been there for long before this process read it, as after it was stopped.
 */
const noteHead = (context: SourceContext, p: Cursor, askedAt: number, now: number): boolean => {
  const { fetch, isolation } = context.options
  if (p.fetchOffset < (isolation === "read_committed" ? p.lastStableOffset : p.highWatermark)) return false
  if (p.fetchOffset < p.end && p.phase === "fetching") {
    // All of the log is read, and it had more: that is lost, or a new leader does not know yet how much is committed.
    doubt(context, p, "end")
    return false
  }
  p.headAt = now - askedAt <= fetch.maxWaitMillis + LONG_AWAY_MILLIS ? now : askedAt
  p.reachedHead = true
  p.restarts = 0
  return true
}

/**
 * Asks for more bytes, as only the beginning of a batch of `needed` bytes came. Fails where that is above the limit.
 */
const askForMore = (context: SourceContext, p: Cursor, needed: number): Effect.Effect<void> | undefined => {
  const { maxBatchBytes } = context.options.fetch
  const wanted = Math.max(needed, p.maxBytes * 2)
  if (p.maxBytes >= maxBatchBytes || needed > maxBatchBytes) {
    return context.fatal(
      p.topic.name,
      new CorruptBatchError({
        reason: "TooLarge",
        topic: p.topic.name,
        partition: p.partition,
        baseOffset: p.fetchOffset,
        detail: `a batch of ${needed} bytes, the limit is ${maxBatchBytes}`
      })
    )
  }
  p.maxBytes = Math.min(maxBatchBytes, wanted)
  return undefined
}
