/** The content of a table without the table: what readers would see of it. */
import type { RecordEntry, RecordSnapshot } from "effect-ktables/TableSnapshot"
import type { TableState } from "../../src/internal/table/content/state.ts"
import { TableIndexes } from "../../src/internal/views/lookups.ts"
import { faceOf } from "../../src/internal/views/snapshot.ts"

export const snapshotOf = <K, V>(state: TableState<K, V>, version: number): RecordSnapshot<K, V> =>
  faceOf<K, V, RecordEntry<K, V>>(new TableIndexes("by.hand"))(state.slots(), version, new Map())

/** For a content of which nothing is made. */
export function* followedByNobody(): Generator<void, void> {}
