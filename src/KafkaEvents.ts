/**
 * Publishing typed events, and subscribing to them.
 *
 * Topics are made when they are first published to, or at the start. A subscription is a member of a consumer group: a
 * `KafkaConsumer` whose values are events. What is published while a record is worked on carries that record's headers on, and
 * is part of its trace.
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { EventStream, KafkaClient, KafkaEvent, KafkaEvents } from "effect-ktables"
 *
 * const OrderCreated = KafkaEvent.make("OrderCreated", Schema.Struct({ id: Schema.String, cents: Schema.Int }), {
 *   key: (order) => order.id
 * })
 * const Orders = EventStream.make("orders", OrderCreated, { partitions: 6 })
 *
 * class Billing extends KafkaEvents.Subscription<Billing>()("billing", Orders) {}
 *
 * const publish = Effect.gen(function* () {
 *   const events = yield* KafkaEvents.KafkaEvents
 *   yield* events.publish(Orders, { id: "o-1", cents: 1250 })
 * })
 *
 * const work = Effect.gen(function* () {
 *   const billing = yield* Billing
 *   yield* billing.runForEach(({ value }) => Effect.log(`${value.data.id}: ${value.data.cents}`), { concurrency: 16 })
 * })
 *
 * export const main = Effect.all([publish, work], { concurrency: "unbounded" }).pipe(
 *   Effect.provide(Billing.layer),
 *   Effect.provide(KafkaEvents.layer({ topicPrefix: "shop." })),
 *   Effect.provide(KafkaClient.layer({ brokers: ["localhost:9092"] }))
 * )
 * ```
 *
 * @since 0.4.0
 * @module
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { EventStream } from "./EventStream.ts"
import * as internal from "./internal/events/events.ts"
import * as subscribing from "./internal/events/subscribing.ts"
import type { KafkaClient } from "./KafkaClient.ts"
import type * as KafkaConsumer from "./KafkaConsumer.ts"
import type { ClientError, InvalidOptionsError, TopicError, WriteError } from "./KafkaError.ts"
import type { KafkaEvent, OpenEvent } from "./KafkaEvent.ts"
import type { KafkaProducerOptions } from "./KafkaProducer.ts"
import type { Position } from "./Position.ts"

/**
 * @since 0.4.0
 * @category symbols
 */
export const TypeId: unique symbol = internal.TypeId

/**
 * @since 0.4.0
 * @category symbols
 */
export type TypeId = typeof TypeId

// ---------------------------------------------------------------------------------------------------------------------
// publishing
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What a record says besides its event.
 *
 * @since 0.4.0
 * @category options
 */
export interface PublishOptions {
  /** Text is written in UTF-8; `null` is no key. Default: what the event's `key` makes of the data. */
  readonly key?: string | Uint8Array | null
  /**
   * Headers of its own. Those of the record that is worked on are written, too, but for those of the same key; and
   * `traceparent` and `tracestate` of the present span.
   */
  readonly headers?: Readonly<Record<string, Uint8Array | string | null>>
  /** Milliseconds since the epoch. Default: now. */
  readonly timestamp?: number
  /** A partition of the topic, from 0. Default: that of the key. */
  readonly partition?: number
}

/**
 * What publishing can fail with: the record's own `WriteError`; where its topic could not be made, why; and for definitions
 * that contradict each other or cannot work, `InvalidOptionsError`.
 *
 * @since 0.4.0
 * @category errors
 */
export type PublishError = WriteError | TopicError | ClientError | InvalidOptionsError

/**
 * Publishes events of one cluster, under one prefix.
 *
 * A topic that does not exist is made when it is first published to, once, however many publish at the same time. An
 * attempt that failed is made again by the next who publishes.
 *
 * The first definition of a schema, and of a topic, counts: another one of the same `Name:version`, or another event for the
 * same topic, is refused as `InvalidOptionsError`.
 *
 * @since 0.4.0
 * @category models
 */
export interface KafkaEvents {
  readonly [TypeId]: TypeId
  /** The cluster: subscriptions are members of its groups. */
  readonly client: KafkaClient
  /** What comes before the names of all topics, and before patterns. */
  readonly topicPrefix: string
  /** Writes an event, and ends when it is acknowledged, at its position. Data that the schema does not allow is not written. */
  readonly publish: <E extends KafkaEvent.Any>(
    stream: EventStream<E>,
    data: KafkaEvent.Data<E>,
    options?: PublishOptions
  ) => Effect.Effect<Position, PublishError>
  /**
   * The same, but ends when the event has its place in the queue, with an Effect that ends at its acknowledgement. It is
   * delivered whether somebody runs that Effect or not.
   */
  readonly enqueue: <E extends KafkaEvent.Any>(
    stream: EventStream<E>,
    data: KafkaEvent.Data<E>,
    options?: PublishOptions
  ) => Effect.Effect<Effect.Effect<Position, WriteError>, PublishError>
  /**
   * Writes many events of a stream, with less work than a `publish` for each; `options` are those of each. Positions are in the order
   * of the events. All are encoded first: if one cannot be, or is too large, none is written. Otherwise it ends when every one
   * has ended, and fails with the error of the first that failed; others may be in the log then.
   */
  readonly publishMany: <E extends KafkaEvent.Any>(
    stream: EventStream<E>,
    events: Iterable<KafkaEvent.Data<E>>,
    options?: PublishOptions
  ) => Effect.Effect<ReadonlyArray<Position>, PublishError>
  /** Waits until every event that was published before has ended, well or badly: within the producer's `deliveryTimeout`, about. */
  readonly flush: Effect.Effect<void>
}

/**
 * @since 0.4.0
 * @category options
 */
export interface KafkaEventsOptions {
  /** Comes before the names of all topics, and before patterns. Default: none. */
  readonly topicPrefix?: string
  /** Streams whose topics are made at the start. Default: none; others are made when they are first published to. */
  readonly streams?: ReadonlyArray<EventStream.Any>
  /** Partitions of topics that are made, of streams that say none. Default: the broker's default. */
  readonly partitions?: number
  /** Whether topics are made at all. Default: true. */
  readonly ensureTopics?: boolean
  /** How events are sent: acknowledgements, compression, limits. Default: as of `KafkaProducer`. */
  readonly producer?: KafkaProducerOptions
}

/**
 * What acquiring `KafkaEvents` can fail with: what its producer can, and the making of topics of `streams`.
 *
 * @since 0.4.0
 * @category errors
 */
export type AcquireError = PublishError

/**
 * @since 0.4.0
 * @category tags
 */
export const KafkaEvents: Context.Service<KafkaEvents, KafkaEvents> = internal.tag

/**
 * Publishes for as long as the scope is open. Closing it waits for what was accepted, as closing a producer does.
 *
 * @since 0.4.0
 * @category constructors
 */
export const make: (
  options?: KafkaEventsOptions
) => Effect.Effect<KafkaEvents, AcquireError, KafkaClient | Scope.Scope> = internal.make

/**
 * @since 0.4.0
 * @category layers
 */
export const layer = (options?: KafkaEventsOptions): Layer.Layer<KafkaEvents, AcquireError, KafkaClient> =>
  Layer.effect(KafkaEvents, make(options))

// ---------------------------------------------------------------------------------------------------------------------
// subscribing
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Events to subscribe to: a stream, several of them, or the topics of these names and globs with the events that may be
 * there. Records of other events are poison, as all is that does not decode.
 *
 * @since 0.4.0
 * @category models
 */
export type Source<E extends KafkaEvent.Any> =
  | EventStream<E>
  | ReadonlyArray<EventStream<E>>
  | { readonly topics: string | ReadonlyArray<string>; readonly events: ReadonlyArray<E> }

/**
 * The events of a source: of several streams, those of each.
 *
 * @since 0.4.0
 * @category models
 */
export type EventOf<S extends Source<KafkaEvent.Any>> =
  S extends EventStream<infer E extends KafkaEvent.Any>
    ? E
    : S extends ReadonlyArray<EventStream<infer E extends KafkaEvent.Any>>
      ? E
      : S extends { readonly events: ReadonlyArray<infer E extends KafkaEvent.Any> }
        ? E
        : never

/**
 * Topics by their names and globs, or by their streams.
 *
 * @since 0.4.0
 * @category models
 */
export type Topics = string | EventStream.Any | ReadonlyArray<string | EventStream.Any>

/**
 * How a member of a group works: the options of `KafkaConsumer`, but for the topics and the codec of values.
 *
 * @since 0.4.0
 * @category options
 */
export type SubscribeOptions<K = string> = Omit<KafkaConsumer.ConsumerOptions<K, never>, "subscribe" | "value">

/**
 * Events, decoded, as the values of a consumer.
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { KafkaEvent, KafkaEvents } from "effect-ktables"
 *
 * const Added = KafkaEvent.make("Added", Schema.Struct({ page: Schema.String }))
 * const Removed = KafkaEvent.make("Removed", Schema.Struct({ page: Schema.String }))
 *
 * export const index = Effect.gen(function* () {
 *   const content = yield* KafkaEvents.subscribe({ topics: "content.*", events: [Added, Removed] }, { group: "indexer" })
 *   yield* content.runForEach(({ value }) =>
 *     value._tag === "Added" ? Effect.log(`index ${value.data.page}`) : Effect.log(`forget ${value.data.page}`)
 *   )
 * })
 * ```
 *
 * @since 0.4.0
 * @category subscribing
 */
export const subscribe: <S extends Source<KafkaEvent.Any>, K = string>(
  source: S,
  options: SubscribeOptions<K>
) => Effect.Effect<
  KafkaConsumer.KafkaConsumer<K, KafkaEvent.Decoded<EventOf<S>>>,
  KafkaConsumer.AcquireError,
  KafkaEvents | Scope.Scope
> = subscribing.subscribe

/**
 * Events of any schemas: their envelopes are read, and their data are what is in the JSON.
 *
 * @since 0.4.0
 * @category subscribing
 */
export const subscribeOpen: <K = string>(
  topics: Topics,
  options: SubscribeOptions<K>
) => Effect.Effect<KafkaConsumer.KafkaConsumer<K, OpenEvent>, KafkaConsumer.AcquireError, KafkaEvents | Scope.Scope> =
  subscribing.subscribeOpen

/**
 * The values as bytes, whatever is in them.
 *
 * @since 0.4.0
 * @category subscribing
 */
export const subscribeBytes: <K = string>(
  topics: Topics,
  options: SubscribeOptions<K>
) => Effect.Effect<KafkaConsumer.KafkaConsumer<K, Uint8Array>, KafkaConsumer.AcquireError, KafkaEvents | Scope.Scope> =
  subscribing.subscribeBytes

/**
 * The name of a subscription in the context, with its layers.
 *
 * @since 0.4.0
 * @category tags
 */
export interface SubscriptionClass<Self, Id extends string, K, E extends KafkaEvent.Any> extends Context.ServiceClass<
  Self,
  Id,
  KafkaConsumer.KafkaConsumer<K, KafkaEvent.Decoded<E>>
> {
  readonly layer: Layer.Layer<Self, KafkaConsumer.AcquireError, KafkaEvents>
  /** The same with settings that are known later, each in the place of the subscription's own one. */
  readonly layerWith: (
    settings: Partial<SubscribeOptions<K>>
  ) => Layer.Layer<Self, KafkaConsumer.AcquireError, KafkaEvents>
}

/**
 * A class that is a subscription. Its group is its name, unless the options say another one. Subscriptions are declared where
 * they belong, and merged into an application as layers are.
 *
 * @since 0.4.0
 * @category tags
 */
export const Subscription =
  <Self>() =>
  <const Id extends string, S extends Source<KafkaEvent.Any>, K = string>(
    id: Id,
    source: S,
    options?: Partial<SubscribeOptions<K>>
  ): SubscriptionClass<Self, Id, K, EventOf<S>> => {
    const tag = Context.Service<Self, KafkaConsumer.KafkaConsumer<K, KafkaEvent.Decoded<EventOf<S>>>>()(id)
    const layerWith = (settings: Partial<SubscribeOptions<K>>) =>
      Layer.effect(tag, subscribe<S, K>(source, { group: id, ...options, ...settings }))
    return Object.assign(tag, { layer: layerWith({}), layerWith })
  }
