/**
 * A Kafka topic as a live, typed table: the write side.
 *
 * A write ends when the broker has acknowledged it, with the record's position: hand that to `awaitPosition` of a table
 * to read your own write. Writes of one key keep the order of their calls, and concurrent writes share requests by
 * themselves: what arrives while a request is in flight goes out with the next one.
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Codec, KafkaClient, KafkaTableWriter } from "effect-ktables"
 *
 * class Service extends Schema.Class<Service>("Service")({ host: Schema.String, port: Schema.Int }) {}
 *
 * class ServicesWriter extends KafkaTableWriter.Tag("app/ServicesWriter")<ServicesWriter, string, Service>() {}
 *
 * const program = Effect.gen(function* () {
 *   const writer = yield* ServicesWriter
 *   const position = yield* writer.set("billing", new Service({ host: "b1", port: 8080 }))
 *   yield* Effect.log(`billing is at ${position}`)
 *   yield* writer.delete("legacy")
 * })
 *
 * export const main = program.pipe(
 *   Effect.provide(KafkaTableWriter.layer(ServicesWriter, { topic: "my.registry", value: Codec.json(Service) })),
 *   Effect.provide(KafkaClient.layer({ brokers: ["localhost:9092"] }))
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
import type * as Scope from "effect/Scope"
import type { Codec } from "./Codec.ts"
import * as internal from "./internal/writer/writer.ts"
import type { KafkaClient } from "./KafkaClient.ts"
import type { ClientError, InvalidOptionsError, TopicError, WriteError } from "./KafkaError.ts"
import type { TopicSettings } from "./KafkaTopic.ts"
import type { Partitioner } from "./Partitioner.ts"
import type { Position } from "./Position.ts"

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
 * What a single write may say besides its key and value.
 *
 * @since 0.1.0
 * @category options
 */
export interface WriteOptions {
  /** Keys may repeat in the list form. Strings are written in UTF-8. Default: none. */
  readonly headers?:
    | Readonly<Record<string, Uint8Array | string | null>>
    | ReadonlyArray<{ readonly key: string; readonly value: Uint8Array | string | null }>
  /**
   * Milliseconds since the epoch; a topic with `LogAppendTime` overrules it. After partitions were added, the newest by
   * timestamp wins for a key in two of them. Default: now.
   */
  readonly timestamp?: number
  /** Overrules the partitioner. All records of a key belong in one partition: this is for those who know better. */
  readonly partition?: number
}

/**
 * How a key is announced.
 *
 * @since 0.4.0
 * @category options
 */
export interface AnnounceOptions {
  /**
   * From one heartbeat to the next. Who watches the table takes a key for dead some heartbeats after the last one, by its
   * record's timestamp: three of them are a good measure. Default: 10 seconds.
   */
  readonly every?: Duration.Input
}

/**
 * What a writer has done since it was acquired. A frozen copy. `writes` is the sum of `acknowledged`, `failed`,
 * `unknown` and `queued`.
 *
 * @since 0.1.0
 * @category models
 */
export interface WriterStats {
  /** Writes that were asked for; those that were interrupted while they waited for room in the queue do not count. */
  readonly writes: number
  readonly acknowledged: number
  /** Certainly not in the log. */
  readonly failed: number
  /** Ended as `UnknownOutcome`. */
  readonly unknown: number
  /** Produce requests, repetitions included. */
  readonly requests: number
  /** Bytes of record batches in those requests. */
  readonly bytes: number
  /** Not ended yet. */
  readonly queued: number
}

/**
 * Writes a table's topic.
 *
 * A write takes its place in the queue when its Effect is run, synchronously (with a codec that is an Effect: in the
 * order of calls). While the queue is full it waits for room; interrupted then, nothing is written. Once it has its
 * place it is delivered, whatever happens to the fiber that waits for it.
 *
 * A `WriteError` says whether the record may be in the log: it may after `UnknownOutcome`, and cannot be after any other
 * reason. A retry of a write that ended in `UnknownOutcome` comes after it in the log, if that one is there at all.
 *
 * Acquiring a writer, `setMany` and `deleteMany` are spans. A single write is none, as a span would double what it
 * costs: wrap it where you need one. Metrics are `kafka_writer_*`, by topic.
 *
 * @since 0.1.0
 * @category models
 */
export interface KafkaTableWriter<in K, in V> {
  readonly [TypeId]: TypeId
  readonly topic: string
  /** Upserts a key. */
  readonly set: (key: K, value: V, options?: WriteOptions) => Effect.Effect<Position, WriteError>
  /** Writes a tombstone, whether there is a value or not. */
  readonly delete: (key: K, options?: WriteOptions) => Effect.Effect<Position, WriteError>
  /**
   * Upserts many keys; positions are in the order of the entries. All are encoded first: if one cannot be, or is too
   * large, none is written. Otherwise it ends when every record has ended, and fails with the error of the first entry
   * that failed; others may be in the log then.
   */
  readonly setMany: (entries: Iterable<readonly [K, V]>) => Effect.Effect<ReadonlyArray<Position>, WriteError>
  /** Writes many tombstones; see `setMany`. */
  readonly deleteMany: (keys: Iterable<K>) => Effect.Effect<ReadonlyArray<Position>, WriteError>
  /**
   * Upserts a key for as long as the scope is open: at once, then again `every` so often, and deletes it at the end of the
   * scope, or of the writer, whichever comes first. For services that register, send heartbeats and leave.
   *
   * ```ts
   * import { Effect, Ref } from "effect"
   * import { KafkaTableWriter } from "effect-ktables"
   *
   * interface Service {
   *   readonly host: string
   *   readonly load: number
   * }
   *
   * class ServicesWriter extends KafkaTableWriter.Tag("app/ServicesWriter")<ServicesWriter, string, Service>() {}
   *
   * export const serve = Effect.gen(function* () {
   *   const writer = yield* ServicesWriter
   *   const load = yield* Ref.make(0)
   *   // an Effect is run for each heartbeat; a value is written as it is
   *   const service = Effect.map(Ref.get(load), (load) => ({ host: "b1", load }))
   *   yield* writer.announce("billing/b1", service, { every: "5 seconds" })
   *   yield* Effect.never
   * }).pipe(Effect.scoped)
   * ```
   *
   * - It ends with the position of the first write, and fails as `set` does. Where that write may be in the log all the same
   *   (`UnknownOutcome`, an interruption), the key is deleted at the end of the scope.
   * - Heartbeats come one after the other. One that fails, or whose Effect dies or does not end within `every`, is followed by
   *   the next one: the first of them in a row is logged, and that they are written again.
   * - The tombstone comes after the last heartbeat. It is waited for at most as long as `closeTimeout`; then a log line says that
   *   the key may stay. A writer that is still there goes on to deliver it. A process that is killed deletes nothing.
   * - A key is announced by one process only. Where that announces it twice by one writer, both write their values, and it is
   *   deleted with the last of them (not of a key that only an Effect encodes).
   * - A value that is an Effect itself (an Exit; on Effect 3, an Option or an Either, too) is given as `Effect.succeed(value)`.
   *
   * @since 0.4.0
   */
  readonly announce: (
    key: K,
    value: V | Effect.Effect<V>,
    options?: AnnounceOptions
  ) => Effect.Effect<Position, WriteError | InvalidOptionsError, Scope.Scope>
  /** Waits until every write that was called before has ended, well or badly: within `deliveryTimeout`, about. */
  readonly flush: Effect.Effect<void>
  readonly stats: Effect.Effect<WriterStats>
}

// ---------------------------------------------------------------------------------------------------------------------
// options
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How a writer writes. What a table and its writer have in common (`topic`, `key`, `value`, `ensureTopic`,
 * `topicSettings`) can be one object that is given to both.
 *
 * @since 0.1.0
 * @category options
 */
export type KafkaTableWriterOptions<K, V> = WriterSettings & {
  readonly topic: string
  readonly value: Codec<V>
} & ([string] extends [K] ? { readonly key?: Codec<K> } : { readonly key: Codec<K> })

/**
 * @since 0.1.0
 * @category options
 */
export interface WriterSettings {
  /** Create the topic if it is missing, and check that it is compacted. Default: true. */
  readonly ensureTopic?: boolean
  /** What to create, and what to do about a topic that is not compacted. Only with `ensureTopic`. */
  readonly topicSettings?: TopicSettings
  /**
   * Whose acknowledgement ends a write: that of `all` in-sync replicas, or of the `leader` alone, with which an
   * acknowledged write can be lost when the leader dies. Default: `all`.
   */
  readonly acks?: "all" | "leader"
  /**
   * Number the records, so that a repetition after a lost answer is in the log once. Without it, a record may be there
   * twice, and a late repetition of an older write may come after a newer one. Kafka before 2.8 wants the right
   * IDEMPOTENT_WRITE on the cluster. Default: true with `acks: "all"`, which it needs.
   */
  readonly idempotent?: boolean
  /** Of record batches. Default: `none`. */
  readonly compression?: "none" | "gzip" | "snappy" | "lz4" | "zstd"
  /** Must be what all other writers of the topic use. Default: `Partitioner.murmur2`, as in Kafka's Java clients. */
  readonly partitioner?: Partitioner
  /**
   * How long a write may take from its place in the queue to its acknowledgement, repetitions included; then it fails
   * with `Timeout` or `UnknownOutcome`. Also how long acquiring the writer may take. Default: 30 seconds.
   */
  readonly deliveryTimeout?: Duration.Input
  /** How long the leader may wait for its replicas, in one request. Default: 10 seconds. */
  readonly requestTimeout?: Duration.Input
  /**
   * Bytes of a record batch before compression, about; a larger record has a batch of its own. At most what readers take
   * (128 MiB, or `fetch.maxBatchBytes` if a table's options are in the same object; with `compression` 1 % less).
   * Default: 1,000,000.
   */
  readonly maxBatchBytes?: number
  /**
   * Bytes of one record with its batch, before compression; a write above it fails with `TooLarge`. At most what readers
   * take, as `maxBatchBytes`. Brokers have a limit of their own (`max.message.bytes`). Default: 1 MiB.
   */
  readonly maxRecordBytes?: number
  /** Writes that may be on their way; others wait for room. Default: 10,000. */
  readonly maxQueued?: number
  /** Bytes of writes that may be on their way. Default: 32 MiB. */
  readonly maxQueuedBytes?: number
  /** How long closing waits for what was accepted. Default: 5 seconds. */
  readonly closeTimeout?: Duration.Input
  /** How old the number of partitions may be when a key is assigned to one. Default: 60 seconds. */
  readonly metadataMaxAge?: Duration.Input
  /**
   * Whether messages quote what does not encode, apart from what the schema calls `Redacted`. Default: false; they tell
   * the place in the value, and the kind of the fault.
   */
  readonly logValues?: boolean
}

// ---------------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What acquiring a writer can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type AcquireError = ClientError | TopicError | InvalidOptionsError

/**
 * A class to name a writer in the context.
 *
 * ```ts
 * import { KafkaTableWriter } from "effect-ktables"
 *
 * class FlagsWriter extends KafkaTableWriter.Tag("app/FlagsWriter")<FlagsWriter, string, boolean>() {}
 *
 * export { FlagsWriter }
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export const Tag =
  <const Id extends string>(id: Id) =>
  <Self, K, V>(): Context.ServiceClass<Self, Id, KafkaTableWriter<K, V>> =>
    Context.Service<Self, KafkaTableWriter<K, V>>()(id)

/**
 * A writer for as long as the scope is open.
 *
 * Acquiring it makes sure of the topic, asks for its partitions and for a producer id, for as long as `deliveryTimeout`.
 * Fails with `InvalidOptionsError` for options that cannot work, `TopicError` if the topic is missing, may not be
 * described, or is not compacted where that was asked for, `ConnectionError` and `BrokerError` for what will not pass by
 * itself (credentials, certificates, versions, rights), or has not passed in time.
 *
 * Closing the scope refuses further writes and waits for those that were accepted, for as long as `closeTimeout`. What
 * is left then fails: as `UnknownOutcome` if it was sent, else as `Closed`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: <K = string, V = never>(
  options: KafkaTableWriterOptions<K, V>
) => Effect.Effect<KafkaTableWriter<K, V>, AcquireError, KafkaClient | Scope.Scope> = internal.make

/**
 * The writer of a tag, as a layer. See `make`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <Self, Id extends string, K, V>(
  tag: Context.ServiceClass<Self, Id, KafkaTableWriter<K, V>>,
  options: NoInfer<KafkaTableWriterOptions<K, V>>
): Layer.Layer<Self, AcquireError, KafkaClient> => Layer.effect(tag, make(options))
