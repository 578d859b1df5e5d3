/**
 * An operator's view of consumer groups: which there are, who is in them and what they own, how far they are behind; and
 * what an operator does to them, once their members are gone: sets their offsets, deletes them.
 *
 * Groups of the classic protocol and of the consumer protocol (KIP-848) are the same here, whoever is in them. All calls
 * are one attempt: the coordinator is looked for some times where it has moved, and what else may pass by itself fails with
 * `retriable` set.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { KafkaClient, KafkaGroups } from "effect-ktables"
 *
 * // To consume all of yesterday once more. The group's members have to be gone.
 * const replay = Effect.gen(function* () {
 *   const groups = yield* KafkaGroups.KafkaGroups
 *   const yesterday = Date.now() - 24 * 60 * 60 * 1000
 *   for (const { from, partition, to, topic } of yield* groups.resetOffsets("indexer", { to: { timestamp: yesterday } })) {
 *     yield* Effect.log(`${topic}/${partition}: from ${from ?? "the beginning"} to ${to}`)
 *   }
 * })
 *
 * export const main = replay.pipe(
 *   Effect.provide(KafkaGroups.layer),
 *   Effect.provide(KafkaClient.layer({ brokers: ["localhost:9092"] }))
 * )
 * ```
 *
 * @since 0.4.0
 * @module
 */
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as internal from "./internal/groups/groups.ts"
import type { KafkaClient } from "./KafkaClient.ts"
import type { ClientError, GroupError, InvalidOptionsError, TopicError } from "./KafkaError.ts"

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
 * A group in the list of all groups.
 *
 * @since 0.4.0
 * @category models
 */
export interface GroupSummary {
  readonly group: string
  /** `classic`, `consumer`, `share` or `streams`; `undefined` where brokers do not say (before Kafka 3.8). */
  readonly type: string | undefined
  /** As in `GroupDescription`; `undefined` where brokers do not say (before Kafka 2.6). */
  readonly state: string | undefined
  /** What its members have in common: `consumer` for consumers, `connect` for workers; empty if it only has offsets. */
  readonly protocolType: string
}

/**
 * A partition of a topic.
 *
 * @since 0.4.0
 * @category models
 */
export interface GroupPartition {
  readonly topic: string
  /** The partition's number, from 0. */
  readonly partition: number
}

/**
 * A member of a group.
 *
 * @since 0.4.0
 * @category models
 */
export interface GroupMember {
  readonly id: string
  /** The id of a static member; `undefined` for a dynamic one. */
  readonly instanceId: string | undefined
  readonly clientId: string
  /** Where it connects from, as the coordinator sees it. */
  readonly host: string
  /** Which protocol it speaks: in a group that is being moved to the consumer protocol there are both. */
  readonly protocol: "classic" | "consumer"
  /** The topics that it wants; `undefined` where that is not known, as in the middle of a rebalance. */
  readonly topics: ReadonlyArray<string> | undefined
  /** The pattern of the topics that it wants, in the consumer protocol; `undefined` for none. */
  readonly pattern: string | undefined
  /** What it owns, in the order of topics and partitions; `undefined` where that is not known, as in a rebalance. */
  readonly assignment: ReadonlyArray<GroupPartition> | undefined
  /** What it is to own, in the consumer protocol: another list than `assignment` until the group has settled. */
  readonly target: ReadonlyArray<GroupPartition> | undefined
}

/**
 * A group of consumers at one moment.
 *
 * @since 0.4.0
 * @category models
 */
export interface GroupDescription {
  readonly group: string
  readonly type: "classic" | "consumer"
  /**
   * Kafka's word for it: `Empty` (no members), `Stable`, and while partitions move `PreparingRebalance` and
   * `CompletingRebalance` (classic), `Assigning` and `Reconciling` (consumer).
   */
  readonly state: string
  /** What its members have in common: `consumer` for consumers; empty if it only has offsets. */
  readonly protocolType: string
  /** How partitions are divided among members: the name of the assignor; empty where that is not settled. */
  readonly assignor: string
  /** In the order of their client ids, then of their ids. */
  readonly members: ReadonlyArray<GroupMember>
}

/**
 * How far a group is in a partition.
 *
 * @since 0.4.0
 * @category models
 */
export interface GroupOffset extends GroupPartition {
  /** The offset of the next record to be consumed; `undefined` if none is committed. */
  readonly committed: number | undefined
  /** The text that was committed with it; `undefined` for none. */
  readonly metadata: string | undefined
  /** Where the partition ends for who reads committed records only; `undefined` if that could not be found out. */
  readonly end: number | undefined
  /** How many offsets lie between: `undefined` where one of both is not known. */
  readonly lag: number | undefined
  /** Id of the member that owns it; `undefined` if nobody does. */
  readonly member: string | undefined
  /** Why something of this is not known; `undefined` if nothing is in the way. */
  readonly error: ClientError | TopicError | undefined
}

/**
 * What became of the offset of a partition.
 *
 * @since 0.4.0
 * @category models
 */
export interface OffsetReset extends GroupPartition {
  /** The offset that was committed before; `undefined` for none. */
  readonly from: number | undefined
  /** The offset that is committed now. */
  readonly to: number
}

// ---------------------------------------------------------------------------------------------------------------------
// options
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Where a group is to go on.
 *
 * - `earliest`: where the log begins; `latest`: where it ends for who reads committed records only.
 * - `timestamp`: at the first record at or after this time, in milliseconds since the epoch; at the end, if there is none.
 * - `offsets`: at these offsets, each of which has to be in its partition, or to be its end.
 *
 * @since 0.4.0
 * @category options
 */
export type ResetTarget =
  | "earliest"
  | "latest"
  | { readonly timestamp: number }
  | { readonly offsets: ReadonlyArray<GroupPartition & { readonly offset: number }> }

/**
 * @since 0.4.0
 * @category options
 */
export interface ResetOptions {
  readonly to: ResetTarget
  /**
   * Of which topics: all partitions of them, whether anything is committed of them or not. Default: all partitions of
   * which an offset is committed. With `offsets` there is nothing to choose.
   */
  readonly topics?: ReadonlyArray<string>
  /** Whether to only find out what would be done. Default: `false`. */
  readonly dryRun?: boolean
}

/**
 * Which groups to list.
 *
 * @since 0.4.0
 * @category options
 */
export interface ListOptions {
  /** Only groups in one of these states (Kafka 2.6 and later). Default: all. */
  readonly states?: ReadonlyArray<string>
  /** Only groups of one of these types: `classic`, `consumer`, … (Kafka 3.8 and later). Default: all. */
  readonly types?: ReadonlyArray<string>
}

// ---------------------------------------------------------------------------------------------------------------------
// service
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What an operator sees of groups, and does to them.
 *
 * All of it fails with a `GroupError` where the group is the reason, or a right is missing, with a `ConnectionError` where a
 * broker cannot be asked, and with a `BrokerError` where it cannot answer, such as a coordinator that is away.
 *
 * @since 0.4.0
 * @category models
 */
export interface KafkaGroups {
  readonly [TypeId]: TypeId
  /** All groups of the cluster, of any type, in the order of their names. Groups that may not be described are left out. */
  readonly list: (
    options?: ListOptions
  ) => Effect.Effect<ReadonlyArray<GroupSummary>, ClientError | InvalidOptionsError>
  /** One group of consumers, and its members. */
  readonly describe: (group: string) => Effect.Effect<GroupDescription, ClientError | GroupError>
  /**
   * How far a group is, in the order of topics and partitions: in those of which an offset is committed, and those that a
   * member owns. A partition whose end cannot be found out, as its topic is gone, has an `error`; of topics that may not be
   * described, none is told.
   */
  readonly offsets: (group: string) => Effect.Effect<ReadonlyArray<GroupOffset>, ClientError | GroupError>
  /**
   * Sets where a group goes on, in the order of topics and partitions. `NotEmpty` as long as it has members, as they would
   * overwrite it. A group that does not exist is made, if it is said of which topics.
   */
  readonly resetOffsets: (
    group: string,
    options: ResetOptions
  ) => Effect.Effect<ReadonlyArray<OffsetReset>, ClientError | GroupError | TopicError | InvalidOptionsError>
  /**
   * Forgets all offsets that a group has committed of these topics, and gives those that there were. `Subscribed` if a
   * member consumes one of the topics: those of the others are deleted. Kafka 2.4 and later.
   */
  readonly deleteOffsets: (
    group: string,
    topics: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<GroupPartition & { readonly offset: number }>, ClientError | GroupError>
  /** Deletes a group and its offsets. `NotEmpty` as long as it has members. */
  readonly delete: (group: string) => Effect.Effect<void, ClientError | GroupError>
}

/**
 * @since 0.4.0
 * @category tags
 */
export const KafkaGroups: Context.Service<KafkaGroups, KafkaGroups> = internal.tag

/**
 * @since 0.4.0
 * @category constructors
 */
export const make: Effect.Effect<KafkaGroups, never, KafkaClient> = internal.make

/**
 * The groups of the client's cluster.
 *
 * @since 0.4.0
 * @category layers
 */
export const layer: Layer.Layer<KafkaGroups, never, KafkaClient> = Layer.effect(KafkaGroups, make)
