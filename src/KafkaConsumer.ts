/**
 * Consumer groups: the records of topics, shared among the members of a group, each of which commits what it is done with.
 *
 * A consumer is one member. Its records come as chunks (the fast way), one by one, or as a stream for each partition; three
 * faces of the same, one of which runs at a time. A record is done when its `done` is called, and only what is done without
 * a gap is ever committed: a record that failed, or was not finished, is delivered again, to this member or to another one.
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Codec, KafkaClient, KafkaConsumer } from "effect-ktables"
 *
 * class Order extends Schema.Class<Order>("Order")({ item: Schema.String, count: Schema.Int }) {}
 *
 * class Orders extends KafkaConsumer.Tag("app/Orders")<Orders, Order>() {}
 *
 * const program = Effect.gen(function* () {
 *   const orders = yield* Orders
 *   yield* orders.runForEach((record) => Effect.log(`${record.value.count} of ${record.value.item}`), { concurrency: 16 })
 * })
 *
 * export const main = program.pipe(
 *   Effect.provide(
 *     KafkaConsumer.layer(Orders, { group: "billing", subscribe: "shop.orders", value: Codec.json(Order) })
 *   ),
 *   Effect.provide(KafkaClient.layer({ brokers: ["localhost:9092"] }))
 * )
 * ```
 *
 * @since 0.4.0
 * @module
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import type { Codec } from "./Codec.ts"
import * as carried from "./internal/carried.ts"
import * as internal from "./internal/consumer/consumer.ts"
import type { KafkaClient } from "./KafkaClient.ts"
import type {
  BrokerError,
  CommitError,
  ConnectionError,
  CorruptBatchError,
  GroupError,
  InvalidOptionsError,
  LogTruncatedError,
  PoisonRecordError,
  TopicError
} from "./KafkaError.ts"
import type { FetchSettings } from "./KafkaTable.ts"
import type { Header } from "./TableChange.ts"

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
// records
// ---------------------------------------------------------------------------------------------------------------------

/**
 * One partition of a topic.
 *
 * @since 0.4.0
 * @category models
 */
export interface TopicPartition {
  readonly topic: string
  /** The partition's number, from 0. */
  readonly partition: number
}

/**
 * A record that was handed out, and is to be marked as done.
 *
 * @since 0.4.0
 * @category models
 */
export interface Committable<out K, out V> extends TopicPartition {
  readonly offset: number
  /** Milliseconds since the epoch: the producer's clock, or the broker's where the topic says `LogAppendTime`. */
  readonly timestamp: number
  /** `null` for a record without a key. */
  readonly key: K | null
  readonly value: V
  /** Made when they are first asked for. */
  readonly headers: ReadonlyArray<Header>
  /**
   * Marks the record as done. It is a plain function that may be called at any time, in any order, and more than once. What
   * is done without a gap is committed by the consumer itself: every `commitInterval`, before a partition is given up, and
   * when the consumer is closed. Once the partition was lost or given up, it changes nothing.
   */
  readonly done: () => void
  /**
   * Marks the record as done, and ends when the coordinator has acknowledged a commit that covers it, which it does once all
   * records before it in its partition are done, too.
   */
  readonly commit: Effect.Effect<void, CommitError>
}

/**
 * The records of one partition for as long as this member owns it.
 *
 * @since 0.4.0
 * @category models
 */
export interface PartitionStream<out K, out V> extends TopicPartition {
  /**
   * Ends when the partition is given up, or lost, or the consumer is closed. One that was left early may be run again: it begins
   * with what is not done. Until then, nobody waits for that, when the partition is given up or the consumer is closed.
   */
  readonly records: Stream.Stream<Committable<K, V>, ConsumerFailure>
  /**
   * Ends when the partition was lost without having been given up: another member may work on the same records already, and
   * nothing of them is committed any more. It never ends otherwise.
   */
  readonly lost: Effect.Effect<void>
}

// ---------------------------------------------------------------------------------------------------------------------
// what happens to a consumer
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Why a consumer has ended by itself.
 *
 * @since 0.4.0
 * @category errors
 */
export type ConsumerFailure =
  GroupError | PoisonRecordError | CorruptBatchError | TopicError | ConnectionError | BrokerError

/**
 * How a consumer is.
 *
 * - `Joining`: it is not a member of the group yet.
 * - `Steady`: it is a member, and works.
 * - `Rebalancing`: partitions are being moved between members. Those that stay are worked on meanwhile.
 * - `Unavailable`: the coordinator cannot be reached, or rights are missing. What is owned is worked on until the session ends.
 * - `Stalled`: partitions have records that were not fetched for 30 seconds; their reading was begun anew.
 * - `Blocked`: a partition is not read on, as `maxUncommitted` records from its oldest unfinished one on are handed out; or none
 *   is, as all lanes of `runForEach` are busy, and the work on one record holds up its lane for half a minute and longer.
 * - `Stopping`: it is being drained or closed.
 * - `Failed`: it has ended by itself.
 *
 * Of several, the one that comes last in this list holds.
 *
 * @since 0.4.0
 * @category models
 */
export type Health =
  | { readonly _tag: "Joining" }
  | { readonly _tag: "Steady" }
  | { readonly _tag: "Rebalancing" }
  | { readonly _tag: "Unavailable"; readonly since: number; readonly error: ConsumerFailure }
  | { readonly _tag: "Stalled"; readonly partitions: ReadonlyArray<TopicPartition> }
  | {
      readonly _tag: "Blocked"
      readonly topic: string
      readonly partition: number
      /** Offset of the oldest record that is not done, or of the one whose work holds up a lane. */
      readonly offset: number
      /** When that was handed out, or begun, in milliseconds since the epoch. */
      readonly since: number
    }
  | { readonly _tag: "Stopping" }
  | { readonly _tag: "Failed"; readonly error: ConsumerFailure }

/**
 * Whether a consumer works: for a readiness probe.
 *
 * @since 0.4.0
 * @category health
 */
export const isReady = (health: Health): boolean =>
  health._tag === "Steady" || health._tag === "Rebalancing" || health._tag === "Blocked"

/**
 * Whether a consumer has not ended by itself: for a liveness probe, as to start it again helps then only.
 *
 * @since 0.4.0
 * @category health
 */
export const isLive = (health: Health): boolean => health._tag !== "Failed"

/**
 * Why a member has lost its partitions without having given them up.
 *
 * - `SessionEnded`: the coordinator was not heard for a session. It has given the partitions to others, or will.
 * - `Forgotten`: the coordinator does not know this member (any more).
 * - `Fenced`: the group went on without this member, or somebody else uses its instance id.
 *
 * @since 0.4.0
 * @category models
 */
export type LostReason = "SessionEnded" | "Forgotten" | "Fenced"

/**
 * What happened to a member of a group.
 *
 * - `Assigned`: these partitions are this member's now.
 * - `Revoked`: these were given up in good order; what was done is committed.
 * - `Lost`: these were lost. `blockedMillis` is for how long the event loop of this process was held most lately, where that
 *   was long enough to be the reason.
 * - `OffsetsMissing`: the group has no offset of this partition, so it begins where `from` says: at `offset`.
 * - `LogTruncated`: the log does not hold the offset to go on at; it goes on at `offset`, as `from` says.
 * - `TopicGone`: the topic was deleted, or created anew.
 * - `CoordinatorLost`, `CoordinatorFound`: the group's coordinator cannot be reached, and is back.
 * - `Stalled`: a partition had records, and none was fetched for 30 seconds; it is read anew.
 *
 * @since 0.4.0
 * @category models
 */
export type GroupEvent =
  | { readonly _tag: "Assigned"; readonly partitions: ReadonlyArray<TopicPartition> }
  | { readonly _tag: "Revoked"; readonly partitions: ReadonlyArray<TopicPartition> }
  | {
      readonly _tag: "Lost"
      readonly partitions: ReadonlyArray<TopicPartition>
      readonly reason: LostReason
      readonly blockedMillis: number | undefined
    }
  | {
      readonly _tag: "OffsetsMissing"
      readonly topic: string
      readonly partition: number
      readonly offset: number
    }
  | { readonly _tag: "LogTruncated"; readonly error: LogTruncatedError; readonly offset: number }
  | { readonly _tag: "TopicGone"; readonly error: TopicError }
  | { readonly _tag: "CoordinatorLost"; readonly error: ConnectionError | BrokerError }
  | { readonly _tag: "CoordinatorFound" }
  | { readonly _tag: "Stalled"; readonly topic: string; readonly partition: number }

/**
 * How far a member is in one of its partitions.
 *
 * @since 0.4.0
 * @category models
 */
export interface PartitionLag extends TopicPartition {
  /** Offset of the next record to hand out; `undefined` before it is known where to begin. */
  readonly position: number | undefined
  /** The offset that is committed; `undefined` while none is. */
  readonly committed: number | undefined
  /** Where the log ends, by the isolation; `undefined` before it is known. */
  readonly end: number | undefined
  /** Offsets from what is committed (else from the position) to the end; `undefined` while one of them is not known. */
  readonly lag: number | undefined
  /** For how long the oldest record that is not done has been handed out, in milliseconds; `undefined` if there is none. */
  readonly oldestUncommittedMillis: number | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// the consumer
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How `runForEach` runs.
 *
 * @since 0.4.0
 * @category options
 */
export interface RunOptions<in K, in V> {
  /** How many records are worked on at the same time. Default: 1, in the order of each partition. */
  readonly concurrency?: number
  /**
   * Records with equal texts are worked on one after the other, in the order of their partition, and others beside them.
   * Default: their key in their partition, if it is text, a number or bytes; records of other keys, and those without one, are
   * all alike in their partition.
   */
  readonly by?: (record: Committable<K, V>) => string | number
  /**
   * What an interruption does, as one by SIGTERM in a program that `runMain` runs. `interrupt` interrupts the work that is under
   * way: it is done again elsewhere. `finish` drains the consumer first, for as long as its `stopTimeout`: no work is begun,
   * what is under way is finished, and committed. Default: `interrupt`.
   */
  readonly onInterrupt?: "interrupt" | "finish"
  /**
   * Whether there is a span for the work on each record. Without it there is one for records whose `traceparent` says that
   * their trace is sampled, as a span costs more than most of the work. Default: false.
   */
  readonly traceAll?: boolean
}

/**
 * A member of a consumer group.
 *
 * `chunks`, `records`, `partitions` and `runForEach` are faces of the same: while one of them runs, another one fails with
 * `GroupError` (`Busy`). What was handed out and is not done when a face ends, is handed out again by the next.
 *
 * @since 0.4.0
 * @category models
 */
export interface KafkaConsumer<K, V> {
  readonly [TypeId]: TypeId
  readonly group: string
  /** What one answer to a fetch has of one partition, decoded, in its order: the fast way. */
  readonly chunks: Stream.Stream<NonEmptyReadonlyArray<Committable<K, V>>, ConsumerFailure>
  /** The records of all partitions, in the order of each partition. */
  readonly records: Stream.Stream<Committable<K, V>, ConsumerFailure>
  /** A stream for each partition that this member gets, which ends with it. All of them should be run at the same time. */
  readonly partitions: Stream.Stream<PartitionStream<K, V>, ConsumerFailure>
  /**
   * Works on each record, marks as done what succeeded, and goes on until the consumer is drained or closed. The first
   * failure ends it: what is under way is interrupted, and is not done; nothing at or after a record that is not done is ever
   * committed in its partition.
   *
   * What is published by `KafkaEvents` within the work carries the record's headers on, and spans within it are part of the
   * record's trace: see `carrying`.
   *
   * A partition that is lost interrupts the work on its records. One that is given up waits for it, for as long as
   * `revokeTimeout`.
   */
  readonly runForEach: <A, E, R>(
    work: (record: Committable<K, V>) => Effect.Effect<A, E, R>,
    options?: RunOptions<K, V>
  ) => Effect.Effect<void, E | ConsumerFailure, R>
  /** The partitions that are this member's at present. */
  readonly assignment: SubscriptionRef.SubscriptionRef<ReadonlyArray<TopicPartition>>
  readonly health: SubscriptionRef.SubscriptionRef<Health>
  /** How far this member is, in all of its partitions. */
  readonly lag: Effect.Effect<ReadonlyArray<PartitionLag>>
  /** Records that did not decode, from now on. A slow consumer of it misses the oldest of more than a thousand. */
  readonly poison: Stream.Stream<PoisonRecordError>
  /** What happens to this member, from now on. A slow consumer of it misses the oldest of more than a thousand. */
  readonly events: Stream.Stream<GroupEvent>
  /**
   * Commits what is done by now, in all partitions, or in these; ends when that is acknowledged. What cannot be committed of
   * one partition holds up none of the others: it fails once they are.
   */
  readonly commit: (partitions?: Iterable<TopicPartition>) => Effect.Effect<void, CommitError>
  /**
   * Hands out nothing more of these partitions, until `resume`, or until they are assigned anew. Heartbeats go on. What was
   * handed out before goes on, too: the rest of a chunk, and what waits in the lanes of `runForEach`.
   */
  readonly pause: (partitions: Iterable<TopicPartition>) => Effect.Effect<void>
  /** Hands out records of these partitions again. */
  readonly resume: (partitions: Iterable<TopicPartition>) => Effect.Effect<void>
  /**
   * Goes on at this offset with a partition that is this member's: what was handed out of it before does not count any more.
   * Does nothing for other partitions.
   */
  readonly seek: (partition: TopicPartition & { readonly offset: number }) => Effect.Effect<void>
  /**
   * As `seek`, to the first record at or after a time, in milliseconds since the epoch, or to the log's end if there is none,
   * with all partitions of this member, or with these. Nothing of them is handed out until that is found.
   */
  readonly seekToTime: (
    timestamp: number,
    partitions?: Iterable<TopicPartition>
  ) => Effect.Effect<void, ConnectionError | BrokerError | TopicError>
  /**
   * Hands out nothing more, and ends when all that was handed out is done and committed, also what a stream has given that has
   * ended; what a face has given that was left before is not waited for. Faces end, also those that are begun later. It stays a
   * member of its group, until its scope is closed.
   */
  readonly drain: Effect.Effect<void>
}

// ---------------------------------------------------------------------------------------------------------------------
// options
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How the partitions of a group are shared among its members, in the classic protocol.
 *
 * @since 0.4.0
 * @category options
 */
export type Assignor = "cooperative-sticky" | "range" | "roundrobin"

/**
 * @since 0.4.0
 * @category options
 */
export interface ConsumerOptions<K, V> {
  /** Name of the group: its members share the partitions, and what is committed is the group's. */
  readonly group: string
  /**
   * Names of topics, and globs of them (`*` for any characters, `?` for one). Topics that appear later are found within
   * `metadataMaxAge`, and those that are named within 5 seconds; a log line says which of these do not exist. Globs never match internal topics (`__…`).
   */
  readonly subscribe: string | ReadonlyArray<string>
  readonly value: Codec<V>
  /** Default: `Codec.utf8`. */
  readonly key?: Codec<K>
  /**
   * How members agree on who has which partition. `consumer` is KIP-848, in which the brokers decide (Kafka 4.0 and later).
   * Default: `classic`, in which a member does.
   */
  readonly protocol?: "classic" | "consumer"
  /**
   * How partitions are shared, in the classic protocol: the same for all members of a group. A list is for moving a group
   * from one to another without stopping it; while it has more than one, members give up all partitions in each rebalance.
   * Default: `cooperative-sticky`, with which members keep what they have.
   */
  readonly assignor?: Assignor | NonEmptyReadonlyArray<Assignor>
  /**
   * Makes it a static member: one that comes back under this id within the session gets the same partitions without a
   * rebalance. Unique among the members of the group. Default: none.
   */
  readonly instanceId?: string
  /** For how long the coordinator waits for a heartbeat before it gives the partitions to others. Classic only. Default: 30 seconds. */
  readonly sessionTimeout?: Duration.Input
  /**
   * How often a heartbeat is sent; the first ones after a rebalance, or after one that failed, come sooner: 0.1 seconds after it, then
   * 0.2 seconds later, and so on. Classic only. At most a third of `sessionTimeout`. Default: 3 seconds, or that third if it is less.
   */
  readonly heartbeatInterval?: Duration.Input
  /** For how long the members wait for each other in a rebalance. Default: 60 seconds. */
  readonly rebalanceTimeout?: Duration.Input
  /**
   * For how long a partition that is to be given up waits for the work on what was handed out. Less than `rebalanceTimeout`.
   * Default: three quarters of that.
   */
  readonly revokeTimeout?: Duration.Input
  /** For how long closing waits for the work on what was handed out. Default: 30 seconds. */
  readonly stopTimeout?: Duration.Input
  /** For how long acquiring waits for the group to take this member in. It goes on after that. Default: 30 seconds. */
  readonly startTimeout?: Duration.Input
  /**
   * Where a partition begins of which the group has no offset, or one that is not in the log any more: at the log's beginning,
   * at its end, or not at all, which fails the consumer. Partitions that appear later begin at their beginning in any case
   * but `fail`. Default: `earliest`.
   */
  readonly from?: "earliest" | "latest" | "fail"
  /** How often what is done is committed; `manual` is never, but by `commit`, before a partition is given up, and at closing. Default: 5 seconds. */
  readonly commitInterval?: Duration.Input | "manual"
  /** Records of one partition from the oldest that is not done on, at which nothing more of it is handed out. Default: 10,000. */
  readonly maxUncommitted?: number
  /** What becomes of a record that does not decode: it is left out, counted and told of, or the consumer fails. Default: `skip`. */
  readonly onPoison?: "skip" | "fail"
  /** Whether records of transactions that are open, or were aborted, count. Default: `read_committed`, they do not. */
  readonly isolation?: "read_committed" | "read_uncommitted"
  /**
   * What one fetch asks for. Where nothing comes, brokers hold answers back for three seconds, or `maxWait` if that is longer,
   * unless `minBytes` is above 1: each answer costs as much as a heartbeat. Records are sent at once all the same.
   */
  readonly fetch?: FetchSettings
  /** How old the description of topics may be. Default: 30 seconds with globs, else 5 minutes. */
  readonly metadataMaxAge?: Duration.Input
  /** How often what is refused for missing rights is tried again. Default: 30 seconds. */
  readonly deniedRetryInterval?: Duration.Input
  /** Verify the checksums of record batches. Default: true. */
  readonly checkCrcs?: boolean
  /** Whether messages quote keys and values that do not decode. Default: false. */
  readonly logValues?: boolean
}

// ---------------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What acquiring a consumer can fail with.
 *
 * @since 0.4.0
 * @category errors
 */
export type AcquireError = InvalidOptionsError | ConsumerFailure

/**
 * A class to name a consumer in the context, with the types of its values and keys.
 *
 * ```ts
 * import { KafkaConsumer } from "effect-ktables"
 *
 * class Orders extends KafkaConsumer.Tag("app/Orders")<Orders, { readonly item: string }>() {}
 *
 * export { Orders }
 * ```
 *
 * @since 0.4.0
 * @category tags
 */
export const Tag =
  <const Id extends string>(id: Id) =>
  <Self, V, K = string>(): Context.ServiceClass<Self, Id, KafkaConsumer<K, V>> =>
    Context.Service<Self, KafkaConsumer<K, V>>()(id)

/**
 * A member of a group, for as long as the scope is open.
 *
 * Acquiring it waits until the group has taken the member in, for as long as `startTimeout`; after that it goes on by itself.
 * Fails with `InvalidOptionsError` for options that cannot work, and with what will not pass by itself: `GroupError` for what
 * the group refuses, `ConnectionError` and `BrokerError` for credentials, versions and rights. Later on, missing rights and
 * all that passes are waited for; what does not pass fails the face that runs, and is in `health`.
 *
 * Closing the scope hands out nothing more and waits, for as long as `stopTimeout`, for the work on what was handed out;
 * commits, leaves the group, and closes what was opened, within five seconds more, whatever the brokers do.
 *
 * @since 0.4.0
 * @category constructors
 */
export const make: <V, K = string>(
  options: ConsumerOptions<K, V>
) => Effect.Effect<KafkaConsumer<K, V>, AcquireError, KafkaClient | Scope.Scope> = internal.make

/**
 * The consumer of a tag, as a layer. See `make`.
 *
 * @since 0.4.0
 * @category layers
 */
export const layer = <Self, Id extends string, K, V>(
  tag: Context.ServiceClass<Self, Id, KafkaConsumer<K, V>>,
  options: ConsumerOptions<K, V>
): Layer.Layer<Self, AcquireError, KafkaClient> => Layer.effect(tag, make(options))

// ---------------------------------------------------------------------------------------------------------------------
// what records carry
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Work on a record, for who takes records from a stream: `runForEach` does this by itself.
 *
 * - What `KafkaEvents` publishes within carries the record's headers on, but for `traceparent`, `tracestate` and those of dead
 *   letters (`dlt-…`).
 * - Spans within are part of the trace that the record's `traceparent` tells of (W3C Trace Context), below a span of its own if
 *   that trace is sampled.
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { KafkaConsumer } from "effect-ktables"
 *
 * declare const orders: KafkaConsumer.KafkaConsumer<string, string>
 *
 * export const program = Stream.runForEach(orders.records, (record) =>
 *   Effect.log(record.value).pipe(KafkaConsumer.carrying(record), Effect.andThen(record.commit))
 * )
 * ```
 *
 * @since 0.4.0
 * @category tracing
 */
export const carrying: {
  (record: Committable<unknown, unknown>): <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(work: Effect.Effect<A, E, R>, record: Committable<unknown, unknown>): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(work: Effect.Effect<A, E, R>, record: Committable<unknown, unknown>) =>
  carried.carrying(record, { group: undefined, traceAll: false }, work)
)
