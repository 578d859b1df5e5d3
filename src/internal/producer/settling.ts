/** What becomes of a batch: by its broker's answer, or where there can be none. Plain synchronous functions. */
import { BrokerError, type ClientError, type TopicError, type WriteError } from "../../KafkaError.ts"
import type { RecordError } from "../../KafkaProtocol.ts"
import { make as makePosition } from "../position.ts"
import type { Batch, Lane } from "./lane.ts"
import type { Verdict } from "./verdict.ts"

/** What a broker said about one batch. */
export interface BatchReply {
  /** Offset of the batch's first record, negative if the broker did not tell. */
  readonly baseOffset: number
  readonly failure: BrokerError | undefined
  /** The records that the broker refuses, where it names them. */
  readonly recordErrors: ReadonlyArray<RecordError>
}

/** An error for records that may be in the log. */
export const unknownOutcome = (lane: Lane, detail: string, cause: unknown): WriteError =>
  lane.topic.error("UnknownOutcome", { partition: lane.partition, detail, cause })

/** Ends a batch that is not in the log, or of which nobody knows. */
export const giveUp = (lane: Lane, batch: Batch, error: () => WriteError): void => {
  if (!batch.expired) lane.topic.settleAll(batch.records, error())
  if (batch.maybeAppended) lane.topic.shared.identities.renew(lane)
  lane.batch = undefined
  lane.attempts = 0
}

/** Ends a batch of a partition that its topic lost when it was created again; `invalid` is for records not in the log. */
export const giveUpOfLostPartition = (
  lane: Lane,
  batch: Batch,
  cause: TopicError | undefined,
  invalid: () => WriteError
): void =>
  giveUp(lane, batch, () =>
    batch.maybeAppended ? unknownOutcome(lane, "an attempt had no answer, and the partition is gone", cause) : invalid()
  )

/** Keeps a batch for another attempt in `millis`; its `maybeAppended` tells what the last one may have done. */
export const retry = (lane: Lane, batch: Batch, millis: number): void => {
  const { topic } = lane
  if (batch.expired) return giveUp(lane, batch, () => topic.error("Timeout"))
  if (topic.hasLost(lane)) return topic.giveUpLost(lane, batch)
  lane.attempts++
  lane.retryAt = topic.shared.clock.now() + millis
}

/**
 * The broker answered about a batch that was in flight; `before` is its `maybeAppended` before this attempt. Another
 * attempt, if there is to be one, is due in `retryMillis`.
 */
export const settleReplied = (
  lane: Lane,
  batch: Batch,
  before: boolean,
  verdict: Verdict,
  retryMillis: number,
  reply: BatchReply
): void => {
  const { partition, topic } = lane
  const { failure } = reply
  // What is refused for good is told to the records' writers: nobody else is held up by it.
  lane.lastFailure = verdict._tag === "Retry" || verdict._tag === "Renew" ? failure : undefined
  switch (verdict._tag) {
    case "Acknowledged":
      return settleAcknowledged(lane, batch, reply)
    case "Retry":
      batch.maybeAppended = before || verdict.appended
      return retry(lane, batch, retryMillis)
    case "Renew":
      batch.maybeAppended = before
      if (before) break
      // Nothing of this batch is in the log: it goes out as the first one of another identity.
      batch.encoded = undefined
      topic.shared.identities.renew(lane)
      return retry(lane, batch, retryMillis)
    case "TooLarge":
      batch.maybeAppended = before
      if (before || batch.expired) break
      if (batch.records.length > 1) return lane.split(batch)
      break
    case "BadRecords":
      batch.maybeAppended = before
      if (before || batch.expired) break
      return sift(lane, batch, reply)
    case "Refused":
      batch.maybeAppended = before
      break
    case "Lost":
      break
  }
  giveUp(lane, batch, () => {
    if (verdict._tag === "Lost") return unknownOutcome(lane, verdict.detail, failure)
    if (before) return unknownOutcome(lane, "an earlier attempt had no answer, this one was refused", failure)
    return verdict._tag === "Refused"
      ? topic.error(verdict.reason, { partition, detail: verdict.hint, cause: failure })
      : topic.error("TooLarge", { partition, cause: failure })
  })
}

const settleAcknowledged = (lane: Lane, batch: Batch, { baseOffset }: BatchReply): void => {
  const { partition, topic } = lane
  const { records } = batch
  lane.advance(batch)
  lane.batch = undefined
  lane.attempts = 0
  if (batch.expired) return
  topic.acknowledgedSince(records[0].acceptedAt)
  if (baseOffset < 0) {
    return topic.settleAll(records, unknownOutcome(lane, "it is in the log, but not known where", undefined))
  }
  for (let i = 0; i < records.length; i++) {
    topic.settle(records[i], makePosition({ topic: topic.name, partition, offset: baseOffset + i }))
  }
}

/**
 * Fails those records of a batch that its broker refuses, each with what was said of it, and keeps the others for the
 * next attempt, in their order. Where the broker names none, the one is looked for by halves until it is alone.
 */
const sift = (lane: Lane, batch: Batch, reply: BatchReply): void => {
  const { partition, topic } = lane
  const { records } = batch
  const named = new Map<number, string | undefined>()
  for (const { batchIndex, message } of reply.recordErrors) {
    if (batchIndex >= 0 && batchIndex < records.length) named.set(batchIndex, message)
  }
  if (named.size === 0) {
    if (records.length > 1) return lane.suspect(batch)
    named.set(0, undefined)
    lane.found()
  }
  lane.putBack(records.filter((_, i) => !named.has(i)))
  for (const [i, message] of named) {
    const cause = reply.failure === undefined ? undefined : withWords(reply.failure, message)
    topic.settle(records[i], topic.error("Rejected", { partition, cause }))
  }
}

/** The same error with what the broker said of a single record, if it said something. */
const withWords = (error: BrokerError, detail: string | undefined): BrokerError =>
  detail === undefined ? error : new BrokerError({ ...error, detail })

/** Fails all records of these lanes that are not in flight. */
export const failUnsent = (cause: ClientError | TopicError, lanes: Iterable<Lane>): void => {
  const reason = reasonOf(cause)
  for (const lane of lanes) {
    const { batch, partition, topic } = lane
    if (batch !== undefined && !lane.inFlight) {
      giveUp(lane, batch, () =>
        batch.maybeAppended
          ? unknownOutcome(lane, "an attempt had no answer, and there can be no other one", cause)
          : topic.error(reason, { partition, cause })
      )
    }
    const rest = lane.takeAll()
    if (rest.length > 0) topic.settleAll(rest, topic.error(reason, { partition, cause }))
  }
}

/** What it means for a write that a broker can never be asked about its topic or partition. */
export const reasonOf = (error: ClientError | TopicError): WriteError["reason"] =>
  error.reason === "Unauthorized" || error.reason === "Authentication"
    ? "Unauthorized"
    : error.reason === "NotFound"
      ? "TopicNotFound"
      : "Rejected"
