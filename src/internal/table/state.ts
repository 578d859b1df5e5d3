/**
 * The content of a table while it is being written: key → slot, slot → row. One owner, the reader; everybody else gets
 * snapshots of it. Plain synchronous code: this is the hot path.
 *
 * A key's slot never changes while snapshots may share the index; a deleted key keeps its slot as an empty row, which
 * remembers the tombstone's place. `compact` makes a new index once empty rows prevail.
 */
import * as Option from "effect/Option"
import type { Codec } from "../../Codec.ts"
import type { Header, TableChange } from "../../TableChange.ts"
import type { TableSnapshot } from "../../TableSnapshot.ts"
import { KeyIndex, UNKNOWN } from "./keyIndex.ts"
import { ABSENT, emptyRows, indexInLeaf, RowVector, setHeaders } from "./rowVector.ts"
import { makeSnapshot } from "./snapshot.ts"

/** What one partition last said about a key. `value` is `ABSENT` for a tombstone. */
export interface Row {
  readonly value: unknown
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly headers: ReadonlyArray<Header> | undefined
}

/** What `append` leaves in the place of the partition: no row yet. */
const NO_PARTITION = 0.5

/**
 * How long a tombstone is remembered against older records of the same key in other partitions, in the records' own
 * time: Kafka's default of `delete.retention.ms`, after which a new reader would not see it any more either.
 */
const REMEMBER_TOMBSTONES_MILLIS = 24 * 60 * 60 * 1000

const MIN_EMPTY_ROWS = 1024

/** Rows handled between two chances to let the event loop run. */
const ROWS_PER_STEP = 2048

export const NO_HEADERS: ReadonlyArray<Header> = []

/** Changes since the last publication, with the key's identity for those who conflate. */
export interface ChangeLog<K, V> {
  readonly ids: Array<string>
  readonly changes: Array<TableChange<K, V>>
}

export class TableState<K, V> {
  private index = new KeyIndex()
  /** Decoded keys by slot; `undefined` where the key is its own identity. */
  private keys: Array<K> | undefined
  private rows = new RowVector()
  private live = 0
  private emptyRowsAllowed = MIN_EMPTY_ROWS
  /** Rows that lost against another partition's row of the same key, by slot. */
  private contested = new Map<number, ReadonlyArray<Row>>()
  private newestTimestamp = 0
  /** With more than one partition, a key may turn up in two of them. */
  multiPartition = false
  /** Collect changes? Only while somebody listens. */
  log: ChangeLog<K, V> | undefined
  replayed = true

  private readonly key: Codec<K>
  /** From a row's value to what users see. */
  private readonly load: (stored: unknown) => V

  /** `load`: of the values' codec, if it stores them in another form (`Codec.stored`). */
  constructor(key: Codec<K>, load: (stored: unknown) => V = asIs) {
    this.key = key
    this.load = load
    this.keys = key.text ? undefined : []
  }

  get size(): number {
    return this.live
  }

  get contestedKeys(): number {
    return this.contested.size
  }

  /** The key's slot, or `UNKNOWN`. */
  slotOf(id: string): number {
    return this.index.slotOf(id)
  }

  /** The same by the key's bytes, or `NOT_ASCII`: then `slotOf` has to tell by the decoded text. */
  find(bytes: Buffer, start: number, end: number): number {
    return this.index.find(bytes, start, end, this.key.text)
  }

  /** A slot for a key that has none. */
  addKey(id: string, key: K): number {
    this.rows.append()
    this.keys?.push(key)
    return this.index.add(id)
  }

  private keyAt(slot: number): K {
    // where the key is its own identity, K is string: the codec says so
    return this.keys === undefined ? (this.index.idAt(slot) as K) : this.keys[slot]
  }

  /** Sets the row of a key, or empties it (`ABSENT`), by a record of `partition`. */
  put(
    slot: number,
    value: unknown,
    partition: number,
    offset: number,
    timestamp: number,
    headers: ReadonlyArray<Header> | undefined
  ): void {
    const leaf = this.rows.leafForWrite(slot)
    const i = indexInLeaf(slot)
    const m = i * 3
    const owner = leaf.meta[m + 2]
    if (timestamp > this.newestTimestamp) this.newestTimestamp = timestamp
    if (owner !== NO_PARTITION && (owner !== partition || (this.contested.size > 0 && this.contested.has(slot)))) {
      this.contest(slot, { value, partition, offset, timestamp, headers })
      return
    }
    const before = leaf.values[i]
    leaf.values[i] = value
    leaf.meta[m] = offset
    leaf.meta[m + 1] = timestamp
    leaf.meta[m + 2] = partition
    if (headers !== undefined || leaf.headers !== undefined) setHeaders(leaf, i, headers)
    if (before === ABSENT) {
      if (value !== ABSENT) this.live++
      else return
    } else if (value === ABSENT) this.live--
    if (this.log !== undefined) this.record(this.log, slot, before, value, partition, offset, timestamp, headers)
  }

  private record(
    log: ChangeLog<K, V>,
    slot: number,
    before: unknown,
    value: unknown,
    partition: number,
    offset: number,
    timestamp: number,
    headers: ReadonlyArray<Header> | undefined
  ): void {
    const previous = before === ABSENT ? Option.none<V>() : Option.some(this.load(before))
    const key = this.keyAt(slot)
    const { replayed } = this
    log.ids.push(this.index.idAt(slot))
    log.changes.push(
      value === ABSENT
        ? { _tag: "Delete", key, previous, partition, offset, timestamp, headers: headers ?? NO_HEADERS, replayed }
        : {
            _tag: "Upsert",
            key,
            value: this.load(value),
            previous,
            partition,
            offset,
            timestamp,
            headers: headers ?? NO_HEADERS,
            replayed
          }
    )
  }

  private rowAt(slot: number): Row | undefined {
    const leaf = this.rows.leaf(slot)
    const i = indexInLeaf(slot)
    const partition = leaf.meta[i * 3 + 2]
    return partition === NO_PARTITION
      ? undefined
      : {
          value: leaf.values[i],
          partition,
          offset: leaf.meta[i * 3],
          timestamp: leaf.meta[i * 3 + 1],
          headers: leaf.headers?.[i] as ReadonlyArray<Header> | undefined
        }
  }

  private setRow(slot: number, row: Row | undefined): void {
    const leaf = this.rows.leafForWrite(slot)
    const i = indexInLeaf(slot)
    const before = leaf.values[i]
    const value = row === undefined ? ABSENT : row.value
    leaf.values[i] = value
    leaf.meta[i * 3] = row === undefined ? 0 : row.offset
    leaf.meta[i * 3 + 1] = row === undefined ? 0 : row.timestamp
    leaf.meta[i * 3 + 2] = row === undefined ? NO_PARTITION : row.partition
    if (row?.headers !== undefined || leaf.headers !== undefined) setHeaders(leaf, i, row?.headers)
    if (before === ABSENT && value !== ABSENT) this.live++
    else if (before !== ABSENT && value === ABSENT) this.live--
  }

  private setRows(slot: number, rows: ReadonlyArray<Row>): void {
    const winner = newest(rows)
    this.setRow(slot, winner)
    if (rows.length < 2) this.contested.delete(slot)
    else
      this.contested.set(
        slot,
        rows.filter((row) => row !== winner)
      )
  }

  /**
   * A key with records in two partitions, as after the topic grew. The newest by timestamp wins; of each partition its
   * last record counts. So the outcome depends neither on the order in which partitions are read, nor on what
   * compaction has removed.
   */
  private contest(slot: number, row: Row): void {
    const before = this.rowAt(slot)!
    const others = [before, ...(this.contested.get(slot) ?? [])].filter((r) => r.partition !== row.partition)
    this.setRows(slot, [...others, row])
    const after = this.rowAt(slot)!
    if (this.log !== undefined && !sameRecord(before, after) && (before.value !== ABSENT || after.value !== ABSENT)) {
      this.record(
        this.log,
        slot,
        before.value,
        after.value,
        after.partition,
        after.offset,
        after.timestamp,
        after.headers
      )
    }
  }

  /**
   * Replaces all rows of `partitions` by those of `shadow`, a state that was filled from these partitions alone. Done in
   * steps; nothing of it may be published before the last one. `sameLog`: a record at the same place is the same record.
   */
  *replace(partitions: ReadonlySet<number>, shadow: TableState<K, V>, sameLog: boolean): Generator<void> {
    const log = this.log
    // what was there before; only somebody who listens needs it
    const touched = log === undefined ? undefined : new Map<number, Row | undefined>()
    this.log = undefined
    let n = 0
    for (let slot = 0; slot < this.index.size; slot++) {
      if (++n % ROWS_PER_STEP === 0) yield
      const row = this.rowAt(slot)
      if (row === undefined) continue
      const all = [row, ...(this.contested.get(slot) ?? [])]
      const rest = all.filter((r) => !partitions.has(r.partition))
      if (rest.length === all.length) continue
      touched?.set(slot, row)
      this.setRows(slot, rest)
    }
    for (let from = 0; from < shadow.index.size; from++) {
      if (++n % ROWS_PER_STEP === 0) yield
      const row = shadow.rowAt(from)
      if (row === undefined) continue
      const id = shadow.index.idAt(from)
      let slot = this.slotOf(id)
      if (slot === UNKNOWN) {
        // as for any tombstone of an unknown key
        if (row.value === ABSENT && !this.multiPartition) continue
        slot = this.addKey(id, shadow.keyAt(from))
      }
      if (touched !== undefined && !touched.has(slot)) touched.set(slot, this.rowAt(slot))
      for (const r of [row, ...(shadow.contested.get(from) ?? [])]) {
        this.put(slot, r.value, r.partition, r.offset, r.timestamp, r.headers)
      }
    }
    this.log = log
    if (log === undefined || touched === undefined) return
    for (const [slot, before] of touched) {
      if (++n % ROWS_PER_STEP === 0) yield
      const after = this.rowAt(slot)
      const was = before === undefined ? ABSENT : before.value
      const is = after === undefined ? ABSENT : after.value
      if (was === ABSENT && is === ABSENT) continue
      if (before !== undefined && after !== undefined && sameRecord(before, after)) {
        if (sameLog || !partitions.has(after.partition)) continue
      }
      // a row that only vanished has no record of its own: it carries the place of the one that it had
      const at = after ?? before!
      this.record(log, slot, was, is, at.partition, at.offset, at.timestamp, at.headers)
    }
  }

  /** Is it time to give up the slots of deleted keys? */
  get wantsCompaction(): boolean {
    const empty = this.rows.length - this.live
    return empty > this.emptyRowsAllowed && empty > this.live
  }

  /** A new index without the slots of deleted keys, in steps. Snapshots that were taken keep the old one. */
  *compact(): Generator<void> {
    const index = new KeyIndex()
    const keys: Array<K> | undefined = this.keys === undefined ? undefined : []
    const rows = new RowVector(emptyRows)
    const contested = new Map<number, ReadonlyArray<Row>>()
    const old = { index: this.index, keys: this.keys, rows: this.rows, contested: this.contested }
    const live = this.live
    let n = 0
    for (let slot = 0; slot < old.index.size; slot++) {
      if (++n % ROWS_PER_STEP === 0) yield
      const row = this.rowAt(slot)
      if (row === undefined) continue
      const losers = old.contested.get(slot)
      if (row.value === ABSENT && (losers === undefined || losers.every(isTombstone)) && !this.isRemembered(row))
        continue
      const to = rows.append()
      index.add(old.index.idAt(slot))
      if (keys !== undefined) keys.push(old.keys![slot])
      if (losers !== undefined) contested.set(to, losers)
      const leaf = rows.leafForWrite(to)
      const i = indexInLeaf(to)
      leaf.values[i] = row.value
      leaf.meta[i * 3] = row.offset
      leaf.meta[i * 3 + 1] = row.timestamp
      leaf.meta[i * 3 + 2] = row.partition
      if (row.headers !== undefined) setHeaders(leaf, i, row.headers)
    }
    this.index = index
    this.keys = keys
    this.rows = rows
    this.contested = contested
    this.live = live
    this.emptyRowsAllowed = Math.max(MIN_EMPTY_ROWS, 2 * (rows.length - live))
  }

  private isRemembered(tombstone: Row): boolean {
    return this.multiPartition && tombstone.timestamp > this.newestTimestamp - REMEMBER_TOMBSTONES_MILLIS
  }

  snapshot(version: number): TableSnapshot<K, V> {
    return makeSnapshot<K, V>({
      key: this.key,
      load: this.load,
      index: this.index,
      keys: this.keys,
      rows: this.rows.freeze(),
      size: this.live,
      version
    })
  }
}

/** Where a row holds the value itself. */
const asIs = <V>(stored: unknown): V => stored as V

/** By timestamp, then by partition. */
const newest = (rows: ReadonlyArray<Row>): Row | undefined => {
  let best: Row | undefined
  for (const row of rows) {
    if (
      best === undefined ||
      row.timestamp > best.timestamp ||
      (row.timestamp === best.timestamp && row.partition > best.partition)
    ) {
      best = row
    }
  }
  return best
}

const isTombstone = (row: Row): boolean => row.value === ABSENT

const sameRecord = (a: Row, b: Row): boolean => a.partition === b.partition && a.offset === b.offset
