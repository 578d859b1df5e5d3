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
import { ABSENT, emptyRows, indexInLeaf, RowVector, setHeaders, setLoaded, type Leaf } from "./rowVector.ts"
import { makeSnapshot } from "./snapshot.ts"
import type { ValueStore } from "./valueStore.ts"

/** What one partition last said about a key. `value` is `ABSENT` for a tombstone; where there is a store, as that has it. */
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
  /** Where values are kept as bytes, and rows hold their places in it instead. */
  values: ValueStore<V> | undefined

  constructor(key: Codec<K>, values?: ValueStore<V>) {
    this.key = key
    this.values = values
    this.keys = key.text ? undefined : []
  }

  get size(): number {
    return this.live
  }

  get contestedKeys(): number {
    return this.contested.size
  }

  /** The slot of the key with these bytes, or `UNKNOWN`. */
  find(bytes: Buffer, start: number, end: number): number {
    return this.index.find(bytes, start, end)
  }

  /** Is the key that was looked for last ASCII? */
  get wasAscii(): boolean {
    return this.index.wasAscii
  }

  /** A slot for a key that has none. `key` is not looked at where a key is its own identity. */
  addKey(bytes: Buffer, start: number, end: number, key: K): number {
    this.rows.append()
    this.keys?.push(key)
    return this.index.add(bytes, start, end)
  }

  private keyAt(slot: number): K {
    // where the key is its own identity, K is string: the codec says so
    return this.keys === undefined ? (this.index.textAt(slot, "utf8") as K) : this.keys[slot]
  }

  /** From what a row holds to what users see. */
  private load(held: unknown): V {
    return this.values === undefined ? (held as V) : this.values.load(held)
  }

  /** What a row holds for a value that is not kept as bytes. */
  hold(value: unknown): unknown {
    return this.values === undefined ? value : this.values.hold(value)
  }

  private valueAt(leaf: Leaf, i: number): Option.Option<V> {
    // what somebody has read before is the same object still
    const value = leaf.loaded?.[i]
    return value === undefined ? this.loaded(leaf.values[i]) : Option.some(value as V)
  }

  private loaded(held: unknown): Option.Option<V> {
    return held === ABSENT ? Option.none() : Option.some(this.load(held))
  }

  /** `load`, of rows as they are now: whatever becomes of them. */
  private reader(): (held: unknown) => V {
    return this.values === undefined ? asIs : this.values.reader()
  }

  /** A row does not hold it any more. */
  private release(held: unknown): void {
    this.values?.release(held)
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
    const previous = this.log === undefined ? undefined : this.valueAt(leaf, i)
    setValue(leaf, i, value)
    leaf.meta[m] = offset
    leaf.meta[m + 1] = timestamp
    leaf.meta[m + 2] = partition
    if (headers !== undefined || leaf.headers !== undefined) setHeaders(leaf, i, headers)
    if (before === ABSENT) {
      if (value !== ABSENT) this.live++
      else return
    } else if (value === ABSENT) this.live--
    if (this.log !== undefined) {
      this.record(this.log, slot, previous ?? Option.none(), value, partition, offset, timestamp, headers)
    }
    if (this.values !== undefined) this.values.release(before)
  }

  private record(
    log: ChangeLog<K, V>,
    slot: number,
    previous: Option.Option<V>,
    value: unknown,
    partition: number,
    offset: number,
    timestamp: number,
    headers: ReadonlyArray<Header> | undefined
  ): void {
    const key = this.keyAt(slot)
    const { replayed } = this
    // a text is its own identity
    log.ids.push(typeof key === "string" && this.key.text ? key : this.index.textAt(slot, "latin1"))
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
    setValue(leaf, i, value)
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
    const rows = [before, ...(this.contested.get(slot) ?? [])]
    this.setRows(slot, [...rows.filter((r) => r.partition !== row.partition), row])
    const after = this.rowAt(slot)!
    if (this.log !== undefined && !sameRecord(before, after) && (before.value !== ABSENT || after.value !== ABSENT)) {
      this.record(
        this.log,
        slot,
        this.loaded(before.value),
        after.value,
        after.partition,
        after.offset,
        after.timestamp,
        after.headers
      )
    }
    for (const r of rows) if (r.partition === row.partition) this.release(r.value)
  }

  /**
   * Replaces all rows of `partitions` by those of `shadow`, a state that was filled from these partitions alone. Done in
   * steps; nothing of it may be published before the last one. `sameLog`: a record at the same place is the same record.
   */
  *replace(partitions: ReadonlySet<number>, shadow: TableState<K, V>, sameLog: boolean): Generator<void> {
    const log = this.log
    // what was there before; only somebody who listens needs it
    const touched = log === undefined ? undefined : new Map<number, Row | undefined>()
    // rows let go of what is told of only at the end
    const loadBefore = this.reader()
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
      for (const r of all) if (partitions.has(r.partition)) this.release(r.value)
    }
    for (let from = 0; from < shadow.index.size; from++) {
      if (++n % ROWS_PER_STEP === 0) yield
      const row = shadow.rowAt(from)
      if (row === undefined) continue
      let slot = this.index.findFrom(shadow.index, from)
      if (slot === UNKNOWN) {
        // as for any tombstone of an unknown key
        if (row.value === ABSENT && !this.multiPartition) continue
        this.rows.append()
        if (this.keys !== undefined) this.keys.push(shadow.keyAt(from))
        slot = this.index.addFrom(shadow.index, from)
      }
      if (touched !== undefined && !touched.has(slot)) touched.set(slot, this.rowAt(slot))
      for (const r of [row, ...(shadow.contested.get(from) ?? [])]) {
        const value = copied(r.value, slot, shadow.values, this.values)
        this.put(slot, value, r.partition, r.offset, r.timestamp, r.headers)
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
      const previous = was === ABSENT ? Option.none<V>() : Option.some(loadBefore(was))
      this.record(log, slot, previous, is, at.partition, at.offset, at.timestamp, at.headers)
    }
  }

  /** Is it time for `compact`? */
  get wantsCompaction(): boolean {
    return this.hasIdleSlots || this.values?.wantsEmptying === true
  }

  private get hasIdleSlots(): boolean {
    const empty = this.rows.length - this.live
    return empty > this.emptyRowsAllowed && empty > this.live
  }

  /** Gives up the room of overwritten values, or the slots of deleted keys, in steps. What users see is the same. */
  *compact(): Generator<void, void> {
    if (this.values?.wantsEmptying === true && !this.hasIdleSlots) yield* this.emptySlabs(this.values)
    else yield* this.renumber()
  }

  /** After each step all is as it should be: it need not be taken to the end. */
  private *emptySlabs(values: ValueStore<V>): Generator<void> {
    let n = 0
    for (const { place, slot } of values.entriesToMove()) {
      if (++n % ROWS_PER_STEP === 0) yield
      const i = indexInLeaf(slot)
      if (this.rows.leaf(slot).values[i] === place) {
        this.rows.leafForWrite(slot).values[i] = values.appendFrom(values, place, slot)
        values.release(place)
        continue
      }
      const losers = this.contested.get(slot)
      if (losers?.some((row) => row.value === place) !== true) continue
      const value = values.appendFrom(values, place, slot)
      this.contested.set(
        slot,
        losers.map((row) => (row.value === place ? { ...row, value } : row))
      )
      values.release(place)
    }
  }

  /** A new index without the slots of deleted keys. Snapshots that were taken keep the old one. */
  private *renumber(): Generator<void> {
    const index = new KeyIndex()
    const keys: Array<K> | undefined = this.keys === undefined ? undefined : []
    const rows = new RowVector(emptyRows)
    const values = this.values?.empty()
    const contested = new Map<number, ReadonlyArray<Row>>()
    const old = { index: this.index, keys: this.keys, rows: this.rows, values: this.values, contested: this.contested }
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
      index.addFrom(old.index, slot)
      if (keys !== undefined) keys.push(old.keys![slot])
      if (losers !== undefined) {
        contested.set(
          to,
          losers.map((loser) => ({ ...loser, value: copied(loser.value, to, old.values, values) }))
        )
      }
      const leaf = rows.leafForWrite(to)
      const i = indexInLeaf(to)
      leaf.values[i] = copied(row.value, to, old.values, values)
      const loaded = old.rows.leaf(slot).loaded?.[indexInLeaf(slot)]
      if (loaded !== undefined) setLoaded(leaf, i, loaded)
      leaf.meta[i * 3] = row.offset
      leaf.meta[i * 3 + 1] = row.timestamp
      leaf.meta[i * 3 + 2] = row.partition
      if (row.headers !== undefined) setHeaders(leaf, i, row.headers)
    }
    this.index = index
    this.keys = keys
    this.rows = rows
    this.values = values
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
      load: this.reader(),
      once: this.values?.once === true,
      index: this.index,
      keys: this.keys,
      rows: this.rows.freeze(),
      size: this.live,
      version
    })
  }
}

/** What was read of the value before is not its any more. */
const setValue = (leaf: Leaf, i: number, value: unknown): void => {
  leaf.values[i] = value
  if (leaf.loaded !== undefined) leaf.loaded[i] = undefined
}

/** Where a row holds the value itself. */
const asIs = <V>(held: unknown): V => held as V

/** What a row of `slot` is to hold, for what one of another state holds. */
const copied = <V>(
  held: unknown,
  slot: number,
  from: ValueStore<V> | undefined,
  to: ValueStore<V> | undefined
): unknown => (from === undefined || to === undefined ? held : to.holdFrom(from, held, slot))

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
