/**
 * The content of a table while it is being written: an index from key to slot, and the rows by slot. Only the reader
 * has it; everybody else gets snapshots of it. It is plain synchronous code, as this is the hot path.
 *
 * A key's slot never changes while snapshots may share the index; a deleted key keeps its slot as an empty row, which
 * remembers the tombstone's place.
 */
import * as Option from "effect/Option"
import type { Codec } from "../../../Codec.ts"
import type { DeleteCause, RecordChange } from "../../../TableChange.ts"
import type { ChangeLog } from "./changeLog.ts"
import { KeyIndex } from "./keyIndex.ts"
import { NO_HEADERS, withHeaders, type RecordHeaders } from "./recordHeaders.ts"
import type { Records, RecordStore } from "./recordStore.ts"
import { NO_ROW, type Row, sameRecord } from "./row.ts"
import {
  ABSENT,
  indexInLeaf,
  isPresent,
  NO_RECORD,
  placeOf,
  RowVector,
  setHeaders,
  setValue,
  tombstoneAt,
  valueIn
} from "./rowVector.ts"

/** How many rows are handled between two chances to let the event loop run. */
export const ROWS_PER_STEP = 2048

/** Where what is done to rows is noted, as far as anybody wants to know. */
interface Noted<K, V> {
  readonly log: ChangeLog<RecordChange<K, V>> | undefined
  readonly touched: Array<number> | undefined
}

/** Rows by key. What is done to many of them has files of its own, which are the reason that little here is private. */
export class KeyedRows<K, V> {
  index = new KeyIndex()
  /** Decoded keys by slot; `undefined` where the key is its own identity. */
  keys: Array<K> | undefined
  rows = new RowVector()
  /** How many rows have a value. */
  live = 0
  /** Rows that lost against another partition's row of the same key, by slot. */
  contested = new Map<number, ReadonlyArray<Row>>()
  /** The largest timestamp of all records that were applied. */
  newestTimestamp = 0
  /** By partition, an offset below which no row has a record of it. */
  readonly lowest = new Map<number, number>()
  /**
   * Whether the topic has more than one partition: then a key may turn up in two of them, and tombstones have to be
   * kept.
   */
  multiPartition = false
  /** Where changes are noted; `undefined` while nobody wants to know them. */
  log: ChangeLog<RecordChange<K, V>> | undefined
  /** Where slots are noted that are written to; `undefined` while nobody wants to know them. */
  touched: Array<number> | undefined
  /** Whether what is applied is part of the first replay: changes say so. */
  replayed = true

  readonly key: Codec<K>
  /** The records that the rows hold. */
  records: RecordStore<V>

  constructor(key: Codec<K>, records: RecordStore<V>) {
    this.key = key
    this.records = records
    this.keys = key.text ? undefined : []
  }

  /** Begins or ends (`undefined`) the noting of what is done to rows. */
  note(noted: Noted<K, V> | undefined): void {
    this.log = noted?.log
    this.touched = noted?.touched
  }

  get size(): number {
    return this.live
  }

  get contestedKeys(): number {
    return this.contested.size
  }

  /** The hashes of keys that come together: see `KeyIndex.hashesOf`. */
  hashesOf(bytes: Buffer, starts: Int32Array, ends: Int32Array, from: number, to: number): Int32Array {
    return this.index.hashesOf(bytes, starts, ends, from, to)
  }

  /** The slot of the key with these bytes, or `UNKNOWN`. */
  find(bytes: Buffer, start: number, end: number, hash?: number): number {
    return this.index.find(bytes, start, end, hash)
  }

  /** Adds a key that has no slot, and returns its slot. `key` is not looked at where a key is its own identity. */
  addKey(bytes: Buffer, start: number, end: number, key: K, hash?: number): number {
    this.rows.append()
    this.keys?.push(key)
    return this.index.add(bytes, start, end, hash)
  }

  keyAt(slot: number): K {
    // Where a key is its own identity, K is string, as the codec says.
    return this.keys === undefined ? (this.index.textAt(slot, "utf8") as K) : this.keys[slot]
  }

  /** The identity of the key of a slot: see `keyId`. */
  idAt(slot: number): string {
    return this.idOf(slot, this.keyAt(slot))
  }

  private idOf(slot: number, key: K): string {
    // A text is its own identity.
    return typeof key === "string" && this.key.text ? key : this.index.textAt(slot, "latin1")
  }

  /** The value of a row that has one. */
  load(value: unknown, held: number, records: Records<V> = this.records): V {
    // What was put as a value is a V.
    return value === ABSENT ? records.valueAt(held) : (value as V)
  }

  valueOf({ held, value }: Row, records?: Records<V>): Option.Option<V> {
    return isPresent(held) ? Option.some(this.load(value, held, records)) : Option.none()
  }

  /** Sets the row of a key to a value that is kept as it is, or empties it (`ABSENT`), by a record of `partition`. */
  put(
    slot: number,
    value: unknown,
    partition: number,
    offset: number,
    timestamp: number,
    headers: RecordHeaders | undefined
  ): void {
    const place = this.records.append(slot, partition, offset, timestamp)
    this.set(slot, value === ABSENT ? tombstoneAt(place) : place, value, partition, offset, timestamp, headers)
  }

  /** Sets the row of a key to a value that stays bytes. `memory` is `bytes.buffer`. */
  putBytes(
    slot: number,
    bytes: Buffer,
    memory: ArrayBufferLike,
    start: number,
    end: number,
    partition: number,
    offset: number,
    timestamp: number,
    headers: RecordHeaders | undefined
  ): void {
    const place = this.records.appendBytes(slot, partition, offset, timestamp, bytes, memory, start, end)
    this.set(slot, place, ABSENT, partition, offset, timestamp, headers)
  }

  /** Has the row of a key hold a record, and notes the change. The record before is released. */
  set(
    slot: number,
    held: number,
    value: unknown,
    partition: number,
    offset: number,
    timestamp: number,
    headers: RecordHeaders | undefined
  ): void {
    const { records } = this
    const leaf = this.rows.leafForWrite(slot)
    const i = indexInLeaf(slot)
    const before = leaf.held[i]
    if (timestamp > this.newestTimestamp) this.newestTimestamp = timestamp
    if (before !== NO_RECORD) {
      const owner = records.partitionAt(placeOf(before))
      if (owner !== partition || (this.contested.size > 0 && this.contested.has(slot))) {
        this.contest(slot, partition, { held, value, headers })
        return
      }
    }
    const previous =
      this.log !== undefined && isPresent(before) ? Option.some(this.load(valueIn(leaf, i), before)) : Option.none()
    leaf.held[i] = held
    setValue(leaf, i, value)
    setHeaders(leaf, i, headers)
    if (this.touched !== undefined) this.touched.push(slot)
    if (isPresent(held)) {
      if (!isPresent(before)) this.live++
    } else if (isPresent(before)) this.live--
    if (this.log !== undefined && (isPresent(before) || isPresent(held))) {
      this.record(this.log, slot, previous, { held, value, headers }, partition, offset, timestamp, "tombstone")
    }
    if (before !== NO_RECORD) records.release(placeOf(before))
  }

  /** Notes a change. */
  record(
    log: ChangeLog<RecordChange<K, V>>,
    slot: number,
    previous: Option.Option<V>,
    { headers, held, value }: Row,
    partition: number,
    offset: number,
    timestamp: number,
    cause: DeleteCause
  ): void {
    const key = this.keyAt(slot)
    const { replayed } = this
    log.ids.push(this.idOf(slot, key))
    const change: RecordChange<K, V> = isPresent(held)
      ? {
          _tag: "Upsert",
          key,
          value: this.load(value, held),
          previous,
          partition,
          offset,
          timestamp,
          headers: NO_HEADERS,
          replayed
        }
      : { _tag: "Delete", cause, key, previous, partition, offset, timestamp, headers: NO_HEADERS, replayed }
    log.changes.push(withHeaders(change, headers))
  }

  /** Notes a change to a row whose record is in the store. */
  recordRow(
    log: ChangeLog<RecordChange<K, V>>,
    slot: number,
    previous: Option.Option<V>,
    row: Row,
    cause: DeleteCause,
    records: Records<V> = this.records
  ): void {
    const place = placeOf(row.held)
    const [partition, offset] = [records.partitionAt(place), records.offsetAt(place)]
    this.record(log, slot, previous, row, partition, offset, records.timestampAt(place), cause)
  }

  rowAt(slot: number): Row | undefined {
    const leaf = this.rows.leaf(slot)
    const i = indexInLeaf(slot)
    const held = leaf.held[i]
    return held === NO_RECORD
      ? undefined
      : { held, value: valueIn(leaf, i), headers: leaf.headers?.[i] as RecordHeaders | undefined }
  }

  partitionOf({ held }: Row): number {
    return this.records.partitionAt(placeOf(held))
  }

  /** Writes a row as it is, and counts rows that have a value. No change is noted, and nothing released. */
  setRow(slot: number, { headers, held, value }: Row): void {
    this.touched?.push(slot)
    const leaf = this.rows.leafForWrite(slot)
    const i = indexInLeaf(slot)
    const before = leaf.held[i]
    leaf.held[i] = held
    setValue(leaf, i, value)
    setHeaders(leaf, i, headers)
    if (!isPresent(before) && isPresent(held)) this.live++
    else if (isPresent(before) && !isPresent(held)) this.live--
  }

  /** Writes what several partitions say about a key: the newest row is shown, the others are kept as contested. */
  setRows(slot: number, rows: ReadonlyArray<Row>): void {
    const winner = this.newest(rows)
    this.setRow(slot, winner ?? NO_ROW)
    if (rows.length < 2) this.contested.delete(slot)
    else
      this.contested.set(
        slot,
        rows.filter((row) => row !== winner)
      )
  }

  /**
   * Sets the row of a key that has records in two partitions, as after the topic grew. Of each partition its last
   * record counts, and of these the newest by timestamp wins. So the outcome depends neither on the order in which
   * partitions are read, nor on what compaction has removed.
   */
  contest(slot: number, partition: number, row: Row): void {
    const before = this.rowAt(slot)!
    const rows = [before, ...(this.contested.get(slot) ?? [])]
    this.setRows(slot, [...rows.filter((r) => this.partitionOf(r) !== partition), row])
    const after = this.rowAt(slot)!
    if (
      this.log !== undefined &&
      !sameRecord(this.records, before, this.records, after) &&
      (isPresent(before.held) || isPresent(after.held))
    ) {
      this.recordRow(this.log, slot, this.valueOf(before), after, "tombstone")
    }
    for (const r of rows) if (this.partitionOf(r) === partition) this.release(r)
  }

  /** Releases the record of a row that does not hold it any more. */
  release({ held }: Row): void {
    this.records.release(placeOf(held))
  }

  /** The newest of these rows by timestamp; of several with the same timestamp, that of the highest partition. */
  newest(rows: ReadonlyArray<Row>): Row | undefined {
    const { records } = this
    let best: Row | undefined
    for (const row of rows) {
      const later =
        best === undefined
          ? 1
          : records.timestampAt(placeOf(row.held)) - records.timestampAt(placeOf(best.held)) ||
            this.partitionOf(row) - this.partitionOf(best)
      if (later > 0) best = row
    }
    return best
  }
}
