/**
 * A Kafka topic as a live table of groups, each of which has members: the read side. The nodes of a service, the members of a
 * team, the carts of a shop.
 *
 * Each member is a record of its own, so that writers of one group never overwrite each other's members, and a group is
 * there while it has one. Keys are those of the grouped tables of Python's ktables 2.0: the length of the group's name in
 * Unicode code points, `:`, the group and the member, such as `7:billingb1`. Both read what the other one writes.
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Codec, GroupedKafkaTable } from "effect-ktables"
 *
 * class Node extends Schema.Class<Node>("Node")({ host: Schema.String, port: Schema.Int }) {}
 *
 * class Nodes extends GroupedKafkaTable.Tag("app/Nodes")<Nodes, string, string, Node>() {}
 *
 * export const NodesTable = GroupedKafkaTable.layer(Nodes, { topic: "my.nodes", value: Codec.json(Node) })
 *
 * export const program = Effect.gen(function* () {
 *   const nodes = yield* Nodes
 *   yield* Effect.log(yield* nodes.groups)
 *   yield* nodes
 *     .watchGroup("billing")
 *     .pipe(Stream.runForEach((billing) => Effect.log(`${billing.size} nodes of billing`)))
 * })
 * ```
 *
 * @since 0.4.0
 * @module
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Codec } from "./Codec.ts"
import type { GroupedKafkaTableWriter } from "./GroupedKafkaTableWriter.ts"
import * as internalJanitor from "./internal/grouped/janitor.ts"
import * as snapshot from "./internal/grouped/snapshot.ts"
import * as internal from "./internal/grouped/table.ts"
import type { KafkaClient } from "./KafkaClient.ts"
import type { WriteError } from "./KafkaError.ts"
import type { AcquireError, ExpireAt, JanitorOptions, KafkaTable, TableSettings } from "./KafkaTable.ts"
import type { TableFailure } from "./LiveTable.ts"
import type { RecordSnapshot } from "./TableSnapshot.ts"

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

/**
 * @since 0.4.0
 * @category symbols
 */
export const SnapshotTypeId: typeof snapshot.TypeId = snapshot.TypeId

/**
 * @since 0.4.0
 * @category symbols
 */
export type SnapshotTypeId = typeof SnapshotTypeId

// ---------------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The key of a member.
 *
 * @since 0.4.0
 * @category models
 */
export interface GroupedKey<out G, out M> {
  readonly group: G
  readonly member: M
}

/**
 * All groups at one version: immutable for ever, taken in constant time, read without an Effect.
 *
 * @since 0.4.0
 * @category models
 */
export interface GroupedSnapshot<in out G, in out M, out V> {
  readonly [SnapshotTypeId]: SnapshotTypeId
  /** Counts up with each publication of the table; 0 is the empty table before the first record. */
  readonly version: number
  /** Number of members of all groups. */
  readonly size: number
  /** The value of a member; none if there is no such member. */
  readonly get: (group: G, member: M) => Option.Option<V>
  /** `get` without the allocation, for hot paths. A value that is itself `undefined` looks like a member that is not there. */
  readonly getOrUndefined: (group: G, member: M) => V | undefined
  /** Whether a group has this member. */
  readonly has: (group: G, member: M) => boolean
  /** The members of a group in the order of their first appearance, copied; empty if there is no such group. */
  readonly group: (group: G) => Map<M, V>
  /** Whether a group has a member. */
  readonly hasGroup: (group: G) => boolean
  /** How many members a group has, without a walk through them. */
  readonly groupSize: (group: G) => number
  /** All groups, in the order of their first appearance. */
  readonly groups: () => ReadonlyArray<G>
  /** Number of groups. */
  readonly groupCount: number
  /** All of it as plain maps, copied in one pass. */
  readonly toMap: () => Map<G, Map<M, V>>
  /** This version as a snapshot of `GroupedKafkaTable.table`. */
  readonly table: RecordSnapshot<GroupedKey<G, M>, V>
}

/**
 * A topic as a live table of groups. Reads never fail and never wait: they serve the last published version. What is not about
 * groups is what any table of a topic has.
 *
 * Records whose keys are no such keys are skipped, counted in `stats.keyErrors` and told on `poison`, unless `onPoison` is
 * `fail`. A stranger's key that looks like one is one.
 *
 * @since 0.4.0
 * @category models
 */
export interface GroupedKafkaTable<in out G, in out M, in out V> extends Pick<
  KafkaTable<GroupedKey<G, M>, V>,
  | "topic"
  | "changes"
  | "changesWith"
  | "status"
  | "awaitCaughtUp"
  | "failure"
  | "barrier"
  | "awaitPosition"
  | "freshness"
  | "stats"
  | "poison"
  | "truncations"
> {
  readonly [TypeId]: TypeId
  /** The value of a member; none if there is no such member. */
  readonly get: (group: G, member: M) => Effect.Effect<Option.Option<V>>
  /** Whether a group has this member. */
  readonly has: (group: G, member: M) => Effect.Effect<boolean>
  /** Number of members of all groups. */
  readonly size: Effect.Effect<number>
  /** The members of a group in the order of their first appearance; empty if there is no such group. */
  readonly group: (group: G) => Effect.Effect<ReadonlyMap<M, V>>
  /** Whether a group has a member. */
  readonly hasGroup: (group: G) => Effect.Effect<boolean>
  /** How many members a group has, without a walk through them. */
  readonly groupSize: (group: G) => Effect.Effect<number>
  /** All groups, in the order of their first appearance. */
  readonly groups: Effect.Effect<ReadonlyArray<G>>
  /** Number of groups. */
  readonly groupCount: Effect.Effect<number>
  /** All groups now, immutable for ever; in constant time. */
  readonly snapshot: Effect.Effect<GroupedSnapshot<G, M, V>>
  /** `snapshot` without an Effect, for hot paths. */
  readonly unsafeSnapshot: () => GroupedSnapshot<G, M, V>
  /**
   * The value of one member: now, and whenever it changes (the latest, for a slow consumer). Fails and ends as `changes` does;
   * of a table whose reader has ended, after the value that there is.
   */
  readonly watch: (group: G, member: M) => Stream.Stream<Option.Option<V>, TableFailure>
  /**
   * The members of one group: now, and whenever one of them changes (the latest, for a slow consumer), each time those of one
   * version; empty while there is no such group. Changes of other groups cost it nothing. Fails and ends as `watch` does.
   */
  readonly watchGroup: (group: G) => Stream.Stream<ReadonlyMap<M, V>, TableFailure>
  /** The same rows as a table by key: entries with their records, ranges, subscriptions, indexes (`TableIndex.attach`). */
  readonly table: KafkaTable<GroupedKey<G, M>, V>
}

// ---------------------------------------------------------------------------------------------------------------------
// options
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How the two parts of a key are text. Codecs have to make UTF-8, and be synchronous for a table: `Codec.utf8`,
 * `Codec.string(schema)`, or what `Codec.imap` makes of them. Two texts are two groups, whatever a codec makes of them. Default of each:
 * `Codec.utf8`.
 *
 * @since 0.4.0
 * @category options
 */
export type KeyCodecs<G, M> = ([string] extends [G] ? { readonly group?: Codec<G> } : { readonly group: Codec<G> }) &
  ([string] extends [M] ? { readonly member?: Codec<M> } : { readonly member: Codec<M> })

/**
 * How a grouped table reads: as any table of a topic does. What it and its writer have in common can be one object that is
 * given to both.
 *
 * @since 0.4.0
 * @category options
 */
export type GroupedKafkaTableOptions<G, M, V> = TableSettings & {
  readonly topic: string
  readonly value: Codec<V>
  /** See `KafkaTableOptions`. Default: rows do not expire by their values. */
  readonly expireAt?: ExpireAt<GroupedKey<G, M>, V>
} & KeyCodecs<G, M>

// ---------------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A class to name a grouped table in the context, by the types of its groups, members and values.
 *
 * ```ts
 * import { GroupedKafkaTable } from "effect-ktables"
 *
 * class Nodes extends GroupedKafkaTable.Tag("app/Nodes")<Nodes, string, string, { readonly host: string }>() {}
 *
 * export { Nodes }
 * ```
 *
 * @since 0.4.0
 * @category tags
 */
export const Tag =
  <const Id extends string>(id: Id) =>
  <Self, G, M, V>(): Context.ServiceClass<Self, Id, GroupedKafkaTable<G, M, V>> =>
    Context.Service<Self, GroupedKafkaTable<G, M, V>>()(id)

/**
 * A grouped table for as long as the scope is open: see `KafkaTable.make`, which it waits and fails as.
 *
 * @since 0.4.0
 * @category constructors
 */
export const make: <G = string, M = string, V = never>(
  options: GroupedKafkaTableOptions<G, M, V>
) => Effect.Effect<GroupedKafkaTable<G, M, V>, AcquireError, KafkaClient | Scope.Scope> = internal.make

/**
 * The grouped table of a tag, as a layer. See `make`.
 *
 * @since 0.4.0
 * @category layers
 */
export const layer = <Self, Id extends string, G, M, V>(
  tag: Context.ServiceClass<Self, Id, GroupedKafkaTable<G, M, V>>,
  options: NoInfer<GroupedKafkaTableOptions<G, M, V>>
): Layer.Layer<Self, AcquireError, KafkaClient> => Layer.effect(tag, make(options))

// ---------------------------------------------------------------------------------------------------------------------
// expiry
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Writes tombstones for the members that have expired, so that compaction takes them out of the log: the janitor of a grouped
 * table. It works, ends and fails as `KafkaTable.janitor` does.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { GroupedKafkaTable, GroupedKafkaTableWriter } from "effect-ktables"
 *
 * class Nodes extends GroupedKafkaTable.Tag("app/Nodes")<Nodes, string, string, string>() {}
 * class NodesWriter extends GroupedKafkaTableWriter.Tag("app/NodesWriter")<NodesWriter, string, string, string>() {}
 *
 * export const cleaning = Effect.gen(function* () {
 *   yield* GroupedKafkaTable.janitor(yield* Nodes, yield* NodesWriter, { grace: "5 minutes" })
 * })
 * ```
 *
 * @since 0.4.0
 * @category expiry
 */
export const janitor: <G, M, V>(
  table: GroupedKafkaTable<G, M, V>,
  writer: Pick<GroupedKafkaTableWriter<G, M, V>, "topic" | "deleteMany" | "flush">,
  options?: JanitorOptions
) => Effect.Effect<void, TableFailure | WriteError> = internalJanitor.janitor
