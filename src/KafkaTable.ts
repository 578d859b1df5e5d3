/**
 * A Kafka topic as a live, typed, in-memory table: the read side.
 *
 * Acquiring a table makes sure of its topic, replays the topic from the beginning into a map, and then follows it. It
 * is a scoped resource with one supervised reader fiber, which owns the content; everybody else reads snapshots.
 *
 * ```ts
 * import { Effect, Layer, Schema, Stream } from "effect"
 * import { Codec, KafkaClient, KafkaTable } from "effect-ktables"
 *
 * class Service extends Schema.Class<Service>("Service")({ host: Schema.String, port: Schema.Int }) {}
 *
 * class Services extends KafkaTable.Tag("app/Services")<Services, string, Service>() {}
 *
 * const ServicesTable = KafkaTable.layer(Services, { topic: "my.registry", value: Codec.json(Service) })
 *
 * const program = Effect.gen(function* () {
 *   const services = yield* Services
 *   const billing = yield* services.get("billing")
 *   yield* Effect.log(billing)
 *   yield* services.changes.pipe(Stream.runForEach((change) => Effect.log(change)))
 * })
 *
 * export const main = program.pipe(
 *   Effect.provide(ServicesTable.pipe(Layer.provide(KafkaClient.layer({ brokers: ["localhost:9092"] }))))
 * )
 * ```
 *
 * @since 0.1.0
 * @module
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Codec } from "./Codec.ts"
import * as internalJanitor from "./internal/table/janitor.ts"
import * as internal from "./internal/table/table.ts"
import type { KafkaClient } from "./KafkaClient.ts"
import type {
  InvalidOptionsError,
  LogTruncatedError,
  PoisonRecordError,
  WaitTimeoutError,
  WriteError
} from "./KafkaError.ts"
import type { Isolation } from "./KafkaProtocol.ts"
import type { KafkaTableWriter } from "./KafkaTableWriter.ts"
import type { TopicSettings } from "./KafkaTopic.ts"
import type { LiveTable, TableFailure } from "./LiveTable.ts"
import type { Position } from "./Position.ts"
import type { RecordChange } from "./TableChange.ts"
import { type Builder, define as defineIndexes, type Indexes } from "./TableIndex.ts"
import type { RecordEntry, RecordSnapshot } from "./TableSnapshot.ts"

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

// ---------------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------------

/**
 * @since 0.1.0
 * @category models
 */
export interface PartitionStats {
  readonly partition: number
  /** Offset of the next record to apply. */
  readonly position: number
  /** -1 while unknown. */
  readonly highWatermark: number
  /** High watermark less position, never below 0; `undefined` while unknown. */
  readonly lag: number | undefined
  /** Node id; -1 while it has no leader, or none is known. */
  readonly leader: number
  readonly connected: boolean
}

/**
 * What a table has done since it was acquired. A frozen copy.
 *
 * @since 0.1.0
 * @category models
 */
export interface TableStats {
  /** Keys that have a value. */
  readonly entries: number
  /** Records with a key, a value, and both decodable. */
  readonly applied: number
  /** Records with a key and no value. */
  readonly tombstones: number
  /** Records without a key, which were skipped. */
  readonly keyless: number
  /** Records whose key could not be decoded. */
  readonly keyErrors: number
  /** Records whose value could not be decoded. */
  readonly valueErrors: number
  /** Records of aborted transactions that were left out. */
  readonly aborted: number
  /** Keys that are gone as the log does not hold their records any more: it begins behind them now. */
  readonly evicted: number
  /** Keys that are gone as their time was over: see `expireAfter`. Those that were past before anybody saw them do not count. */
  readonly expired: number
  /** Rows of which `expireAt` told no time: it threw, or returned something else. */
  readonly expiryErrors: number
  /** Keys that have records in more than one partition. */
  readonly contestedKeys: number
  /** Records replayed (applied and tombstones) before the table had caught up. */
  readonly replayed: number
  /** Milliseconds from acquisition to catch-up; `undefined` before. */
  readonly catchUpMillis: number | undefined
  /** Partitions that were rebuilt since their log had been truncated, or after an outage longer than tombstones last. */
  readonly rebuilds: number
  /** How often a broker that was lost came back. */
  readonly reconnects: number
  /** Subscribers to changes at this moment. */
  readonly subscribers: number
  /** The partitions that are known, by number. */
  readonly partitions: ReadonlyArray<PartitionStats>
}

/**
 * Which version of a table is meant. `timestamp` is in milliseconds since the epoch.
 *
 * @since 0.4.0
 * @category models
 */
export type SnapshotAt =
  | { readonly version: number }
  | { readonly position: Position | ReadonlyArray<Position> }
  | { readonly timestamp: number }

/**
 * A topic as a live table: what all live tables can, and what its records and brokers add to that.
 *
 * @since 0.1.0
 * @category models
 */
export interface KafkaTable<in out K, in out V, Ix extends Indexes = {}> extends LiveTable<
  K,
  V,
  RecordEntry<K, V>,
  RecordChange<K, V>,
  Ix
> {
  readonly [TypeId]: TypeId
  readonly topic: string
  readonly stats: Effect.Effect<TableStats>
  /**
   * What the table showed: the version with this number, the first version that showed all of these positions, or the version
   * that was shown at this time of the Clock. None if it is not kept any more, or is still to come. It has the indexes that
   * the table had then. Fails for a table that keeps no `history`, and for what cannot be answered: a position of another
   * topic, none at all.
   *
   * ```ts
   * import { Clock, Effect, Option } from "effect"
   * import { KafkaTable } from "effect-ktables"
   *
   * class Prices extends KafkaTable.Tag("app/Prices")<Prices, string, number>() {}
   *
   * export const PricesTable = (value: KafkaTable.KafkaTableOptions<string, number>["value"]) =>
   *   KafkaTable.layer(Prices, { topic: "my.prices", value, history: { duration: "10 minutes" } })
   *
   * export const aMinuteAgo = Effect.gen(function* () {
   *   const prices = yield* Prices
   *   const now = yield* Clock.currentTimeMillis
   *   const then = yield* prices.snapshotAt({ timestamp: now - 60_000 })
   *   return Option.flatMap(then, (snapshot) => snapshot.get("gold"))
   * })
   * ```
   *
   * @since 0.4.0
   */
  readonly snapshotAt: (when: SnapshotAt) => Effect.Effect<Option.Option<RecordSnapshot<K, V, Ix>>, InvalidOptionsError>
  /**
   * Records that could not be decoded, from the moment the stream is run: up to 1024 of one fetch, beyond which they are
   * only counted (`stats`); a slow consumer keeps the last 1024. Fails
   * and ends as `changes` does.
   */
  readonly poison: Stream.Stream<PoisonRecordError, TableFailure>
  /**
   * Truncations of the log that made the table rebuild a partition, from the moment the stream is run; a slow consumer
   * keeps the last 64. Fails and ends as `changes` does.
   */
  readonly truncations: Stream.Stream<LogTruncatedError, TableFailure>
}

// ---------------------------------------------------------------------------------------------------------------------
// options
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How a table reads. What a table and its writer have in common (`topic`, `key`, `value`, `ensureTopic`,
 * `topicSettings`) can be one object that is given to both.
 *
 * @since 0.1.0
 * @category options
 */
export type KafkaTableOptions<K, V> = TableSettings & {
  readonly topic: string
  readonly value: Codec<V>
  /**
   * When a row is to go, told by the row itself: see `ExpireAt`. With `expireAfter` as well, the earlier of both counts.
   * Default: never.
   */
  readonly expireAt?: ExpireAt<K, V>
} & ([string] extends [K] ? { readonly key?: Codec<K> } : { readonly key: Codec<K> })

/**
 * When a row is to go, in milliseconds since the epoch; `undefined` if never. It is asked once or twice for each record, with
 * the value decoded, and has to give the same for the same record. A row of which it throws, or gives something else, stays;
 * that is counted (`stats.expiryErrors`), and logged once.
 *
 * @since 0.4.0
 * @category options
 */
export type ExpireAt<K, V> = (
  value: V,
  record: {
    readonly key: K
    /** When the record was made, in milliseconds since the epoch. */
    readonly timestamp: number
  }
) => number | undefined

/**
 * @since 0.1.0
 * @category options
 */
export interface TableSettings {
  /** Create the topic if it is missing, and check that it is compacted. Default: true. */
  readonly ensureTopic?: boolean
  /** What to create, and what to do about a topic that is not compacted. Only with `ensureTopic`. */
  readonly topicSettings?: TopicSettings
  /**
   * How long acquiring the table may take. The indexes of its tag are built when it has caught up, one to four seconds for a
   * million rows: with `fail` that counts, with `degrade` they are waited for. Default: 30 seconds.
   */
  readonly catchUpTimeout?: Duration.Input
  /**
   * When that time is over: `degrade` acquires the table as it is, with status `Degraded`, and reads on; `fail` fails
   * the layer. Default: `degrade`.
   */
  readonly onCatchUpTimeout?: "degrade" | "fail"
  /** What an undecodable record does: `skip` counts and reports it, `fail` ends the reader. Default: `skip`. */
  readonly onPoison?: "skip" | "fail"
  /**
   * Keep the records' headers in entries and changes. They are kept as their bytes, and made into objects when `headers` of
   * an entry or a change is read first. Default: false.
   */
  readonly headers?: boolean
  /**
   * How long a row lives after its record's timestamp, of any length. Then it is gone, by the Clock, as a `Delete` with the
   * cause `expired`, of very many at once up to 32,768 in one publication; a later record brings the key back. A record that is past already when it comes is never shown, nor is
   * what its key had before. The topic keeps it: see `janitor`. A record without a timestamp (of a format older than Kafka 0.10)
   * does not expire. Default: never.
   */
  readonly expireAfter?: Duration.Input
  /**
   * Keep the last versions of the table for `snapshotAt`: so many of them, the one that is shown included (1 to 10,000), or
   * those that were shown within a time (10,000 of them at most). They share what has not changed; each holds what has changed
   * since it, in pieces of 256 entries. What is too old goes with the next publication. Default: none.
   */
  readonly history?: HistorySettings
  /** `read_uncommitted` shows open and aborted transactions, too. Default: `read_committed`. */
  readonly isolation?: Isolation
  readonly fetch?: FetchSettings
  /**
   * When the reader ends with an error that needs a decision (topic deleted or re-created, corrupt log, poison with
   * `fail`): start again by this schedule, which is given the error. The content stays as it was until the new replay
   * has caught up, and is then replaced at once. One schedule for the table's life: `Schedule.resetAfter` forgets
   * restarts of long ago. Default: no restart.
   */
  readonly restart?: Schedule.Schedule<unknown, TableFailure>
  /** Default timeout of `barrier`, `awaitPosition` and `awaitCaughtUp`. Default: 30 seconds. */
  readonly waitTimeout?: Duration.Input
  /** New partitions are found within this time. Default: 30 seconds. */
  readonly metadataMaxAge?: Duration.Input
  /** How often a replay logs how far it has come. Default: 5 seconds. */
  readonly progressInterval?: Duration.Input
  /** How long missing rights and refused credentials wait for the next attempt. Default: 30 seconds. */
  readonly deniedRetryInterval?: Duration.Input
  /** Verify the checksum of each record batch. Default: true. */
  readonly checkCrcs?: boolean
  /**
   * Whether messages and log lines quote what records hold: the key of a poison record, and the values in it that do not
   * fit, apart from what the schema calls `Redacted`. Default: false; they tell the place and the kind of the fault.
   */
  readonly logValues?: boolean
}

/**
 * How much of a table's history is kept.
 *
 * @since 0.4.0
 * @category options
 */
export type HistorySettings = { readonly versions: number } | { readonly duration: Duration.Input }

/**
 * @since 0.1.0
 * @category options
 */
export interface FetchSettings {
  /** How long a broker may hold an answer back while there is nothing new. Default: 500 milliseconds. */
  readonly maxWait?: Duration.Input
  /** Bytes that make an answer worth sending before `maxWait`. Default: 1. */
  readonly minBytes?: number
  /** Bytes of one answer, about; one answer per leader and two more are in memory at most. Default: 8 MiB. */
  readonly maxBytes?: number
  /** Bytes of one partition in one answer, about. Default: 4 MiB. */
  readonly maxPartitionBytes?: number
  /** A single record batch larger than this, compressed or not, is refused (`CorruptBatchError`). Default: 128 MiB. */
  readonly maxBatchBytes?: number
}

// ---------------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What acquiring a table can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type AcquireError = TableFailure | WaitTimeoutError

/**
 * A class that names a table in the context.
 *
 * @since 0.4.0
 * @category tags
 */
export interface TagClass<Self, Id extends string, K, V, Ix extends Indexes = {}> extends Context.ServiceClass<
  Self,
  Id,
  KafkaTable<K, V, Ix>
> {
  /** The indexes of the table, by name. */
  readonly indexes: Ix
}

/**
 * A class that names a table in the context, and to which indexes can be added.
 *
 * @since 0.4.0
 * @category tags
 */
export interface PlainTagClass<Self, Id extends string, K, V> extends TagClass<Self, Id, K, V> {
  /**
   * The same table with indexes, which are a part of its type: see `TableIndex`.
   *
   * ```ts
   * import { KafkaTable } from "effect-ktables"
   *
   * interface Flag {
   *   readonly enabled: boolean
   *   readonly owner: string
   * }
   *
   * class Flags extends KafkaTable.Tag("app/Flags")<Flags, string, Flag>().withIndexes((index) => ({
   *   owner: index.hash((flag) => flag.owner),
   *   enabled: index.hash((_, name) => name, { where: (flag) => flag.enabled })
   * })) {}
   *
   * export { Flags }
   * ```
   */
  readonly withIndexes: <Ix extends Indexes>(define: (index: Builder<K, V>) => Ix) => TagClass<Self, Id, K, V, Ix>
}

/**
 * A class to name a table in the context.
 *
 * ```ts
 * import { KafkaTable } from "effect-ktables"
 *
 * class Flags extends KafkaTable.Tag("app/Flags")<Flags, string, boolean>() {}
 *
 * export { Flags }
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export const Tag =
  <const Id extends string>(id: Id) =>
  <Self, K, V>(): PlainTagClass<Self, Id, K, V> => {
    const tagWith = <Ix extends Indexes>(indexes: Ix) =>
      Object.assign(Context.Service<Self, KafkaTable<K, V, Ix>>()(id), { indexes })
    return Object.assign(tagWith({}), {
      withIndexes: <Ix extends Indexes>(define: (index: Builder<K, V>) => Ix) => tagWith(defineIndexes<K, V>()(define))
    })
  }

/**
 * A table for as long as the scope is open. Waits until it has caught up; see `catchUpTimeout`. `indexes` are those of
 * `TableIndex.define`.
 *
 * Fails with `InvalidOptionsError` for options that cannot work, `TopicError` if the topic is missing, may not be read,
 * or is not compacted where that was asked for, `ConnectionError` and `BrokerError` for what will not pass by itself
 * (credentials, certificates, versions, rights), and `WaitTimeoutError` where `onCatchUpTimeout` is `fail`.
 *
 * Closing the scope stops the reader, closes its connections and fails who waits (`TableClosedError`), in bounded time
 * whatever the brokers do. The content stays readable.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: <K = string, V = never, Ix extends Indexes = {}>(
  options: KafkaTableOptions<K, V>,
  indexes?: Ix
) => Effect.Effect<KafkaTable<K, V, Ix>, AcquireError, KafkaClient | Scope.Scope> = internal.make

/**
 * The table of a tag, with its indexes, as a layer: of one made by `Tag`, or of any other whose service is a `KafkaTable`.
 * See `make`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <Self, K, V, Ix extends Indexes = {}>(
  tag: Context.Service<Self, KafkaTable<K, V, Ix>> & { readonly indexes?: Ix },
  options: NoInfer<KafkaTableOptions<K, V>>
): Layer.Layer<Self, AcquireError, KafkaClient> => Layer.effect(tag, make<K, V, Ix>(options, tag.indexes))

// ---------------------------------------------------------------------------------------------------------------------
// expiry
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How a janitor writes.
 *
 * @since 0.4.0
 * @category options
 */
export interface JanitorOptions {
  /** How long a key stays in the log after it has expired, for those who may write it again. Default: 1 minute. */
  readonly grace?: Duration.Input
}

/**
 * Writes tombstones for the keys of a table that have expired, so that compaction takes them out of the log. To be forked beside
 * the table, by one process a topic.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { KafkaTable, KafkaTableWriter } from "effect-ktables"
 *
 * class Sessions extends KafkaTable.Tag("app/Sessions")<Sessions, string, string>() {}
 * class SessionsWriter extends KafkaTableWriter.Tag("app/SessionsWriter")<SessionsWriter, string, string>() {}
 *
 * export const cleaning = Effect.gen(function* () {
 *   yield* KafkaTable.janitor(yield* Sessions, yield* SessionsWriter, { grace: "5 minutes" })
 * })
 * ```
 *
 * A tombstone is written when the `grace` after a key's expiry is over, or after a record that was past when it came; the
 * writer has nothing under way (`flush`), all that brokers have acknowledged by then was read (`barrier`), the key is absent
 * still, and nobody has deleted it since. **A record that somebody writes between that look and the tombstone is deleted by
 * it**: for keys that come back, `grace` is to be longer than their owners are ever late. Very many are looked at and deleted
 * in portions of 512.
 *
 * What had expired before the janitor began is deleted as well, as far as the table remembers it: where expired and deleted keys
 * are more than 1024 and more than all others, it does not. Two janitors of one topic may write more tombstones than one, and
 * are wrong in nothing else.
 *
 * Tombstones that cannot be written are tried again after another `grace`, with a line in the log, and hold up no others. A key
 * of which its codec makes other bytes than the log has stays, which is told once. It ends when the table is closed, and fails
 * when the table's reader has ended, or the writer is closed; with `InvalidOptionsError` if the rows of the table do not expire,
 * or the writer is of another topic. The janitor of a grouped table is `GroupedKafkaTable.janitor`.
 *
 * @since 0.4.0
 * @category expiry
 */
export const janitor: <K, V, Ix extends Indexes = {}>(
  table: KafkaTable<K, V, Ix>,
  writer: Pick<KafkaTableWriter<K, V>, "topic" | "deleteMany" | "flush">,
  options?: JanitorOptions
) => Effect.Effect<void, TableFailure | WriteError> = internalJanitor.janitor
