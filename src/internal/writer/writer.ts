/** The writer of a table's topic: a producer that knows one topic, its codecs and tombstones. */
import { currentClock } from "../effect/v4/clock.ts"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { KafkaClient } from "../../KafkaClient.ts"
import type { ClientError, TopicError } from "../../KafkaError.ts"
import type { AcquireError, KafkaTableWriter, KafkaTableWriterOptions } from "../../KafkaTableWriter.ts"
import { currentLabels } from "../effect/v4/metric.ts"
import * as Client from "../client/client.ts"
import { makeWriterMetrics } from "../metrics.ts"
import { topicOf } from "../options/check.ts"
import { ABSENT, byCodecs, type Write } from "../producer/encoding.ts"
import { runProducer } from "../producer/fibers.ts"
import { askIdentity } from "../producer/identities.ts"
import { Producer } from "../producer/producer.ts"
import { flush, sendOne } from "../producer/sending.ts"
import { sendMany } from "../producer/sendingMany.ts"
import { pendingOf } from "../producer/shared.ts"
import { startWithin } from "../producer/starting.ts"
import type { TopicLanes } from "../producer/topicLanes.ts"
import { ensureTopic } from "../topic/topic.ts"
import { readWriterOptions, type WriterConfig } from "../options/writer.ts"
import { Leases } from "./announce.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/KafkaTableWriter")

export const make = <K = string, V = never>(
  options: KafkaTableWriterOptions<K, V>
): Effect.Effect<KafkaTableWriter<K, V>, AcquireError, KafkaClient | Scope.Scope> =>
  Effect.flatMap(readWriterOptions(options), acquire).pipe(
    Effect.withSpan("KafkaTableWriter.make", { attributes: topicOf(options) })
  )

/** Makes a writer by options that were checked. */
export const acquire = <K, V>(
  config: WriterConfig<K, V>
): Effect.Effect<KafkaTableWriter<K, V>, ClientError | TopicError, KafkaClient | Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* Client.tag
    const report = makeWriterMetrics(config.topic, yield* currentLabels)
    const producer = new Producer({
      owner: {
        module: "KafkaTableWriter",
        noun: "writer",
        topic: config.topic,
        bug: "the writer died of a bug",
        report: (topic) => report(topic.counts, pendingOf(topic.counts), topic.takeLatencies())
      },
      settings: config,
      client,
      clock: yield* currentClock,
      // Each record of a table has a key.
      random: 0
    })
    const topic = producer.topic(config.topic)
    yield* start(producer, topic, config)
    const writes = makeWrites(producer, topic, config)
    const leases = new Leases(producer, config.key, writes)
    yield* runProducer(producer, config.closeTimeoutMillis, (millis) => leases.endAll(millis))
    const writer: KafkaTableWriter<K, V> = {
      ...writes,
      announce: (key, value, options) => leases.announce(key, value, options)
    }
    return writer
  })

/** Makes sure of the topic, its partitions and a producer id: all that can be known to be missing before the first write. */
const start = <K, V>(
  producer: Producer,
  topic: TopicLanes,
  { ensure, idempotent }: WriterConfig<K, V>
): Effect.Effect<void, ClientError | TopicError> => {
  const { client } = producer
  return startWithin<void, ClientError | TopicError>(producer, "Metadata", (retrying) =>
    Effect.gen(function* () {
      if (ensure !== undefined) yield* retrying(ensureTopic(client, ensure))
      const description = yield* retrying(client.describeTopic(topic.name))
      if (idempotent) producer.identify(yield* retrying(askIdentity(client)))
      producer.describe(topic, description)
    })
  )
}

/** A writer without what it announces. */
const makeWrites = <K, V>(
  producer: Producer,
  topic: TopicLanes,
  config: WriterConfig<K, V>
): Omit<KafkaTableWriter<K, V>, "announce"> => {
  const encoder = byCodecs(config.key, config.value)
  const one = sendOne<Write<K, V>>({ topicOf: () => topic, encoder })
  const many = sendMany<Write<K, V>>(() => topic, encoder)

  const withSpan = <A, E>(name: string, self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.withSpan(self, `KafkaTableWriter.${name}`, {
      kind: "producer",
      captureStackTrace: false,
      attributes: { "messaging.system": "kafka", "messaging.destination.name": config.topic }
    })

  return {
    [TypeId]: TypeId,
    topic: config.topic,
    set: (key, value, options) => one({ key, value, options }),
    delete: (key, options) => one({ key, value: ABSENT, options }),
    setMany: (entries) =>
      withSpan("setMany", many(mapIterable(entries, ([key, value]) => ({ key, value, options: undefined })))),
    deleteMany: (keys) =>
      withSpan("deleteMany", many(mapIterable(keys, (key) => ({ key, value: ABSENT, options: undefined })))),
    flush: flush(producer),
    stats: Effect.sync(() => Object.freeze({ ...topic.counts, queued: pendingOf(topic.counts) }))
  }
}

export const mapIterable = <A, B>(self: Iterable<A>, f: (a: A) => B): Iterable<B> => ({
  *[Symbol.iterator]() {
    for (const a of self) yield f(a)
  }
})
