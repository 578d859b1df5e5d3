/**
 * A Kafka cluster in memory: for tests of one's own code, for demos, for trying things out before any broker is set up.
 *
 * It keeps real record batches in real logs, with offsets, leaders and their epochs, producer ids and sequences,
 * transactions, compaction and topic ids, coordinates consumer groups, and answers the requests that tables, writers,
 * topics and consumers make as a broker does. So all of this library but the socket runs on it. What it does is passed
 * by the same suite of tests as a real Apache Kafka.
 *
 * It can be looked into (logs, connections, where each reader is), and made to fail on purpose. All time is that of
 * Effect's Clock: under `TestClock` nothing happens until the test says so. Nothing is global: each `make` is a cluster
 * of its own, gone when nobody refers to it.
 *
 * What it does not have: users and rights (an `ErrorCode` fault stands in for a refusal), and sockets.
 * Replicas that run are always in sync. What the handle itself appends may be of any age
 * (`message.timestamp.*.max.ms` is for clients), its transactions have all the time they want, and logs are cleaned on
 * request only.
 *
 * ```ts
 * import { Effect, Layer, Option, Schema } from "effect"
 * import { Codec, EmbeddedKafka, KafkaClient, KafkaTable } from "effect-ktables"
 *
 * class Flags extends KafkaTable.Tag("app/Flags")<Flags, string, boolean>() {}
 *
 * const FlagsLayer = KafkaTable.layer(Flags, { topic: "flags", value: Codec.json(Schema.Boolean) })
 *
 * export const program = Effect.gen(function* () {
 *   const kafka = yield* EmbeddedKafka.EmbeddedKafka
 *   const flags = yield* Flags
 *   yield* kafka.append("flags", [{ key: "dark-mode", value: "true" }])
 *   yield* flags.barrier()
 *   yield* Effect.log(Option.getOrUndefined(yield* flags.get("dark-mode"))) // true
 * }).pipe(Effect.provide(FlagsLayer.pipe(Layer.provideMerge(KafkaClient.layerMemory()))))
 * ```
 *
 * @since 0.1.0
 * @module
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as internal from "./internal/embedded/embedded.ts"
import type { KafkaClient } from "./KafkaClient.ts"
import type { BrokerError, ConnectionError, InvalidOptionsError } from "./KafkaError.ts"
import type { ApiName, Request, Response } from "./KafkaProtocol.ts"
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
// options
// ---------------------------------------------------------------------------------------------------------------------

/**
 * @since 0.1.0
 * @category options
 */
export interface TopicOptions {
  /** Default: 1. */
  readonly partitions?: number
  /** Not above the number of nodes. Default: 1. */
  readonly replicationFactor?: number
  /**
   * Honoured are `cleanup.policy`, `delete.retention.ms`, `min.compaction.lag.ms`, `retention.ms`, `max.message.bytes`,
   * `message.timestamp.type`, `message.timestamp.before.max.ms`, `message.timestamp.after.max.ms`,
   * `min.insync.replicas`, `compression.type`; others are kept and shown. Default: Kafka's defaults, with
   * `cleanup.policy` of `compact`, as this is about tables.
   */
  readonly configs?: Readonly<Record<string, string>>
}

/**
 * What the brokers' configuration says of consumer groups.
 *
 * @since 0.4.0
 * @category options
 */
export interface GroupOptions {
  /** How long a rebalance of a group that was empty waits for further members. Default: not at all. */
  readonly initialRebalanceDelay?: Duration.Input
  /** The shortest session timeout that a member may ask for. Default: 6 seconds. */
  readonly minSessionTimeout?: Duration.Input
  /** The longest session timeout that a member may ask for. Default: 30 minutes. */
  readonly maxSessionTimeout?: Duration.Input
  /** The most members that a group may have. Default: as many as there come. */
  readonly maxSize?: number
  /** How long offsets are kept of a group that nobody is in. Default: 7 days. */
  readonly offsetsRetention?: Duration.Input
  /** Whether the brokers have the consumer protocol (KIP-848). Default: true. */
  readonly consumerProtocol?: boolean
  /** How long a member of the consumer protocol may not be heard of. Default: 45 seconds. */
  readonly sessionTimeout?: Duration.Input
  /** How often a member of the consumer protocol is to be heard of. Default: 5 seconds. */
  readonly heartbeatInterval?: Duration.Input
}

/**
 * What the brokers' configuration says of transactions.
 *
 * @since 0.4.0
 * @category options
 */
export interface TransactionOptions {
  /**
   * The level of the feature `transaction.version`. With 2, each transaction has an epoch of its own, and brokers add
   * partitions and groups to it by themselves. Default: 2.
   */
  readonly version?: 1 | 2
  /**
   * How long after the answer to its end a transaction has really ended: meanwhile its producer is told
   * `CONCURRENT_TRANSACTIONS`, and offsets of it are not stable. Default: not at all.
   */
  readonly markerDelay?: Duration.Input
  /** The longest time that a producer may keep a transaction open. Default: 15 minutes. */
  readonly maxTimeout?: Duration.Input
}

/**
 * @since 0.1.0
 * @category options
 */
export interface EmbeddedKafkaOptions {
  /** Brokers, with node ids from 0. Partitions are led by them in turn. Default: 1. */
  readonly nodes?: number
  /** Topics that are there from the beginning. A topic that is not is created as on a real cluster: by `ensureTopic`. */
  readonly topics?: Readonly<Record<string, TopicOptions>>
  /** Since 0.4.0. */
  readonly groups?: GroupOptions
  /** Since 0.4.0. */
  readonly transactions?: TransactionOptions
}

/**
 * @since 0.1.0
 * @category options
 */
export interface ClientOptions {
  /** What `connections` and faults call this client. Default: `effect-ktables`. */
  readonly clientId?: string
  /** As of `KafkaClient.layer`. Default: 10 seconds. */
  readonly requestTimeout?: Duration.Input
  /** As of `KafkaClient.layer`. Default: 100 milliseconds and 1 second. */
  readonly backoff?: {
    readonly initial?: Duration.Input
    readonly max?: Duration.Input
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// records
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A record to append. Text is encoded as UTF-8.
 *
 * @since 0.1.0
 * @category models
 */
export interface EmbeddedRecord {
  /** `null`: a record without a key; a compacted topic refuses it, as Kafka does. */
  readonly key: string | Uint8Array | null
  /** `null`: a tombstone. */
  readonly value: string | Uint8Array | null
  /** Milliseconds since the epoch. Default: now. */
  readonly timestamp?: number
  /** Keys may repeat in the list form. Default: none. */
  readonly headers?:
    | Readonly<Record<string, string | Uint8Array | null>>
    | ReadonlyArray<{ readonly key: string; readonly value: string | Uint8Array | null }>
}

/**
 * @since 0.1.0
 * @category options
 */
export interface AppendOptions {
  /** Default: by the key, as Kafka's own clients pick it; 0 without a key. */
  readonly partition?: number
  /** Default: `none`. */
  readonly compression?: "none" | "gzip" | "snappy" | "lz4" | "zstd"
}

/**
 * A record as it is in the log.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoggedRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: ReadonlyArray<readonly [key: string, value: Uint8Array | null]>
  /** -1 if it was not written by an idempotent producer. */
  readonly producerId: bigint
  /**
   * `Data`: a record outside of transactions. `Open`, `Committed` and `Aborted`: one inside, by what has become of the
   * transaction. `Marker`: the control record that ended one.
   */
  readonly kind: "Data" | "Open" | "Committed" | "Aborted" | "Marker"
}

/**
 * What a group was asked to commit of one partition, and what came of it.
 *
 * @since 0.4.0
 * @category models
 */
export interface Commit {
  /** When, in milliseconds since the epoch. */
  readonly at: number
  /** Who asked; empty for who is no member. */
  readonly memberId: string
  /** Generation of the group, or epoch of the member; -1 for who is no member. */
  readonly generation: number
  /**
   * The transaction that it was part of, by its transactional id, and what has become of it: the commit counts once that is
   * `Committed`. `undefined` for none.
   */
  readonly transaction: { readonly id: string; readonly state: "Open" | "Committed" | "Aborted" } | undefined
  readonly topic: string
  readonly partition: number
  /** The offset of the next record to be consumed. */
  readonly offset: number
  /** Leader epoch of the last record that was consumed; -1 if it was not told. */
  readonly leaderEpoch: number
  /** The text that came with it; `undefined` for none. */
  readonly metadata: string | undefined
  /** 0 if it was accepted, else Kafka's code of the refusal. */
  readonly errorCode: number
}

/**
 * A transaction under way: others read its records once it is committed, and never if it is aborted. It holds back what
 * `read_committed` readers see of its partitions, as on a real cluster.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transaction {
  /** As `append` of the cluster, inside of the transaction. */
  readonly append: (
    topic: string,
    records: ReadonlyArray<EmbeddedRecord>,
    options?: AppendOptions
  ) => Effect.Effect<ReadonlyArray<Position>, BrokerError>
  /** Does nothing if it has ended already. */
  readonly commit: Effect.Effect<void>
  /** Does nothing if it has ended already. */
  readonly abort: Effect.Effect<void>
}

// ---------------------------------------------------------------------------------------------------------------------
// what there is
// ---------------------------------------------------------------------------------------------------------------------

/**
 * @since 0.1.0
 * @category models
 */
export interface PartitionView {
  readonly partition: number
  /** Node id; -1 if there is none. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly logStartOffset: number
  readonly lastStableOffset: number
  readonly highWatermark: number
  /** Size of the log in bytes. */
  readonly bytes: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface TopicView {
  readonly name: string
  /** Changes when the topic is deleted and created again. */
  readonly id: string
  /** Those that were set on this topic. */
  readonly configs: Readonly<Record<string, string>>
  readonly partitions: ReadonlyArray<PartitionView>
}

/**
 * A partition of a topic.
 *
 * @since 0.4.0
 * @category models
 */
export interface OwnedPartition {
  readonly topic: string
  readonly partition: number
}

/**
 * A consumer group, as its coordinator has it.
 *
 * @since 0.4.0
 * @category models
 */
export interface GroupView {
  readonly group: string
  readonly protocol: "classic" | "consumer"
  /** As Kafka names the states: the second and third are of the classic protocol, the last two of the consumer protocol. */
  readonly state: "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable" | "Assigning" | "Reconciling"
  /** The generation of a classic group; the epoch of one of the consumer protocol. */
  readonly epoch: number
  /** The assignor that the members have agreed on; `undefined` if there is none. */
  readonly assignor: string | undefined
  /** Node id of the coordinator; -1 if there is none. */
  readonly coordinator: number
  /** In the order in which they came. */
  readonly members: ReadonlyArray<GroupMemberView>
  readonly offsets: ReadonlyArray<GroupOffsetView>
}

/**
 * A member of a consumer group.
 *
 * @since 0.4.0
 * @category models
 */
export interface GroupMemberView {
  readonly memberId: string
  /** The id of a static member; `undefined` for a dynamic one. */
  readonly instanceId: string | undefined
  readonly clientId: string
  /** The generation of the group, or the epoch of the member. */
  readonly epoch: number
  /** What the coordinator knows it to have. */
  readonly assignment: ReadonlyArray<OwnedPartition>
  /** When the coordinator heard of it last, in milliseconds since the epoch. */
  readonly heardAt: number
}

/**
 * An offset that a consumer group has committed.
 *
 * @since 0.4.0
 * @category models
 */
export interface GroupOffsetView extends OwnedPartition {
  /** The offset of the next record to be consumed. */
  readonly offset: number
  /** Leader epoch of the last record that was consumed; -1 if it was not told. */
  readonly leaderEpoch: number
  /** The text that came with it; `undefined` for none. */
  readonly metadata: string | undefined
  /** When it was committed, in milliseconds since the epoch. */
  readonly committedAt: number
  /** How many offsets there are from it to the high watermark. */
  readonly lag: number
}

/**
 * A connection that is open.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionView {
  readonly clientId: string
  readonly node: number
  /** What it is waiting for an answer to; `undefined` if nothing. */
  readonly pending: CallName | undefined
  /** Where it fetched last, and so what it has read up to: by topic and partition. */
  readonly fetching: ReadonlyArray<{ readonly topic: string; readonly partition: number; readonly offset: number }>
}

// ---------------------------------------------------------------------------------------------------------------------
// members of groups
// ---------------------------------------------------------------------------------------------------------------------

/**
 * @since 0.4.0
 * @category options
 */
export interface MemberOptions {
  readonly topics: ReadonlyArray<string>
  /** Default: `classic`. */
  readonly protocol?: "classic" | "consumer"
  /**
   * Of the classic protocol: `range`, `roundrobin` or `cooperative-sticky`, which is the default. Of the consumer protocol:
   * `uniform` or `range`; by default the broker's choice.
   */
  readonly assignor?: "range" | "roundrobin" | "cooperative-sticky" | "uniform"
  /** For a static member. */
  readonly instanceId?: string
  /** Default: `foreign`. */
  readonly clientId?: string
  /** Of the classic protocol. Default: 30 seconds. */
  readonly sessionTimeout?: Duration.Input
  /** Of the classic protocol. Default: 3 seconds. */
  readonly heartbeatInterval?: Duration.Input
  /** How long the coordinator waits for it in a rebalance. Default: 60 seconds. */
  readonly rebalanceTimeout?: Duration.Input
}

/**
 * A member of a group that a test lets join, beside those that it tests.
 *
 * @since 0.4.0
 * @category models
 */
export interface ForeignMember {
  /** The id that it has now; empty before it has one. */
  readonly memberId: Effect.Effect<string>
  /** What it owns now. */
  readonly assigned: Effect.Effect<ReadonlyArray<OwnedPartition>>
  /** Waits until it is in the group, and has been given its share. Fails if the group does not take it. */
  readonly joined: Effect.Effect<void, BrokerError>
  /** From now on, it gives nothing up that it is to give up, as if it were busy with it. */
  readonly holdRevocation: Effect.Effect<void>
  /** From now on, it gives up what it is to give up. */
  readonly release: Effect.Effect<void>
  /** Leaves the group. */
  readonly leave: Effect.Effect<void>
  /** Is gone without a word, as a process that was killed. */
  readonly vanish: Effect.Effect<void>
}

// ---------------------------------------------------------------------------------------------------------------------
// faults
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What a broker may be asked: to be connected to, and Kafka's requests by their names.
 *
 * @since 0.1.0
 * @category faults
 */
export type CallName = ApiName | "connect"

/**
 * What is asked by a call of this name.
 *
 * @since 0.2.0
 * @category faults
 */
export type CallRequest<N extends CallName> = N extends ApiName ? Request<N> : undefined

/**
 * What is answered to a call of this name.
 *
 * @since 0.2.0
 * @category faults
 */
export type CallResponse<N extends CallName> = N extends ApiName ? Response<N> : void

/**
 * A request as it reaches a broker.
 *
 * @since 0.1.0
 * @category faults
 */
export interface Call<N extends CallName> {
  readonly name: N
  readonly request: CallRequest<N>
  readonly clientId: string
  readonly node: number
}

/**
 * What to do wrong.
 *
 * - `Disconnect`: the connection is gone; with `applied`, only after the request was carried out, its answer lost.
 * - `Hang`: no answer comes, until the client gives the connection up; with `applied`, though the request was carried
 *   out.
 * - `Delay`: the answer comes later by `millis`.
 * - `ErrorCode`: the answer is Kafka's error of that code, for each partition that was asked about; nothing is done.
 *   For `connect`: the credentials are refused.
 * - `Throttle`: a quota: the answer says to wait for `millis`, and what is asked on that connection before is answered
 *   after it. A fetch is answered at once, without records; all else is carried out.
 * - `Truncate`: fetched records are cut off after `bytes`.
 * - `Corrupt`: one bit of fetched records is flipped, of the byte at `at` (default: the middle one) of each partition.
 *
 * @since 0.1.0
 * @category faults
 */
export type Fault =
  | { readonly _tag: "Disconnect"; readonly applied?: boolean }
  | { readonly _tag: "Hang"; readonly applied?: boolean }
  | { readonly _tag: "Delay"; readonly millis: number }
  | { readonly _tag: "ErrorCode"; readonly code: number }
  | { readonly _tag: "Throttle"; readonly millis: number }
  | { readonly _tag: "Truncate"; readonly bytes: number }
  | { readonly _tag: "Corrupt"; readonly at?: number }

/**
 * Which requests a fault is for. What is not named, does not matter.
 *
 * @since 0.1.0
 * @category faults
 */
export interface FaultTarget {
  readonly request?: CallName | ReadonlyArray<CallName>
  readonly clientId?: string
  readonly node?: number
  readonly topic?: string
  /** Only requests about this consumer group. Since 0.4.0. */
  readonly group?: string
  /** Only with requests that name partitions: of the others in the same request, answers are as they would be. */
  readonly partition?: number
  /** How many requests it is for. Default: all, until the scope ends. */
  readonly times?: number
}

// ---------------------------------------------------------------------------------------------------------------------
// the cluster
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A cluster in memory. What Kafka would refuse, fails with the `BrokerError` of Kafka's code.
 *
 * @since 0.1.0
 * @category models
 */
export interface EmbeddedKafka {
  readonly [TypeId]: TypeId

  /** A client of its own, with connections of its own: as another process would have. Closed with the scope. */
  readonly client: (options?: ClientOptions) => Effect.Effect<KafkaClient, InvalidOptionsError, Scope.Scope>
  /** The same as a layer. */
  readonly layerClient: (options?: ClientOptions) => Layer.Layer<KafkaClient, InvalidOptionsError>

  /** All topics, by name. */
  readonly topics: Effect.Effect<ReadonlyMap<string, TopicView>>
  /** Fails with `TOPIC_ALREADY_EXISTS` if there is one. */
  readonly createTopic: (topic: string, options?: TopicOptions) => Effect.Effect<TopicView, BrokerError>
  /** With all its records. Created again, it is another topic with another id. */
  readonly deleteTopic: (topic: string) => Effect.Effect<void, BrokerError>
  /** Adds partitions up to `count` in all. */
  readonly addPartitions: (topic: string, count: number) => Effect.Effect<void, BrokerError>
  /** Sets these and leaves the others; `undefined` goes back to the default. */
  readonly alterConfigs: (
    topic: string,
    configs: Readonly<Record<string, string | undefined>>
  ) => Effect.Effect<void, BrokerError>
  /**
   * Deletes the records below `offset`, as Kafka's DeleteRecords does; -1: all that there are. Where the topic's
   * `cleanup.policy` has no `delete` in it, Kafka does not do that (`POLICY_VIOLATION`).
   */
  readonly deleteRecords: (topic: string, partition: number, offset: number) => Effect.Effect<void, BrokerError>
  /**
   * Cleans the topic's logs now, as Kafka would at some time, by the topic's `cleanup.policy`. `compact`: of each key
   * the last record stays, under its offset; a tombstone goes at the first run that is `delete.retention.ms` after the
   * one that first kept it; what a transaction may still undo, or is younger than `min.compaction.lag.ms`, is left
   * alone. `delete`: what is older than `retention.ms` goes.
   */
  readonly clean: (topic: string) => Effect.Effect<void, BrokerError>

  /**
   * Appends as a producer without idempotence does that waits for all replicas: one batch a partition, or more where
   * `max.message.bytes` asks for it. All records or, if it fails, none. The positions are in the order of the records.
   */
  readonly append: (
    topic: string,
    records: ReadonlyArray<EmbeddedRecord>,
    options?: AppendOptions
  ) => Effect.Effect<ReadonlyArray<Position>, BrokerError>
  /**
   * Appends a record batch as it is, unchecked: such as a corrupt one. Its base offset is to be the partition's end
   * (`highWatermark`), or readers take it for corrupt, too. It takes `offsets` offsets (default: 1).
   */
  readonly appendRaw: (
    topic: string,
    partition: number,
    batch: Uint8Array,
    options?: { readonly offsets?: number }
  ) => Effect.Effect<void, BrokerError>
  /** Begins a transaction, by a producer of its own. */
  readonly transaction: Effect.Effect<Transaction>
  /** All consumer groups, by their id. */
  readonly groups: Effect.Effect<ReadonlyMap<string, GroupView>>
  /** Every commit that a group was asked for, the accepted and the refused ones, in the order in which they came. */
  readonly commits: (group: string) => Effect.Effect<ReadonlyArray<Commit>>
  /**
   * A member of a group that is another process: it joins, beats, owns partitions and gives them up, and reads nothing. It
   * leaves with the scope.
   */
  readonly member: (
    group: string,
    options: MemberOptions
  ) => Effect.Effect<ForeignMember, InvalidOptionsError, Scope.Scope>
  /** Takes a member out, as if its session were over. Fails with `UNKNOWN_MEMBER_ID`, or `GROUP_ID_NOT_FOUND`. */
  readonly kick: (group: string, memberId: string) => Effect.Effect<void, BrokerError>
  /**
   * Lets another node coordinate a group, and others that have the same one. What it does not know yet, it loads for
   * `loadingFor` (default: not at all). Rebalances that are under way begin anew, and so do sessions.
   */
  readonly moveCoordinator: (
    group: string,
    node: number,
    options?: { readonly loadingFor?: Duration.Input }
  ) => Effect.Effect<void, BrokerError>
  /** Forgets the offsets that a group has committed of topics that no member is subscribed to, as after their retention. */
  readonly expireOffsets: (group: string) => Effect.Effect<void, BrokerError>
  /** Sets what members of the consumer protocol are told in this group, instead of what the brokers' configuration says. */
  readonly alterGroup: (
    group: string,
    configs: { readonly sessionTimeout?: Duration.Input; readonly heartbeatInterval?: Duration.Input }
  ) => Effect.Effect<void>

  /** All records of a topic that are there now, by partition and offset. What cannot be decoded is left out. */
  readonly log: (topic: string) => Effect.Effect<ReadonlyArray<LoggedRecord>, BrokerError>

  /** Lets another node lead a partition, under a new leader epoch; -1: nobody. */
  readonly moveLeader: (topic: string, partition: number, node: number) => Effect.Effect<void, BrokerError>
  /**
   * Stops a node: its connections are reset, new ones refused. Partitions with other replicas are led by those; the
   * others have no leader until it starts again. Nothing that was acknowledged is lost.
   */
  readonly stopNode: (node: number) => Effect.Effect<void, BrokerError>
  /** Starts a node that was stopped; its partitions are led again. */
  readonly startNode: (node: number) => Effect.Effect<void, BrokerError>
  /** Resets connections that are open: all, or those of a node or a client. */
  readonly disconnect: (target?: { readonly node?: number; readonly clientId?: string }) => Effect.Effect<void>
  readonly connections: Effect.Effect<ReadonlyArray<ConnectionView>>

  /**
   * Makes requests go wrong until the scope ends, or for a number of times: those that come from now on, and of those that
   * wait already the answers with records (`Truncate`, `Corrupt`). Of several faults for one request the first injected
   * applies, and of those that damage records the first one besides. Returns how many requests it was for so far.
   */
  readonly inject: (
    fault: Fault,
    target?: FaultTarget
  ) => Effect.Effect<{ readonly hits: Effect.Effect<number> }, never, Scope.Scope>
  /**
   * Answers requests by a function of one's own until the scope ends: it gets the call, and the Effect that carries it
   * out and answers. For what `inject` has no fault for. Of several the last one is asked first.
   */
  readonly intercept: <N extends CallName>(
    request: N,
    handler: (
      call: Call<N>,
      answer: Effect.Effect<CallResponse<N>, ConnectionError>
    ) => Effect.Effect<CallResponse<N>, ConnectionError>
  ) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * @since 0.1.0
 * @category tags
 */
export const EmbeddedKafka: Context.Service<EmbeddedKafka, EmbeddedKafka> = internal.tag

/**
 * A cluster of one's own. It holds nothing that needs to be released.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (options?: EmbeddedKafkaOptions) => Effect.Effect<EmbeddedKafka, InvalidOptionsError> = internal.make

/**
 * The cluster without a client: for several clients on one (`layerClient`). `KafkaClient.layerMemory` has one of each.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: (options?: EmbeddedKafkaOptions) => Layer.Layer<EmbeddedKafka, InvalidOptionsError> = internal.layer
