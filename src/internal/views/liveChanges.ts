/** What changes in the result of a live query from one version to the next, in steps. */
import * as Option from "effect/Option"
import type { TableChange } from "../../TableChange.ts"
import type { TableEntry } from "../../TableSnapshot.ts"
import type { ChangeLog } from "../table/content/changeLog.ts"
import type { Slots } from "../table/content/slots.ts"
import type { AnySlots } from "../table/publication/view.ts"
import type { Tree } from "../tree/tree.ts"
import type { Key } from "./indexKey.ts"
import { type Arrangement, windowOf } from "./queryResult.ts"
import { ROWS_PER_STEP } from "./rowView.ts"
import { sameValue } from "./sameValue.ts"

/** All rows that match at one version. */
export interface Matching<K, V, Entry extends TableEntry<K, V>> {
  readonly slots: Slots<K, V, Entry>
  readonly tree: Tree<Key>
}

/** Items, with a step after each few of them. */
function* stepping<A>(items: Iterable<A>, each: (item: A) => void): Generator<void, void> {
  let n = 0
  for (const item of items) {
    if (++n % ROWS_PER_STEP === 0) yield
    each(item)
  }
}

/**
 * The changes of a result that is all rows that match. `news` are those that matched before or match now, and whether they
 * did before.
 */
export function* changesOfRows<K, V, Entry extends TableEntry<K, V>>(
  before: Matching<K, V, Entry>,
  now: Matching<K, V, Entry>,
  news: ReadonlyMap<number, boolean>,
  matches: (slot: number) => boolean
): Generator<void, ChangeLog<TableChange<K, V>>> {
  const log = emptyLog<K, V>()
  yield* stepping(news, ([slot, was]) => {
    if (was && !matches(slot)) noteDelete(log, before.slots, slotIn(before.slots, now.slots, slot))
  })
  yield* stepping(news, ([slot, was]) => {
    if (matches(slot)) noteUpsert(log, was ? before.slots : undefined, now.slots, slot)
  })
  return log
}

/** The changes of a result that has a limit: what has come into it may be a row that was not written to. */
export function* changesOfWindows<K, V, Entry extends TableEntry<K, V>>(
  before: Matching<K, V, Entry>,
  now: Matching<K, V, Entry>,
  news: ReadonlyMap<number, boolean>,
  arrangement: Arrangement
): Generator<void, ChangeLog<TableChange<K, V>>> {
  const log = emptyLog<K, V>()
  /** The rows of the window before, by their slots now. */
  const left = new Map<number, number>()
  yield* stepping(windowOf(before.tree, arrangement), (slot) => left.set(slotIn(now.slots, before.slots, slot), slot))
  const stayed: Array<number> = []
  const came: Array<number> = []
  yield* stepping(windowOf(now.tree, arrangement), (slot) => {
    if (!left.delete(slot)) came.push(slot)
    else if (news.has(slot)) stayed.push(slot)
  })
  yield* stepping(left.values(), (slot) => noteDelete(log, before.slots, slot))
  yield* stepping(stayed, (slot) => noteUpsert(log, before.slots, now.slots, slot))
  yield* stepping(came, (slot) => noteUpsert(log, undefined, now.slots, slot))
  return log
}

const emptyLog = <K, V>(): ChangeLog<TableChange<K, V>> => ({ ids: [], changes: [] })

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
