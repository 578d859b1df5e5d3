/**
 * A Kafka topic as a live table of groups: the write side. It writes what `GroupedKafkaTable` reads, as a `KafkaTableWriter`
 * writes: with the same promises, options and errors.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { GroupedKafkaTableWriter } from "effect-ktables"
 *
 * interface Node {
 *   readonly host: string
 * }
 *
 * class NodesWriter extends GroupedKafkaTableWriter.Tag("app/NodesWriter")<NodesWriter, string, string, Node>() {}
 *
 * export const serve = Effect.gen(function* () {
 *   const writer = yield* NodesWriter
 *   yield* writer.announce("billing", "b1", { host: "10.0.0.1" })
 *   yield* Effect.never
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.4.0
 * @module
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Codec } from "./Codec.ts"
import type { KeyCodecs } from "./GroupedKafkaTable.ts"
import * as internal from "./internal/grouped/writer.ts"
import type { KafkaClient } from "./KafkaClient.ts"
import type { InvalidOptionsError, WriteError } from "./KafkaError.ts"
import type {
  AcquireError,
  AnnounceOptions,
  KafkaTableWriter,
  WriteOptions,
  WriterSettings
} from "./KafkaTableWriter.ts"
import type { Position } from "./Position.ts"

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
 * Writes a grouped table's topic: see `KafkaTableWriter`. A group needs no making, and is gone with its last member.
 *
 * A group or member that cannot be a key fails the write as any key that does not encode does (`WriteError`, `Encode`): one that is
 * not well-formed text, as it has half a surrogate pair, or that its codec refuses or makes something else of than text.
 *
 * @since 0.4.0
 * @category models
 */
export interface GroupedKafkaTableWriter<in G, in M, in V> extends Pick<
  KafkaTableWriter<never, V>,
  "topic" | "flush" | "stats"
> {
  readonly [TypeId]: TypeId
  /** Upserts a member. */
  readonly set: (group: G, member: M, value: V, options?: WriteOptions) => Effect.Effect<Position, WriteError>
  /** Writes a tombstone, whether there is such a member or not. */
  readonly delete: (group: G, member: M, options?: WriteOptions) => Effect.Effect<Position, WriteError>
  /** Upserts many members, of any groups: see `KafkaTableWriter.setMany`. */
  readonly setMany: (
    entries: Iterable<readonly [group: G, member: M, value: V]>
  ) => Effect.Effect<ReadonlyArray<Position>, WriteError>
  /** Writes many tombstones: see `setMany`. */
  readonly deleteMany: (
    members: Iterable<readonly [group: G, member: M]>
  ) => Effect.Effect<ReadonlyArray<Position>, WriteError>
  /**
   * Upserts a member for as long as the scope is open, with a heartbeat every so often, and deletes it at the end: see
   * `KafkaTableWriter.announce`.
   */
  readonly announce: (
    group: G,
    member: M,
    value: V | Effect.Effect<V>,
    options?: AnnounceOptions
  ) => Effect.Effect<Position, WriteError | InvalidOptionsError, Scope.Scope>
}

/**
 * How a writer of a grouped table writes: as any writer of a table does. What it and its table have in common can be one
 * object that is given to both.
 *
 * @since 0.4.0
 * @category options
 */
export type GroupedKafkaTableWriterOptions<G, M, V> = WriterSettings & {
  readonly topic: string
  readonly value: Codec<V>
} & KeyCodecs<G, M>

/**
 * A class to name a grouped table's writer in the context, by the types of groups, members and values.
 *
 * ```ts
 * import { GroupedKafkaTableWriter } from "effect-ktables"
 *
 * class NodesWriter extends GroupedKafkaTableWriter.Tag("app/NodesWriter")<NodesWriter, string, string, number>() {}
 *
 * export { NodesWriter }
 * ```
 *
 * @since 0.4.0
 * @category tags
 */
export const Tag =
  <const Id extends string>(id: Id) =>
  <Self, G, M, V>(): Context.ServiceClass<Self, Id, GroupedKafkaTableWriter<G, M, V>> =>
    Context.Service<Self, GroupedKafkaTableWriter<G, M, V>>()(id)

/**
 * A writer of a grouped table for as long as the scope is open: see `KafkaTableWriter.make`, which it waits, fails and closes as.
 *
 * @since 0.4.0
 * @category constructors
 */
export const make: <G = string, M = string, V = never>(
  options: GroupedKafkaTableWriterOptions<G, M, V>
) => Effect.Effect<GroupedKafkaTableWriter<G, M, V>, AcquireError, KafkaClient | Scope.Scope> = internal.make

/**
 * The writer of a tag, as a layer. See `make`.
 *
 * @since 0.4.0
 * @category layers
 */
export const layer = <Self, Id extends string, G, M, V>(
  tag: Context.ServiceClass<Self, Id, GroupedKafkaTableWriter<G, M, V>>,
  options: NoInfer<GroupedKafkaTableWriterOptions<G, M, V>>
): Layer.Layer<Self, AcquireError, KafkaClient> => Layer.effect(tag, make(options))
