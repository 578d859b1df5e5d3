/**
 * Typed events: what a message says, by a Schema, with a name and a version.
 *
 * An event is written as `{"schema": "OrderCreated:2", "data": …}` in JSON, as kafkaesk writes it, so that services in Python
 * and others read it, and a reader knows what it has. Old versions are read as the newest one, where `evolve` says how.
 *
 * ```ts
 * import { Schema } from "effect"
 * import { KafkaEvent } from "effect-ktables"
 *
 * const V1 = KafkaEvent.make("OrderCreated", Schema.Struct({ id: Schema.String, cents: Schema.Int }))
 *
 * const V2 = KafkaEvent.make(
 *   "OrderCreated",
 *   Schema.Struct({ id: Schema.String, cents: Schema.Int, currency: Schema.String }),
 *   { version: 2, key: (order) => order.id }
 * )
 *
 * export const OrderCreated = KafkaEvent.evolve(V1, V2, (order) => ({ ...order, currency: "EUR" }))
 * ```
 *
 * @since 0.4.0
 * @module
 */
import type * as Schema from "effect/Schema"
import type { Codec } from "./Codec.ts"
import * as internal from "./internal/events/event.ts"

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
// models
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What a message says: the data of one name and version, and those older versions that it can be made of.
 *
 * @since 0.4.0
 * @category models
 */
export interface KafkaEvent<out Name extends string, in out A> {
  readonly [TypeId]: TypeId
  readonly name: Name
  /** The version that is written, from 1 on. */
  readonly version: number
  /** `name:version`: what the envelope calls it. */
  readonly id: string
  /** The values of records, envelopes included. It reads all versions that the event knows, and writes its own. */
  readonly codec: Codec<A>
  /** The record's key, made of the data; `undefined` for none. */
  readonly key: (data: A) => string | Uint8Array | undefined
}

/**
 * @since 0.4.0
 * @category models
 */
export declare namespace KafkaEvent {
  /**
   * @since 0.4.0
   * @category models
   */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- events of any data, which are read and written
  export type Any = KafkaEvent<string, any>

  /**
   * The data of an event.
   *
   * @since 0.4.0
   * @category models
   */
  export type Data<E> = E extends KafkaEvent<infer _Name, infer A> ? A : never

  /**
   * What a subscription to events gets, of any of them: a union that is told apart by `_tag`.
   *
   * @since 0.4.0
   * @category models
   */
  export type Decoded<E> = E extends KafkaEvent<infer Name, infer A> ? DecodedEvent<Name, A> : never
}

/**
 * An event that was read.
 *
 * @since 0.4.0
 * @category models
 */
export interface DecodedEvent<out Name extends string, out A> {
  /** The event's name. */
  readonly _tag: Name
  /** The version that the record was written in. The data are those of the event's own version, whatever this is. */
  readonly version: number
  readonly data: A
}

/**
 * An event of which only the envelope is known.
 *
 * @since 0.4.0
 * @category models
 */
export interface OpenEvent {
  /** As it is written: `Name:version`. */
  readonly schema: string
  readonly name: string
  /** 1 where none is written. */
  readonly version: number
  /** What is in the JSON. */
  readonly data: unknown
}

/**
 * @since 0.4.0
 * @category options
 */
export interface EventOptions<in A> {
  /** A whole number from 1 on. Default: 1. */
  readonly version?: number
  /** The record's key: events of one key keep their order. Default: none, unless one is given to `publish`. */
  readonly key?: (data: A) => string | Uint8Array | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------------

/**
 * An event whose data a Schema tells, in JSON: see `Codec.json`. The name is any text without `:` and control characters. What
 * is wrong with the name, the version or the schema is told by what the event is given to, as `KafkaInvalidOptionsError`.
 *
 * @since 0.4.0
 * @category constructors
 */
export const make: <const Name extends string, A, I>(
  name: Name,
  schema: Schema.Codec<A, I>,
  options?: EventOptions<A>
) => KafkaEvent<Name, A> = internal.make

/**
 * An event that is written in another form: all of the record's value is what the codec makes of the data, and there is no
 * envelope. So it has no older versions, and a subscription to it has no other event.
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Codec, KafkaEvent } from "effect-ktables"
 *
 * export const Clicked = KafkaEvent.fromCodec("Clicked", Codec.json(Schema.Struct({ page: Schema.String })))
 * ```
 *
 * @since 0.4.0
 * @category constructors
 */
export const fromCodec: <const Name extends string, A>(
  name: Name,
  codec: Codec<A>,
  options?: EventOptions<A>
) => KafkaEvent<Name, A> = internal.fromCodec

/**
 * `to`, which reads records of `from`, too, and of all versions that `from` reads: `up` makes the data of the one of those
 * of the other. What it throws makes a poison record. A version that no step covers is poison that says so.
 *
 * @since 0.4.0
 * @category combinators
 */
export const evolve: <Name extends string, A, B>(
  from: KafkaEvent<Name, A>,
  to: KafkaEvent<Name, B>,
  up: (data: A) => B
) => KafkaEvent<Name, B> = internal.evolve

// ---------------------------------------------------------------------------------------------------------------------
// looking at it
// ---------------------------------------------------------------------------------------------------------------------

/**
 * @since 0.4.0
 * @category guards
 */
export const isKafkaEvent: (u: unknown) => u is KafkaEvent.Any = internal.isKafkaEvent

/**
 * The JSON Schema (draft 2020-12) of what is written: of the data, or of the whole value with its envelope. `undefined` for an
 * event of a codec, of which none is known.
 *
 * ```ts
 * import { Schema } from "effect"
 * import { KafkaEvent } from "effect-ktables"
 *
 * const Shipped = KafkaEvent.make("Shipped", Schema.Struct({ order: Schema.String }))
 *
 * export const text = JSON.stringify(KafkaEvent.jsonSchema(Shipped, { of: "value" }))
 * ```
 *
 * @since 0.4.0
 * @category schemas
 */
export const jsonSchema: (
  event: KafkaEvent.Any,
  options?: {
    /** Default: `data`. */
    readonly of?: "data" | "value"
  }
) => Readonly<Record<string, unknown>> | undefined = internal.jsonSchema
