/** What becomes of rows whose time is over. */
import * as Option from "effect/Option"
import type { RecordChange, RecordDelete, RecordUpsert } from "../../../TableChange.ts"
import type { KeyedRows } from "./keyedRows.ts"
import { NO_ROW, vanished } from "./row.ts"
import { placeOf, tombstoneAt } from "./rowVector.ts"

/**
 * Hides a row that has a value. Its record goes on to count against others of the key, as a tombstone does, and lets go of
 * the value's bytes. `previous` is what the change tells as the value before; where it is none, nobody has to hear of it.
 */
export const hideRow = <K, V>(table: KeyedRows<K, V>, slot: number, previous: Option.Option<V>): void => {
  const { log, records } = table
  const before = table.rowAt(slot)!
  if (log !== undefined && Option.isSome(previous)) table.recordRow(log, slot, previous, vanished(before), "expired")
  const place = placeOf(before.held)
  const left = records.append(slot, records.partitionAt(place), records.offsetAt(place), records.timestampAt(place))
  table.setRow(slot, { ...NO_ROW, held: tombstoneAt(left) })
  records.release(place)
}

/** The change that a record makes whose time was over when it was applied. */
export const expiredAtOnce = <K, V>(
  upsert: RecordUpsert<K, V>,
  previous: Option.Option<V>
): RecordDelete<K, V> & RecordChange<K, V> => {
  const { key, offset, partition, replayed, timestamp } = upsert
  const change = { _tag: "Delete", cause: "expired", key, previous, partition, offset, timestamp, replayed } as const
  // Headers are not made before they are asked for.
  return Object.defineProperty(change, "headers", Object.getOwnPropertyDescriptor(upsert, "headers")!) as RecordDelete<
    K,
    V
  >
}
