/**
 * What happened to a key of a table.
 *
 * @since 0.1.0
 * @module
 */
import type * as Option from "effect/Option"

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
 * A key got a value.
 *
 * @since 0.1.0
 * @category models
 */
export interface Upsert<out K, out V> extends RecordInfo {
  readonly _tag: "Upsert"
  readonly key: K
  readonly value: V
  /** The value before; none if the key is new. For a conflated change: the value that this subscriber last knew. */
  readonly previous: Option.Option<V>
  /** True while the table replays the topic, false for what happened after it had caught up. */
  readonly replayed: boolean
}

/**
 * A key is gone. (A tombstone for a key that the table does not hold changes nothing, and is no change.)
 *
 * @since 0.1.0
 * @category models
 */
export interface Delete<out K, out V> extends RecordInfo {
  readonly _tag: "Delete"
  readonly key: K
  /** The value before. For a conflated change: the value that this subscriber last knew. */
  readonly previous: Option.Option<V>
  readonly replayed: boolean
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
export const isUpsert = <K, V>(change: TableChange<K, V>): change is Upsert<K, V> => change._tag === "Upsert"

/**
 * @since 0.1.0
 * @category refinements
 */
export const isDelete = <K, V>(change: TableChange<K, V>): change is Delete<K, V> => change._tag === "Delete"
