/**
 * What every live table can, of topics and of what is made of them alike: reads, snapshots, changes, and waits for what was
 * written.
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import type { LiveTable } from "effect-ktables"
 *
 * const report = (table: LiveTable.AnyTable<string, number>) =>
 *   Effect.gen(function* () {
 *     yield* table.awaitCaughtUp()
 *     yield* Effect.log(`${yield* table.size} keys`)
 *     yield* Stream.runForEach(table.changes, (change) => Effect.log(`${change._tag} of ${change.key}`))
 *   })
 *
 * export { report }
 * ```
 *
 * @since 0.2.0
 * @module
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import type {
  BrokerError,
  ConnectionError,
  CorruptBatchError,
  DefectError,
  HeldUp,
  InvalidOptionsError,
  PoisonRecordError,
  TableClosedError,
  TopicError,
  WaitTimeoutError
} from "./KafkaError.ts"
import type { LiveQuery } from "./LiveQuery.ts"
import type { Position } from "./Position.ts"
import type { TableChange } from "./TableChange.ts"
import type {
  Indexes,
  LiveLookup,
  Page,
  PageOptions,
  Plan,
  Prefix,
  QueryOptions,
  Range,
  RangeOptions,
  SortedNames,
  Where
} from "./TableIndex.ts"
import type { TableEntry, TableSnapshot } from "./TableSnapshot.ts"

// ---------------------------------------------------------------------------------------------------------------------
// where a table is
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Why a table does not go on reading.
 *
 * @since 0.1.0
 * @category errors
 */
export type TableFailure =
  ConnectionError | BrokerError | TopicError | CorruptBatchError | PoisonRecordError | InvalidOptionsError | DefectError

/**
 * How far the replay of the topic has come.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  /** Offsets passed so far, of `total`: what compaction has removed counts as passed. */
  readonly done: number
  readonly total: number
  /** 0 to 100. */
  readonly percent: number
  /** Records applied per second since the start. */
  readonly recordsPerSecond: number
}

/**
 * Where a table is in its life.
 *
 * - `Loading`: it replays the topic.
 * - `CaughtUp`: everything that was in the log when it started is applied, and it follows the log.
 * - `Degraded`: the catch-up timeout passed first. It goes on reading, and may still become `CaughtUp`.
 * - `Failed`: the content is frozen at what was last applied. `healing` if it goes on trying, slowly, as for missing
 *   rights and bad credentials; otherwise the reader has ended.
 *
 * @since 0.1.0
 * @category models
 */
export type TableStatus =
  | { readonly _tag: "Loading"; readonly progress: Progress }
  | { readonly _tag: "CaughtUp" }
  | { readonly _tag: "Degraded"; readonly progress: Progress; readonly cause: WaitTimeoutError }
  | { readonly _tag: "Failed"; readonly error: TableFailure; readonly healing: boolean }

/**
 * How current the content is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Freshness {
  /** Do the leaders of all partitions answer? Not one that told this client to wait. */
  readonly connected: boolean
  /** Records (offsets) up to the high watermark that are not applied yet; `undefined` while that is not known. */
  readonly lag: number | undefined
  /** When the leader that was silent longest last answered, in milliseconds since the epoch. */
  readonly lastFetchAt: number | undefined
  /**
   * How long ago that was, in milliseconds: how stale the content may be. An idle, connected table stays
   * below its `fetch.maxWait` and a round trip.
   */
  readonly staleMillis: number | undefined
  /** The last failure on the way to the brokers, if it still stands. */
  readonly lastFailure: ConnectionError | BrokerError | TopicError | undefined
  /**
   * A broker told this client to wait until then, in milliseconds since the epoch: the content ages meanwhile, and the
   * table is not `connected`. `undefined` if none did, or for less than a second.
   */
  readonly throttledUntil: number | undefined
  /** What holds the table up at this moment, with the partitions of each reason; empty if nothing is known to. */
  readonly heldUpBy: ReadonlyArray<HeldUp>
}

// ---------------------------------------------------------------------------------------------------------------------
// who listens, and who waits
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What happens to changes that a subscriber has not taken yet. Changes that are taken in time are all delivered.
 *
 * - `Conflate`: the latest change per key is kept. Bounded by the number of keys; nothing of the outcome is lost.
 * - `Sliding`: the last `capacity` changes are kept.
 * - `Dropping`: the first `capacity` changes are kept.
 * - `BackPressure`: every change is delivered, and **the table's reader waits** for this subscriber when it is more
 *   than `capacity` changes behind.
 *
 * @since 0.1.0
 * @category models
 */
export type Strategy =
  | { readonly _tag: "Conflate" }
  | { readonly _tag: "Sliding"; readonly capacity: number }
  | { readonly _tag: "Dropping"; readonly capacity: number }
  | { readonly _tag: "BackPressure"; readonly capacity: number }

/**
 * @since 0.1.0
 * @category constructors
 */
export const conflate: Strategy = { _tag: "Conflate" }

/**
 * `capacity` is at least 1; less counts as 1.
 *
 * @since 0.1.0
 * @category constructors
 */
export const sliding = (capacity: number): Strategy => ({ _tag: "Sliding", capacity })

/**
 * `capacity` is at least 1; less counts as 1.
 *
 * @since 0.1.0
 * @category constructors
 */
export const dropping = (capacity: number): Strategy => ({ _tag: "Dropping", capacity })

/**
 * `capacity` is at least 1; less counts as 1.
 *
 * @since 0.1.0
 * @category constructors
 */
export const backPressure = (capacity: number): Strategy => ({ _tag: "BackPressure", capacity })

/**
 * A snapshot, and every change after it: no gap, no double.
 *
 * @since 0.1.0
 * @category models
 */
export interface Subscription<
  in out K,
  out V,
  out Entry extends TableEntry<K, V> = TableEntry<K, V>,
  out Change extends TableChange<K, V> = TableChange<K, V>,
  Ix extends Indexes = {}
> {
  readonly snapshot: TableSnapshot<K, V, Entry, Ix>
  /**
   * To be run once. Fails when the reader has ended for good, after the changes that came before; ends when the table is
   * closed.
   */
  readonly changes: Stream.Stream<Change, TableFailure>
}

/**
 * @since 0.1.0
 * @category options
 */
export interface WaitOptions {
  /** Default: the table's `waitTimeout`. */
  readonly timeout?: Duration.Input
}

/**
 * What a bounded wait on a table can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type WaitError = WaitTimeoutError | TableClosedError | TableFailure

// ---------------------------------------------------------------------------------------------------------------------
// the table
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What every live table can, whatever it is made of. Reads never fail and never wait: they serve the last published state,
 * whatever the brokers do.
 *
 * `Entry` and `Change` are what this kind of table tells of a key: those of a topic's table have the record that it comes
 * from. Who takes any table asks for an `AnyTable`.
 *
 * @since 0.2.0
 * @category models
 */
export interface LiveTable<
  in out K,
  in out V,
  in out Entry extends TableEntry<K, V> = TableEntry<K, V>,
  in out Change extends TableChange<K, V> = TableChange<K, V>,
  Ix extends Indexes = {}
> {
  /** The value of a key; none if the table does not hold it. */
  readonly get: (key: K) => Effect.Effect<Option.Option<V>>
  /** Does the table hold this key? */
  readonly has: (key: K) => Effect.Effect<boolean>
  /** Number of keys. */
  readonly size: Effect.Effect<number>
  /** The value with its key, and what else the table knows of it; none if the table does not hold the key. */
  readonly entry: (key: K) => Effect.Effect<Option.Option<Entry>>
  /** All entries at one version. */
  readonly entries: Effect.Effect<ReadonlyArray<Entry>>
  readonly keys: Effect.Effect<ReadonlyArray<K>>
  readonly values: Effect.Effect<ReadonlyArray<V>>
  /** The content now, immutable for ever; in constant time. */
  readonly snapshot: Effect.Effect<TableSnapshot<K, V, Entry, Ix>>
  /** `snapshot` without an Effect, for hot paths. */
  readonly unsafeSnapshot: () => TableSnapshot<K, V, Entry, Ix>
  /**
   * The content as a `SubscriptionRef`: one publication a batch of records. Its changes (`SubscriptionRef.changes`)
   * begin with the current snapshot, and a slow consumer sees the latest one next. They end after the last snapshot when
   * the reader has ended for good, and when the table is closed: their type knows no failure, `failure` tells. Setting
   * the ref changes what its other readers see until the next publication, and nothing else: the table does not read it.
   */
  readonly ref: SubscriptionRef.SubscriptionRef<TableSnapshot<K, V, Entry, Ix>>

  /**
   * Changes from the moment the stream is run, conflated for a slow consumer. Fails with the error of `failure` once the
   * reader has ended for good, after the changes that came before: it goes on through what heals by itself, and through
   * the runs of a restart policy. Ends when the table is closed.
   */
  readonly changes: Stream.Stream<Change, TableFailure>
  /** The same with another policy for a slow consumer. */
  readonly changesWith: (strategy: Strategy) => Stream.Stream<Change, TableFailure>
  /** A snapshot and the changes that follow it, with neither gap nor double. Default strategy: `conflate`. */
  readonly subscribe: (options?: {
    readonly strategy?: Strategy
  }) => Effect.Effect<Subscription<K, V, Entry, Change, Ix>, never, Scope.Scope>
  /**
   * The value of one key: now, and whenever it changes (the latest, for a slow consumer). Fails and ends as `changes`
   * does; of a table whose reader has ended, after the value that there is.
   */
  readonly watch: (key: K) => Stream.Stream<Option.Option<V>, TableFailure>

  /** Its changes end after `Failed` when the reader has ended for good, and when the table is closed. */
  readonly status: SubscriptionRef.SubscriptionRef<TableStatus>
  /** Waits until the table has caught up. */
  readonly awaitCaughtUp: (options?: WaitOptions) => Effect.Effect<void, WaitError>
  /**
   * Never succeeds; fails with the error once the reader has ended for good. To race an application against. It does not
   * fail for what heals by itself (`Failed` with `healing`), nor while a restart policy goes on.
   */
  readonly failure: Effect.Effect<never, TableFailure>
  /**
   * Waits until every write that a broker acknowledged before this call is visible. Its target is the high watermark:
   * under an open transaction it waits, until that ends or the timeout.
   */
  readonly barrier: (options?: WaitOptions) => Effect.Effect<void, WaitError>
  /**
   * Waits until the writes at these positions are visible: read your own writes, without a round trip. A position has no
   * topic id: one from before the topic was deleted and created again counts as one of today.
   */
  readonly awaitPosition: (
    position: Position | ReadonlyArray<Position>,
    options?: WaitOptions
  ) => Effect.Effect<void, WaitError>

  readonly freshness: Effect.Effect<Freshness>

  /**
   * Entries whose keys are in a range, in the order of the keys' bytes: see `TableSnapshot.range`. The first call, of this or of
   * `prefix`, `count` or `page`, has the table keep that order from then on (about 26 bytes an entry), and waits until it is made.
   * What is wrong in a range or its options is a defect (`InvalidOptionsError`).
   */
  readonly range: (range?: Range<K>, options?: RangeOptions) => Effect.Effect<ReadonlyArray<Entry>>
  /** Entries whose keys begin with a text, or with the first parts of a `Codec.tuple`: see `range`. */
  readonly prefix: (prefix: Prefix<K>, options?: RangeOptions) => Effect.Effect<ReadonlyArray<Entry>>
  /** How many keys a range has, without a walk through it. */
  readonly count: (range?: Range<K>) => Effect.Effect<number>
  /** A range in pieces. Fails for an `after` that is not the `next` of such a page. */
  readonly page: (range: Range<K>, options?: PageOptions) => Effect.Effect<Page<Entry>, InvalidOptionsError>

  /** An index of the table's tag: see `TableIndex`. */
  readonly by: <Name extends keyof Ix & string>(name: Name) => LiveLookup<Ix[Name], K, Entry>
  /** The entries for which all conditions hold: see `TableSnapshot.query`. What is wrong in it is a defect. */
  readonly query: (where?: Where<Ix>, options?: QueryOptions<SortedNames<Ix>>) => Effect.Effect<ReadonlyArray<Entry>>
  /** How `query` would find them now. */
  readonly explain: (where?: Where<Ix>, options?: QueryOptions<SortedNames<Ix>>) => Effect.Effect<Plan>
  /**
   * The result of such a query, kept up to date, and what changes in it, for as long as the scope is open: see `LiveQuery`. The
   * Effect succeeds when its rows are found. What is wrong in it is a defect.
   */
  readonly live: (
    where?: Where<Ix>,
    options?: QueryOptions<SortedNames<Ix>>
  ) => Effect.Effect<LiveQuery<K, V, Entry>, never, Scope.Scope>
}

/**
 * A live table, whatever it tells of its entries and changes beside their keys and values: what takes it only reads. (Who has
 * a `ref` may set it, which is why it is not among that.)
 *
 * @since 0.2.0
 * @category models
 */
export type AnyTable<K, V> = Omit<LiveTable<K, V>, "ref">
