/**
 * What happened to a key of a table.
 *
 * A change of any live table has a key, a value and the value before (`TableChange`). A change of a topic's table is made by
 * a record, and tells of that as well (`RecordChange`).
 *
 * ```ts
 * import { Option } from "effect"
 * import { TableChange } from "effect-ktables"
 *
 * const textOf = (change: TableChange.TableChange<string, number>): string =>
 *   TableChange.isUpsert(change)
 *     ? `${change.key} is ${change.value} now`
 *     : `${change.key} is gone, it was ${Option.getOrElse(change.previous, () => "nothing")}`
 *
 * export { textOf }
 * ```
 *
 * @since 0.1.0
 * @module
 */
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as schemas from "./internal/effect/v4/tableSchemas.ts"

// ---------------------------------------------------------------------------------------------------------------------
// of any live table
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A key got a value.
 *
 * @since 0.1.0
 * @category models
 */
export interface Upsert<out K, out V> {
  readonly _tag: "Upsert"
  readonly key: K
  readonly value: V
  /** The value before; none if the key is new. For a conflated change: the value that this subscriber last knew. */
  readonly previous: Option.Option<V>
}

/**
 * A key is gone. (A tombstone for a key that the table does not hold changes nothing, and is no change.)
 *
 * @since 0.1.0
 * @category models
 */
export interface Delete<out K, out V> {
  readonly _tag: "Delete"
  readonly key: K
  /** The value before. For a conflated change: the value that this subscriber last knew. */
  readonly previous: Option.Option<V>
}

/**
 * @since 0.1.0
 * @category models
 */
export type TableChange<K, V> = Upsert<K, V> | Delete<K, V>

/**
 * @since 0.1.0
 * @category refinements
 */
export const isUpsert = <C extends TableChange<unknown, unknown>>(
  change: C
): change is Extract<C, { readonly _tag: "Upsert" }> => change._tag === "Upsert"

/**
 * @since 0.1.0
 * @category refinements
 */
export const isDelete = <C extends TableChange<unknown, unknown>>(
  change: C
): change is Extract<C, { readonly _tag: "Delete" }> => change._tag === "Delete"

/**
 * The schema of changes of any live table, for remote procedures and for JSON. For a stream of them from which a copy of
 * the table is made elsewhere, there is `TableFeed`.
 *
 * ```ts
 * import { Schema } from "effect"
 * import { TableChange } from "effect-ktables"
 *
 * export const PriceChange = TableChange.schema(Schema.String, Schema.Struct({ cents: Schema.Number }))
 * ```
 *
 * @since 0.4.0
 * @category schemas
 */
export const schema: <K, V, KI, VI>(
  key: Schema.Codec<K, KI>,
  value: Schema.Codec<V, VI>
) => Schema.Codec<TableChange<K, V>, unknown> = schemas.tableChange

// ---------------------------------------------------------------------------------------------------------------------
// of tables of topics
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A header of a record. Keys may repeat; the order is the producer's.
 *
 * @since 0.1.0
 * @category models
 */
export interface Header {
  readonly key: string
  readonly value: Uint8Array | null
}

/**
 * The record that a change, or an entry, comes from.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordInfo {
  readonly partition: number
  readonly offset: number
  /** Milliseconds since the epoch: the producer's clock, or the broker's where the topic says `LogAppendTime`. */
  readonly timestamp: number
  /** Only where the table was asked to keep headers; empty otherwise. */
  readonly headers: ReadonlyArray<Header>
}

/**
 * A record set the value of a key.
 *
 * @since 0.2.0
 * @category models
 */
export interface RecordUpsert<out K, out V> extends Upsert<K, V>, RecordInfo {
  /** True while the table replays the topic, false for what happened after it had caught up. */
  readonly replayed: boolean
}

/**
 * Why a key is gone.
 *
 * - `tombstone`: somebody deleted it. `partition`, `offset` and `timestamp` are the tombstone's.
 * - `evicted`: the log does not hold its record any more, as it begins behind it now (retention, `DeleteRecords`). They
 *   are those of the record that went.
 * - `rebuilt`: its partition was replayed, and the replay has not found it: the log was truncated, or is another one, or
 *   the tombstone went during an outage. They are those of the record that the table had.
 * - `expired`: its time is over, by `expireAfter` or `expireAt` of the table. They are those of the record that went, which is
 *   in the log still. A record that is past already when it comes does the same to the value before it.
 *
 * @since 0.2.0
 * @category models
 */
export type DeleteCause = "tombstone" | "evicted" | "rebuilt" | "expired"

/**
 * A key of a topic's table is gone.
 *
 * @since 0.2.0
 * @category models
 */
export interface RecordDelete<out K, out V> extends Delete<K, V>, RecordInfo {
  /** For a conflated change: of the last delete. */
  readonly cause: DeleteCause
  /** True while the table replays the topic, false for what happened after it had caught up. */
  readonly replayed: boolean
}

/**
 * @since 0.2.0
 * @category models
 */
export type RecordChange<K, V> = RecordUpsert<K, V> | RecordDelete<K, V>

/**
 * A change of a topic's table as it is told to others: without headers, which are bytes of the producer's.
 *
 * @since 0.4.0
 * @category models
 */
export type RecordChangeWithoutHeaders<K, V> = Omit<RecordUpsert<K, V>, "headers"> | Omit<RecordDelete<K, V>, "headers">

/**
 * The schema of changes of a topic's table, without headers.
 *
 * @since 0.4.0
 * @category schemas
 */
export const recordSchema: <K, V, KI, VI>(
  key: Schema.Codec<K, KI>,
  value: Schema.Codec<V, VI>
) => Schema.Codec<RecordChangeWithoutHeaders<K, V>, unknown> = schemas.recordChange
