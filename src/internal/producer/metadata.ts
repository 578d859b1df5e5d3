/** The fibers that keep the topics of a producer described: one for each topic. An idle topic is not asked for. */
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import type * as Scope from "effect/Scope"
import type { ClientError, TopicError } from "../../KafkaError.ts"
import { retryDelay } from "../client/backoff.ts"
import { SLOW_MILLIS } from "./deadlines.ts"
import { interruptionAsFailure } from "./interruption.ts"
import type { Producer } from "./producer.ts"
import type { Senders } from "./senders.ts"
import type { TopicLanes } from "./topicLanes.ts"

/** How long a topic may be missing from the metadata before it counts as gone: new ones take a moment to be known. */
export const MISSING_GRACE_MILLIS = 2_000

/** Forks a fiber for each topic that there is, and for each that is added; each of them is `supervised`. */
export const forkTopics = (
  producer: Producer,
  senders: Senders,
  supervised: (fiber: Effect.Effect<void>) => Effect.Effect<void>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const fibers = yield* FiberMap.make<TopicLanes>()
    const follow = (topic: TopicLanes) =>
      FiberMap.run(fibers, topic, supervised(metadataLoop(producer, topic, senders)))
    const followAdded = Effect.suspend(() => Effect.forEach(producer.takeAdded(), follow, { discard: true }))
    yield* followAdded
    const look: Effect.Effect<void> = Effect.suspend(() => {
      const seen = producer.topicAdded.version
      return Effect.andThen(followAdded, producer.topicAdded.after(seen))
    })
    yield* Effect.forkScoped(supervised(Effect.forever(look)))
  })

/** Asks for a topic's metadata when it is wanted; ends when the topic is forgotten. */
const metadataLoop = (producer: Producer, topic: TopicLanes, senders: Senders): Effect.Effect<void> => {
  const { brokers, client, clock } = producer
  const { metadataWanted } = topic
  let attempts = 0
  let missingSince: number | undefined
  /** A topic that was never described is asked for at once. */
  let seen = topic.description === undefined ? metadataWanted.version - 1 : metadataWanted.version
  let isForgotten = false

  const again = Effect.suspend(() => Effect.flatMap(retryDelay(client, attempts++), Effect.sleep))

  const onError = (error: ClientError | TopicError): Effect.Effect<void> =>
    Effect.suspend(() => {
      topic.lastFailure = error
      if (error._tag === "KafkaTopicError" && error.reason === "NotFound") {
        missingSince ??= clock.now()
        if (clock.now() - missingSince < MISSING_GRACE_MILLIS) return again
      } else if (error.retriable) {
        // What is queued has its deadlines.
        return again
      }
      topic.distrust()
      producer.failTopic(topic, error)
      isForgotten = producer.forget(topic)
      if (isForgotten) return Effect.void
      seen = metadataWanted.version
      return again
    })

  const once = Effect.suspend(() => (topic.needsMetadata ? Effect.void : metadataWanted.after(seen))).pipe(
    Effect.andThen(
      Effect.suspend(() => {
        seen = metadataWanted.version
        return interruptionAsFailure(client.describeTopic(topic.name), {
          broker: client.bootstrap,
          request: "Metadata"
        })
      })
    ),
    Effect.flatMap((description) =>
      Effect.gen(function* () {
        missingSince = undefined
        producer.describe(topic, description)
        yield* Effect.forEach(brokers.leaders, senders.ensure, { discard: true })
        yield* Effect.forEach(brokers.departed(producer.lanes()), senders.end, { discard: true })
        // What was sent to them goes to the new leader, and is told apart by its sequence if they did append it.
        const deposed = brokers.deposed(producer.lanes(), clock.now(), SLOW_MILLIS)
        yield* Effect.forEach(deposed, senders.restart, { discard: true })
        brokers.wakeAll()
        if (!topic.needsMetadata) attempts = 0
        // However many records ask for metadata, there is at most one request per backoff.
        yield* again
      })
    ),
    Effect.catchAll(onError)
  )

  const loop: Effect.Effect<void> = Effect.flatMap(once, () => (isForgotten ? Effect.void : loop))
  return loop
}
