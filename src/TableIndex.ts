/**
 * Indexes: questions to a table other than by key, each answered from one version of it.
 *
 * Indexes are a part of a table's tag, and so of its type:
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { KafkaTable } from "effect-ktables"
 *
 * class User extends Schema.Class<User>("User")({
 *   email: Schema.String,
 *   city: Schema.String,
 *   age: Schema.Int,
 *   tags: Schema.Array(Schema.String)
 * }) {}
 *
 * class Users extends KafkaTable.Tag("app/Users")<Users, string, User>().withIndexes((index) => ({
 *   email: index.unique((user) => user.email),
 *   city: index.hash((user) => user.city),
 *   tag: index.multi((user) => user.tags),
 *   age: index.sorted((user) => user.age)
 * })) {}
 *
 * export const program = Effect.gen(function* () {
 *   const users = yield* Users
 *   const one = yield* users.by("email").get("a@b.c")
 *   const adults = yield* users.by("age").range({ gte: 18 }, { limit: 10 })
 *   const admins = yield* users.query({ tag: "admin", city: "Berlin" }, { orderBy: "age" })
 *   return { one, adults, admins }
 * })
 * ```
 *
 * An index belongs to one version of its table, always: a snapshot that is held keeps its indexes, and `awaitPosition` and
 * `barrier` of the table are enough for them.
 *
 * The functions of an index are pure. A row for which they give `undefined` or `NaN`, or throw, is not in the index: that is
 * counted (`stats`), a throw is told on `problems`, and nothing else happens.
 *
 * @since 0.4.0
 * @module
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Order } from "effect/Order"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { InvalidOptionsError } from "./KafkaError.ts"
import type { AnyTable, LiveTable, TableFailure } from "./LiveTable.ts"
import type { TableChange } from "./TableChange.ts"
import type { TableEntry, TableSnapshot } from "./TableSnapshot.ts"
import * as internal from "./internal/views/attached.ts"
import * as definition from "./internal/views/definition.ts"

// ---------------------------------------------------------------------------------------------------------------------
// keys and ranges
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What rows can be indexed by. -0 is 0, and a `Date` is its time. Text is ordered by its UTF-16 units, a list by its first
 * item, then by its second one, and so on; of two lists that begin alike the shorter one is first.
 *
 * @since 0.4.0
 * @category models
 */
export type IndexKey =
  string | number | bigint | boolean | Date | ReadonlyArray<string | number | bigint | boolean | Date>

/**
 * A part of an order, from one bound to the other; without bounds, all of it.
 *
 * @since 0.4.0
 * @category models
 */
export interface Range<in out A> {
  /** After this one. */
  readonly gt?: A | undefined
  /** This one, or after it. */
  readonly gte?: A | undefined
  /** Before this one. */
  readonly lt?: A | undefined
  /** This one, or before it. */
  readonly lte?: A | undefined
  /** Only what begins with this. */
  readonly prefix?: Prefix<A> | undefined
}

/**
 * How keys may begin: a text with a text, a list with its first items, a composite key (`Codec.tuple`) with its first
 * parts.
 *
 * @since 0.4.0
 * @category models
 */
export type Prefix<A> = A extends string
  ? string
  : A extends ReadonlyArray<infer Item>
    ? ReadonlyArray<Item>
    : A extends Date | number | bigint | boolean | Uint8Array
      ? never
      : Partial<A>

/**
 * @since 0.4.0
 * @category options
 */
export interface RangeOptions {
  /** Whether to go from the last one to the first. Default: false. */
  readonly reverse?: boolean | undefined
  /** No more than so many. Default: all. */
  readonly limit?: number | undefined
}

/**
 * @since 0.4.0
 * @category options
 */
export interface PageOptions extends RangeOptions {
  /** The `next` of the page before this one; text, which may have been to a browser and back. Default: the first page. */
  readonly after?: string | undefined
  /** Entries of a page. Default: 100. */
  readonly limit?: number | undefined
}

/**
 * A piece of a range.
 *
 * @since 0.4.0
 * @category models
 */
export interface Page<out Entry> {
  readonly entries: ReadonlyArray<Entry>
  /**
   * Where the next page begins, for `after`; none if this was the last one. It is a place in the order, not in a version: what
   * was not changed meanwhile comes once, whatever else was.
   */
  readonly next: Option.Option<string>
}

// ---------------------------------------------------------------------------------------------------------------------
// definitions
// ---------------------------------------------------------------------------------------------------------------------

/**
 * - `unique`: one row a key. Of several rows with the same key the one whose current record is smallest by (timestamp,
 *   partition, offset) has it, the others are `conflicts`.
 * - `hash`: any number of rows a key.
 * - `multi`: a row has any number of keys.
 * - `sorted`: ranges, prefixes and orders, too.
 *
 * @since 0.4.0
 * @category models
 */
export type Kind = "unique" | "hash" | "multi" | "sorted"

/**
 * One index, as it is defined. `IK` is what rows are indexed by.
 *
 * @since 0.4.0
 * @category models
 */
export interface Definition<in K, in V, in out IK, out IndexKind extends Kind> {
  readonly kind: IndexKind
  /** What a row is indexed by; of a multi index, all that it is indexed by. */
  readonly keyOf: (value: V, key: K) => IK | Iterable<IK> | undefined
  /** Which rows are in the index; all of them if it is `undefined`. */
  readonly where: ((value: V, key: K) => boolean) | undefined
  readonly order: Order<IK> | undefined
}

/**
 * The indexes of a table, by name.
 *
 * @since 0.4.0
 * @category models
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Indexes = Readonly<Record<string, Definition<never, never, any, Kind>>>

/**
 * @since 0.4.0
 * @category options
 */
export interface IndexOptions<in K, in V> {
  /** Only rows for which this holds are in the index: what is not asked for takes no room. Default: all rows. */
  readonly where?: (value: V, key: K) => boolean
}

/**
 * @since 0.4.0
 * @category options
 */
export interface SortedOptions<in K, in V, in IK> extends IndexOptions<K, V> {
  /**
   * What is the same by this order is the same key. Two keys for which it throws are compared as without it; one that
   * contradicts itself is given up for that. Both are told on `problems`. Default: see `IndexKey`.
   */
  readonly order?: Order<IK>
}

/**
 * Makes indexes of a table's rows. The functions get the value of a row and its key, and give what to index it by;
 * `undefined` leaves the row out.
 *
 * @since 0.4.0
 * @category models
 */
export interface Builder<K, V> {
  /** One row a key: see `Kind`. */
  readonly unique: <IK extends IndexKey>(
    keyOf: (value: V, key: K) => IK | undefined,
    options?: IndexOptions<K, V>
  ) => Definition<K, V, Widen<IK>, "unique">
  /** Rows by one key each, such as the id of something else. */
  readonly hash: <IK extends IndexKey>(
    keyOf: (value: V, key: K) => IK | undefined,
    options?: IndexOptions<K, V>
  ) => Definition<K, V, Widen<IK>, "hash">
  /** Rows by any number of keys each, such as their tags. */
  readonly multi: <IK extends IndexKey>(
    keysOf: (value: V, key: K) => Iterable<IK>,
    options?: IndexOptions<K, V>
  ) => Definition<K, V, Widen<IK>, "multi">
  /** Rows in an order, for ranges, prefixes, `orderBy`, and keys, too. Rows with the same key are in the order of their own keys. */
  readonly sorted: <IK extends IndexKey>(
    keyOf: (value: V, key: K) => IK | undefined,
    options?: SortedOptions<K, V, NoInfer<Widen<IK>>>
  ) => Definition<K, V, Widen<IK>, "sorted">
}

/**
 * What may be asked for where rows are indexed by this: any `boolean`, and not just the one that a function's type says.
 *
 * @since 0.4.0
 * @category models
 */
export type Widen<IK> = IK extends boolean ? boolean : IK

// ---------------------------------------------------------------------------------------------------------------------
// look-ups in a snapshot
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A unique index at one version.
 *
 * @since 0.4.0
 * @category lookups
 */
export interface UniqueLookup<in IK, out Entry> {
  /** The row that has this key: of several, the smallest one; see `Kind`. */
  readonly get: (key: IK) => Option.Option<Entry>
  /** Whether a row has this key. */
  readonly has: (key: IK) => boolean
  /** Rows in the index, those that lost included. */
  readonly size: number
  /** The rows whose key another row has, which is the smaller one: see `Kind`. The first call goes through all of the index. */
  readonly conflicts: () => ReadonlyArray<Entry>
}

/**
 * A hash or multi index at one version.
 *
 * @since 0.4.0
 * @category lookups
 */
export interface HashLookup<in IK, out Entry> {
  /** The rows with this key, in the order of their first appearance. */
  readonly get: (key: IK) => ReadonlyArray<Entry>
  /** Whether a row has this key. */
  readonly has: (key: IK) => boolean
  /** How many rows have this key. */
  readonly count: (key: IK) => number
  /** Pairs of a row and a key in the index. */
  readonly size: number
}

/**
 * A sorted index at one version. What is wrong in a range or its options throws `InvalidOptionsError`.
 *
 * @since 0.4.0
 * @category lookups
 */
export interface SortedLookup<in out IK, out Entry> {
  /** The rows with this key, in the order of their own keys. */
  readonly get: (key: IK) => ReadonlyArray<Entry>
  /** Whether a row has this key. */
  readonly has: (key: IK) => boolean
  /** Rows in a range, in order, read as they are asked for. */
  readonly range: (range?: Range<IK>, options?: RangeOptions) => Iterable<Entry>
  /** Rows whose keys begin so, in order: see `range`. */
  readonly prefix: (prefix: Prefix<IK>, options?: RangeOptions) => Iterable<Entry>
  /** How many rows a range has, without a walk through it. */
  readonly count: (range?: Range<IK>) => number
  /** A range in pieces. */
  readonly page: (range: Range<IK>, options?: PageOptions) => Page<Entry>
  /** Rows in the index. */
  readonly size: number
}

/**
 * What a snapshot can be asked of an index.
 *
 * @since 0.4.0
 * @category lookups
 */
export type Lookup<D, Entry> =
  D extends Definition<never, never, infer IK, infer IndexKind>
    ? IndexKind extends "unique"
      ? UniqueLookup<IK, Entry>
      : IndexKind extends "sorted"
        ? SortedLookup<IK, Entry>
        : HashLookup<IK, Entry>
    : never

// ---------------------------------------------------------------------------------------------------------------------
// look-ups in a table
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What an index has done, and what is in it now.
 *
 * @since 0.4.0
 * @category models
 */
export interface IndexStats {
  /** Rows in the index; of a multi index, pairs of a row and a key. */
  readonly entries: number
  /** Rows that are not in it now, as `undefined` or `NaN` is no key, or as the functions threw. */
  readonly leftOut: number
  /** How often the functions threw. */
  readonly problems: number
  /** Rows whose key another row has: of a unique index. */
  readonly conflicts: number
}

/**
 * A row that is not in an index, as a function of that threw.
 *
 * @since 0.4.0
 * @category models
 */
export interface IndexProblem<out K> {
  /** The name of the index. */
  readonly index: string
  /** The key of the row. */
  readonly key: K
  /** What was thrown, or what is wrong with an order. */
  readonly cause: unknown
}

/**
 * What all indexes of a table have.
 *
 * @since 0.4.0
 * @category lookups
 */
export interface LiveIndex<out K> {
  /** What it has done, and what is in it now. */
  readonly stats: Effect.Effect<IndexStats>
  /**
   * From the moment the stream is run; a slow consumer keeps the last 1,024. Fails and ends as the table's `changes` do; of an
   * index that was attached, ends with its scope.
   */
  readonly problems: Stream.Stream<IndexProblem<K>, TableFailure>
}

/**
 * A unique index of a table: see `UniqueLookup`.
 *
 * @since 0.4.0
 * @category lookups
 */
export interface LiveUnique<out K, in IK, out Entry> extends LiveIndex<K> {
  /** The row that has this key: of several, the smallest one; see `Kind`. */
  readonly get: (key: IK) => Effect.Effect<Option.Option<Entry>>
  /** Whether a row has this key. */
  readonly has: (key: IK) => Effect.Effect<boolean>
  /** The rows whose key another row has. */
  readonly conflicts: Effect.Effect<ReadonlyArray<Entry>>
}

/**
 * A hash or multi index of a table: see `HashLookup`.
 *
 * @since 0.4.0
 * @category lookups
 */
export interface LiveHash<out K, in IK, out Entry> extends LiveIndex<K> {
  /** The rows with this key, in the order of their first appearance. */
  readonly get: (key: IK) => Effect.Effect<ReadonlyArray<Entry>>
  /** Whether a row has this key. */
  readonly has: (key: IK) => Effect.Effect<boolean>
  /** How many rows have this key. */
  readonly count: (key: IK) => Effect.Effect<number>
}

/**
 * A sorted index of a table: see `SortedLookup`. What is wrong in a range or its options is a defect
 * (`InvalidOptionsError`), but for `after`, which may come from outside.
 *
 * @since 0.4.0
 * @category lookups
 */
export interface LiveSorted<out K, in out IK, out Entry> extends LiveIndex<K> {
  /** The rows with this key, in the order of their own keys. */
  readonly get: (key: IK) => Effect.Effect<ReadonlyArray<Entry>>
  /** Whether a row has this key. */
  readonly has: (key: IK) => Effect.Effect<boolean>
  /** Rows in a range, in order, all of one version. */
  readonly range: (range?: Range<IK>, options?: RangeOptions) => Effect.Effect<ReadonlyArray<Entry>>
  /** Rows whose keys begin so, in order. */
  readonly prefix: (prefix: Prefix<IK>, options?: RangeOptions) => Effect.Effect<ReadonlyArray<Entry>>
  /** How many rows a range has, without a walk through it. */
  readonly count: (range?: Range<IK>) => Effect.Effect<number>
  /** A range in pieces. Fails for an `after` that is not the `next` of a page of such a range. */
  readonly page: (range: Range<IK>, options?: PageOptions) => Effect.Effect<Page<Entry>, InvalidOptionsError>
}

/**
 * What a table can be asked of an index.
 *
 * @since 0.4.0
 * @category lookups
 */
export type LiveLookup<D, K, Entry> =
  D extends Definition<never, never, infer IK, infer IndexKind>
    ? IndexKind extends "unique"
      ? LiveUnique<K, IK, Entry>
      : IndexKind extends "sorted"
        ? LiveSorted<K, IK, Entry>
        : LiveHash<K, IK, Entry>
    : never

// ---------------------------------------------------------------------------------------------------------------------
// queries
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What a query asks of one index: a key, or of a sorted one a range.
 *
 * @since 0.4.0
 * @category queries
 */
export type Condition<D> =
  D extends Definition<never, never, infer IK, infer IndexKind>
    ? IndexKind extends "sorted"
      ? IK | Range<IK>
      : IK
    : never

/**
 * What a query asks for: all of its conditions hold.
 *
 * @since 0.4.0
 * @category queries
 */
export type Where<Ix extends Indexes> = { readonly [Name in keyof Ix]?: Condition<Ix[Name]> }

/**
 * The names of sorted indexes.
 *
 * @since 0.4.0
 * @category queries
 */
export type SortedNames<Ix extends Indexes> = {
  [Name in keyof Ix & string]: Ix[Name] extends Definition<never, never, infer _, "sorted"> ? Name : never
}[keyof Ix & string]

/**
 * @since 0.4.0
 * @category queries
 */
export interface QueryOptions<out Name extends string> extends RangeOptions {
  /**
   * A sorted index, whose order the result has; it then has only rows that are in that index. Default: the order of their
   * first appearance.
   */
  readonly orderBy?: Name | undefined
}

/**
 * How a query finds its rows.
 *
 * @since 0.4.0
 * @category queries
 */
export interface Plan {
  /** The index that its candidates are read from; `undefined` if it looks at all rows of the table. */
  readonly index: string | undefined
  /** How many candidates there are at most: each of them is looked at, up to `limit` results where they come in order. */
  readonly candidates: number
  /** Whether the result has to be sorted after it was found. */
  readonly sorts: boolean
}

// ---------------------------------------------------------------------------------------------------------------------
// attached indexes
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Indexes of somebody else's table.
 *
 * @since 0.4.0
 * @category models
 */
export interface Attached<K, V, Entry extends TableEntry<K, V>, Ix extends Indexes> extends Pick<
  LiveTable<K, V, Entry, TableChange<K, V>, Ix>,
  "by" | "query" | "explain" | "live"
> {
  /** The content of the table now, with these indexes. */
  readonly snapshot: Effect.Effect<TableSnapshot<K, V, Entry, Ix>>
  /** `snapshot` without an Effect, for hot paths. */
  readonly unsafeSnapshot: () => TableSnapshot<K, V, Entry, Ix>
}

/**
 * Adds indexes to a table for as long as the scope is open: to one whose tag is not yours, or for a task. They are built in
 * slices, of all rows that there are, while the table goes on.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { type KafkaTable, TableIndex } from "effect-ktables"
 *
 * export const cheapest = (prices: KafkaTable.KafkaTable<string, number>) =>
 *   Effect.gen(function* () {
 *     const indexed = yield* TableIndex.attach(prices, (index) => ({ price: index.sorted((price) => price) }))
 *     return yield* indexed.by("price").range({}, { limit: 10 })
 *   })
 * ```
 *
 * @since 0.4.0
 * @category constructors
 */
export const attach: <K, V, Entry extends TableEntry<K, V>, Ix extends Indexes>(
  table: Source<K, V, Entry>,
  define: (index: Builder<K, V>) => Ix
) => Effect.Effect<Attached<K, V, Entry, Ix>, never, Scope.Scope> = internal.attach

/**
 * A table of this library, of which a snapshot tells its types.
 *
 * @since 0.4.0
 * @category models
 */
export type Source<K, V, Entry extends TableEntry<K, V>> = Pick<AnyTable<K, V>, "changes"> & {
  /** The content now, without an Effect. */
  readonly unsafeSnapshot: () => TableSnapshot<K, V, Entry>
}

/**
 * Makes definitions of indexes, for what takes them beside a tag.
 *
 * @since 0.4.0
 * @category constructors
 */
export const define: <K, V>() => <Ix extends Indexes>(make: (index: Builder<K, V>) => Ix) => Ix = definition.define
