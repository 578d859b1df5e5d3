/**
 * Plain producing: records to any topics, as bytes or by codecs.
 *
 * A record ends when the broker has acknowledged it, with its position. Records of one key of a topic keep the order of
 * their calls, and concurrent records share requests by themselves, also those of different topics: what arrives while a
 * request is in flight goes out with the next one. For the topic of a table there is `KafkaTableWriter`, which makes sure of
 * it first.
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Codec, KafkaClient, KafkaProducer } from "effect-ktables"
 *
 * class Order extends Schema.Class<Order>("Order")({ item: Schema.String, count: Schema.Int }) {}
 *
 * class Producer extends KafkaProducer.Tag("app/Producer")<Producer>() {}
 *
 * const program = Effect.gen(function* () {
 *   const producer = yield* Producer
 *   const orders = yield* producer.to("shop.orders", { value: Codec.json(Order) })
 *   const position = yield* orders.send("customer-7", new Order({ item: "tea", count: 2 }), { headers: { source: "web" } })
 *   yield* Effect.log(`ordered at ${position}`)
 *   yield* producer.send({ topic: "shop.audit", value: new TextEncoder().encode("ordered") })
 * })
 *
 * export const main = program.pipe(
 *   Effect.provide(KafkaProducer.layer(Producer)),
 *   Effect.provide(KafkaClient.layer({ brokers: ["localhost:9092"] }))
 * )
 * ```
 *
 * @since 0.2.0
 * @module
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Codec } from "./Codec.ts"
import * as internal from "./internal/producer/kafkaProducer.ts"
import type { KafkaClient } from "./KafkaClient.ts"
import type { ClientError, InvalidOptionsError, WriteError } from "./KafkaError.ts"
import type { Partitioner } from "./Partitioner.ts"
import type { Position } from "./Position.ts"

/**
 * @since 0.2.0
 * @category symbols
 */
export const TypeId: typeof internal.TypeId = internal.TypeId

/**
 * @since 0.2.0
 * @category symbols
 */
export type TypeId = typeof TypeId

// ---------------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What a record may say besides its key and value.
 *
 * @since 0.2.0
 * @category options
 */
export interface RecordOptions {
  /** Keys may repeat in the list form. Strings are written in UTF-8. Default: none. */
  readonly headers?:
    | Readonly<Record<string, Uint8Array | string | null>>
    | ReadonlyArray<{ readonly key: string; readonly value: Uint8Array | string | null }>
  /** Milliseconds since the epoch; a topic with `LogAppendTime` overrules it. Default: now. */
  readonly timestamp?: number
  /** A partition of the topic, counted from 0; it overrules the partitioner. Default: that of the key. */
  readonly partition?: number
}

/**
 * A record as bytes. They are copied at the call: the caller may go on using them.
 *
 * @since 0.2.0
 * @category models
 */
export interface ProducerRecord extends RecordOptions {
  readonly topic: string
  /**
   * Decides about the partition. Records without a key go to the partitions in turn, up to 16 KiB of them in a row to one
   * that is busy. Default: `null`, no key.
   */
  readonly key?: Uint8Array | null
  /** `null` is a tombstone: a compacted topic forgets the key. */
  readonly value: Uint8Array | null
}

/**
 * How the keys and values of a topic are bytes.
 *
 * @since 0.2.0
 * @category options
 */
export interface TopicCodecs<K, V> {
  /** Default: `Codec.utf8`, for keys that are strings. */
  readonly key?: Codec<K>
  readonly value: Codec<V>
}

/**
 * Writes one topic by codecs; see `KafkaProducer.to`.
 *
 * @since 0.2.0
 * @category models
 */
export interface TopicProducer<in K, in V> {
  readonly topic: string
  /** Writes a record; with the key `null`, a record without a key. */
  readonly send: (key: K | null, value: V, options?: RecordOptions) => Effect.Effect<Position, WriteError>
  /**
   * Ends when the record has its place in the queue, with an Effect that ends at its acknowledgement: for who goes on
   * meanwhile. It is delivered whether somebody runs that Effect or not; if nobody does, a failure is only counted, by the
   * metrics and `stats`. Fails where the record gets no place: it cannot be encoded, is too large, or the producer is closed.
   *
   * @since 0.4.0
   */
  readonly enqueue: (
    key: K | null,
    value: V,
    options?: RecordOptions
  ) => Effect.Effect<Effect.Effect<Position, WriteError>, WriteError>
  /** Writes a record whose value is `null`: a compacted topic forgets the key. */
  readonly tombstone: (key: K, options?: RecordOptions) => Effect.Effect<Position, WriteError>
  /**
   * Writes many records; positions are in the order of the records. All are encoded first: if one cannot be, or is too
   * large, none is written. Otherwise it ends when every record has ended, and fails with the error of the first record
   * that failed; others may be in the log then.
   */
  readonly sendMany: (
    records: Iterable<readonly [key: K | null, value: V, options?: RecordOptions]>
  ) => Effect.Effect<ReadonlyArray<Position>, WriteError>
}

/**
 * What a producer has done since it was acquired, with all topics together. A frozen copy. `records` is the sum of
 * `acknowledged`, `failed`, `unknown` and `queued`.
 *
 * @since 0.2.0
 * @category models
 */
export interface ProducerStats {
  /** Records that were to be written; those that were interrupted while they waited for room in the queue do not count. */
  readonly records: number
  readonly acknowledged: number
  /** Records that are certainly not in the log. */
  readonly failed: number
  /** Records that ended as `UnknownOutcome`. */
  readonly unknown: number
  /** Produce requests, repetitions included. */
  readonly requests: number
  /** Bytes of record batches in those requests. */
  readonly bytes: number
  /** Records that have not ended yet. */
  readonly queued: number
}

/**
 * Writes records to any topics of a cluster. Topics are never created by it.
 *
 * A record takes its place in the queue when its Effect is run, synchronously (with a codec that is an Effect: in the
 * order of the calls about its topic). While the queue is full, it waits for room, behind those that were called before,
 * whatever their topics; interrupted then, nothing is written. Once it has its place it is delivered, whatever happens to
 * the fiber that waits for it.
 *
 * A topic's partitions are asked for when it is named for the first time. A topic that does not exist fails its own
 * records, as `TopicNotFound` after two seconds; those of other topics go on. While nothing is written to a topic, nothing
 * is asked about it.
 *
 * A `WriteError` says whether the record may be in the log: it may after `UnknownOutcome`, and cannot be after any other
 * reason. A retry of a record that ended in `UnknownOutcome` comes after it in the log, if that one is there at all.
 *
 * Acquiring a producer and `sendMany` are spans. A single record is none, as a span would double what it costs: wrap it
 * where you need one. Metrics are `kafka_producer_*`, by topic.
 *
 * @since 0.2.0
 * @category models
 */
export interface KafkaProducer {
  readonly [TypeId]: TypeId
  /**
   * Writes a record of bytes. Many are written by `Effect.forEach(records, producer.send, { concurrency: "unbounded" })`,
   * in their order. A topic whose name is none fails with `Encode`.
   */
  readonly send: (record: ProducerRecord) => Effect.Effect<Position, WriteError>
  /**
   * A topic with the codecs of its keys and values. Fails with `InvalidOptionsError` for a name that no topic can have, and
   * for codecs that cannot work. It does not wait for the topic: one that does not exist fails the records that are sent to
   * it.
   */
  readonly to: <V, K = string>(
    topic: string,
    codecs: TopicCodecs<K, V>
  ) => Effect.Effect<TopicProducer<K, V>, InvalidOptionsError>
  /** Waits until every record that was sent before has ended, well or badly: within `deliveryTimeout`, about. */
  readonly flush: Effect.Effect<void>
  readonly stats: Effect.Effect<ProducerStats>
}

// ---------------------------------------------------------------------------------------------------------------------
// options
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How a producer sends, to all of its topics alike.
 *
 * @since 0.2.0
 * @category options
 */
export interface KafkaProducerOptions {
  /**
   * Whose acknowledgement ends a record: that of `all` in-sync replicas, or of the `leader` alone, with which an
   * acknowledged record can be lost when the leader dies. Default: `all`.
   */
  readonly acks?: "all" | "leader"
  /**
   * Number the records of each partition, so that a repetition after a lost answer is in the log once. Without it, a
   * record may be there twice, and a late repetition of an older record may come after a newer one. Kafka before 2.8 wants
   * the right IDEMPOTENT_WRITE on the cluster. Default: true with `acks: "all"`, which it needs.
   */
  readonly idempotent?: boolean
  /** The compression of record batches. Default: `none`. */
  readonly compression?: "none" | "gzip" | "snappy" | "lz4" | "zstd"
  /** Must be what all other writers of a topic use. Default: `Partitioner.murmur2`, as in Kafka's Java clients. */
  readonly partitioner?: Partitioner
  /**
   * How long a record may take from its place in the queue to its acknowledgement, repetitions included; then it fails
   * with `Timeout` or `UnknownOutcome`. Also how long acquiring the producer may take. Default: 30 seconds.
   */
  readonly deliveryTimeout?: Duration.Input
  /** How long the leader may wait for its replicas, in one request. Default: 10 seconds. */
  readonly requestTimeout?: Duration.Input
  /**
   * Bytes of a record batch before compression, about; a larger record has a batch of its own. At most what readers take
   * (128 MiB, with `compression` 1 % less). Default: 1,000,000.
   */
  readonly maxBatchBytes?: number
  /**
   * Bytes of one record with its batch, before compression; a record above it fails with `TooLarge`. At most what readers
   * take, as `maxBatchBytes`. Brokers have a limit of their own (`max.message.bytes`). Default: 1 MiB.
   */
  readonly maxRecordBytes?: number
  /** Records of all topics that may be on their way; others wait for room. Default: 10,000. */
  readonly maxQueued?: number
  /** Bytes of records of all topics that may be on their way. Default: 32 MiB. */
  readonly maxQueuedBytes?: number
  /** How long closing waits for what was accepted. Default: 5 seconds. */
  readonly closeTimeout?: Duration.Input
  /** How old the number of a topic's partitions may be when a key is assigned to one. Default: 60 seconds. */
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
 * What acquiring a producer can fail with.
 *
 * @since 0.2.0
 * @category errors
 */
export type AcquireError = ClientError | InvalidOptionsError

/**
 * A class to name a producer in the context.
 *
 * ```ts
 * import { KafkaProducer } from "effect-ktables"
 *
 * class Producer extends KafkaProducer.Tag("app/Producer")<Producer>() {}
 *
 * export { Producer }
 * ```
 *
 * @since 0.2.0
 * @category tags
 */
export const Tag =
  <const Id extends string>(id: Id) =>
  <Self>(): Context.ServiceClass<Self, Id, KafkaProducer> =>
    Context.Service<Self, KafkaProducer>()(id)

/**
 * A producer for as long as the scope is open.
 *
 * Acquiring it asks for a producer id, for as long as `deliveryTimeout`; without `idempotent` it asks for nothing. Fails
 * with `InvalidOptionsError` for options that cannot work, `ConnectionError` and `BrokerError` for what will not pass by
 * itself (credentials, certificates, versions, rights), or has not passed in time.
 *
 * Closing the scope refuses further records and waits for those that were accepted, for as long as `closeTimeout`. What
 * is left then fails: as `UnknownOutcome` if it was sent, else as `Closed`.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make: (
  options?: KafkaProducerOptions
) => Effect.Effect<KafkaProducer, AcquireError, KafkaClient | Scope.Scope> = internal.make

/**
 * The producer of a tag, as a layer. See `make`.
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = <Self, Id extends string>(
  tag: Context.ServiceClass<Self, Id, KafkaProducer>,
  options?: KafkaProducerOptions
): Layer.Layer<Self, AcquireError, KafkaClient> => Layer.effect(tag, make(options))
