/** Publishes events: the topic, the key, and the headers of each. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { EventStream } from "../../EventStream.ts"
import type { KafkaClient } from "../../KafkaClient.ts"
import { WriteError } from "../../KafkaError.ts"
import type { KafkaEvent } from "../../KafkaEvent.ts"
import type {
  AcquireError,
  KafkaEvents,
  KafkaEventsOptions,
  PublishError,
  PublishOptions,
  TypeId as EventsTypeId
} from "../../KafkaEvents.ts"
import type { RecordOptions, TopicProducer } from "../../KafkaProducer.ts"
import { headersNow, type HeaderToSend } from "../carried.ts"
import * as Client from "../client/client.ts"
import { errorOf, inOneLine } from "../codec/schema/issue.ts"
import { readEventsOptions } from "../options/events.ts"
import * as Producer from "../producer/kafkaProducer.ts"
import type { EventKey } from "./keys.ts"
import { StreamTopics } from "./topics.ts"

/** @internal */
export const TypeId: EventsTypeId = Symbol.for("effect-ktables/KafkaEvents") as EventsTypeId

export const tag: Context.Service<KafkaEvents, KafkaEvents> = Context.Service<KafkaEvents>("effect-ktables/KafkaEvents")

export const make = (
  options: KafkaEventsOptions = {}
): Effect.Effect<KafkaEvents, AcquireError, KafkaClient | Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* Client.tag
    const config = yield* readEventsOptions(options)
    const producer = yield* Producer.make(config.producer)
    const topics = new StreamTopics({ client, config, producer, scope: yield* Scope.Scope })
    yield* Effect.addFinalizer(() => Effect.sync(() => topics.close()))
    yield* Effect.forEach(config.streams ?? [], (stream) => topics.ensure(stream), { concurrency: 8, discard: true })

    /** Uses the producer of a stream's topic, which is made if it is not there, and what records say besides keys and values. */
    const producing = <E extends KafkaEvent.Any, A>(
      stream: EventStream<E>,
      options: PublishOptions,
      use: (
        producer: TopicProducer<EventKey, KafkaEvent.Data<E>>,
        options: RecordOptions
      ) => Effect.Effect<A, WriteError>
    ): Effect.Effect<A, PublishError> =>
      Effect.flatMap(Effect.context<never>(), (context) => {
        const found = topics.producerOf(stream)
        const to = (producer: TopicProducer<EventKey, KafkaEvent.Data<E>>) => {
          const said = recordOptions(context, options, producer.topic)
          return said instanceof WriteError ? Effect.fail(said) : use(producer, said)
        }
        return Effect.isEffect(found) ? Effect.flatMap(found, to) : to(found)
      })

    const one =
      <A>(
        send: <E extends KafkaEvent.Any>(
          producer: TopicProducer<EventKey, KafkaEvent.Data<E>>,
          key: EventKey | null,
          data: KafkaEvent.Data<E>,
          options: RecordOptions
        ) => Effect.Effect<A, WriteError>
      ) =>
      <E extends KafkaEvent.Any>(
        stream: EventStream<E>,
        data: KafkaEvent.Data<E>,
        options: PublishOptions = {}
      ): Effect.Effect<A, PublishError> =>
        producing(stream, options, (producer, said) => {
          const key = keyOf(stream, data, options, producer.topic)
          return key instanceof WriteError ? Effect.fail(key) : send<E>(producer, key, data, said)
        })

    return {
      [TypeId]: TypeId,
      client,
      topicPrefix: config.topicPrefix,
      publish: one((producer, key, data, options) => producer.send(key, data, options)),
      enqueue: one((producer, key, data, options) => producer.enqueue(key, data, options)),
      publishMany: (stream, all, options = {}) =>
        producing(stream, options, (producer, said) =>
          producer.sendMany(recordsOf(stream, all, options, said, producer.topic))
        ),
      flush: producer.flush
    } satisfies KafkaEvents
  }).pipe(Effect.withSpan("KafkaEvents.make"))

const encodeError = (topic: string, part: string, thrown: unknown): WriteError => {
  const cause = errorOf(thrown)
  return new WriteError({ reason: "Encode", topic, detail: `${part}: ${inOneLine(cause)}`, cause })
}

/** What the records of a call say besides their keys and values. */
const recordOptions = (
  context: Context.Context<never>,
  { headers, partition, timestamp }: PublishOptions,
  topic: string
): RecordOptions | WriteError => {
  try {
    const own = headers === undefined ? NO_HEADERS : Object.entries(headers).map(([key, value]) => ({ key, value }))
    const all = headersNow(context, own)
    return {
      ...(all.length === 0 ? {} : { headers: all }),
      ...(partition === undefined ? {} : { partition }),
      ...(timestamp === undefined ? {} : { timestamp })
    }
  } catch (thrown) {
    // Without types, headers may be anything.
    return encodeError(topic, "options", thrown)
  }
}

const keyOf = <E extends KafkaEvent.Any>(
  { event }: EventStream<E>,
  data: KafkaEvent.Data<E>,
  { key }: PublishOptions,
  topic: string
): EventKey | null | WriteError => {
  try {
    return key === undefined ? (event.key(data) ?? null) : key
  } catch (thrown) {
    // The function that makes the key was given data that it does not know.
    return encodeError(topic, "key", thrown)
  }
}

/** The records of many events of a stream. Throws why one of them cannot be written, as a `WriteError`. */
function* recordsOf<E extends KafkaEvent.Any>(
  stream: EventStream<E>,
  all: Iterable<KafkaEvent.Data<E>>,
  options: PublishOptions,
  said: RecordOptions,
  topic: string
): Iterable<readonly [EventKey | null, KafkaEvent.Data<E>, RecordOptions]> {
  for (const data of all) {
    const key = keyOf(stream, data, options, topic)
    if (key instanceof WriteError) throw key
    yield [key, data, said]
  }
}

const NO_HEADERS: ReadonlyArray<HeaderToSend> = []
