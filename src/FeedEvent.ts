/**
 * What a table tells a copy of it elsewhere: in a browser, in another process, in a cache. `TableFeed` makes these events
 * of a table, `makeCopy` makes a copy of the events.
 *
 * This module loads nothing that has to do with Kafka or with Node, so a page in a browser can import it by itself:
 * `effect-ktables/FeedEvent`.
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { FeedEvent } from "effect-ktables"
 *
 * export const Prices = FeedEvent.schema(Schema.String, Schema.Number)
 *
 * // `feed` is how the events come here: by remote procedures, by server-sent events, …
 * export const follow = (feed: (after: string | undefined) => Stream.Stream<FeedEvent.FeedEvent<string, number>>) => {
 *   const copy = FeedEvent.makeCopy<string, number>()
 *   const run = Effect.suspend(() =>
 *     Stream.runForEach(feed(copy.token), (event) =>
 *       copy.apply(event) ? Effect.log(`version ${copy.version}: ${copy.size} prices`) : Effect.void
 *     )
 *   )
 *   return { copy, run } // whenever `run` has ended, to run it again goes on where it was
 * }
 * ```
 *
 * @since 0.4.0
 * @module
 */
import type * as Schema from "effect/Schema"
import * as schemas from "./internal/effect/v4/tableSchemas.ts"
import * as internal from "./internal/feed/copy.ts"
import type { TableEntry } from "./TableSnapshot.ts"

// ---------------------------------------------------------------------------------------------------------------------
// events
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A key has a value, or is gone. It is what a `TableChange` is, without the value before: who holds a copy has that.
 *
 * @since 0.4.0
 * @category models
 */
export type FeedChange<K, V> =
  { readonly _tag: "Upsert"; readonly key: K; readonly value: V } | { readonly _tag: "Delete"; readonly key: K }

/**
 * Each run of a feed begins with `Reset` or `Resumed`. After `Live`, what was told so far is the table's content at one
 * version, exactly; before that, it is on its way there.
 *
 * - `Reset`: forget what you have. Entries follow, `size` of them.
 * - `Resumed`: keep what you have. The changes since your token follow.
 * - `Entries`: some of the entries.
 * - `Changes`: some of the changes, one of each key. A key that is deleted need not have been told before.
 * - `Live`: all is told up to this version of the table. The token is for `after`, should the feed break off.
 *
 * @since 0.4.0
 * @category models
 */
export type FeedEvent<K, V> =
  | { readonly _tag: "Reset"; readonly size: number }
  | { readonly _tag: "Resumed" }
  | { readonly _tag: "Entries"; readonly entries: ReadonlyArray<TableEntry<K, V>> }
  | { readonly _tag: "Changes"; readonly changes: ReadonlyArray<FeedChange<K, V>> }
  | { readonly _tag: "Live"; readonly version: number; readonly token: string }

/**
 * The schema of a feed's events, for remote procedures and for JSON.
 *
 * @since 0.4.0
 * @category schemas
 */
export const schema: <K, V, KI, VI>(
  key: Schema.Codec<K, KI>,
  value: Schema.Codec<V, VI>
) => Schema.Codec<FeedEvent<K, V>, unknown> = schemas.feedEvent

// ---------------------------------------------------------------------------------------------------------------------
// the copy
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A copy of a table's content. It only ever shows the content at one version: what comes before `Live` is put aside
 * until then.
 *
 * @since 0.4.0
 * @category models
 */
export interface Copy<in out K, in out V> extends Iterable<readonly [K, V]> {
  /** Takes the next event. True if it was `Live`, so that the copy shows another version now. */
  readonly apply: (event: FeedEvent<K, V>) => boolean
  /** What to ask the feed for, to go on from here; `undefined` before the first `Live`. */
  readonly token: string | undefined
  /** The version of the table that this is a copy of; `undefined` before the first `Live`. */
  readonly version: number | undefined
  /** Number of keys. */
  readonly size: number
  /** The value of a key; `undefined` if the copy does not hold it. */
  readonly get: (key: K) => V | undefined
  /** Does the copy hold this key? */
  readonly has: (key: K) => boolean
  /** A plain map of all of it, copied: for what compares what it is given by identity. */
  readonly toMap: () => Map<K, V>
}

/**
 * An empty copy. Keys that are objects are told apart by `identity`, whose default for them is their JSON; other keys are
 * themselves.
 *
 * @since 0.4.0
 * @category constructors
 */
export const makeCopy: <K, V>(options?: { readonly identity?: (key: K) => unknown }) => Copy<K, V> = internal.makeCopy
