/** What users get: a producer for the topics that they name. */
import { currentClock } from "../effect/v4/clock.ts"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { KafkaClient } from "../../KafkaClient.ts"
import { WriteError, type ClientError } from "../../KafkaError.ts"
import type {
  AcquireError,
  KafkaProducer,
  KafkaProducerOptions,
  ProducerRecord,
  TopicCodecs,
  TopicProducer
} from "../../KafkaProducer.ts"
import type { Position } from "../../Position.ts"
import { currentLabels } from "../effect/v4/metric.ts"
import * as Client from "../client/client.ts"
import { bytes } from "../codec/plain.ts"
import { makeProducerMetrics } from "../metrics.ts"
import { isTopicName, TOPIC_NAME } from "../options/check.ts"
import { readProducerOptions, readTopicCodecs } from "../options/producer.ts"
import { ABSENT, byCodecs, type Encoder, type Write } from "./encoding.ts"
import { runProducer } from "./fibers.ts"
import { askIdentity } from "./identities.ts"
import { Producer } from "./producer.ts"
import { enqueueOne, flush, sendOne } from "./sending.ts"
import { sendMany } from "./sendingMany.ts"
import { pendingOf } from "./shared.ts"
import { startWithin } from "./starting.ts"
import type { TopicLanes } from "./topicLanes.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/KafkaProducer")

// ---------------------------------------------------------------------------------------------------------------------
// life
// ---------------------------------------------------------------------------------------------------------------------

export const make = (
  options: KafkaProducerOptions = {}
): Effect.Effect<KafkaProducer, AcquireError, KafkaClient | Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* Client.tag
    const settings = yield* readProducerOptions(options)
    const producer = new Producer({
      owner: {
        module: "KafkaProducer",
        noun: "producer",
        topic: undefined,
        bug: "the producer died of a bug",
        report: makeReport(yield* currentLabels)
      },
      settings,
      client,
      clock: yield* currentClock,
      random: yield* Random.next
    })
    if (settings.idempotent) yield* start(producer)
    yield* runProducer(producer, settings.closeTimeoutMillis)
    return makeService(producer)
  }).pipe(Effect.withSpan("KafkaProducer.make"))

/** Reports what was counted of a topic to the metrics of its name. */
const makeReport = (labels: Parameters<typeof makeProducerMetrics>[1]) => {
  const reports = new WeakMap<TopicLanes, ReturnType<typeof makeProducerMetrics>>()
  return (topic: TopicLanes): void => {
    let report = reports.get(topic)
    if (report === undefined) reports.set(topic, (report = makeProducerMetrics(topic.name, labels)))
    report(topic.counts, pendingOf(topic.counts), topic.takeLatencies())
  }
}

/** Asks for a producer id: that a broker answers, and gives one, can be known before the first record. */
const start = (producer: Producer): Effect.Effect<void, ClientError> =>
  startWithin<void, ClientError>(producer, "InitProducerId", (retrying) =>
    Effect.map(retrying(askIdentity(producer.client)), (identity) => producer.identify(identity))
  )

// ---------------------------------------------------------------------------------------------------------------------
// what users get
// ---------------------------------------------------------------------------------------------------------------------

const makeService = (producer: Producer): KafkaProducer => {
  const sendBytes = sendOne<ProducerRecord>({ topicOf: ({ topic }) => producer.topic(topic), encoder: encoderOfBytes })

  const send = (record: ProducerRecord): Effect.Effect<Position, WriteError> =>
    Effect.suspend(() => {
      const { topic } = record
      if (producer.topics.has(topic) || isTopicName(topic)) return sendBytes(record)
      producer.countNameless()
      const named = typeof topic === "string" ? topic : ""
      return Effect.fail(new WriteError({ reason: "Encode", topic: named, detail: `topic: ${TOPIC_NAME}` }))
    })

  return {
    [TypeId]: TypeId,
    send,
    to: <V, K = string>(topic: string, codecs: TopicCodecs<K, V>) =>
      Effect.map(readTopicCodecs(topic, codecs), ({ key, value }) => {
        // It is described while its first record is still to come.
        producer.topic(topic)
        return makeTopicProducer(producer, topic, byCodecs(key, value))
      }),
    flush: flush(producer),
    stats: Effect.sync(() => {
      const { writes, ...counts } = producer.counts
      return Object.freeze({ records: writes, ...counts, queued: pendingOf({ writes, ...counts }) })
    })
  }
}

/** Records of bytes are copied: the caller's bytes stay the caller's. */
const encoderOfBytes: Encoder<ProducerRecord> = (() => {
  const { encode, encodeNow } = byCodecs(bytes, bytes)
  const toWrite = (record: ProducerRecord): Write<Uint8Array, Uint8Array> => ({
    key: record.key ?? ABSENT,
    value: record.value === null ? ABSENT : record.value,
    options: record
  })
  return {
    encode: (topic, record) => encode(topic, toWrite(record)),
    encodeNow: (topic, record) => encodeNow(topic, toWrite(record))
  }
})()

const makeTopicProducer = <K, V>(
  producer: Producer,
  topic: string,
  encoder: Encoder<Write<K, V>>
): TopicProducer<K, V> => {
  const topicOf = () => producer.topic(topic)
  const one = sendOne({ topicOf, encoder })
  const enqueue = enqueueOne({ topicOf, encoder })
  const many = sendMany(topicOf, encoder)

  const withSpan = <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.withSpan(self, "KafkaProducer.sendMany", {
      kind: "producer",
      captureStackTrace: false,
      attributes: { "messaging.system": "kafka", "messaging.destination.name": topic }
    })

  return {
    topic,
    send: (key, value, options) => one({ key: key === null ? ABSENT : key, value, options }),
    enqueue: (key, value, options) => enqueue({ key: key === null ? ABSENT : key, value, options }),
    tombstone: (key, options) => one({ key, value: ABSENT, options }),
    sendMany: (records) =>
      withSpan(
        many({
          *[Symbol.iterator]() {
            for (const [key, value, options] of records) yield { key: key === null ? ABSENT : key, value, options }
          }
        })
      )
  }
}
