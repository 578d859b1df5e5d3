/** One row of a table: what one partition last said about a key. */
import type { RecordHeaders } from "./recordHeaders.ts"
import type { Records, RecordStore } from "./recordStore.ts"
import { ABSENT, isPresent, NO_RECORD, placeOf, tombstoneAt } from "./rowVector.ts"

/** As a leaf of the rows has it. */
export interface Row {
  /** The place of the record, `tombstoneAt` a place, or `NO_RECORD`. */
  readonly held: number
  /** The value; `ABSENT` for a tombstone, and where the value is bytes of the record. */
  readonly value: unknown
  readonly headers: RecordHeaders | undefined
}

/** The row of a key of which nothing is known. */
export const NO_ROW: Row = { held: NO_RECORD, value: ABSENT, headers: undefined }

/** Copies the record that a row holds from one store to another. Returns what a row of `slot` has to hold for it. */
export const movedHeld = <V>(held: number, from: RecordStore<V>, to: RecordStore<V>, slot: number): number => {
  const place = to.appendFrom(from, placeOf(held), slot)
  return isPresent(held) ? place : tombstoneAt(place)
}

/** The row of a key that vanished without a record that says so: it has the place of the record that it had before. */
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
