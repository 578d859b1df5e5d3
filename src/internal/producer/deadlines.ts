/** The deadlines of a producer's records, and of its own closing. */
import * as Effect from "effect/Effect"
import type { ClientError, TopicError, WriteError } from "../../KafkaError.ts"
import { addressOf } from "../client/address.ts"
import type { Lane } from "./lane.ts"
import type { Producer } from "./producer.ts"
import { giveUp, unknownOutcome } from "./settling.ts"
import type { TopicLanes } from "./topicLanes.ts"

/** A request that takes longer than this, in milliseconds, is worth a look whether its leader is still the leader. */
export const SLOW_MILLIS = 1_000

/** A timer that comes later than this, in milliseconds, tells that the process was stopped, or its event loop held up. */
const LATE_MILLIS = 1_000

/** When there is something to expire next, by the producer's time. */
const nextDeadline = (producer: Producer): number => {
  let next = producer.closeDeadline
  for (const topic of producer.topics.values()) next = Math.min(next, topic.deadline)
  return next
}

/** Fails what is over its deadline; at the deadline of the closing, all that is left. */
const expire = (producer: Producer): void => {
  const now = producer.clock.now()
  for (const topic of producer.topics.values()) expireTopic(producer, topic, now)
  if (now >= producer.closeDeadline) producer.abandon(`the ${producer.owner.noun} was closed, and closeTimeout passed`)
  producer.queue.admit()
}

const expireTopic = (producer: Producer, topic: TopicLanes, now: number): void => {
  const { deliveryTimeoutMillis } = producer.settings
  const parked = topic.takeParkedUntil(now)
  if (parked.length > 0) topic.settleAll(parked, timeout(topic, topic.lastFailure, deliveryTimeoutMillis))
  for (const lane of topic.lanes) {
    const { batch } = lane
    const cause = lane.lastFailure ?? topic.lastFailure
    if (batch !== undefined && !batch.expired && batch.records[0].deadline <= now) {
      const error = batch.maybeAppended
        ? unknownOutcome(
            lane,
            `sent to ${brokerOf(producer, lane.sentTo)}, and not acknowledged within ${deliveryTimeoutMillis} ms`,
            cause
          )
        : timeout(topic, cause, deliveryTimeoutMillis, lane)
      if (lane.inFlight) {
        // What becomes of the lane is for the end of the request to say.
        batch.expired = true
        topic.settleAll(batch.records, error)
      } else {
        giveUp(lane, batch, () => error)
      }
    }
    const rest = lane.takeOverdue(now)
    if (rest.length > 0) topic.settleAll(rest, timeout(topic, cause, deliveryTimeoutMillis, lane))
  }
}

const brokerOf = (producer: Producer, nodeId: number): string => {
  const broker = producer.brokers.broker(nodeId)
  return broker === undefined ? `broker ${nodeId}` : addressOf(broker)
}

const timeout = (
  topic: TopicLanes,
  cause: ClientError | TopicError | undefined,
  millis: number,
  lane?: Lane
): WriteError => {
  const why = lane?.leader === -1 ? ", the partition has no leader" : ""
  return topic.error("Timeout", {
    ...(lane === undefined ? {} : { partition: lane.partition }),
    detail: `not sent within ${millis} ms${why}`,
    cause
  })
}

/** While anything is queued, looks once a second, or when the next deadline is. */
export const deadlineLoop = (producer: Producer): Effect.Effect<never> => {
  const { brokers, clock, queue } = producer
  const once = Effect.suspend(() => {
    const seen = queue.deadlineSet.version
    const next = nextDeadline(producer)
    if (next === Number.POSITIVE_INFINITY) return queue.deadlineSet.after(seen)
    const begin = clock.now()
    // What is left of a millisecond may be too little to move a clock.
    const wait = Math.min(Math.max(0, Math.ceil(next - begin)), SLOW_MILLIS)
    return Effect.andThen(
      Effect.sleep(wait),
      Effect.suspend(() => {
        const late = clock.now() - begin - wait
        if (late > LATE_MILLIS) clock.paused(late)
        const now = clock.now()
        for (const [leader, { busySince }] of brokers.senders) {
          if (busySince !== undefined && now - busySince >= SLOW_MILLIS) producer.refreshTopicsOf(leader)
        }
        if (nextDeadline(producer) > now) return Effect.void
        expire(producer)
        producer.reportAll()
        return Effect.void
      })
    )
  })
  return Effect.forever(once)
}
