/** What goes from a table when it goes from the log. */
import { type KeyedRows, ROWS_PER_STEP } from "./keyedRows.ts"
import { NO_ROW, type Row, vanished } from "./row.ts"
import { isPresent, placeOf } from "./rowVector.ts"

/** What an eviction has done to the keys that readers see. */
export interface Evicted {
  /** Keys that have no value any more. */
  gone: number
  /** Keys that show the value of another partition's record now. */
  replaced: number
}

/**
 * Lets go of all that the partition's log does not hold any more, as it begins at `logStart` now: values, tombstones,
 * and rows that lost. It is done in steps, and nothing of it may be published before the last one. It costs nothing
 * where no row has a record below `logStart`.
 */
export function* evictRows<K, V>(
  table: KeyedRows<K, V>,
  partition: number,
  logStart: number
): Generator<void, Evicted> {
  const evicted = { gone: 0, replaced: 0 }
  if (logStart <= (table.lowest.get(partition) ?? 0)) return evicted
  const entries = table.records.entriesBelow(partition, logStart)
  for (let n = 1, next = entries.next(); ; n++, next = entries.next()) {
    if (next.done === true) {
      // Records that are still to come are behind all that there are, and not below the log's start.
      table.lowest.set(partition, Number.isFinite(next.value) ? next.value : logStart)
      return evicted
    }
    if (next.value === undefined || n % ROWS_PER_STEP === 0) yield
    if (next.value === undefined) continue
    const outcome = evictRecord(table, next.value.slot, next.value.place)
    if (outcome !== undefined) evicted[outcome]++
  }
}

/**
 * Lets go of one record. Returns what became of the key as readers see it; `undefined` where they see no difference.
 */
const evictRecord = <K, V>(table: KeyedRows<K, V>, slot: number, place: number): keyof Evicted | undefined => {
  const before = table.rowAt(slot)!
  const losers = table.contested.get(slot)
  if (losers === undefined) table.setRow(slot, NO_ROW)
  else
    table.setRows(
      slot,
      [before, ...losers].filter((row) => placeOf(row.held) !== place)
    )
  const outcome = placeOf(before.held) === place ? logEvicted(table, slot, before) : undefined
  table.records.release(place)
  return outcome
}

/** Notes what became of a key whose shown record was evicted. */
const logEvicted = <K, V>(table: KeyedRows<K, V>, slot: number, before: Row): keyof Evicted | undefined => {
  const { log } = table
  const after = table.rowAt(slot)
  if (after !== undefined && isPresent(after.held)) {
    if (log !== undefined) table.recordRow(log, slot, table.valueOf(before), after, "tombstone")
    return "replaced"
  }
  if (!isPresent(before.held)) return undefined
  if (log !== undefined) table.recordRow(log, slot, table.valueOf(before), vanished(before), "evicted")
  return "gone"
}
