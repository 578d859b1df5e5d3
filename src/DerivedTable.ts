/**
 * Tables that are made of others, and always in step with them: filters, other values, joins, groups.
 *
 * A description says what a table is made of; its layer makes it, and needs the tables that the description names.
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Aggregate, DerivedTable, KafkaTable } from "effect-ktables"
 *
 * interface User {
 *   readonly email: string
 *   readonly team: string
 *   readonly country: string
 *   readonly active: boolean
 * }
 *
 * interface Team {
 *   readonly name: string
 * }
 *
 * class Users extends KafkaTable.Tag("app/Users")<Users, string, User>() {}
 * class Teams extends KafkaTable.Tag("app/Teams")<Teams, string, Team>() {}
 *
 * const members = DerivedTable.from(Users).pipe(
 *   DerivedTable.filter((user) => user.active),
 *   DerivedTable.join(Teams, {
 *     on: (user) => user.team,
 *     select: (user, team) => ({ email: user.email, country: user.country, team: team.name })
 *   })
 * )
 *
 * class Members extends DerivedTable.Tag("app/Members")<
 *   Members,
 *   string,
 *   { readonly email: string; readonly country: string; readonly team: string }
 * >() {}
 *
 * const byCountry = DerivedTable.from(Members).pipe(
 *   DerivedTable.groupBy((member) => member.country, { members: Aggregate.count })
 * )
 *
 * class Countries extends DerivedTable.Tag("app/Countries")<Countries, string, { readonly members: number }>() {}
 *
 * // needs Users and Teams
 * export const layer = DerivedTable.layer(Countries, byCountry).pipe(
 *   Layer.provideMerge(DerivedTable.layer(Members, members))
 * )
 * ```
 *
 * A derived table is a live table, with all that those have. It shows an update of a table that it is made of in the same step
 * as that table, once, and never a half of it; `awaitPosition` and `barrier` of a source are enough to read it. An update that
 * comes to the same value changes nothing, and is not told.
 *
 * The functions are pure. A row for which one of them throws is left out: that is counted, and told on `problems`.
 *
 * @since 0.4.0
 * @module
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Pipeable } from "effect/Pipeable"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Option from "effect/Option"
import type { Aggregate } from "./Aggregate.ts"
import * as description from "./internal/views/derived/description.ts"
import * as internal from "./internal/views/derived/derived.ts"
import type { InvalidOptionsError } from "./KafkaError.ts"
import type { LiveTable, TableFailure } from "./LiveTable.ts"
import type { TableChange } from "./TableChange.ts"
import { type Builder, define as defineIndexes, type IndexKey, type Indexes, type Widen } from "./TableIndex.ts"
import type { TableEntry, TableSnapshot } from "./TableSnapshot.ts"

/**
 * @since 0.4.0
 * @category symbols
 */
export const TypeId: typeof internal.TypeId = internal.TypeId

/**
 * @since 0.4.0
 * @category symbols
 */
export type TypeId = typeof TypeId

// ---------------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A row that a derived table leaves out, as a function threw; of a table of groups, also a group.
 *
 * @since 0.4.0
 * @category models
 */
export interface DerivedProblem<out K> {
  /** The key of the row that the function was given. */
  readonly key: K
  /** What was thrown. */
  readonly cause: unknown
}

/**
 * @since 0.4.0
 * @category models
 */
export interface DerivedStats {
  /** Keys that have a value. */
  readonly entries: number
  /** Rows that are left out now, as a function threw. */
  readonly leftOut: number
  /** How often functions threw. */
  readonly problems: number
}

/**
 * A table that is made of others.
 *
 * @since 0.4.0
 * @category models
 */
export interface DerivedTable<in out K, in out V, Ix extends Indexes = {}> extends LiveTable<
  K,
  V,
  TableEntry<K, V>,
  TableChange<K, V>,
  Ix
> {
  readonly [TypeId]: TypeId
  readonly stats: Effect.Effect<DerivedStats>
  /** From the moment the stream is run; a slow consumer keeps the last 1,024. Fails and ends as `changes` does. */
  readonly problems: Stream.Stream<DerivedProblem<unknown>, TableFailure>
}

/**
 * What a derived table is made of: keys `K`, values `V`, and the tables that are needed, `R`.
 *
 * @since 0.4.0
 * @category models
 */
export interface Derivation<in out K, in out V, out R> extends Pipeable {
  /** What it is made of, for `DerivedTable` alone. */
  readonly description: unknown
  /** This is for the compiler alone: there is never anything here. */
  readonly Types?: {
    /** Its keys. */
    readonly key: (key: K) => K
    /** Its values. */
    readonly value: (value: V) => V
    /** What it needs. */
    readonly needs: () => R
  }
}

/**
 * A table of this library, of which a snapshot tells its types.
 *
 * @since 0.4.0
 * @category models
 */
export interface AnySource {
  /** The content now, without an Effect. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly unsafeSnapshot: () => TableSnapshot<any, any, any, any>
}

/**
 * The keys of a table.
 *
 * @since 0.4.0
 * @category models
 */
export type KeyOf<T extends AnySource> =
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  ReturnType<T["unsafeSnapshot"]> extends TableSnapshot<infer K, any, any, any> ? K : never

/**
 * The values of a table.
 *
 * @since 0.4.0
 * @category models
 */
export type ValueOf<T extends AnySource> =
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  ReturnType<T["unsafeSnapshot"]> extends TableSnapshot<any, infer V, any, any> ? V : never

// ---------------------------------------------------------------------------------------------------------------------
// descriptions
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Begins with a table: by its tag, which the layer then needs, or as it is.
 *
 * @since 0.4.0
 * @category constructors
 */
export const from: {
  <Self, Shape extends AnySource>(tag: Context.Key<Self, Shape>): Derivation<KeyOf<Shape>, ValueOf<Shape>, Self>
  <Shape extends AnySource>(table: Shape): Derivation<KeyOf<Shape>, ValueOf<Shape>, never>
} = description.from

/**
 * Only rows for which it holds.
 *
 * @since 0.4.0
 * @category combinators
 */
export const filter: {
  <V, W extends V, K>(
    holds: (value: V, key: NoInfer<K>) => value is W
  ): <R>(self: Derivation<K, V, R>) => Derivation<K, W, R>
  <V, K>(holds: (value: NoInfer<V>, key: NoInfer<K>) => boolean): <R>(self: Derivation<K, V, R>) => Derivation<K, V, R>
} = description.filter

/**
 * Other values for the same keys.
 *
 * @since 0.4.0
 * @category combinators
 */
export const map: <V, W, K>(
  to: (value: NoInfer<V>, key: NoInfer<K>) => W
) => <R>(self: Derivation<K, V, R>) => Derivation<K, W, R> = description.map

/**
 * With each row the row of another table whose key `on` gives. Rows for which there is none are left out, as are those for
 * which `on` gives `undefined`; they come when the other row does.
 *
 * The other table may be a tag, a table, or what is derived of one.
 *
 * @since 0.4.0
 * @category combinators
 */
export const join: {
  <Self, Shape extends AnySource, V, W, K>(
    other: Context.Key<Self, Shape>,
    options: JoinOptions<NoInfer<K>, NoInfer<V>, KeyOf<Shape>, ValueOf<Shape>, W>
  ): <R>(self: Derivation<K, V, R>) => Derivation<K, W, R | Self>
  <K2, V2, R2, V, W, K>(
    other: Derivation<K2, V2, R2>,
    options: JoinOptions<NoInfer<K>, NoInfer<V>, K2, V2, W>
  ): <R>(self: Derivation<K, V, R>) => Derivation<K, W, R | R2>
  <Shape extends AnySource, V, W, K>(
    other: Shape,
    options: JoinOptions<NoInfer<K>, NoInfer<V>, KeyOf<Shape>, ValueOf<Shape>, W>
  ): <R>(self: Derivation<K, V, R>) => Derivation<K, W, R>
} = description.join

/**
 * @since 0.4.0
 * @category options
 */
export interface JoinOptions<in K, in V, out K2, in V2, out W> {
  /** The key of the other row; `undefined` if there is none. */
  readonly on: (value: V, key: K) => K2 | undefined
  /** What comes of both rows. */
  readonly select: (value: V, other: V2, key: K) => W
}

/**
 * The same with all rows: where there is no other row, `select` gets none.
 *
 * @since 0.4.0
 * @category combinators
 */
export const leftJoin: {
  <Self, Shape extends AnySource, V, W, K>(
    other: Context.Key<Self, Shape>,
    options: JoinOptions<NoInfer<K>, NoInfer<V>, KeyOf<Shape>, Option.Option<ValueOf<Shape>>, W>
  ): <R>(self: Derivation<K, V, R>) => Derivation<K, W, R | Self>
  <K2, V2, R2, V, W, K>(
    other: Derivation<K2, V2, R2>,
    options: JoinOptions<NoInfer<K>, NoInfer<V>, K2, Option.Option<V2>, W>
  ): <R>(self: Derivation<K, V, R>) => Derivation<K, W, R | R2>
  <Shape extends AnySource, V, W, K>(
    other: Shape,
    options: JoinOptions<NoInfer<K>, NoInfer<V>, KeyOf<Shape>, Option.Option<ValueOf<Shape>>, W>
  ): <R>(self: Derivation<K, V, R>) => Derivation<K, W, R>
} = description.leftJoin

/**
 * A row for each group of rows, by what `by` gives: its key is that, its value what the aggregates come to. A row for which
 * `by` gives `undefined` is in no group; a date and the number of its time are two groups. A group is gone with its last row.
 *
 * @since 0.4.0
 * @category combinators
 */
export const groupBy: <V, G extends IndexKey, K, A extends Aggregates<NoInfer<K>, NoInfer<V>>>(
  by: (value: NoInfer<V>, key: NoInfer<K>) => G | undefined,
  aggregates: A
) => <R>(self: Derivation<K, V, R>) => Derivation<Widen<G>, ResultOf<A>, R> = description.groupBy

/**
 * Aggregates by name.
 *
 * @since 0.4.0
 * @category models
 */
export type Aggregates<K, V> = Readonly<Record<string, Aggregate<K, V, unknown>>>

/**
 * What aggregates come to, by name.
 *
 * @since 0.4.0
 * @category models
 */
export type ResultOf<A> = {
  readonly [Name in keyof A]: A[Name] extends Aggregate<never, never, infer Result> ? Result : never
}

// ---------------------------------------------------------------------------------------------------------------------
// tables
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A class that names a derived table in the context.
 *
 * @since 0.4.0
 * @category tags
 */
export interface TagClass<Self, Id extends string, K, V, Ix extends Indexes = {}> extends Context.ServiceClass<
  Self,
  Id,
  DerivedTable<K, V, Ix>
> {
  /** The indexes of the table, by name. */
  readonly indexes: Ix
}

/**
 * A class that names a derived table in the context, and to which indexes can be added.
 *
 * @since 0.4.0
 * @category tags
 */
export interface PlainTagClass<Self, Id extends string, K, V> extends TagClass<Self, Id, K, V> {
  /** The same table with indexes, which are a part of its type: see `TableIndex`. */
  readonly withIndexes: <Ix extends Indexes>(define: (index: Builder<K, V>) => Ix) => TagClass<Self, Id, K, V, Ix>
}

/**
 * A class to name a derived table in the context.
 *
 * @since 0.4.0
 * @category tags
 */
export const Tag =
  <const Id extends string>(id: Id) =>
  <Self, K, V>(): PlainTagClass<Self, Id, K, V> => {
    const tagWith = <Ix extends Indexes>(indexes: Ix) =>
      Object.assign(Context.Service<Self, DerivedTable<K, V, Ix>>()(id), { indexes })
    return Object.assign(tagWith({}), {
      withIndexes: <Ix extends Indexes>(define: (index: Builder<K, V>) => Ix) => tagWith(defineIndexes<K, V>()(define))
    })
  }

/**
 * A derived table for as long as the scope is open, built of all that its sources have. Fails for what is no table of this
 * library.
 *
 * @since 0.4.0
 * @category constructors
 */
export const make = <K, V, R, Ix extends Indexes = {}>(
  derivation: Derivation<K, V, R>,
  indexes?: Ix
): Effect.Effect<DerivedTable<K, V, Ix>, InvalidOptionsError, R | Scope.Scope> =>
  internal.make<K, V, Ix>(derivation, indexes ?? ({} as Ix))

/**
 * The derived table of a tag, with its indexes, as a layer, which needs the tables that it is made of. See `make`.
 *
 * @since 0.4.0
 * @category layers
 */
export const layer = <Self, Id extends string, K, V, R, Ix extends Indexes = {}>(
  tag: TagClass<Self, Id, K, V, Ix>,
  derivation: Derivation<NoInfer<K>, NoInfer<V>, R>
): Layer.Layer<Self, InvalidOptionsError, R> =>
  Layer.effect(tag, internal.make<K, V, Ix>(derivation, tag.indexes, tag.key))

// ---------------------------------------------------------------------------------------------------------------------
// streams
// ---------------------------------------------------------------------------------------------------------------------

/**
 * With each element of a stream the row that a table has for it at that moment: by key, or by a unique index. Elements for
 * which there is none are left out, as are those for which `on` gives `undefined`.
 *
 * ```ts
 * import type { Stream } from "effect"
 * import { DerivedTable, type KafkaTable } from "effect-ktables"
 *
 * interface Order {
 *   readonly customer: string
 *   readonly amount: number
 * }
 *
 * export const enriched = (orders: Stream.Stream<Order>, customers: KafkaTable.KafkaTable<string, { readonly name: string }>) =>
 *   orders.pipe(
 *     DerivedTable.lookupJoin(customers, {
 *       on: (order) => order.customer,
 *       select: (order, customer) => ({ ...order, name: customer.name })
 *     })
 *   )
 * ```
 *
 * @since 0.4.0
 * @category streams
 */
export const lookupJoin: <A, K, B, C>(
  table: Lookup<K, B>,
  options: {
    readonly on: (element: A) => NoInfer<K> | undefined
    readonly select: (element: A, found: NoInfer<B>) => C
  }
) => <E, R>(self: Stream.Stream<A, E, R>) => Stream.Stream<C, E, R> = description.lookupJoin

/**
 * The same with all elements: where the table has no row, `select` gets none.
 *
 * @since 0.4.0
 * @category streams
 */
export const lookupLeftJoin: <A, K, B, C>(
  table: Lookup<K, B>,
  options: {
    readonly on: (element: A) => NoInfer<K> | undefined
    readonly select: (element: A, found: Option.Option<NoInfer<B>>) => C
  }
) => <E, R>(self: Stream.Stream<A, E, R>) => Stream.Stream<C, E, R> = description.lookupLeftJoin

/**
 * What can be looked up by a key: a live table, or a unique index of one.
 *
 * @since 0.4.0
 * @category models
 */
export interface Lookup<in K, out B> {
  /** What there is for a key now. */
  readonly get: (key: K) => Effect.Effect<Option.Option<B>>
}
