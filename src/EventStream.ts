/**
 * A topic of events: its name, the event that it carries, and how it is made where it does not exist.
 *
 * ```ts
 * import { Schema } from "effect"
 * import { EventStream, KafkaEvent } from "effect-ktables"
 *
 * const OrderCreated = KafkaEvent.make("OrderCreated", Schema.Struct({ id: Schema.String, cents: Schema.Int }), {
 *   key: (order) => order.id
 * })
 *
 * export const Orders = EventStream.make("orders", OrderCreated, { partitions: 6, retention: "30 days" })
 * ```
 *
 * @since 0.4.0
 * @module
 */
import type * as Duration from "effect/Duration"
import * as internal from "./internal/events/eventStream.ts"
import type { KafkaEvent } from "./KafkaEvent.ts"

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

/**
 * How the topic is made, if it does not exist. One that exists is taken as it is.
 *
 * @since 0.4.0
 * @category options
 */
export interface StreamOptions {
  /** Default: that of `KafkaEvents`, else the broker's. */
  readonly partitions?: number
  /** Default: 3, or the number of brokers if there are fewer. */
  readonly replicationFactor?: number
  /** For how long records are kept: `retention.ms`. Default: the broker's, a week in Kafka. */
  readonly retention?: Duration.Input
  /** Other configs of the topic. `cleanup.policy` is `delete` unless it is named here. Default: none. */
  readonly configs?: Readonly<Record<string, string>>
}

/**
 * A topic and the event that it carries. A topic carries one event; an event may be carried by many topics.
 *
 * @since 0.4.0
 * @category models
 */
export interface EventStream<E extends KafkaEvent.Any> {
  readonly [TypeId]: TypeId
  /** The name of the topic, without the prefix of `KafkaEvents`. */
  readonly name: string
  readonly event: E
  readonly options: StreamOptions
}

/**
 * @since 0.4.0
 * @category models
 */
export declare namespace EventStream {
  /**
   * @since 0.4.0
   * @category models
   */
  export type Any = EventStream<KafkaEvent.Any>
}

/**
 * A stream of an event. What is wrong with its name or its options is told by what it is given to.
 *
 * @since 0.4.0
 * @category constructors
 */
export const make: <E extends KafkaEvent.Any>(name: string, event: E, options?: StreamOptions) => EventStream<E> =
  internal.make

/**
 * @since 0.4.0
 * @category guards
 */
export const isEventStream: (u: unknown) => u is EventStream.Any = internal.isEventStream
