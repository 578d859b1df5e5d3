/**
 * A table told to readers elsewhere: a page in a browser, another process, a cache. A feed begins with all entries, goes
 * on with what changes, and fails when the table does. A reader that was cut off goes on where it was, by the token that
 * it got last.
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { type KafkaTable, TableFeed } from "effect-ktables"
 *
 * declare const prices: KafkaTable.KafkaTable<string, number>
 *
 * export const program = Effect.gen(function* () {
 *   const feed = yield* TableFeed.make(prices)
 *
 *   // the body of an answer of type text/event-stream; a browser sends `last-event-id` when it comes back
 *   const body = (lastEventId: string | undefined) =>
 *     feed.stream({ after: lastEventId }).pipe(
 *       TableFeed.toServerSentEvents({ key: Schema.String, value: Schema.Number }),
 *       Stream.encodeText
 *     )
 *   return body
 * })
 * ```
 *
 * @since 0.4.0
 * @module
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { FeedEvent } from "./FeedEvent.ts"
import * as feeds from "./internal/feed/feed.ts"
import * as internalInvalidations from "./internal/feed/invalidations.ts"
import * as sse from "./internal/feed/sse.ts"
import type { InvalidOptionsError } from "./KafkaError.ts"
import type { AnyTable, TableFailure } from "./LiveTable.ts"
import type { TableChange } from "./TableChange.ts"

// ---------------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A table's feed. Any number of readers may follow it, each at its own pace: one that is slow gets the latest change of
 * each key, and the table does not wait for it.
 *
 * @since 0.4.0
 * @category models
 */
export interface TableFeed<K, V> {
  /**
   * The table, from now on. With `after`, a token of a `Live` event, it is told what has changed since, where that is
   * known, and all otherwise: any text is allowed there. The token of a feed in another process counts only with
   * `acrossProcesses`.
   *
   * Fails when the table's reader has ended for good, after what came before; ends when the table is closed, and when the
   * scope of the feed is.
   */
  readonly stream: (options?: { readonly after?: string | undefined }) => Stream.Stream<FeedEvent<K, V>, TableFailure>
}

/**
 * @since 0.4.0
 * @category options
 */
export interface TableFeedOptions {
  /**
   * How many changes are remembered for readers that come back: their keys only, and up to twice as many. A reader that
   * missed more is told the whole table. Default: 10,000.
   */
  readonly history?: number
  /** The most entries, or changes, of one event. Default: 1,000. */
  readonly chunkSize?: number
  /**
   * Tokens also tell how far in its topic the table is, partition by partition, so that a reader may go on with the feed of
   * another process. That is done where the outcome is certain to be the same, and such a reader is told the whole table
   * otherwise. All processes need the same options of the table, and of the feed. Only for tables of topics; others have no
   * such place. Default: false.
   */
  readonly acrossProcesses?: boolean
}

// ---------------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The feed of a table, for as long as the scope is open. It counts as one of the table's subscribers. Make one and share
 * it, as tokens are of one feed.
 *
 * @since 0.4.0
 * @category constructors
 */
export const make = <K, V>(
  table: AnyTable<K, V>,
  options: TableFeedOptions = {}
): Effect.Effect<TableFeed<K, V>, InvalidOptionsError, Scope.Scope> => feeds.makeFeed(table, options)

// ---------------------------------------------------------------------------------------------------------------------
// for others
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How a feed is told as server-sent events: by the schemas of its keys and values.
 *
 * @since 0.4.0
 * @category options
 */
export interface ServerSentEventsOptions<K, V, KI, VI> {
  readonly key: Schema.Codec<K, KI>
  readonly value: Schema.Codec<V, VI>
  /** How often a comment goes out, which says that the connection is still there. Default: 15 seconds. */
  readonly heartbeat?: Duration.Input
}

/**
 * A feed as the text of server-sent events (`text/event-stream`), a piece for each. An event's name is its `_tag`, its data is its
 * JSON; the id of `Live` is the token, which a browser sends as `last-event-id` when it connects again.
 *
 * A comment goes out every `heartbeat` (default: 15 seconds), so that proxies keep the connection, and a client that has
 * gone is noticed. Fails as the feed does, with a `SchemaError` for what does not encode, and with `InvalidOptionsError` for a
 * `heartbeat` that is none.
 *
 * @since 0.4.0
 * @category combinators
 */
export const toServerSentEvents =
  <K, V, KI, VI>(options: ServerSentEventsOptions<K, V, KI, VI>) =>
  <E>(events: Stream.Stream<FeedEvent<K, V>, E>): Stream.Stream<string, E | Schema.SchemaError | InvalidOptionsError> =>
    sse.toServerSentEvents(events, options)

/**
 * Which keys of a cache to forget, whenever rows of a table change: those that `keys` gives for any change, each once, for
 * all changes that are there together. It is made for `Reactivity.invalidate`, and any other cache. Changes are not
 * conflated for that: `keys` is asked for each value that a row has had, as the cache may hold any of them.
 *
 * Fails and ends as the changes of the table do, and dies where `keys` throws. A cache may hold what it read before this
 * runs: forget all of it then.
 *
 * ```ts
 * import { Option, Stream } from "effect"
 * import { type KafkaTable, TableFeed } from "effect-ktables"
 *
 * interface User {
 *   readonly team: string
 * }
 *
 * declare const users: KafkaTable.KafkaTable<string, User>
 * declare const cache: Map<unknown, unknown>
 *
 * export const forgetting = TableFeed.invalidations(users, (change) => {
 *   const before = Option.map(change.previous, ({ team }) => `team:${team}`)
 *   const after = change._tag === "Upsert" ? [`team:${change.value.team}`] : []
 *   return [`user:${change.key}`, ...Option.toArray(before), ...after]
 * }).pipe(
 *   Stream.map((keys) => keys.forEach((key) => cache.delete(key))),
 *   Stream.runDrain
 * )
 * ```
 *
 * @since 0.4.0
 * @category combinators
 */
export const invalidations: <Change extends TableChange<unknown, unknown>, Key>(
  table: {
    readonly changes: Stream.Stream<Change, TableFailure>
    /** The content now, without an Effect. */
    readonly unsafeSnapshot: () => unknown
  },
  keys: (change: Change) => Iterable<Key>
) => Stream.Stream<ReadonlyArray<Key>, TableFailure> = internalInvalidations.invalidations
