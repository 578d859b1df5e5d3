/**
 * The content of a table while it is being written: an index from key to slot, and the rows by slot. Only the reader
 * has it; everybody else gets snapshots of it. It is plain synchronous code, as this is the hot path.
 *
 * A key's slot never changes while snapshots may share the index; a deleted key keeps its slot as an empty row, which
 * remembers the tombstone's place. `compact` makes a new index once empty rows prevail.
 */
import * as Option from "effect/Option"
import type { Codec } from "../../../Codec.ts"
import type { DeleteCause, RecordChange } from "../../../TableChange.ts"
import type { RecordSnapshot } from "../../../TableSnapshot.ts"
import type { ChangeLog } from "./changeLog.ts"
import { KeyIndex, UNKNOWN } from "./keyIndex.ts"
import { NO_HEADERS, withHeaders, type RecordHeaders } from "./recordHeaders.ts"
import { RecordStore, type Records } from "./recordStore.ts"
import {
  ABSENT,
  emptyRows,
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
import { makeSnapshot } from "./snapshot.ts"

/** What one partition last said about a key, as a leaf has it. */
interface Row {
  /** The place of the record, `tombstoneAt` a place, or `NO_RECORD`. */
  readonly held: number
  /** The value; `ABSENT` for a tombstone, and where the value is bytes of the record. */
  readonly value: unknown
  readonly headers: RecordHeaders | undefined
}

/**
 * How long a tombstone is remembered against older records of the same key in other partitions, in milliseconds of the
 * records' own time. It is Kafka's default of `delete.retention.ms`, after which a new reader would not see it any more
 * either.
 */
const REMEMBER_TOMBSTONES_MILLIS = 24 * 60 * 60 * 1000

/** Up to this many empty rows are not worth a new index. */
const MIN_EMPTY_ROWS = 1024

/** How many rows are handled between two chances to let the event loop run. */
const ROWS_PER_STEP = 2048

/** What an eviction has done to the keys that readers see. */
export interface Evicted {
  /** Keys that have no value any more. */
  gone: number
  /** Keys that show the value of another partition's record now. */
  replaced: number
}

/** The content of one table, or of a rebuild of some of its partitions. */
export class TableState<K, V> {
  private index = new KeyIndex()
  /** Decoded keys by slot; `undefined` where the key is its own identity. */
  private keys: Array<K> | undefined
  private rows = new RowVector()
  /** How many rows have a value. */
  private live = 0
  /** With no more empty rows than this, no new index is made. */
  private emptyRowsAllowed = MIN_EMPTY_ROWS
  /** Rows that lost against another partition's row of the same key, by slot. */
  private contested = new Map<number, ReadonlyArray<Row>>()
  /** The largest timestamp of all records that were applied. */
  private newestTimestamp = 0
  /** By partition, an offset below which no row has a record of it. */
  private readonly lowest = new Map<number, number>()
  /**
   * Whether the topic has more than one partition: then a key may turn up in two of them, and tombstones have to be
   * kept.
   */
  multiPartition = false
  /** Where changes are noted; `undefined` while nobody wants to know them. */
  log: ChangeLog<RecordChange<K, V>> | undefined
  /** Whether what is applied is part of the first replay: changes say so. */
  replayed = true

  private readonly key: Codec<K>
  /** The records that the rows hold. */
  records: RecordStore<V>

  constructor(key: Codec<K>, records = new RecordStore<V>(undefined)) {
    this.key = key
    this.records = records
    this.keys = key.text ? undefined : []
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

  private keyAt(slot: number): K {
    // Where a key is its own identity, K is string, as the codec says.
    return this.keys === undefined ? (this.index.textAt(slot, "utf8") as K) : this.keys[slot]
  }

  /** The value of a row that has one. */
  private load(value: unknown, held: number, records: Records<V> = this.records): V {
    // What was put as a value is a V.
    return value === ABSENT ? records.valueAt(held) : (value as V)
  }

  private valueOf({ held, value }: Row, records?: Records<V>): Option.Option<V> {
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
  private set(
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
    if (isPresent(held)) {
      if (!isPresent(before)) this.live++
    } else if (isPresent(before)) this.live--
    if (this.log !== undefined && (isPresent(before) || isPresent(held))) {
      this.record(this.log, slot, previous, { held, value, headers }, partition, offset, timestamp, "tombstone")
    }
    if (before !== NO_RECORD) records.release(placeOf(before))
  }

  /** Notes a change. */
  private record(
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
    // A text is its own identity.
    log.ids.push(typeof key === "string" && this.key.text ? key : this.index.textAt(slot, "latin1"))
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
  private recordRow(
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

  private rowAt(slot: number): Row | undefined {
    const leaf = this.rows.leaf(slot)
    const i = indexInLeaf(slot)
    const held = leaf.held[i]
    return held === NO_RECORD
      ? undefined
      : { held, value: valueIn(leaf, i), headers: leaf.headers?.[i] as RecordHeaders | undefined }
  }

  private partitionOf({ held }: Row): number {
    return this.records.partitionAt(placeOf(held))
  }

  /** Writes a row as it is, and counts rows that have a value. Nothing is noted, and nothing released. */
  private setRow(slot: number, { headers, held, value }: Row): void {
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
  private setRows(slot: number, rows: ReadonlyArray<Row>): void {
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
  private contest(slot: number, partition: number, row: Row): void {
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
  private release({ held }: Row): void {
    this.records.release(placeOf(held))
  }

  /** The newest of these rows by timestamp; of several with the same timestamp, that of the highest partition. */
  private newest(rows: ReadonlyArray<Row>): Row | undefined {
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

  /**
   * Replaces all rows of `partitions` by those of `shadow`, a state that was filled from these partitions alone. It is
   * done in steps, and nothing of it may be published before the last one. `sameLog` says that a record at the same
   * place is the same record.
   */
  *replace(partitions: ReadonlySet<number>, shadow: TableState<K, V>, sameLog: boolean): Generator<void, void> {
    const log = this.log
    // The rows before the replacement are only needed to tell what has changed.
    const touched = log === undefined ? undefined : new Map<number, Row | undefined>()
    for (const partition of partitions) this.lowest.delete(partition)
    // Changes are told at the end, of records that rows have let go of by then.
    const recordsBefore = this.records.share()
    this.log = undefined
    let n = 0
    for (let slot = 0; slot < this.index.size; slot++) {
      if (++n % ROWS_PER_STEP === 0) yield
      const row = this.rowAt(slot)
      if (row === undefined) continue
      const all = [row, ...(this.contested.get(slot) ?? [])]
      const gone = all.filter((r) => partitions.has(this.partitionOf(r)))
      if (gone.length === 0) continue
      touched?.set(slot, row)
      this.setRows(
        slot,
        all.filter((r) => !gone.includes(r))
      )
      for (const r of gone) this.release(r)
    }
    for (let from = 0; from < shadow.index.size; from++) {
      if (++n % ROWS_PER_STEP === 0) yield
      const row = shadow.rowAt(from)
      if (row === undefined) continue
      let slot = this.index.findFrom(shadow.index, from)
      if (slot === UNKNOWN) {
        // A tombstone of an unknown key changes nothing, as in `RecordApplier`.
        if (!isPresent(row.held) && !this.multiPartition) continue
        this.rows.append()
        if (this.keys !== undefined) this.keys.push(shadow.keyAt(from))
        slot = this.index.addFrom(shadow.index, from)
      }
      if (touched !== undefined && !touched.has(slot)) touched.set(slot, this.rowAt(slot))
      for (const r of [row, ...(shadow.contested.get(from) ?? [])]) {
        const place = placeOf(r.held)
        this.set(
          slot,
          movedHeld(r.held, shadow.records, this.records, slot),
          r.value,
          shadow.records.partitionAt(place),
          shadow.records.offsetAt(place),
          shadow.records.timestampAt(place),
          r.headers
        )
      }
    }
    this.log = log
    if (log === undefined || touched === undefined) return
    for (const [slot, before] of touched) {
      if (++n % ROWS_PER_STEP === 0) yield
      const after = this.rowAt(slot)
      if (!(before !== undefined && isPresent(before.held)) && !(after !== undefined && isPresent(after.held))) continue
      if (before !== undefined && after !== undefined && sameRecord(recordsBefore, before, this.records, after)) {
        if (sameLog || !partitions.has(this.partitionOf(after))) continue
      }
      const previous = before === undefined ? Option.none<V>() : this.valueOf(before, recordsBefore)
      if (after !== undefined) this.recordRow(log, slot, previous, after, "tombstone")
      else this.recordRow(log, slot, previous, vanished(before!), "rebuilt", recordsBefore)
    }
  }

  /**
   * Lets go of all that the partition's log does not hold any more, as it begins at `logStart` now: values, tombstones,
   * and rows that lost. It is done in steps, and nothing of it may be published before the last one. It costs nothing
   * where no row has a record below `logStart`.
   */
  *evict(partition: number, logStart: number): Generator<void, Evicted> {
    const evicted = { gone: 0, replaced: 0 }
    if (logStart <= (this.lowest.get(partition) ?? 0)) return evicted
    const entries = this.records.entriesBelow(partition, logStart)
    for (let n = 1, next = entries.next(); ; n++, next = entries.next()) {
      if (next.done === true) {
        // Records that are still to come are behind all these, and not below the log's start.
        this.lowest.set(partition, Number.isFinite(next.value) ? next.value : logStart)
        return evicted
      }
      if (next.value === undefined || n % ROWS_PER_STEP === 0) yield
      if (next.value === undefined) continue
      const outcome = this.evictRecord(next.value.slot, next.value.place)
      if (outcome !== undefined) evicted[outcome]++
    }
  }

  /**
   * Lets go of one record. Returns what became of the key as readers see it; `undefined` where they see no difference.
   */
  private evictRecord(slot: number, place: number): keyof Evicted | undefined {
    const before = this.rowAt(slot)!
    const losers = this.contested.get(slot)
    if (losers === undefined) this.setRow(slot, NO_ROW)
    else
      this.setRows(
        slot,
        [before, ...losers].filter((row) => placeOf(row.held) !== place)
      )
    const outcome = placeOf(before.held) === place ? this.logEvicted(slot, before) : undefined
    this.records.release(place)
    return outcome
  }

  /** Notes what became of a key whose shown record was evicted. */
  private logEvicted(slot: number, before: Row): keyof Evicted | undefined {
    const { log } = this
    const after = this.rowAt(slot)
    if (after !== undefined && isPresent(after.held)) {
      if (log !== undefined) this.recordRow(log, slot, this.valueOf(before), after, "tombstone")
      return "replaced"
    }
    if (!isPresent(before.held)) return undefined
    if (log !== undefined) this.recordRow(log, slot, this.valueOf(before), vanished(before), "evicted")
    return "gone"
  }

  /** Whether it is time for `compact`. */
  get wantsCompaction(): boolean {
    return this.hasIdleSlots || this.records.wantsEmptying
  }

  /** Whether deleted keys take more slots than the others. */
  private get hasIdleSlots(): boolean {
    const empty = this.rows.length - this.live
    return empty > this.emptyRowsAllowed && empty > this.live
  }

  /** Gives up the room of overwritten values, or the slots of deleted keys, in steps. Users see no difference. */
  *compact(): Generator<void, void> {
    if (this.records.wantsEmptying && !this.hasIdleSlots) yield* this.emptySlabs()
    else yield* this.renumber()
  }

  /**
   * Moves records out of the emptiest slabs. The content is whole after each step, so it may be given up at any of
   * them.
   */
  private *emptySlabs(): Generator<void> {
    const { records } = this
    let n = 0
    for (const entry of records.entriesToMove()) {
      if (entry === undefined) {
        yield
        continue
      }
      this.moveRecord(entry.slot, entry.place)
      if (++n % ROWS_PER_STEP === 0) yield
    }
  }

  /** Moves one record, whose row may be one that lost. */
  private moveRecord(slot: number, place: number): void {
    const { records } = this
    const i = indexInLeaf(slot)
    const { held } = this.rows.leaf(slot)
    if (held[i] !== NO_RECORD && placeOf(held[i]) === place) {
      this.rows.leafForWrite(slot).held[i] = movedHeld(held[i], records, records, slot)
    } else {
      // The record is that of a row that lost.
      const losers = this.contested.get(slot)!
      this.contested.set(
        slot,
        losers.map((row) => (placeOf(row.held) === place ? moved(row, records, records, slot) : row))
      )
    }
    records.release(place)
  }

  /** Makes a new index without the slots of deleted keys. Snapshots that were taken keep the old one. */
  private *renumber(): Generator<void> {
    const index = new KeyIndex()
    const keys: Array<K> | undefined = this.keys === undefined ? undefined : []
    const rows = new RowVector(emptyRows)
    const records = this.records.empty()
    const contested = new Map<number, ReadonlyArray<Row>>()
    const old = {
      index: this.index,
      keys: this.keys,
      rows: this.rows,
      records: this.records,
      contested: this.contested
    }
    const live = this.live
    let n = 0
    for (let slot = 0; slot < old.index.size; slot++) {
      if (++n % ROWS_PER_STEP === 0) yield
      const row = this.rowAt(slot)
      if (row === undefined) continue
      const losers = old.contested.get(slot)
      if (!isPresent(row.held) && losers?.some((loser) => isPresent(loser.held)) !== true && !this.isRemembered(row)) {
        continue
      }
      const to = rows.append()
      index.addFrom(old.index, slot)
      if (keys !== undefined) keys.push(old.keys![slot])
      if (losers !== undefined) {
        contested.set(
          to,
          losers.map((loser) => moved(loser, old.records, records, to))
        )
      }
      const leaf = rows.leafForWrite(to)
      const i = indexInLeaf(to)
      leaf.held[i] = movedHeld(row.held, old.records, records, to)
      setValue(leaf, i, row.value)
      setHeaders(leaf, i, row.headers)
    }
    this.index = index
    this.keys = keys
    this.rows = rows
    this.records = records
    this.contested = contested
    this.live = live
    this.emptyRowsAllowed = Math.max(MIN_EMPTY_ROWS, 2 * (rows.length - live))
  }

  /** Whether a tombstone may still have to outweigh a record of another partition. */
  private isRemembered(tombstone: Row): boolean {
    if (!this.multiPartition) return false
    const timestamp = this.records.timestampAt(placeOf(tombstone.held))
    return timestamp > this.newestTimestamp - REMEMBER_TOMBSTONES_MILLIS
  }

  /** The content as it is now, for ever. */
  snapshot(version: number): RecordSnapshot<K, V> {
    return makeSnapshot<K, V>({
      key: this.key,
      records: this.records.share(),
      index: this.index,
      keys: this.keys,
      rows: this.rows.freeze(),
      size: this.live,
      version
    })
  }
}

/** The row of a key of which nothing is known. */
const NO_ROW: Row = { held: NO_RECORD, value: ABSENT, headers: undefined }

/** Copies the record that a row holds from one store to another. Returns what a row of `slot` has to hold for it. */
const movedHeld = <V>(held: number, from: RecordStore<V>, to: RecordStore<V>, slot: number): number => {
  const place = to.appendFrom(from, placeOf(held), slot)
  return isPresent(held) ? place : tombstoneAt(place)
}

/** The row of a key that vanished without a record that says so: it has the place of the record that it had before. */
const vanished = (before: Row): Row => ({ ...before, held: tombstoneAt(placeOf(before.held)) })

/** The same row, with its record copied to another store. */
const moved = <V>(row: Row, from: RecordStore<V>, to: RecordStore<V>, slot: number): Row => ({
  ...row,
  held: movedHeld(row.held, from, to, slot)
})

/** Whether two rows hold the same record of a log. */
const sameRecord = <V>(recordsOfA: Records<V>, a: Row, recordsOfB: Records<V>, b: Row): boolean => {
  const [atA, atB] = [placeOf(a.held), placeOf(b.held)]
  return (
    recordsOfA.partitionAt(atA) === recordsOfB.partitionAt(atB) && recordsOfA.offsetAt(atA) === recordsOfB.offsetAt(atB)
  )
}
