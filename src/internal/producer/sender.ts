/**
 * The produce loop of one leader: one connection, one request in flight; what arrives meanwhile goes out with the next.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { BrokerConnection } from "../../KafkaClient.ts"
import type { Broker, ProducedPartition, ProduceResponse } from "../../KafkaProtocol.ts"
import type { ConnectionError } from "../../KafkaError.ts"
import { addressOf } from "../client/address.ts"
import { finderOf } from "../protocol/api.ts"
import { UNKNOWN_TOPIC_OR_PARTITION } from "../protocol/codes.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { encodeBatch } from "../recordBatch/encode.ts"
import { delayBy, retryDelay } from "../client/backoff.ts"
import { SLICE_MILLIS, yieldToEventLoop } from "../yield.ts"
import type { Sender } from "./brokers.ts"
import { interruptionAsFailure } from "./interruption.ts"
import { ANONYMOUS, type Batch, type Lane } from "./lane.ts"
import type { Producer } from "./producer.ts"
import { failUnsent, retry, settleReplied } from "./settling.ts"
import type { TopicLanes } from "./topicLanes.ts"
import { judge } from "./verdict.ts"

/** Most bytes of one request, about. A single batch may be larger. */
const MAX_REQUEST_BYTES = 8 * 1024 * 1024

/** A batch of a lane in a request. */
interface Sending {
  readonly lane: Lane
  readonly batch: Batch
  /** What `maybeAppended` of the batch was before this attempt. */
  readonly before: boolean
}

/**
 * Sends the batches of one leader's lanes, for ever: one request at a time, on a connection that is opened when there
 * is something to send.
 */
export const runSender = (producer: Producer, leader: number, sender: Sender): Effect.Effect<never> => {
  const { brokers, client, clock, owner, settings } = producer
  /** Failures of the connection in a row. */
  let attempts = 0
  /** Which of the lanes that can be sent is the first in the next request, so that each has its turn. */
  let rotation = 0
  /** What the running request is made of, or is about to be. */
  let sending: ReadonlyArray<Sending> = []

  // -------------------------------------------------------------------------------------------------------------------
  // what to send
  // -------------------------------------------------------------------------------------------------------------------

  /** In how many milliseconds the next lane can be sent, if none can now. */
  let wait = Number.POSITIVE_INFINITY

  /** Lanes that can be sent now, in the order that gives each its turn. */
  const ready = (): ReadonlyArray<Lane> => {
    const now = clock.now()
    const lanes: Array<Lane> = []
    wait = Number.POSITIVE_INFINITY
    for (const lane of brokers.ledBy(leader)) {
      if (lane.inFlight || lane.identity === undefined || lane.isIdle) continue
      if (lane.retryAt <= now) lanes.push(lane)
      else wait = Math.min(wait, lane.retryAt - now)
    }
    if (lanes.length < 2) return lanes
    const first = rotation++ % lanes.length
    return [...lanes.slice(first), ...lanes.slice(0, first)]
  }

  /** Runs `send` when there are lanes to send. */
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

  /** Takes one batch of each lane, of whichever topics, up to the size of a request. */
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
      codec: settings.compression,
      producerId: identity.producerId,
      producerEpoch: identity.epoch,
      baseSequence: identity === ANONYMOUS ? -1 : lane.nextSequence
    })
  }

  /**
   * Encodes what was cut, from the given batch on, and returns how far it came: compression holds the event loop for a
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
        sender.busySince = clock.now()
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
      // The deadline of a batch may have passed meanwhile.
      for (const { batch, lane } of sending) if (batch.expired) putBack(lane, batch, 0)
      sending = sending.filter(({ batch }) => !batch.expired)
      if (sending.length === 0) return round
      sender.busySince = clock.now()
      return Effect.flatMap(request(connection), answered)
    }

    const answered = (answer: ProduceResponse): Effect.Effect<void, ConnectionError> => {
      attempts = 0
      sender.busySince = undefined
      const next =
        // A broker that throttles answers at once, and does not read for so long (KIP-219).
        answer.throttleMillis > 0 ? Effect.andThen(Effect.sleep(answer.throttleMillis), round) : round
      const answerOf = answersOf(answer)
      if (sending.every(({ lane }) => answerOf(lane)?.errorCode === 0)) {
        take(connection, answerOf, 0)
        return next
      }
      const taken = Effect.map(Random.next, (random) => take(connection, answerOf, random))
      return Effect.andThen(Effect.uninterruptible(taken), next)
    }

    return round
  }

  const request = (connection: BrokerConnection): Effect.Effect<ProduceResponse, ConnectionError> => {
    producer.requests++
    for (const topic of topicsOf(sending)) topic.counts.requests++
    const partitions = sending.map(({ batch, lane }) => {
      const { description, counts } = lane.topic
      const records = batch.encoded!
      batch.maybeAppended = true
      counts.bytes += records.length
      return { topic: description!.topic, partition: lane.partition, records }
    })
    return connection.request("Produce", {
      acks: settings.acks,
      timeoutMillis: settings.requestTimeoutMillis,
      partitions
    })
  }

  const putBack = (lane: Lane, batch: Batch, millis: number): void => {
    lane.inFlight = false
    retry(lane, batch, millis)
    if (lane.leader !== leader) brokers.wake(lane.leader)
  }

  /** Takes the answer to a request, for each batch in it; another attempt is put off by a part of `random`. */
  const take = (connection: BrokerConnection, answerOf: FindAnswer, random: number): void => {
    const asked = sending
    sending = []
    for (const { batch, before, lane } of asked) {
      const { partition, topic } = lane
      const found = answerOf(lane)
      const millis = delayBy(client, lane.attempts, random)
      if (found === undefined) {
        // A partition that is left out of an answer is not refused.
        topic.refresh()
        putBack(lane, batch, millis)
        continue
      }
      const verdict = judge(found.errorCode, settings.idempotent)
      lane.inFlight = false
      settleReplied(lane, batch, before, verdict, millis, {
        baseOffset: found.baseOffset,
        recordErrors: found.recordErrors ?? [],
        failure:
          found.errorCode === 0
            ? undefined
            : brokerError({
                code: found.errorCode,
                request: "Produce",
                broker: connection.address,
                topic: topic.name,
                partition,
                detail: found.errorMessage
              })
      })
      if (found.errorCode === UNKNOWN_TOPIC_OR_PARTITION) topic.distrust()
      else if (verdict._tag === "Retry") topic.refresh()
      if (lane.leader !== leader) brokers.wake(lane.leader)
    }
    producer.queue.admit()
    for (const topic of topicsOf(asked)) owner.report(topic)
  }

  /** Gives back to its lanes what was cut, whatever ended the session. */
  const giveBack = (error: ConnectionError | undefined, millis: number): void => {
    const unanswered = sending
    sending = []
    sender.busySince = undefined
    for (const { batch, before, lane } of unanswered) {
      // Both of these are found out before the request goes out.
      if (error?.reason === "UnsupportedVersion" || error?.reason === "Authentication") batch.maybeAppended = before
      if (error !== undefined) lane.lastFailure = error
      putBack(lane, batch, millis)
    }
  }

  const failed = (error: ConnectionError): Effect.Effect<void> =>
    Effect.gen(function* () {
      const millis = yield* retryDelay(client, attempts++)
      // The topics are told before their batches may be given up: a topic without any asks for nothing.
      producer.refreshTopicsOf(leader)
      giveBack(error, millis)
      const lanes = brokers.ledBy(leader)
      for (const lane of lanes) lane.lastFailure = error
      if (!error.retriable) failUnsent(error, lanes)
      producer.queue.admit()
      producer.reportAll()
      yield* Effect.sleep(millis)
    })

  const once: Effect.Effect<void> = Effect.suspend(() => {
    const seen = sender.wake.version
    const broker = brokers.broker(leader)
    // A broker that has left the cluster is waited for: it may come back, or nothing is to be sent to it any more.
    if (broker === undefined) return sender.wake.after(seen)
    const whole = interruptionAsFailure(session(broker), {
      broker: addressOf(broker),
      request: "Produce"
    })
    return Effect.catch(whole, failed)
  })

  return Effect.forever(once).pipe(Effect.onInterrupt(() => Effect.sync(() => giveBack(undefined, 0))))
}

// ---------------------------------------------------------------------------------------------------------------------
// answers
// ---------------------------------------------------------------------------------------------------------------------

/** Finds what a broker answered about a lane. */
type FindAnswer = (lane: Lane) => ProducedPartition | undefined

const answersOf = ({ partitions }: ProduceResponse): FindAnswer => {
  const find = finderOf(partitions)
  return ({ partition, topic }) => find(topic.name, partition)
}

/** The topics that have a part in a request, each of them once. */
const topicsOf = (sending: ReadonlyArray<Sending>): Iterable<TopicLanes> =>
  sending.length === 1 ? [sending[0].lane.topic] : new Set(sending.map(({ lane }) => lane.topic))
