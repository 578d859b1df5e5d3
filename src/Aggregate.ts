/**
 * What the rows of a group come to: see `DerivedTable.groupBy`. Each takes a row in, and lets it go again, without a look at the
 * others.
 *
 * @since 0.4.0
 * @module
 */
import type { AggregateParts } from "./internal/views/derived/accumulator.ts"
import type { IndexKey } from "./TableIndex.ts"

/**
 * An aggregate of rows with values `V` and keys `K`, which comes to an `A`.
 *
 * @since 0.4.0
 * @category models
 */
export interface Aggregate<in K, in V, out A> {
  /** What it is made of, for `DerivedTable` alone. */
  readonly parts: unknown
  /** This is for the compiler alone: there is never anything here. */
  readonly Types?: {
    /** What keys it takes. */
    readonly key: (key: K) => void
    /** What values it takes. */
    readonly value: (value: V) => void
    /** What it comes to. */
    readonly result: () => A
  }
}

const of = <K, V, A>(parts: AggregateParts): Aggregate<K, V, A> => ({ parts })

/**
 * How many rows there are.
 *
 * @since 0.4.0
 * @category constructors
 */
export const count: Aggregate<unknown, unknown, number> = of({ _tag: "Count" })

/**
 * The sum of a number of each row, exact: what was added is wholly gone when its row is. `undefined` adds nothing. A row whose
 * number is not finite is left out of the group, as one whose function throws is.
 *
 * @since 0.4.0
 * @category constructors
 */
export const sum = <V, K = unknown>(of_: (value: V, key: K) => number | undefined): Aggregate<K, V, number> =>
  of({ _tag: "Sum", of: of_ })

/**
 * The least of what the rows have, by the order of index keys; `undefined` if none of them has any. It is what the row has: a
 * date stays one, though it is compared by its time. Of what is the same by that, the least is a number, then a bigint, then a
 * date, and the same on every replica.
 *
 * @since 0.4.0
 * @category constructors
 */
export const min = <V, A extends IndexKey, K = unknown>(
  of_: (value: V, key: K) => A | undefined
): Aggregate<K, V, A | undefined> => of({ _tag: "Extreme", of: of_, isMax: false })

/**
 * The greatest of what the rows have, by the order of index keys, as `min` is the least; `undefined` if none of them has any.
 *
 * @since 0.4.0
 * @category constructors
 */
export const max = <V, A extends IndexKey, K = unknown>(
  of_: (value: V, key: K) => A | undefined
): Aggregate<K, V, A | undefined> => of({ _tag: "Extreme", of: of_, isMax: true })

/**
 * What the row has whose key is the first one, by the order of the keys' bytes: the same on every replica.
 *
 * @since 0.4.0
 * @category constructors
 */
export const first = <V, A, K = unknown>(of_: (value: V, key: K) => A): Aggregate<K, V, A> =>
  of({ _tag: "First", of: of_ })

/**
 * An aggregate of your own. `add` and `remove` give a new total, and change nothing; `remove` undoes `add`, in any order.
 *
 * ```ts
 * import { Aggregate } from "effect-ktables"
 *
 * // the mean of a number of each row
 * export const mean = <V>(of: (value: V) => number) =>
 *   Aggregate.make({
 *     of,
 *     empty: { sum: 0, count: 0 },
 *     add: (total, x) => ({ sum: total.sum + x, count: total.count + 1 }),
 *     remove: (total, x) => ({ sum: total.sum - x, count: total.count - 1 }),
 *     result: ({ count, sum }) => sum / count
 *   })
 * ```
 *
 * @since 0.4.0
 * @category constructors
 */
export const make = <V, X, Total, A, K = unknown>(options: {
  /** What is needed of a row. It is kept, so that the row is never asked again. */
  readonly of: (value: V, key: K) => X
  /** The total of no rows. */
  readonly empty: Total
  readonly add: (total: Total, part: X) => Total
  readonly remove: (total: Total, part: X) => Total
  readonly result: (total: Total) => A
}): Aggregate<K, V, A> => of({ _tag: "Own", ...options })
