/** What a rebuild ends with: all rows of some partitions give way to others. */
import * as Option from "effect/Option"
import { UNKNOWN } from "./keyIndex.ts"
import { type KeyedRows, ROWS_PER_STEP } from "./keyedRows.ts"
import { movedHeld, type Row, sameRecord, vanished } from "./row.ts"
import { isPresent, placeOf } from "./rowVector.ts"

/**
 * Replaces all rows of `partitions` by those of `shadow`, which were filled from these partitions alone. It is done in
 * steps, and nothing of it may be published before the last one. `sameLog` says that a record at the same place is the
 * same record.
 */
export function* replaceRows<K, V>(
  table: KeyedRows<K, V>,
  partitions: ReadonlySet<number>,
  shadow: KeyedRows<K, V>,
  sameLog: boolean
): Generator<void, void> {
  const log = table.log
  // The rows before the replacement are only needed to tell what has changed.
  const touched = log === undefined ? undefined : new Map<number, Row | undefined>()
  for (const partition of partitions) table.lowest.delete(partition)
  // Changes are told at the end, of records that rows have let go of by then.
  const recordsBefore = table.records.share()
  table.log = undefined
  let n = 0
  for (let slot = 0; slot < table.index.size; slot++) {
    if (++n % ROWS_PER_STEP === 0) yield
    const row = table.rowAt(slot)
    if (row === undefined) continue
    const all = [row, ...(table.contested.get(slot) ?? [])]
    const gone = all.filter((r) => partitions.has(table.partitionOf(r)))
    if (gone.length === 0) continue
    touched?.set(slot, row)
    table.setRows(
      slot,
      all.filter((r) => !gone.includes(r))
    )
    for (const r of gone) table.release(r)
  }
  for (let from = 0; from < shadow.index.size; from++) {
    if (++n % ROWS_PER_STEP === 0) yield
    const row = shadow.rowAt(from)
    if (row === undefined) continue
    let slot = table.index.findFrom(shadow.index, from)
    if (slot === UNKNOWN) {
      // A tombstone of an unknown key is remembered only where another partition may have an older record of it.
      if (!isPresent(row.held) && !table.multiPartition) continue
      table.rows.append()
      if (table.keys !== undefined) table.keys.push(shadow.keyAt(from))
      slot = table.index.addFrom(shadow.index, from)
    }
    if (touched !== undefined && !touched.has(slot)) touched.set(slot, table.rowAt(slot))
    for (const r of [row, ...(shadow.contested.get(from) ?? [])]) {
      const place = placeOf(r.held)
      table.set(
        slot,
        movedHeld(r.held, shadow.records, table.records, slot),
        r.value,
        shadow.records.partitionAt(place),
        shadow.records.offsetAt(place),
        shadow.records.timestampAt(place),
        r.headers
      )
    }
  }
  table.log = log
  if (log === undefined || touched === undefined) return
  for (const [slot, before] of touched) {
    if (++n % ROWS_PER_STEP === 0) yield
    const after = table.rowAt(slot)
    if (!(before !== undefined && isPresent(before.held)) && !(after !== undefined && isPresent(after.held))) continue
    if (before !== undefined && after !== undefined && sameRecord(recordsBefore, before, table.records, after)) {
      // A row that was hidden is back, and may be hidden again.
      const isShownAsBefore = isPresent(before.held) === isPresent(after.held)
      if (isShownAsBefore && (sameLog || !partitions.has(table.partitionOf(after)))) continue
    }
    const previous = before === undefined ? Option.none<V>() : table.valueOf(before, recordsBefore)
    if (after !== undefined) table.recordRow(log, slot, previous, after, "tombstone")
    else table.recordRow(log, slot, previous, vanished(before!), "rebuilt", recordsBefore)
  }
}
