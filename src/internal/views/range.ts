/** Ranges of what is in an order: which part of it they are, what is in that, and pages of it. */
import * as Option from "effect/Option"
import type { Codec } from "../../Codec.ts"
import type { IndexKey, Page, PageOptions, RangeOptions } from "../../TableIndex.ts"
import type { TableEntry } from "../../TableSnapshot.ts"
import { viewOf } from "../bytes.ts"
import { suspended } from "../codec/codec.ts"
import type { Slots } from "../table/content/slots.ts"
import type { AnyTree, Tree } from "../tree/tree.ts"
import { type Cursor, readCursor, writeCursor } from "./cursor.ts"
import type { AnyDefinition } from "./definition.ts"
import { comparePrefix, isList, isOrdered, type Key, normalized } from "./indexKey.ts"
import type { FrozenIndex } from "./indexView.ts"
import { type Asked, checkNames, checkOptions, misuse, ofIndexes } from "./misuse.ts"
import type { FrozenSorted } from "./sortedIndex.ts"

const BOUNDS = ["gt", "gte", "lt", "lte", "prefix"]

const RANGE_OPTIONS = ["reverse", "limit"]

const PAGE_OPTIONS = [...RANGE_OPTIONS, "after"]

/** Entries of a page, if nobody says. */
const PAGE = 100

/** A range as somebody gives it, of whatever it is. */
export interface GivenRange {
  readonly gt?: unknown
  readonly gte?: unknown
  readonly lt?: unknown
  readonly lte?: unknown
  readonly prefix?: unknown
}

/** A part of a tree, by rank. */
export interface Part {
  readonly tree: AnyTree
  readonly from: number
  readonly to: number
}

/**
 * How one bound divides an order: the entries before it, and those that are not behind it. `compare` is the order of an
 * entry and the bound.
 */
const divided = <K>(
  tree: { rank(isBefore: (key: K, slot: number) => boolean): number },
  compare: (key: K, slot: number) => number
): { readonly before: () => number; readonly upTo: () => number } => ({
  before: () => tree.rank((key, slot) => compare(key, slot) < 0),
  upTo: () => tree.rank((key, slot) => compare(key, slot) <= 0)
})

/** The part between bounds. `divide` gives for the value of a bound, or of a prefix, how it divides the order. */
const partOf = <K>(
  asked: Asked,
  tree: Tree<K>,
  range: GivenRange | undefined,
  divide: (name: string, value: unknown) => ReturnType<typeof divided>
): Part => {
  let from = 0
  let to = tree.size
  if (range !== undefined) {
    checkNames(asked, "range", range, BOUNDS)
    for (const name of BOUNDS) {
      const value: unknown = range[name as keyof GivenRange]
      if (value === undefined) continue
      const { before, upTo } = divide(name, value)
      if (name === "gt") from = Math.max(from, upTo())
      else if (name === "gte") from = Math.max(from, before())
      else if (name === "lt") to = Math.min(to, before())
      else if (name === "lte") to = Math.min(to, upTo())
      else {
        from = Math.max(from, before())
        to = Math.min(to, upTo())
      }
    }
  }
  return { tree: tree, from, to: Math.max(from, to) }
}

// ---------------------------------------------------------------------------------------------------------------------
// by an index
// ---------------------------------------------------------------------------------------------------------------------

/** A key that is asked for, in the form in which an index has it. */
export const askedKey = (
  { definition: { order }, topic }: Pick<FrozenIndex, "definition" | "topic">,
  option: string,
  key: unknown
): Key => {
  const found = normalized(key as IndexKey, order !== undefined)
  if (found === undefined) {
    throw misuse(ofIndexes(topic), {
      option,
      problem: "must be a text, a number that is not NaN, a bigint, a boolean, a valid date, or a list of these"
    })
  }
  if (!canOrder(order, found)) {
    throw misuse(ofIndexes(topic), { option, problem: "the order of the index cannot compare it" })
  }
  return found
}

const canOrder = (order: AnyDefinition["order"], key: Key): boolean => {
  try {
    return isOrdered(order, key)
  } catch {
    return false
  }
}

/** The entries of a sorted index in a range. */
export const sortedPart = (index: FrozenSorted, range: GivenRange | undefined): Part => {
  const asked = ofIndexes(index.topic)
  return partOf(asked, index.tree, range, (name, value) => {
    if (name !== "prefix") {
      const bound = askedKey(index, `range.${name}`, value)
      return divided(index.tree, (key) => index.compare(key, bound))
    }
    if (index.definition.order !== undefined) {
      const problem = "an index with an order of its own has no prefixes"
      throw misuse(asked, { option: "range.prefix", problem })
    }
    const prefix = askedKey(index, "range.prefix", value)
    if (typeof prefix !== "string" && !isList(prefix)) {
      throw misuse(asked, { option: "range.prefix", problem: "must be a text or a list" })
    }
    return divided(index.tree, (key) => comparePrefix(key, prefix))
  })
}

/** The entries of a sorted index with a key. */
export const equalPart = (index: FrozenSorted, key: Key): Part => {
  const { before, upTo } = divided(index.tree, (other) => index.compare(other, key))
  return { tree: index.tree, from: before(), to: upTo() }
}

// ---------------------------------------------------------------------------------------------------------------------
// by the rows' own keys
// ---------------------------------------------------------------------------------------------------------------------

const keyBytes = <K>(asked: Asked, codec: Codec<K>, name: string, key: unknown): Buffer => {
  let problem = "must be a key of the table"
  try {
    const bytes = codec.encodeSync(key as K)
    if (bytes !== suspended) return viewOf(bytes)
  } catch (thrown) {
    problem = `${problem}: ${thrown instanceof Error ? thrown.message : "it cannot be encoded"}`
  }
  throw misuse(asked, { option: `range.${name}`, problem })
}

/** The rows whose keys are in a range, by the order of their bytes. */
export const keyPart = <K, V, Entry extends TableEntry<K, V>>(
  asked: Asked,
  order: Tree<number>,
  slots: Slots<K, V, Entry>,
  range: GivenRange | undefined
): Part =>
  partOf(asked, order, range, (name, value) => {
    if (name !== "prefix") {
      const bytes = keyBytes(asked, slots.key, name, value)
      return divided(order, (_, slot) => -slots.index.compareWith(slot, bytes, 0, bytes.length))
    }
    const prefix = slots.prefixOf(value)
    if (prefix.problem !== undefined) throw misuse(asked, { option: "range.prefix", problem: prefix.problem })
    const { bytes } = prefix
    return divided(order, (_, slot) => slots.index.compareStart(slot, bytes))
  })

// ---------------------------------------------------------------------------------------------------------------------
// what is in a part
// ---------------------------------------------------------------------------------------------------------------------

/** The entries of a part, in order, each time that it is gone through. */
export const entriesIn = <K, V, Entry extends TableEntry<K, V>>(
  asked: Asked,
  slots: Slots<K, V, Entry>,
  { from, to, tree }: Part,
  options?: RangeOptions
): Iterable<Entry> => {
  checkOptions(asked, options, RANGE_OPTIONS, 0)
  const { limit, reverse = false } = options ?? {}
  const count = Math.min(to - from, limit ?? Number.POSITIVE_INFINITY)
  const [first, end] = reverse ? [to - count, to] : [from, from + count]
  return {
    *[Symbol.iterator]() {
      // A tree has only rows that have a value in its version.
      for (const slot of tree.slots(first, end, reverse)) yield slots.entryAt(slot)!
    }
  }
}

/** A page of a part. `compare` is the order of an entry and the one that a cursor names. */
const pageOf = <K, V, Entry extends TableEntry<K, V>>(
  asked: Asked,
  slots: Slots<K, V, Entry>,
  { from, to, tree }: Part,
  options: PageOptions | undefined,
  isOfThese: (cursor: Cursor) => boolean,
  compare: (cursor: Cursor, key: unknown, slot: number) => number,
  cursorOf: (key: unknown, slot: number) => Cursor
): Page<Entry> => {
  checkOptions(asked, options, PAGE_OPTIONS, 1)
  const { after, limit = PAGE, reverse = false } = options ?? {}
  let [first, end] = [from, to]
  if (after !== undefined) {
    const cursor = readCursor(after)
    if (cursor === undefined || !isOfThese(cursor)) {
      throw misuse(asked, { option: "after", problem: "must be the `next` of a page of such a range" })
    }
    const place = divided(tree, (key, slot) => compare(cursor, key, slot))
    if (reverse) end = Math.max(first, Math.min(end, place.before()))
    else first = Math.min(end, Math.max(first, place.upTo()))
  }
  const count = Math.min(limit, end - first)
  const [start, stop] = reverse ? [end - count, end] : [first, first + count]
  const entries = [...entriesIn(asked, slots, { tree, from: start, to: stop }, { reverse })]
  let next: string | undefined
  if (end - first > count) {
    const last = reverse ? start : stop - 1
    tree.visit(last, last + 1, false, (slot, key) => {
      next = writeCursor(cursorOf(key, slot))
      return false
    })
  }
  return { entries, next: next === undefined ? Option.none() : Option.some(next) }
}

/** A page of the rows of a sorted index: its cursors name a key of the index, and the row's own key. */
export const sortedPage = <K, V, Entry extends TableEntry<K, V>>(
  index: FrozenSorted,
  slots: Slots<K, V, Entry>,
  range: GivenRange,
  options?: PageOptions
): Page<Entry> =>
  pageOf(
    ofIndexes(index.topic),
    slots,
    sortedPart(index, range),
    options,
    ({ key }) => key !== undefined && canOrder(index.definition.order, key),
    (cursor, key, slot) =>
      index.compare(key as Key, cursor.key!) || -slots.index.compareWith(slot, cursor.row, 0, cursor.row.length),
    (key, slot) => ({ key: key as Key, row: slots.index.bytesAt(slot) })
  )

/** A page of rows by their own keys. */
export const keyPage = <K, V, Entry extends TableEntry<K, V>>(
  asked: Asked,
  order: Tree<number>,
  slots: Slots<K, V, Entry>,
  range: GivenRange,
  options?: PageOptions
): Page<Entry> =>
  pageOf(
    asked,
    slots,
    keyPart(asked, order, slots, range),
    options,
    ({ key }) => key === undefined,
    ({ row }, _, slot) => -slots.index.compareWith(slot, row, 0, row.length),
    (_, slot) => ({ key: undefined, row: slots.index.bytesAt(slot) })
  )
