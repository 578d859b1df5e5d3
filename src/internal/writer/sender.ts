/** The produce loop of one leader: one connection, one request in flight; what arrives meanwhile goes out with the next. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { BrokerConnection } from "../../KafkaClient.ts"
import type { Broker, ProduceResponse } from "../../KafkaProtocol.ts"
import type { ConnectionError } from "../../KafkaError.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { encodeBatch } from "../recordBatch/encode.ts"
import { delayBy, retryDelay } from "../client/backoff.ts"
import { SLICE_MILLIS, yieldToEventLoop } from "../yield.ts"
import type { Core, Sender } from "./core.ts"
import { interruptionAsFailure } from "./interruption.ts"
import { ANONYMOUS, type Batch, type Lane } from "./lane.ts"
import { judge } from "./verdict.ts"

/** Bytes of one request, about. A single batch may be larger. */
const MAX_REQUEST_BYTES = 8 * 1024 * 1024

const UNKNOWN_TOPIC_OR_PARTITION = 3

type PartitionAnswer = ProduceResponse["partitions"][number]

interface Sending {
  readonly lane: Lane
  readonly batch: Batch
  /** `maybeAppended`, before this attempt. */
  readonly before: boolean
}

/** `publish` reports what happened to the metrics. */
export const runSender = (core: Core, leader: number, sender: Sender, publish: () => void): Effect.Effect<never> => {
  const { client, config } = core
  /** Failures of the connection in a row. */
  let attempts = 0
  let rotation = 0
  let sending: ReadonlyArray<Sending> = []

  // -------------------------------------------------------------------------------------------------------------------
  // what to send
  // -------------------------------------------------------------------------------------------------------------------

  /** In how many milliseconds the next lane can be sent, if none can now. */
  let wait = Number.POSITIVE_INFINITY

  /** Lanes that can be sent now, in the order that gives each its turn. */
  const ready = (): ReadonlyArray<Lane> => {
    const now = core.now()
    const lanes: Array<Lane> = []
    wait = Number.POSITIVE_INFINITY
    for (const lane of core.ledBy(leader)) {
      if (lane.inFlight || lane.identity === undefined || lane.isIdle) continue
      if (lane.retryAt <= now) lanes.push(lane)
      else wait = Math.min(wait, lane.retryAt - now)
    }
    if (lanes.length < 2) return lanes
    const first = rotation++ % lanes.length
    return [...lanes.slice(first), ...lanes.slice(0, first)]
  }

  /** Goes on when there are lanes to send. */
  const whenReady = <E, R>(
    send: (lanes: ReadonlyArray<Lane>) => Effect.Effect<void, E, R>
  ): Effect.Effect<void, E, R> => {
    const look: Effect.Effect<void, E, R> = Effect.suspend(() => {
      const seen = sender.wake.version
      const lanes = ready()
      return lanes.length > 0 ? send(lanes) : Effect.flatMap(sender.wake.after(seen, wait), () => look)
    })
    return look
  }

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

  /**
   * Encodes what is cut, from the given batch on, and returns how far it came: compression holds the event loop for a
   * while, and other work has its turn between batches.
   */
  const encodeFrom = (from: number): number => {
    const until = performance.now() + SLICE_MILLIS
    let i = from
    while (i < sending.length) {
      const { batch, lane } = sending[i++]
      batch.encoded ??= encode(lane, batch)
      if (performance.now() > until) break
    }
    return i
  }

  // -------------------------------------------------------------------------------------------------------------------
  // sending
  // -------------------------------------------------------------------------------------------------------------------

  /** One connection's life. Ends with its failure, or when the broker closed it while it was idle. */
  const session = (broker: Broker): Effect.Effect<void, ConnectionError> =>
    Effect.scoped(
      whenReady(() => {
        sender.busySince = core.now()
        return Effect.flatMap(client.connect(broker), (connection) => {
          sender.busySince = undefined
          return rounds(connection)
        })
      })
    )

  /** One request after the other. It waits for records and for answers; all that lies between is plain functions. */
  const rounds = (connection: BrokerConnection): Effect.Effect<void, ConnectionError> => {
    const round = whenReady((lanes) => {
      if (!connection.isOpen()) return Effect.void
      sending = cut(lanes)
      return send(0)
    })

    const send = (from: number): Effect.Effect<void, ConnectionError> => {
      const encoded = encodeFrom(from)
      if (encoded < sending.length) return Effect.flatMap(yieldToEventLoop, () => send(encoded))
      // a deadline may have passed meanwhile
      for (const { batch, lane } of sending) if (batch.expired) putBack(lane, batch, 0)
      sending = sending.filter(({ batch }) => !batch.expired)
      if (sending.length === 0) return round
      sender.busySince = core.now()
      return Effect.flatMap(request(connection), answered)
    }

    const answered = (answer: ProduceResponse): Effect.Effect<void, ConnectionError> => {
      attempts = 0
      sender.busySince = undefined
      const next =
        // a broker that throttles answers at once, and does not read for so long (KIP-219)
        answer.throttleMillis > 0 ? Effect.andThen(Effect.sleep(answer.throttleMillis), round) : round
      const answers = new Map(answer.partitions.map((p) => [p.partition, p]))
      if (sending.every(({ lane }) => answers.get(lane.partition)?.errorCode === 0)) {
        take(connection, answers, 0)
        return next
      }
      const taken = Effect.map(Random.next, (random) => take(connection, answers, random))
      return Effect.andThen(Effect.uninterruptible(taken), next)
    }

    return round
  }

  const request = (connection: BrokerConnection): Effect.Effect<ProduceResponse, ConnectionError> => {
    const { topic } = core.description!
    const partitions = sending.map(({ batch, lane }) => ({
      topic,
      partition: lane.partition,
      records: batch.encoded!
    }))
    core.counts.requests++
    for (const { batch } of sending) {
      batch.maybeAppended = true
      core.counts.bytes += batch.encoded!.length
    }
    return connection.request("Produce", {
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

  /** The answer to a request, of each partition; another attempt is put off by a part of `random`. */
  const take = (connection: BrokerConnection, answers: ReadonlyMap<number, PartitionAnswer>, random: number): void => {
    const asked = sending
    sending = []
    for (const { batch, before, lane } of asked) {
      const found = answers.get(lane.partition)
      const millis = delayBy(client, lane.attempts, random)
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
        recordErrors: found.recordErrors ?? [],
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
    publish()
  }

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
      const lanes = core.ledBy(leader)
      for (const lane of lanes) lane.lastFailure = error
      if (!error.retriable) core.failUnsent(error, lanes)
      core.refresh()
      publish()
      yield* Effect.sleep(millis)
    })

  const once: Effect.Effect<void> = Effect.suspend(() => {
    const seen = sender.wake.version
    const broker = core.description?.brokers.get(leader)
    // gone from the cluster: waits for other news
    if (broker === undefined) return sender.wake.after(seen)
    const whole = interruptionAsFailure(session(broker), {
      broker: `${broker.host}:${broker.port}`,
      request: "Produce"
    })
    return Effect.catchAll(whole, failed)
  })

  return Effect.forever(once).pipe(Effect.onInterrupt(() => Effect.sync(() => giveBack(undefined, 0))))
}
