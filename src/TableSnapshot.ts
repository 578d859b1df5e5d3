/**
 * A table's content at one version: immutable for ever, taken in constant time, read without an Effect.
 *
 * ```ts
 * import { Effect, Option } from "effect"
 * import type { KafkaTable } from "effect-ktables"
 *
 * // two reads of one version: what comes in between is in neither
 * export const both = (prices: KafkaTable.KafkaTable<string, number>) =>
 *   Effect.map(prices.snapshot, (snapshot) => ({
 *     gold: Option.getOrUndefined(snapshot.get("gold")),
 *     silver: Option.getOrUndefined(snapshot.get("silver")),
 *     version: snapshot.version
 *   }))
 * ```
 *
 * @since 0.1.0
 * @module
 */
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as schemas from "./internal/effect/v4/tableSchemas.ts"
import * as internal from "./internal/views/snapshot.ts"
import type { RecordInfo } from "./TableChange.ts"
import type {
  Indexes,
  Lookup,
  Page,
  PageOptions,
  Plan,
  Prefix,
  QueryOptions,
  Range,
  RangeOptions,
  SortedNames,
  Where
} from "./TableIndex.ts"

/**
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: typeof internal.TypeId = internal.TypeId

/**
 * @since 0.1.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/**
 * A value with its key.
 *
 * @since 0.1.0
 * @category models
 */
export interface TableEntry<out K, out V> {
  readonly key: K
  readonly value: V
}

/**
 * An entry of a topic's table, with the record that it comes from.
 *
 * @since 0.2.0
 * @category models
 */
export interface RecordEntry<out K, out V> extends TableEntry<K, V>, RecordInfo {}

/**
 * The schema of entries of any live table, for remote procedures and for JSON.
 *
 * @since 0.4.0
 * @category schemas
 */
export const entrySchema: <K, V, KI, VI>(
  key: Schema.Codec<K, KI>,
  value: Schema.Codec<V, VI>
) => Schema.Codec<TableEntry<K, V>, unknown> = schemas.tableEntry

/**
 * An entry of a topic's table as it is told to others: without headers, which are bytes of the producer's.
 *
 * @since 0.4.0
 * @category models
 */
export type RecordEntryWithoutHeaders<K, V> = Omit<RecordEntry<K, V>, "headers">

/**
 * The schema of entries of a topic's table, without headers.
 *
 * @since 0.4.0
 * @category schemas
 */
export const recordEntrySchema: <K, V, KI, VI>(
  key: Schema.Codec<K, KI>,
  value: Schema.Codec<V, VI>
) => Schema.Codec<RecordEntryWithoutHeaders<K, V>, unknown> = schemas.recordEntry

/**
 * The content at one version. Keys are compared by the identity of their bytes. Iteration is in order of the keys'
 * first appearance.
 *
 * A snapshot shares almost all of its memory with the table and with other snapshots; holding an old one holds what has
 * changed since, in pieces of 256 entries: 3 to 5 KB for a single update, besides the values.
 *
 * @since 0.1.0
 * @category models
 */
export interface TableSnapshot<
  in out K,
  out V,
  out Entry extends TableEntry<K, V> = TableEntry<K, V>,
  Ix extends Indexes = {}
> extends Iterable<readonly [K, V]> {
  readonly [TypeId]: TypeId
  /** Counts up with each publication of the table; 0 is the empty table before the first record. */
  readonly version: number
  /** Number of keys. */
  readonly size: number
  /** The value of a key; none if the snapshot does not hold it. */
  readonly get: (key: K) => Option.Option<V>
  /** `get` without the allocation, for hot paths. A value that is itself `undefined` looks like an absent key. */
  readonly getOrUndefined: (key: K) => V | undefined
  /** Does the snapshot hold this key? */
  readonly has: (key: K) => boolean
  /** The value with its key, and what else the table knows of it; none if the snapshot does not hold the key. */
  readonly entry: (key: K) => Option.Option<Entry>
  /** All keys, in order of their first appearance. */
  readonly keys: () => IterableIterator<K>
  /** All values, in the order of `keys`. */
  readonly values: () => IterableIterator<V>
  /** All entries, in the order of `keys`. */
  readonly entries: () => IterableIterator<Entry>
  /** A plain map, copied: for code that wants one. */
  readonly toMap: () => Map<K, V>

  /**
   * Entries whose keys are in a range, in the order of the keys' bytes, read as they are asked for. (Text in UTF-8 is in the
   * order of its code points, `Codec.tuple` in that of its parts.) A table that was asked for a range keeps that order from then on; of a
   * snapshot from before, the first range sorts all keys. What is wrong in a range or its options throws
   * `InvalidOptionsError`.
   */
  readonly range: (range?: Range<K>, options?: RangeOptions) => Iterable<Entry>
  /** Entries whose keys begin with a text, or with the first parts of a `Codec.tuple`: see `range`. */
  readonly prefix: (prefix: Prefix<K>, options?: RangeOptions) => Iterable<Entry>
  /** How many keys a range has, without a walk through it. */
  readonly count: (range?: Range<K>) => number
  /** A range in pieces. */
  readonly page: (range: Range<K>, options?: PageOptions) => Page<Entry>

  /** An index of the table's tag, at this version: see `TableIndex`. */
  readonly by: <Name extends keyof Ix & string>(name: Name) => Lookup<Ix[Name], Entry>
  /**
   * The entries for which all conditions hold, on the way that looks at the fewest. Without `orderBy` they come in the order
   * of their keys' first appearance. What is wrong in it throws `InvalidOptionsError`.
   */
  readonly query: (where?: Where<Ix>, options?: QueryOptions<SortedNames<Ix>>) => ReadonlyArray<Entry>
  /** How `query` would find them. */
  readonly explain: (where?: Where<Ix>, options?: QueryOptions<SortedNames<Ix>>) => Plan
}

/**
 * The content of a topic's table: its entries have partition, offset and timestamp.
 *
 * @since 0.2.0
 * @category models
 */
export type RecordSnapshot<K, V, Ix extends Indexes = {}> = TableSnapshot<K, V, RecordEntry<K, V>, Ix>
