/** The fibers that keep the topics of a producer described: one for each topic. An idle topic is not asked for. */
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import type * as Scope from "effect/Scope"
import type { ClientError, TopicError } from "../../KafkaError.ts"
import type { TopicDescription } from "../../KafkaClient.ts"
import { type AfterFailure, followTopic } from "../client/followTopic.ts"
import { SLOW_MILLIS } from "./deadlines.ts"
import { interruptionAsFailure } from "./interruption.ts"
import type { Producer } from "./producer.ts"
import type { Senders } from "./senders.ts"
import type { TopicLanes } from "./topicLanes.ts"

/**
 * How long a topic may be missing from the metadata before its records fail, in milliseconds: brokers take a moment to
 * know a new topic.
 */
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
      FiberMap.run(fibers, topic, supervised(followProducerTopic(producer, topic, senders)))
    const followAdded = Effect.suspend(() => Effect.forEach(producer.takeAdded(), follow, { discard: true }))
    yield* followAdded
    const look: Effect.Effect<void> = Effect.suspend(() => {
      const seen = producer.topicAdded.version
      return Effect.andThen(followAdded, producer.topicAdded.after(seen))
    })
    yield* Effect.forkScoped(supervised(Effect.forever(look)))
  })

/** Keeps a topic described while it is used; ends when the topic is forgotten. */
const followProducerTopic = (producer: Producer, topic: TopicLanes, senders: Senders): Effect.Effect<void> => {
  const { brokers, client, clock } = producer

  const onFailure = (error: ClientError | TopicError, missingMillis?: number): AfterFailure => {
    topic.lastFailure = error
    if (missingMillis !== undefined) {
      if (missingMillis < MISSING_GRACE_MILLIS) return "again"
    } else if (error.retriable) {
      // What is queued has its deadlines.
      return "again"
    }
    topic.distrust()
    producer.failTopic(topic, error)
    return producer.forget(topic) ? "end" : "wait"
  }

  const onDescription = (description: TopicDescription): Effect.Effect<boolean> =>
    Effect.gen(function* () {
      producer.describe(topic, description)
      yield* Effect.forEach(brokers.leaders, senders.ensure, { discard: true })
      yield* Effect.forEach(brokers.departed(producer.lanes()), senders.end, { discard: true })
      // What was sent to them goes to the new leader, and is told apart by its sequence if they did append it.
      const deposed = brokers.deposed(producer.lanes(), clock.now(), SLOW_MILLIS)
      yield* Effect.forEach(deposed, senders.restart, { discard: true })
      brokers.wakeAll()
      return !topic.needsMetadata
    })

  return followTopic({
    client,
    describe: interruptionAsFailure(client.describeTopic(topic.name), {
      broker: client.bootstrap,
      request: "Metadata"
    }),
    wanted: topic.metadataWanted,
    // A topic that nobody writes to is not asked for; a record that comes later asks for what is too old.
    maxAgeMillis: Number.POSITIVE_INFINITY,
    isDescribed: topic.description !== undefined && !topic.needsMetadata,
    onDescription,
    onFailure: (error, missingMillis) => Effect.sync(() => onFailure(error, missingMillis))
  })
}
