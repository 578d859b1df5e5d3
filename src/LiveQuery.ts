/**
 * Live queries: the result of a query, kept up to date with its table, and what changes in it.
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import type { KafkaTable } from "effect-ktables"
 *
 * const top = (prices: KafkaTable.KafkaTable<string, number>) =>
 *   Effect.gen(function* () {
 *     // by the indexes of the table's tag: prices.live({ market: "XETRA" }, { orderBy: "price", limit: 20 })
 *     const first = yield* prices.live({}, { limit: 20 })
 *     yield* Effect.log(first.unsafeCurrent().toArray())
 *     yield* Stream.runForEach(first.changes, (change) => Effect.log(`${change._tag} of ${change.key}`))
 *   }).pipe(Effect.scoped)
 *
 * export { top }
 * ```
 *
 * It belongs to the same version as its table, always: `awaitPosition` and `barrier` of the table are enough for it. What a row
 * that has changed costs is the same however many rows there are, but for the depth of a tree.
 *
 * Equal live queries of a table are one: it is made with the first of them, and dropped with the last scope.
 *
 * @since 0.4.0
 * @module
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Strategy, TableFailure } from "./LiveTable.ts"
import type { TableChange } from "./TableChange.ts"
import type { Plan } from "./TableIndex.ts"
import type { TableEntry } from "./TableSnapshot.ts"

/**
 * The result of a query at one version of its table: immutable for ever, taken in constant time, read without an Effect. Rows
 * are read as they are asked for. Holding an old one holds what has changed since, as holding a snapshot does.
 *
 * @since 0.4.0
 * @category models
 */
export interface QueryResult<
  in out K,
  out V,
  out Entry extends TableEntry<K, V> = TableEntry<K, V>
> extends Iterable<Entry> {
  /** The version of the table: see `TableSnapshot`. */
  readonly version: number
  /** Rows in the result. */
  readonly size: number
  /** The rows, in the order of the query. */
  readonly entries: () => IterableIterator<Entry>
  /** All entries, in order, in an array of their own. */
  readonly toArray: () => ReadonlyArray<Entry>
  /** The value of a key; none if the result does not have its row. */
  readonly get: (key: K) => Option.Option<V>
  /** Does the result have the row of this key? */
  readonly has: (key: K) => boolean
}

/**
 * What can be read, now and whenever it changes, and not be written.
 *
 * @since 0.4.0
 * @category models
 */
export interface Readable<out A> {
  readonly get: Effect.Effect<A>
  /**
   * The present one, and those that follow; a slow consumer gets the latest. Fails and ends as the table's `changes` do, after
   * the present one.
   */
  readonly changes: Stream.Stream<A, TableFailure>
}

/**
 * A result, and every change after it: no gap, no double.
 *
 * @since 0.4.0
 * @category models
 */
export interface QuerySubscription<in out K, out V, out Entry extends TableEntry<K, V> = TableEntry<K, V>> {
  readonly result: QueryResult<K, V, Entry>
  /** To be run once. */
  readonly changes: Stream.Stream<TableChange<K, V>, TableFailure>
}

/**
 * A query that is kept up to date for as long as its scope is open. Afterwards its streams end, and its result stays what it
 * was.
 *
 * @since 0.4.0
 * @category models
 */
export interface LiveQuery<in out K, out V, out Entry extends TableEntry<K, V> = TableEntry<K, V>> {
  /**
   * The result. Its `get` has the version that the table has. Its `changes` come when the value of a row in the result has
   * changed, or its rows: not when a row was written to, and is the same.
   */
  readonly result: Readable<QueryResult<K, V, Entry>>
  /** The result now. */
  readonly current: Effect.Effect<QueryResult<K, V, Entry>>
  /** `current` without an Effect, for hot paths. */
  readonly unsafeCurrent: () => QueryResult<K, V, Entry>
  /**
   * What changes in the result, from the moment in which the stream is run, conflated for a slow consumer: an `Upsert` for a
   * row that comes into it (without a value before), or has another value; a `Delete` for one that leaves it, also where
   * others have taken its place within `limit`. The deletes of a version come first. Fails and ends as the table's `changes` do.
   */
  readonly changes: Stream.Stream<TableChange<K, V>, TableFailure>
  /** `changes` with another policy for a slow consumer. */
  readonly changesWith: (strategy: Strategy) => Stream.Stream<TableChange<K, V>, TableFailure>
  /** The result and the changes that follow it, with neither gap nor double. Default strategy: `conflate`. */
  readonly subscribe: (options?: {
    readonly strategy?: Strategy
  }) => Effect.Effect<QuerySubscription<K, V, Entry>, never, Scope.Scope>
  /** How its rows were found when it was made: without an index that helps, by looking at all rows, once. */
  readonly explain: Effect.Effect<Plan>
}
