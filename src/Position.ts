/**
 * Where a record is: topic, partition and offset. The writer's acknowledgement gives one, and `awaitPosition` of a
 * table waits for one.
 *
 * The two need not be in one process. As text, `topic@partition:offset`, a position is a safe value of an HTTP header:
 * who wrote a record hands it to the client, who hands it to whoever is to read it.
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Position } from "effect-ktables"
 *
 * const written = Position.make({ topic: "my.registry", partition: 3, offset: 1042 })
 *
 * export const header = `${written}` // my.registry@3:1042
 *
 * export const position = Schema.decodeOption(Position.FromString)(header) // none for any other text
 * ```
 *
 * @since 0.1.0
 * @module
 */
import type * as Equal from "effect/Equal"
import type { Inspectable } from "effect/Inspectable"
import type * as order from "effect/Order"
import type * as Schema from "effect/Schema"
import * as internal from "./internal/position.ts"

/**
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: unique symbol = internal.TypeId

/**
 * @since 0.1.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/**
 * Where a record is. Two of the same place are equal by `Equal`; `toString` gives `topic@partition:offset`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Position extends Equal.Equal, Inspectable {
  readonly [TypeId]: TypeId
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make: (options: {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}) => Position = internal.make

/**
 * @since 0.1.0
 * @category guards
 */
export const isPosition: (u: unknown) => u is Position = internal.isPosition

/**
 * By offset within one partition. Positions of different partitions are ordered by topic and partition, which says
 * nothing about time.
 *
 * @since 0.1.0
 * @category instances
 */
export const Order: order.Order<Position> = internal.Order

/**
 * The last one of each partition: to wait for these is to wait for all.
 *
 * @since 0.1.0
 * @category combinators
 */
export const latest: (positions: Iterable<Position>) => Array<Position> = internal.latest

/**
 * A position as the text `topic@partition:offset`. There is one text for each position; fails with a `SchemaError` on
 * any other, and on a position that cannot be (a topic that Kafka does not allow, a number that is negative or no
 * integer).
 *
 * @since 0.1.0
 * @category schemas
 */
export const FromString: Schema.Codec<Position, string> = internal.FromString

/**
 * Any number of positions as one text, separated by commas: what a client hands on after many writes. `latest` makes
 * the list short first. As in other HTTP headers, spaces around and nothing between commas are allowed.
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Position } from "effect-ktables"
 *
 * declare const acknowledged: ReadonlyArray<Position.Position>
 *
 * export const header = Schema.encodeSync(Position.ManyFromString)(Position.latest(acknowledged))
 * ```
 *
 * @since 0.1.0
 * @category schemas
 */
export const ManyFromString: Schema.Codec<ReadonlyArray<Position>, string> = internal.ManyFromString
