/** Subscribes to events: a consumer of the topics of streams, whose values are events. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Codec } from "../../Codec.ts"
import type { EventStream } from "../../EventStream.ts"
import type { AcquireError, ConsumerOptions, KafkaConsumer } from "../../KafkaConsumer.ts"
import { InvalidOptionsError } from "../../KafkaError.ts"
import type { KafkaEvent, OpenEvent } from "../../KafkaEvent.ts"
import type { EventOf, KafkaEvents, Source, SubscribeOptions, Topics } from "../../KafkaEvents.ts"
import * as Client from "../client/client.ts"
import { bytes } from "../codec/plain.ts"
import * as Consumer from "../consumer/consumer.ts"
import { open } from "./envelope.ts"
import { decodedOf, problemOfEvents } from "./event.ts"
import { isEventStream } from "./eventStream.ts"
import { tag } from "./events.ts"

type Subscribed<K, V> = Effect.Effect<KafkaConsumer<K, V>, AcquireError, KafkaEvents | Scope.Scope>

/** A consumer of these topics, under the prefix. */
const consume = <K, V>(topics: Topics, value: Codec<V>, options: SubscribeOptions<K>): Subscribed<K, V> =>
  Effect.gen(function* () {
    const events = yield* tag
    const names = (Array.isArray(topics) ? (topics as ReadonlyArray<unknown>) : [topics]).map((topic) =>
      isEventStream(topic) ? topic.name : topic
    )
    const subscribe = names.map((name) => (typeof name === "string" ? `${events.topicPrefix}${name}` : name))
    return yield* Effect.provideService(
      Consumer.make<V, K>({ ...options, subscribe, value } as ConsumerOptions<K, V>),
      Client.tag,
      events.client
    )
  })

const refused = (option: string, problem: string) =>
  Effect.fail(new InvalidOptionsError({ module: "KafkaEvents.subscribe", problems: [{ option, problem }] }))

/** The topics of a source, and the events that may be there. */
const partsOf = <E extends KafkaEvent.Any>(
  source: Source<E>
): { readonly topics: Topics; readonly events: ReadonlyArray<E> } | undefined => {
  if (isEventStream(source)) return { topics: source, events: [source.event] }
  if (Array.isArray(source)) {
    const streams = source as ReadonlyArray<EventStream<E>>
    return streams.every(isEventStream)
      ? { topics: streams, events: [...new Set(streams.map(({ event }) => event))] }
      : undefined
  }
  const { events, topics } = (source ?? {}) as Exclude<Source<E>, EventStream<E> | ReadonlyArray<EventStream<E>>>
  return topics === undefined || !Array.isArray(events) ? undefined : { topics, events: events as ReadonlyArray<E> }
}

export const subscribe = <S extends Source<KafkaEvent.Any>, K = string>(
  source: S,
  options: SubscribeOptions<K>
): Subscribed<K, KafkaEvent.Decoded<EventOf<S>>> =>
  Effect.suspend((): Subscribed<K, KafkaEvent.Decoded<EventOf<S>>> => {
    const parts = partsOf<EventOf<S>>(source as Source<EventOf<S>>)
    if (parts === undefined) {
      return refused("source", "must be a stream, a list of streams, or an object of topics and events")
    }
    const problem = problemOfEvents(parts.events)
    return problem === undefined ? consume(parts.topics, decodedOf(parts.events), options) : refused("events", problem)
  })

export const subscribeOpen = <K = string>(topics: Topics, options: SubscribeOptions<K>): Subscribed<K, OpenEvent> =>
  consume(topics, open, options)

export const subscribeBytes = <K = string>(topics: Topics, options: SubscribeOptions<K>): Subscribed<K, Uint8Array> =>
  consume(topics, bytes, options)
