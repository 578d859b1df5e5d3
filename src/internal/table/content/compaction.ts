/** What makes room again: values that were overwritten, and the slots of deleted keys. What users see stays the same. */
import { KeyIndex } from "./keyIndex.ts"
import { type KeyedRows, ROWS_PER_STEP } from "./keyedRows.ts"
import type { Renumbering } from "./slots.ts"
import { moved, movedHeld, type Row } from "./row.ts"
import { emptyRows, indexInLeaf, isPresent, NO_RECORD, placeOf, RowVector, setHeaders, setValue } from "./rowVector.ts"

/**
 * How long a tombstone is remembered against older records of the same key in other partitions, in milliseconds of the
 * records' own time. It is Kafka's default of `delete.retention.ms`, after which a new reader would not see it any more
 * either.
 */
const REMEMBER_TOMBSTONES_MILLIS = 24 * 60 * 60 * 1000

/** Up to this many empty rows are not worth a new index. */
const MIN_EMPTY_ROWS = 1024

/** The compaction of a table's table. */
export class Compaction<K, V> {
  /** With no more empty rows than this, no new index is made. */
  private emptyRowsAllowed = MIN_EMPTY_ROWS

  constructor(private readonly table: KeyedRows<K, V>) {}

  /** Is it time for `run`? */
  get isDue(): boolean {
    return this.hasIdleSlots || this.table.records.wantsEmptying
  }

  /** Whether deleted keys take more slots than the others. */
  private get hasIdleSlots(): boolean {
    const empty = this.table.rows.length - this.table.live
    return empty > this.emptyRowsAllowed && empty > this.table.live
  }

  /** Done in steps. `follow` gets the new slots of all rows before they have them. */
  *run(follow: (to: Renumbering) => Iterator<void, void>): Generator<void, void> {
    if (this.table.records.wantsEmptying && !this.hasIdleSlots) {
      yield* emptySlabs(this.table)
      return
    }
    yield* renumber(this.table, follow)
    this.emptyRowsAllowed = Math.max(MIN_EMPTY_ROWS, 2 * (this.table.rows.length - this.table.live))
  }
}

/**
 * Moves records out of the emptiest slabs. The content is whole after each step, so it may be given up at any of
 * them.
 */
function* emptySlabs<K, V>(table: KeyedRows<K, V>): Generator<void> {
  let n = 0
  for (const entry of table.records.entriesToMove()) {
    if (entry === undefined) {
      yield
      continue
    }
    moveRecord(table, entry.slot, entry.place)
    if (++n % ROWS_PER_STEP === 0) yield
  }
}

/** Moves one record, whose row may be one that lost. */
const moveRecord = <K, V>(table: KeyedRows<K, V>, slot: number, place: number): void => {
  const { records } = table
  const i = indexInLeaf(slot)
  const { held } = table.rows.leaf(slot)
  if (held[i] !== NO_RECORD && placeOf(held[i]) === place) {
    table.rows.leafForWrite(slot).held[i] = movedHeld(held[i], records, records, slot)
  } else {
    // It is the record of a row that lost.
    const losers = table.contested.get(slot)!
    table.contested.set(
      slot,
      losers.map((row) => (placeOf(row.held) === place ? moved(row, records, records, slot) : row))
    )
  }
  records.release(place)
}

/** Makes a new index without the slots of deleted keys. Snapshots that were taken keep the old one. */
function* renumber<K, V>(
  table: KeyedRows<K, V>,
  follow: (to: Renumbering) => Iterator<void, void>
): Generator<void, void> {
  const numbers = new Int32Array(table.index.size).fill(-1)
  const index = new KeyIndex()
  const keys: Array<K> | undefined = table.keys === undefined ? undefined : []
  const rows = new RowVector(emptyRows)
  const records = table.records.empty()
  const contested = new Map<number, ReadonlyArray<Row>>()
  const old = {
    index: table.index,
    keys: table.keys,
    rows: table.rows,
    records: table.records,
    contested: table.contested
  }
  const live = table.live
  let n = 0
  for (let slot = 0; slot < old.index.size; slot++) {
    if (++n % ROWS_PER_STEP === 0) yield
    const row = table.rowAt(slot)
    if (row === undefined) continue
    const losers = old.contested.get(slot)
    if (!isPresent(row.held) && losers?.some((loser) => isPresent(loser.held)) !== true && !isRemembered(table, row)) {
      continue
    }
    const to = rows.append()
    numbers[slot] = to
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
  const following = follow(numbers)
  while (following.next().done !== true) yield
  table.index = index
  table.keys = keys
  table.rows = rows
  table.records = records
  table.contested = contested
  table.live = live
}

/** Whether a tombstone may still have to outweigh a record of another partition. */
const isRemembered = <K, V>(table: KeyedRows<K, V>, tombstone: Row): boolean => {
  if (!table.multiPartition) return false
  const timestamp = table.records.timestampAt(placeOf(tombstone.held))
  return timestamp > table.newestTimestamp - REMEMBER_TOMBSTONES_MILLIS
}
