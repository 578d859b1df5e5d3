/**
 * A catalog: records without a natural key, found by any of several fields, in a Kafka topic that is their log.
 *
 * One field of a record is its row key, one or more others are index keys. These fields together are the identity of a
 * record: the same record inserted twice, by whomever and at the same time, is there once, and the first one counts. A
 * record with the same row key and another index value is another record. Case counts in row keys, and not in index keys.
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Catalog, Codec, KafkaClient } from "effect-ktables"
 *
 * class Part extends Schema.Class<Part>("Part")({
 *   sku: Schema.String,
 *   vendor: Schema.String,
 *   zone: Schema.String,
 *   stock: Schema.Int
 * }) {}
 *
 * class Parts extends Catalog.Tag("app/Parts")<Parts, Part>()({ rowKey: "sku", indexKeys: ["vendor", "zone"] }) {}
 *
 * const program = Effect.gen(function* () {
 *   const parts = yield* Parts
 *   const bolt = yield* parts.insert(new Part({ sku: "bolt-8", vendor: "ACME", zone: "eu", stock: 5 }))
 *   yield* Effect.log(bolt)
 *   const found = yield* parts.query({ vendor: "acme", rowFrom: "a", rowTo: "m" })
 *   yield* Effect.log(`${found.length} found, ${yield* parts.delete({ zone: "eu" })} deleted`)
 * })
 *
 * export const main = program.pipe(
 *   Effect.provide(
 *     Catalog.layer(Parts, { table: "parts", value: Codec.json(Part) }).pipe(
 *       Layer.provide(KafkaClient.layer({ brokers: ["localhost:9092"] }))
 *     )
 *   )
 * )
 * ```
 *
 * @since 0.4.0
 * @module
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Codec } from "./Codec.ts"
import * as internal from "./internal/catalog/catalog.ts"
import type { KafkaClient } from "./KafkaClient.ts"
import type {
  CatalogLockedError,
  CatalogReadOnlyError,
  InvalidOptionsError,
  InvalidRecordError,
  WriteError
} from "./KafkaError.ts"
import type * as KafkaTable from "./KafkaTable.ts"
import type * as KafkaTableWriter from "./KafkaTableWriter.ts"
import type { LiveTable, WaitError } from "./LiveTable.ts"
import type { RecordEntry, TableSnapshot } from "./TableSnapshot.ts"

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
// keys
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Which fields of a record are its keys. They are a part of what the log is: the first insert locks it to them, whoever
 * makes it. Index keys are the same in any order.
 *
 * @since 0.4.0
 * @category models
 */
export interface CatalogKeys<out RK extends string = string, out IK extends string = string> {
  /** The field in whose order results are, by UTF-16 units. Case counts. */
  readonly rowKey: RK
  /** The fields that records are found by, at least one. Case does not count. */
  readonly indexKeys: ReadonlyArray<IK>
}

/**
 * The names of the fields of a record that are text: what keys can be.
 *
 * @since 0.4.0
 * @category models
 */
export type TextField<R> = { [Field in keyof R & string]: R[Field] extends string ? Field : never }[keyof R & string]

/**
 * What tells a record from others: its row key as it is, and 128 bits of a hash of its index values, in which case does not
 * count.
 *
 * @since 0.4.0
 * @category models
 */
export interface Identity {
  readonly rowKey: string
  /** 32 hexadecimal digits. */
  readonly fingerprint: string
}

/**
 * What a catalog is asked for: all conditions hold. At least one is needed, a field that is not a key is an error, and so
 * is blank text.
 *
 * - An index key: that value. Case does not count.
 * - The row key: that value, or a range of them with `from`, `to` or both. Case counts.
 * - `rowFrom` and `rowTo`: the same range, both inclusive. Where a key of the catalog has one of these names, that is meant, and
 *   the range is said by the row key.
 *
 * @since 0.4.0
 * @category models
 */
export type Filter<RK extends string, IK extends string> = {
  readonly [Field in IK]?: string
} & { readonly [Field in Exclude<RK, IK>]?: string | RowRange } & {
  readonly [Bound in Exclude<"rowFrom" | "rowTo", RK | IK>]?: string
}

/**
 * Row keys from one to another, both inclusive.
 *
 * @since 0.4.0
 * @category models
 */
export interface RowRange {
  readonly from?: string
  readonly to?: string
}

// ---------------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The records of a catalog as a live table, by their identities: to watch them, to subscribe to them, to derive others.
 *
 * @since 0.4.0
 * @category models
 */
export interface RecordTable<in out R> extends LiveTable<Identity, R, RecordEntry<Identity, R>> {}

/**
 * A catalog at one version, immutable for ever. What is wrong in a filter throws `InvalidOptionsError`.
 *
 * @since 0.4.0
 * @category models
 */
export interface CatalogSnapshot<in out R, in RK extends string, in IK extends string> {
  readonly version: number
  /** Number of records. */
  readonly size: number
  /** The records that match, in the order of their row keys. */
  readonly query: (filter: Filter<RK, IK>) => ReadonlyArray<R>
  /** All records by their identities, with partition, offset and timestamp. */
  readonly entries: TableSnapshot<Identity, R, RecordEntry<Identity, R>>
}

/**
 * What an insert can fail with.
 *
 * @since 0.4.0
 * @category errors
 */
export type InsertError = InvalidRecordError | CatalogLockedError | CatalogReadOnlyError | WriteError | WaitError

/**
 * What a delete can fail with.
 *
 * @since 0.4.0
 * @category errors
 */
export type DeleteError = InvalidOptionsError | CatalogLockedError | CatalogReadOnlyError | WriteError | WaitError

/**
 * A catalog of records `R`. Reads never wait: they are of the version that is shown, which is that of all that was read of
 * the log. `insert` and `delete` see all that was acknowledged before they were called, by whomever.
 *
 * @since 0.4.0
 * @category models
 */
export interface Catalog<in out R, in out RK extends string = string, in out IK extends string = string> {
  readonly [TypeId]: TypeId
  /** The topic that is its log. */
  readonly topic: string
  readonly keys: CatalogKeys<RK, IK>
  /**
   * Inserts a record, and succeeds with the record that is there now: this one, or the one of the same identity that was
   * there before. The log has it first; then it is waited for until it is shown here.
   *
   * - All fields that are missing or blank are named in one `InvalidRecordError`, and nothing is written.
   * - Of those who insert the same identity at the same time, wherever, all get the same record: the one that the log has
   *   first. What the others wrote is deleted by them.
   * - Interrupted, it goes on: the record may be inserted. A `WriteError` says whether the record may be in the log; it is, after
   *   a `WaitError` (but for one of an operation `barrier`). Either way, the same insert may be repeated.
   */
  readonly insert: (record: R) => Effect.Effect<R, InsertError>
  /** The record with these keys; none if there is no such record. */
  readonly find: (keys: { readonly [Field in RK | IK]: string }) => Effect.Effect<Option.Option<R>, InvalidRecordError>
  /** The records for which all conditions hold, in the order of their row keys, all of one version. */
  readonly query: (filter: Filter<RK, IK>) => Effect.Effect<ReadonlyArray<R>, InvalidOptionsError>
  /**
   * Deletes the records for which all conditions hold, and succeeds with their number when they are gone here. The log has a
   * tombstone for all that was written of them. Interrupted or failed, it may have deleted some of them; it may be repeated.
   */
  readonly delete: (filter: Filter<RK, IK>) => Effect.Effect<number, DeleteError>
  /** The identity of a record, or of its keys: for `table`. */
  readonly identity: (keys: { readonly [Field in RK | IK]: string }) => Effect.Effect<Identity, InvalidRecordError>
  /** Number of records. */
  readonly size: Effect.Effect<number>
  /** The content now, immutable for ever; in constant time. */
  readonly snapshot: Effect.Effect<CatalogSnapshot<R, RK, IK>>
  /** The records as a live table. */
  readonly table: RecordTable<R>
  /** See `LiveTable.changes`. */
  readonly changes: RecordTable<R>["changes"]
  /** See `LiveTable.status`. */
  readonly status: RecordTable<R>["status"]
  /** See `LiveTable.awaitCaughtUp`. */
  readonly awaitCaughtUp: RecordTable<R>["awaitCaughtUp"]
  /** See `LiveTable.barrier`: for a query that is to see what somebody else has inserted by now. */
  readonly barrier: RecordTable<R>["barrier"]
  /** What was read of the log so far, and what of it could not be read: see `KafkaTable.stats`. It counts all that is in the log. */
  readonly stats: KafkaTable.KafkaTable<never, never>["stats"]
  /** Records of the log that cannot be read, as their key is none of a catalog, or their value does not decode. */
  readonly poison: KafkaTable.KafkaTable<never, never>["poison"]
}

// ---------------------------------------------------------------------------------------------------------------------
// options
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How a catalog reads and writes its log: what a table and a writer can be told, but for what the order of candidates rests
 * on.
 *
 * @since 0.4.0
 * @category options
 */
export interface CatalogSettings
  extends
    Omit<KafkaTable.TableSettings, "headers" | "isolation" | "expireAfter" | "history">,
    Omit<
      KafkaTableWriter.WriterSettings,
      "acks" | "idempotent" | "partitioner" | "ensureTopic" | "topicSettings" | "metadataMaxAge" | "logValues"
    > {
  /**
   * What becomes of records that were deleted: `compacted` gives up their room, `forever` keeps the log as it was written,
   * without compaction and without an end (`cleanup.policy=delete`, `retention.ms=-1`, `retention.bytes=-1`); a topic that is
   * there already is checked for that by `topicSettings.onPolicyMismatch`. Default: `compacted`.
   */
  readonly log?: "compacted" | "forever"
  /**
   * Records from before this time, by their timestamps, are not shown. It changes nothing in the log, and nothing of which
   * record of an identity counts. Milliseconds since the epoch, or a `DateTime`. Default: from the beginning.
   */
  readonly recoverFrom?: number | DateTime.DateTime
  /**
   * Reads only: needs no right to write, creates no topic and checks none, and writes nothing, ever. `insert` and `delete` fail
   * with `CatalogReadOnlyError`. Options of writing are not looked at further. Default: false.
   */
  readonly readOnly?: boolean
}

/**
 * @since 0.4.0
 * @category options
 */
export interface CatalogOptions<in out R> extends CatalogSettings {
  /** The name of the catalog, of which that of its log is made. It or `topic` is needed. */
  readonly table?: string
  /** The log's name. Default: the name of the catalog with `_WAL` behind it. */
  readonly topic?: string
  readonly value: Codec<R>
}

/**
 * What of a catalog may come from configuration.
 *
 * @since 0.4.0
 * @category options
 */
export interface CatalogConfig {
  readonly table?: Config.Config<string>
  readonly topic?: Config.Config<string>
  /** The field that is the row key, for a tag without keys. */
  readonly rowKey?: Config.Config<string>
  /** The fields that are index keys, for a tag without keys: a list, or text with commas. */
  readonly indexKeys?: Config.Config<ReadonlyArray<string>> | Config.Config<string>
  readonly log?: Config.Config<"compacted" | "forever">
  /** Milliseconds since the epoch. */
  readonly recoverFrom?: Config.Config<number>
}

// ---------------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What acquiring a catalog can fail with.
 *
 * @since 0.4.0
 * @category errors
 */
export type AcquireError = KafkaTable.AcquireError | KafkaTableWriter.AcquireError | CatalogLockedError

/**
 * A class that names a catalog in the context.
 *
 * @since 0.4.0
 * @category tags
 */
export interface TagClass<
  Self,
  Id extends string,
  R,
  RK extends string = string,
  IK extends string = string
> extends Context.ServiceClass<Self, Id, Catalog<R, RK, IK>> {
  /** `undefined` where they come from configuration. */
  readonly keys: CatalogKeys<RK, IK> | undefined
}

/**
 * A class to name a catalog in the context, with its keys. Without keys, which fields are keys comes from configuration
 * (`layerConfig`), so any field of text may be asked for, and one that is no key is told when it is asked for.
 *
 * ```ts
 * import { Catalog } from "effect-ktables"
 *
 * interface Part {
 *   readonly sku: string
 *   readonly vendor: string
 *   readonly stock: number
 * }
 *
 * class Parts extends Catalog.Tag("app/Parts")<Parts, Part>()({ rowKey: "sku", indexKeys: ["vendor"] }) {}
 *
 * class AnyParts extends Catalog.Tag("app/AnyParts")<AnyParts, Part>()() {}
 *
 * export { AnyParts, Parts }
 * ```
 *
 * @since 0.4.0
 * @category tags
 */
export const Tag =
  <const Id extends string>(id: Id) =>
  <Self, R>(): {
    (): TagClass<Self, Id, R, TextField<R>, TextField<R>>
    <const RK extends TextField<R>, const IK extends TextField<R>>(
      keys: CatalogKeys<RK, IK>
    ): TagClass<Self, Id, R, RK, IK>
  } =>
  <RK extends string, IK extends string>(keys?: CatalogKeys<RK, IK>): TagClass<Self, Id, R, RK, IK> =>
    Object.assign(Context.Service<Self, Catalog<R, RK, IK>>()(id), { keys: internal.locked(keys) })

/**
 * A catalog for as long as the scope is open. Waits until all of its log is read; see `catchUpTimeout`.
 *
 * Fails with `InvalidOptionsError` for options and keys that cannot work, with `CatalogLockedError` for a log that was
 * written with other keys, and with what a table and a writer fail with.
 *
 * @since 0.4.0
 * @category constructors
 */
export const make: <R, const RK extends TextField<R>, const IK extends TextField<R>>(
  keys: CatalogKeys<RK, IK>,
  options: CatalogOptions<R>
) => Effect.Effect<Catalog<R, RK, IK>, AcquireError, KafkaClient | Scope.Scope> = internal.make

/**
 * The catalog of a tag, as a layer. See `make`.
 *
 * @since 0.4.0
 * @category layers
 */
export const layer = <Self, Id extends string, R, RK extends string, IK extends string>(
  tag: TagClass<Self, Id, R, RK, IK>,
  options: NoInfer<CatalogOptions<R>>
): Layer.Layer<Self, AcquireError, KafkaClient> => Layer.effect(tag, internal.make<R, RK, IK>(tag.keys, options))

/**
 * The same with names, and for a tag without keys the keys, from configuration. A missing or malformed value is a
 * `ConfigError`.
 *
 * <!-- effect 4 -->
 *
 * ```ts
 * import { Config, Schema } from "effect"
 * import { Catalog, Codec } from "effect-ktables"
 *
 * const Part = Schema.Struct({ sku: Schema.String, vendor: Schema.String, zone: Schema.String })
 *
 * class Parts extends Catalog.Tag("app/Parts")<Parts, typeof Part.Type>()() {}
 *
 * // CATALOG=parts ROW_KEY=sku INDEX_KEYS=vendor,zone
 * export const PartsLayer = Catalog.layerConfig(
 *   Parts,
 *   { table: Config.String("CATALOG"), rowKey: Config.String("ROW_KEY"), indexKeys: Config.String("INDEX_KEYS") },
 *   { value: Codec.json(Part) }
 * )
 * ```
 *
 * @since 0.4.0
 * @category layers
 */
export const layerConfig = <Self, Id extends string, R, RK extends string, IK extends string>(
  tag: TagClass<Self, Id, R, RK, IK>,
  config: CatalogConfig,
  options: NoInfer<CatalogOptions<R>>
): Layer.Layer<Self, AcquireError | Config.ConfigError, KafkaClient> =>
  Layer.effect(
    tag,
    Effect.flatMap(Config.unwrap(config as Config.Wrap<internal.Configured>), (configured) =>
      internal.makeConfigured<R, RK, IK>(tag.keys, configured, options)
    )
  )
