/** What the answer to a fetch means for the cursors that it is about, and handing on what has come. */
import * as Effect from "effect/Effect"
import type { BrokerConnection } from "../../KafkaClient.ts"
import type { FetchedPartition, FetchResponse } from "../../KafkaProtocol.ts"
import { retryDelay } from "../client/backoff.ts"
import { finderOf } from "../protocol/api.ts"
import {
  CORRUPT_MESSAGE,
  NOT_LEADER_OR_FOLLOWER,
  OFFSET_OUT_OF_RANGE,
  UNKNOWN_TOPIC_OR_PARTITION
} from "../protocol/codes.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { scan, type Scan } from "../recordBatch/scan.ts"
import { advance, doubt, LONG_AWAY_MILLIS } from "./advance.ts"
import { isDenial, isPassing, truncated, type SourceContext } from "./context.ts"
import type { Arrival, Cursor, FetchedRecords } from "./cursor.ts"
import { ofPartition } from "./failures.ts"
import type { Asked } from "./fetchRequest.ts"

/** A partition whose leader refuses it as corrupt this often in a row does not heal by itself. */
const MAX_CORRUPT_ANSWERS = 5

/** Of a partition that the broker does not lead any more: because another one does, or because its topic was deleted. */
const IS_ELSEWHERE_OR_GONE: ReadonlySet<number> = new Set([UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER])

/** What was answered about one cursor that was asked for. */
interface Answered {
  readonly asked: Asked
  /** `undefined` if the answer does not have this partition. */
  readonly found: FetchedPartition | undefined
  /** What the headers of its batches say; `undefined` if there are none. */
  readonly scanned: Scan | undefined
}

/** One answer to a fetch of one leader, cursor by cursor. */
export interface Received {
  readonly leader: number
  readonly connection: BrokerConnection
  readonly answered: ReadonlyArray<Answered>
  /** When the fetch was sent, and when its answer came, in milliseconds of the Clock. */
  readonly askedAt: number
  readonly now: number
  /** Whether the broker makes this client wait because of a quota. */
  readonly isThrottled: boolean
}

/** Reads the headers of what has come about each cursor that was asked for. */
export const receive = (
  asked: ReadonlyArray<Asked>,
  answer: FetchResponse,
  { askedAt, connection, leader, now }: Pick<Received, "askedAt" | "connection" | "leader" | "now">
): Received => {
  const find = finderOf(answer.partitions)
  const answered = asked.map((asked): Answered => {
    const { partition, topic } = asked.cursor
    const found = find(topic.name, partition)
    const isEmpty = found === undefined || found.records.length === 0
    return { asked, found, scanned: isEmpty ? undefined : scan(found.records, asked.fetchOffset) }
  })
  return { leader, connection, answered, askedAt, now, isThrottled: answer.throttleMillis > 0 }
}

/**
 * Takes an answer: has the consumer find out what has to be known first, hands on what has come, and waits as long as the
 * broker says (`waiting`). What has to be known can only be asked for when the broker reads from the connection again.
 */
export const takeAnswer = (
  context: SourceContext,
  received: Received,
  waiting: Effect.Effect<void> | undefined
): Effect.Effect<void> => {
  const preparing = prepare(context, received)
  if (preparing === undefined) {
    const taking = handOn(context, received)
    return waiting === undefined ? taking : Effect.andThen(taking, waiting)
  }
  const prepared = waiting === undefined ? preparing : Effect.andThen(waiting, preparing)
  return Effect.flatMap(prepared, () => handOn(context, received))
}

/** Has the consumer find out what has to be known of cursors that have not been at the head for long. */
const prepare = (
  context: SourceContext,
  { answered, askedAt, connection }: Received
): Effect.Effect<void> | undefined => {
  const arrivals = answered.flatMap(({ asked, found, scanned }): ReadonlyArray<Arrival> => {
    const { cursor: p, fetchOffset } = asked
    const { headAt, partition, topic } = p
    if (found === undefined || askedAt - headAt <= LONG_AWAY_MILLIS || p.phase !== "fetching") return []
    const isComplete = p.reachedHead || (scanned?.nextOffset ?? fetchOffset) >= p.end
    return [{ topic: topic.name, partition, isComplete, headAt }]
  })
  return arrivals.length === 0 ? undefined : context.options.prepare?.(arrivals, askedAt, connection)
}

/**
 * Moves the cursors past what was fetched, and hands that to the consumer. All that can be done at once is done by
 * this plain function; the Effect that it returns is what has to wait.
 */
const handOn = (
  context: SourceContext,
  { answered, askedAt, connection, isThrottled, leader, now }: Received
): Effect.Effect<void> => {
  const partitions: Array<FetchedRecords> = []
  const waiting: Array<Effect.Effect<void>> = []
  for (const { asked, found, scanned } of answered) {
    const p = asked.cursor
    // After a jump, or where a new leader was faster, the answer is about another place than the cursor's.
    if (p.leader !== leader || p.generation !== asked.generation || p.fetchOffset !== asked.fetchOffset) continue
    if (p.phase !== "fetching") continue
    if (found === undefined) {
      // A partition that is left out of an answer is asked for again; a throttled answer says itself when.
      if (!isThrottled) waiting.push(delay(context, p, now))
      continue
    }
    if (found.errorCode !== 0) {
      waiting.push(refused(context, connection, p, found.errorCode, now))
      continue
    }
    if (context.failures.size > 0) waiting.push(context.granted(ofPartition(p.topic.name, p.partition)))
    p.attempts = 0
    p.connected = true
    p.lastFetchAt = now
    if (found.diverging !== undefined) {
      waiting.push(truncated(context, p, "Tail", asked.fetchOffset, found.diverging.endOffset))
      continue
    }
    const records = advance(context, p, found, scanned, askedAt, now)
    if (Effect.isEffect(records)) waiting.push(records)
    else if (records !== undefined) partitions.push(records)
  }
  if (partitions.length > 0) {
    waiting.push(context.events.offer({ _tag: "Fetched", askedAt, answeredAt: now, partitions }))
  }
  return waiting.length === 1 ? waiting[0] : Effect.all(waiting, { discard: true })
}

/** Puts off the next attempt for a cursor. */
const delay = (context: SourceContext, p: Cursor, now: number): Effect.Effect<void> =>
  Effect.map(retryDelay(context.options.client, p.attempts++), (millis) => {
    p.retryAt = now + millis
  })

/** Deals with an error code for one partition, while all others go on. */
const refused = (context: SourceContext, connection: BrokerConnection, p: Cursor, code: number, now: number) =>
  Effect.gen(function* () {
    const { partition } = p
    const topic = p.topic.name
    const where = ofPartition(topic, partition)
    const error = brokerError({ code, request: "Fetch", broker: connection.address, topic, partition })
    p.connected = false
    if (code === OFFSET_OUT_OF_RANGE) return doubt(context, p, "range")
    context.failures.set(where, error)
    if (isDenial(error)) {
      p.retryAt = now + context.options.deniedRetryMillis
      return yield* context.denied(where, error)
    }
    if (code === CORRUPT_MESSAGE && p.attempts >= MAX_CORRUPT_ANSWERS) return yield* context.fatal(topic, error)
    if (!isPassing(error)) return yield* context.fatal(topic, error)
    yield* delay(context, p, now)
    if (IS_ELSEWHERE_OR_GONE.has(code) && p.topic.description?.topic.id !== undefined) {
      p.phase = "unsure"
      p.unsureSince = p.topic.asked
    }
    context.refresh()
  })
