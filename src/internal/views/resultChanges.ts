/** What changes in the result of a live query from one version to the next, in steps, as it may be all rows of a table. */
import * as Option from "effect/Option"
import type { TableChange } from "../../TableChange.ts"
import type { TableEntry } from "../../TableSnapshot.ts"
import type { ChangeLog } from "../table/content/changeLog.ts"
import type { Slots } from "../table/content/slots.ts"
import type { AnySlots } from "../table/publication/view.ts"
import { type Arrangement, type Matching, windowOf } from "./queryResult.ts"
import { ROWS_PER_STEP } from "./rowView.ts"
import { sameValue } from "./sameValue.ts"

/** The rows that match at a version, as far as changes go by them. */
type Rows<K, V, Entry extends TableEntry<K, V>> = Pick<Matching<K, V, Entry>, "slots" | "tree">

/** The rows that an update has written to. */
export interface News {
  /** Those that matched before it or match now, and whether they did before. */
  readonly wereIn: ReadonlyMap<number, boolean>
  /** Whether a row matches now. */
  readonly isIn: (slot: number) => boolean
}

/** The changes of a result from one version to the next: deletes first. */
export const changesBetween = <K, V, Entry extends TableEntry<K, V>>(
  before: Rows<K, V, Entry>,
  now: Rows<K, V, Entry>,
  arrangement: Arrangement,
  news: News
): Generator<void, ChangeLog<TableChange<K, V>>> =>
  arrangement.limit === Number.POSITIVE_INFINITY
    ? changesOfRows(before, now, news)
    : changesOfWindows(before, now, arrangement, news)

/** The changes of a result that is all rows that match. */
function* changesOfRows<K, V, Entry extends TableEntry<K, V>>(
  before: Rows<K, V, Entry>,
  now: Rows<K, V, Entry>,
  { isIn, wereIn }: News
): Generator<void, ChangeLog<TableChange<K, V>>> {
  const log: ChangeLog<TableChange<K, V>> = { ids: [], changes: [] }
  let n = 0
  for (const [slot, was] of wereIn) {
    if (++n % ROWS_PER_STEP === 0) yield
    if (was && !isIn(slot)) noteDelete(log, before.slots, slotIn(before.slots, now.slots, slot))
  }
  for (const [slot, was] of wereIn) {
    if (++n % ROWS_PER_STEP === 0) yield
    if (isIn(slot)) noteUpsert(log, was ? before.slots : undefined, now.slots, slot)
  }
  return log
}

/** The changes of a result that has a limit: what has come into it may be a row that was not written to. */
function* changesOfWindows<K, V, Entry extends TableEntry<K, V>>(
  before: Rows<K, V, Entry>,
  now: Rows<K, V, Entry>,
  arrangement: Arrangement,
  { wereIn }: News
): Generator<void, ChangeLog<TableChange<K, V>>> {
  const log: ChangeLog<TableChange<K, V>> = { ids: [], changes: [] }
  let n = 0
  /** The rows of the window before, by their slots now. */
  const left = new Map<number, number>()
  for (const slot of windowOf(before.tree, arrangement)) {
    if (++n % ROWS_PER_STEP === 0) yield
    left.set(slotIn(now.slots, before.slots, slot), slot)
  }
  const stayed: Array<number> = []
  const came: Array<number> = []
  for (const slot of windowOf(now.tree, arrangement)) {
    if (++n % ROWS_PER_STEP === 0) yield
    if (!left.delete(slot)) came.push(slot)
    else if (wereIn.has(slot)) stayed.push(slot)
  }
  for (const slot of left.values()) {
    if (++n % ROWS_PER_STEP === 0) yield
    noteDelete(log, before.slots, slot)
  }
  for (const slot of stayed) {
    if (++n % ROWS_PER_STEP === 0) yield
    noteUpsert(log, before.slots, now.slots, slot)
  }
  for (const slot of came) {
    if (++n % ROWS_PER_STEP === 0) yield
    noteUpsert(log, undefined, now.slots, slot)
  }
  return log
}

/** The slot of a row in a version that has its key, by its slot in another one: they may have been numbered anew in between. */
const slotIn = ({ index }: AnySlots, of: AnySlots, slot: number): number => {
  if (index === of.index) return slot
  const key = of.index.bytesAt(slot)
  return index.find(key, 0, key.length)
}

const noteDelete = <K, V, Entry extends TableEntry<K, V>>(
  { changes, ids }: ChangeLog<TableChange<K, V>>,
  before: Slots<K, V, Entry>,
  slot: number
): void => {
  ids.push(before.index.textAt(slot, "latin1"))
  changes.push({ _tag: "Delete", key: before.keyAt(slot), previous: Option.some(before.peekAt(slot)) })
}

/** Notes the value of a row. `before` has the one that the result had of it, if that had the row: the same value is no change. */
const noteUpsert = <K, V, Entry extends TableEntry<K, V>>(
  { changes, ids }: ChangeLog<TableChange<K, V>>,
  before: Slots<K, V, Entry> | undefined,
  now: Slots<K, V, Entry>,
  slot: number
): void => {
  const value = now.valueAt(slot)
  const previous = before === undefined ? Option.none() : Option.some(before.peekAt(slotIn(before, now, slot)))
  if (Option.isSome(previous) && sameValue(previous.value, value)) return
  ids.push(now.index.textAt(slot, "latin1"))
  changes.push({ _tag: "Upsert", key: now.keyAt(slot), value, previous })
}
