/** The produce loop of one leader: one connection, one request in flight; what arrives meanwhile goes out with the next. */
import * as Effect from "effect/Effect"
import type { Broker, BrokerConnection, ProduceResponse } from "../../KafkaClient.ts"
import type { ConnectionError } from "../../KafkaError.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { encodeBatch } from "../recordBatch/encode.ts"
import { retryDelay } from "../client/backoff.ts"
import { SLICE_MILLIS, yieldToEventLoop } from "../yield.ts"
import type { Core, Sender } from "./core.ts"
import { ANONYMOUS, type Batch, type Lane } from "./lane.ts"
import { judge } from "./verdict.ts"

/** Bytes of one request, about. A single batch may be larger. */
const MAX_REQUEST_BYTES = 8 * 1024 * 1024

const UNKNOWN_TOPIC_OR_PARTITION = 3

interface Sending {
  readonly lane: Lane
  readonly batch: Batch
  /** `maybeAppended`, before this attempt. */
  readonly before: boolean
}

/** `publish` reports what happened to the metrics. */
export const runSender = (
  core: Core,
  leader: number,
  sender: Sender,
  publish: Effect.Effect<void>
): Effect.Effect<never> => {
  const { client, config } = core
  /** Failures of the connection in a row. */
  let attempts = 0
  let rotation = 0
  let sending: ReadonlyArray<Sending> = []

  // -------------------------------------------------------------------------------------------------------------------
  // what to send
  // -------------------------------------------------------------------------------------------------------------------

  /** Lanes that can be sent now, in the order that gives each its turn; and in how long the next one can be. */
  const ready = (): { readonly lanes: ReadonlyArray<Lane>; readonly next: number } => {
    const now = core.now()
    const lanes: Array<Lane> = []
    let next = Number.POSITIVE_INFINITY
    for (const lane of core.lanes) {
      if (lane.leader !== leader || lane.inFlight || lane.identity === undefined || lane.isIdle) continue
      if (lane.retryAt <= now) lanes.push(lane)
      else next = Math.min(next, lane.retryAt - now)
    }
    if (lanes.length < 2) return { lanes, next }
    const first = rotation++ % lanes.length
    return { lanes: [...lanes.slice(first), ...lanes.slice(0, first)], next }
  }

  const untilReady: Effect.Effect<ReadonlyArray<Lane>> = Effect.suspend(() => {
    const seen = sender.wake.version
    const { lanes, next } = ready()
    if (lanes.length > 0) return Effect.succeed(lanes)
    const wait = sender.wake.after(seen, Number.isFinite(next) ? Math.max(1, next) : undefined)
    return Effect.andThen(wait, untilReady)
  })

  /** One batch of each lane, up to the size of a request. */
  const cut = (lanes: ReadonlyArray<Lane>): ReadonlyArray<Sending> => {
    const taken: Array<Sending> = []
    let bytes = 0
    for (const lane of lanes) {
      const batch = lane.cut()
      if (batch === undefined) continue
      if (taken.length > 0 && bytes + batch.size > MAX_REQUEST_BYTES) break
      bytes += batch.size
      lane.inFlight = true
      lane.sentTo = leader
      taken.push({ lane, batch, before: batch.maybeAppended })
    }
    return taken
  }

  const encode = (lane: Lane, batch: Batch): Buffer => {
    const identity = lane.identity ?? ANONYMOUS
    return encodeBatch({
      records: batch.records,
      codec: config.compression,
      producerId: identity.producerId,
      producerEpoch: identity.epoch,
      baseSequence: identity === ANONYMOUS ? -1 : lane.nextSequence
    })
  }

  /** Compression holds the event loop for a while: other work has its turn between batches. */
  const encodeFrom = (from: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const until = performance.now() + SLICE_MILLIS
      for (let i = from; i < sending.length; i++) {
        const { batch, lane } = sending[i]
        batch.encoded ??= encode(lane, batch)
        if (i + 1 < sending.length && performance.now() > until) {
          return Effect.andThen(yieldToEventLoop, encodeFrom(i + 1))
        }
      }
      return Effect.void
    })

  // -------------------------------------------------------------------------------------------------------------------
  // sending
  // -------------------------------------------------------------------------------------------------------------------

  /** One connection's life. Ends with its failure, or when the broker closed it while it was idle. */
  const session = (broker: Broker): Effect.Effect<void, ConnectionError> =>
    Effect.scoped(
      Effect.gen(function* () {
        yield* untilReady
        sender.busySince = core.now()
        const connection = yield* client.connect(broker)
        sender.busySince = undefined
        while (true) {
          const lanes = yield* untilReady
          if (!connection.isOpen()) return
          sending = cut(lanes)
          yield* encodeFrom(0)
          // a deadline may have passed meanwhile
          for (const { batch, lane } of sending) if (batch.expired) putBack(lane, batch, 0)
          sending = sending.filter(({ batch }) => !batch.expired)
          if (sending.length === 0) continue
          sender.busySince = core.now()
          const answer = yield* request(connection)
          attempts = 0
          sender.busySince = undefined
          yield* Effect.uninterruptible(take(connection, answer))
          yield* publish
          // a broker that throttles answers at once, and does not read for so long (KIP-219)
          if (answer.throttleMillis > 0) yield* Effect.sleep(answer.throttleMillis)
        }
      })
    )

  const request = (connection: BrokerConnection): Effect.Effect<ProduceResponse, ConnectionError> => {
    const partitions = sending.map(({ batch, lane }) => ({ partition: lane.partition, records: batch.encoded! }))
    core.counts.requests++
    for (const { batch } of sending) {
      batch.maybeAppended = true
      core.counts.bytes += batch.encoded!.length
    }
    return connection.produce({
      topic: core.description!.topic,
      acks: config.acks,
      timeoutMillis: config.requestTimeoutMillis,
      partitions
    })
  }

  const putBack = (lane: Lane, batch: Batch, millis: number): void => {
    lane.inFlight = false
    core.retry(lane, batch, millis)
    if (lane.leader !== leader) core.senders.get(lane.leader)?.wake.notify()
  }

  const take = (connection: BrokerConnection, answer: ProduceResponse): Effect.Effect<void> =>
    Effect.gen(function* () {
      const answers = new Map(answer.partitions.map((p) => [p.partition, p]))
      const asked = sending
      sending = []
      for (const { batch, before, lane } of asked) {
        const found = answers.get(lane.partition)
        const millis = found === undefined || found.errorCode !== 0 ? yield* retryDelay(client, lane.attempts) : 0
        if (found === undefined) {
          // no answer is no refusal
          core.refresh()
          putBack(lane, batch, millis)
          continue
        }
        const verdict = judge(found.errorCode, config.idempotent)
        lane.inFlight = false
        core.answered(lane, batch, before, verdict, millis, {
          baseOffset: found.baseOffset,
          failure:
            found.errorCode === 0
              ? undefined
              : brokerError({
                  code: found.errorCode,
                  request: "Produce",
                  broker: connection.address,
                  topic: config.topic,
                  partition: lane.partition,
                  detail: found.errorMessage
                })
        })
        if (found.errorCode === UNKNOWN_TOPIC_OR_PARTITION) core.distrust()
        else if (verdict._tag === "Retry") core.refresh()
        if (lane.leader !== leader) core.senders.get(lane.leader)?.wake.notify()
      }
      core.admit()
    })

  /** What was cut goes back to its lane, whatever ended the session. */
  const giveBack = (error: ConnectionError | undefined, millis: number): void => {
    const unanswered = sending
    sending = []
    sender.busySince = undefined
    for (const { batch, before, lane } of unanswered) {
      // both are found out before the request goes out
      if (error?.reason === "UnsupportedVersion" || error?.reason === "Authentication") batch.maybeAppended = before
      if (error !== undefined) lane.lastFailure = error
      putBack(lane, batch, millis)
    }
  }

  const failed = (error: ConnectionError): Effect.Effect<void> =>
    Effect.gen(function* () {
      const millis = yield* retryDelay(client, attempts++)
      giveBack(error, millis)
      const lanes = core.lanes.filter((lane) => lane.leader === leader)
      for (const lane of lanes) lane.lastFailure = error
      if (!error.retriable) core.failUnsent(error, lanes)
      core.refresh()
      yield* publish
      yield* Effect.sleep(millis)
    })

  const once: Effect.Effect<void> = Effect.suspend(() => {
    const seen = sender.wake.version
    const broker = core.description?.brokers.get(leader)
    // gone from the cluster: waits for other news
    if (broker === undefined) return sender.wake.after(seen)
    return Effect.catchAll(session(broker), failed)
  })

  return Effect.forever(once).pipe(Effect.onInterrupt(() => Effect.sync(() => giveBack(undefined, 0))))
}
