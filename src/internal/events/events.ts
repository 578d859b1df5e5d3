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

/** One event, ready to be sent. */
interface Outgoing<A> {
  readonly key: EventKey | null
  readonly data: A
  readonly options: RecordOptions
}

type Send<A, B> = (producer: TopicProducer<EventKey, A>, event: Outgoing<A>) => Effect.Effect<B, WriteError>

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

    const sending =
      <B>(send: Send<never, B>) =>
      <E extends KafkaEvent.Any>(
        stream: EventStream<E>,
        data: KafkaEvent.Data<E>,
        options: PublishOptions = {}
      ): Effect.Effect<B, PublishError> =>
        Effect.flatMap(Effect.context<never>(), (context) => {
          const found = topics.producerOf(stream)
          const to = (producer: TopicProducer<EventKey, never>): Effect.Effect<B, WriteError> => {
            const event = outgoing(context, stream, data, options, producer.topic)
            return event instanceof WriteError ? Effect.fail(event) : send(producer, event as Outgoing<never>)
          }
          return Effect.isEffect(found) ? Effect.flatMap(found, to) : to(found)
        })

    return {
      [TypeId]: TypeId,
      client,
      topicPrefix: config.topicPrefix,
      publish: sending((producer, { data, key, options }) => producer.send(key, data, options)),
      enqueue: sending((producer, { data, key, options }) => producer.enqueue(key, data, options)),
      flush: producer.flush
    } satisfies KafkaEvents
  }).pipe(Effect.withSpan("KafkaEvents.make"))

const outgoing = <E extends KafkaEvent.Any>(
  context: Context.Context<never>,
  { event }: EventStream<E>,
  data: KafkaEvent.Data<E>,
  { headers, key, partition, timestamp }: PublishOptions,
  topic: string
): Outgoing<KafkaEvent.Data<E>> | WriteError => {
  try {
    const own = headers === undefined ? NO_HEADERS : Object.entries(headers).map(([key, value]) => ({ key, value }))
    return {
      key: key === undefined ? (event.key(data) ?? null) : key,
      data,
      options: {
        headers: headersNow(context, own),
        ...(partition === undefined ? {} : { partition }),
        ...(timestamp === undefined ? {} : { timestamp })
      }
    }
  } catch (thrown) {
    // The function that makes the key was given data that it does not know.
    const cause = errorOf(thrown)
    return new WriteError({ reason: "Encode", topic, detail: `key: ${inOneLine(cause)}`, cause })
  }
}

const NO_HEADERS: ReadonlyArray<HeaderToSend> = []
