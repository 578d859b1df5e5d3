/** One row of a table: what one partition last said about a key. */
import type { RecordHeaders } from "./recordHeaders.ts"
import type { Records, RecordStore } from "./recordStore.ts"
import { ABSENT, isPresent, NO_RECORD, placeOf, tombstoneAt } from "./rowVector.ts"

/** As a leaf of the rows has it. */
export interface Row {
  readonly held: number
  /** `ABSENT` for a tombstone, and where it is bytes of the record. */
  readonly value: unknown
  readonly headers: RecordHeaders | undefined
}

/** The row of a key of which nothing is known. */
export const NO_ROW: Row = { held: NO_RECORD, value: ABSENT, headers: undefined }

/** What a row of `slot` is to hold for what one of `from` holds: a copy of its record. */
export const movedHeld = <V>(held: number, from: RecordStore<V>, to: RecordStore<V>, slot: number): number => {
  const place = to.appendFrom(from, placeOf(held), slot)
  return isPresent(held) ? place : tombstoneAt(place)
}

/** A row that only vanished has no record of its own: it carries the place of the one that it had. */
export const vanished = (before: Row): Row => ({ ...before, held: tombstoneAt(placeOf(before.held)) })

/** A row of `slot`, with a copy of the record that `row` holds. */
export const moved = <V>(row: Row, from: RecordStore<V>, to: RecordStore<V>, slot: number): Row => ({
  ...row,
  held: movedHeld(row.held, from, to, slot)
})

/** Whether two rows hold the same record of the log, wherever it is kept. */
export const sameRecord = <V>(recordsOfA: Records<V>, a: Row, recordsOfB: Records<V>, b: Row): boolean => {
  const [atA, atB] = [placeOf(a.held), placeOf(b.held)]
  return (
    recordsOfA.partitionAt(atA) === recordsOfB.partitionAt(atB) && recordsOfA.offsetAt(atA) === recordsOfB.offsetAt(atB)
  )
}
