/**
 * Queries: the rows of one version for which all conditions hold. The fewest candidates that one of the conditions leaves
 * are looked at, each by all other conditions; where the result has an order and a limit, the index of the order may lead
 * there sooner. Which way is taken changes nothing of the result.
 */
import type { Plan, RangeOptions } from "../../TableIndex.ts"
import type { TableEntry } from "../../TableSnapshot.ts"
import type { Slots } from "../table/content/slots.ts"
import type { AnySlots } from "../table/publication/view.ts"
import { type AnyDefinition, keysAt } from "./definition.ts"
import { type FrozenHash, ranksOf } from "./hashIndex.ts"
import { comparePrefix, isSameKey, type Key, orderOf } from "./indexKey.ts"
import type { FrozenIndex } from "./indexView.ts"
import type { NamedIndexes } from "./lookups.ts"
import { checkNames, checkOptions, misuse, ofIndexes, unknownName } from "./misuse.ts"
import type { Arrangement } from "./queryResult.ts"
import { askedKey, equalPart, type GivenRange, type Part, sortedPart } from "./range.ts"
import type { FrozenSorted } from "./sortedIndex.ts"

/** The indexes of one version, by name. */
export interface FrozenIndexes {
  readonly names: ReadonlyMap<string, { readonly definition: AnyDefinition }> & Pick<NamedIndexes, "topic">
  /** An index of a name that there is. */
  readonly find: (name: string) => FrozenIndex
}

export type WhereGiven = Readonly<Record<string, unknown>>

export interface QueryGiven extends RangeOptions {
  readonly orderBy?: string | undefined
}

const OPTIONS = ["orderBy", "reverse", "limit"]

/** Whether an index has an order. */
export const isSorted = (index: FrozenIndex): index is FrozenSorted => hasOrder(index)

const hasOrder = ({ definition }: { readonly definition: AnyDefinition }): boolean => definition.kind === "sorted"

/** What a query asks of any row, of whatever version. */
export interface Test {
  readonly definition: AnyDefinition
  /** Whether a key of a row meets it. */
  readonly isMet: (key: Key) => boolean
}

/** One condition of a query. */
interface Condition extends Test {
  readonly index: FrozenIndex
  /** What of the index it leaves. */
  readonly part: Part
}

/** Whether what a condition asks is a range. A key may be a list or a date, which are objects, too. */
export const isRange = (asked: unknown): asked is GivenRange =>
  typeof asked === "object" && asked !== null && !Array.isArray(asked) && !(asked instanceof Date)

const conditionOf = (index: FrozenIndex, name: string, asked: unknown): Condition => {
  const { definition } = index
  return { index, definition, part: partFor(index, name, asked), isMet: meets(index, name, asked) }
}

/** What of an index a condition leaves. What is wrong in the condition throws. */
const partFor = (index: FrozenIndex, name: string, asked: unknown): Part => {
  if (isSorted(index)) {
    return isRange(asked) ? sortedPart(index, asked) : equalPart(index, askedKey(index, `where.${name}`, asked))
  }
  if (isRange(asked)) {
    throw misuse(ofIndexes(index.topic), { option: `where.${name}`, problem: "only a sorted index has ranges" })
  }
  const { tagOf, tree } = index as FrozenHash
  const [from, to] = ranksOf(tree, tagOf(askedKey(index, `where.${name}`, asked)))
  return { tree, from, to }
}

/** Whether a key meets a condition, which was looked at already. A live query keeps this: it holds no version of the index. */
const meets = ({ definition, topic }: FrozenIndex, name: string, asked: unknown): ((key: Key) => boolean) => {
  const index = { definition, topic }
  const compare = orderOf(definition.order)
  if (isRange(asked)) return isWithin(index, compare, asked)
  const key = askedKey(index, `where.${name}`, asked)
  return definition.kind === "sorted" ? (other) => compare(other, key) === 0 : (other) => isSameKey(other, key)
}

/** An index, of whatever version. */
type IndexOfAny = Pick<FrozenIndex, "definition" | "topic">

/** Whether a key is in a range. */
const isWithin = (
  index: IndexOfAny,
  compare: (a: Key, b: Key) => number,
  { gt, gte, lt, lte, prefix }: GivenRange
): ((key: Key) => boolean) => {
  const bounds = [
    bound(index, gt, (key, at) => compare(key, at) > 0),
    bound(index, gte, (key, at) => compare(key, at) >= 0),
    bound(index, lt, (key, at) => compare(key, at) < 0),
    bound(index, lte, (key, at) => compare(key, at) <= 0),
    bound(index, prefix, (key, at) => comparePrefix(key, at as string) === 0)
  ]
  return (key) => bounds.every((holds) => holds(key))
}

const bound = (index: IndexOfAny, given: unknown, holds: (key: Key, at: Key) => boolean): ((key: Key) => boolean) => {
  if (given === undefined) return () => true
  const at = askedKey(index, "range", given)
  return (key) => holds(key, at)
}

/** A way to the result. */
export interface Way {
  /** The condition that candidates are read from; `undefined` reads all rows, or all of the order. */
  readonly condition: Condition | undefined
  /** Whether candidates are read in the order that is asked for. */
  readonly isOrdered: boolean
  readonly candidates: number
}

/** A query, with all ways to its result. */
export class Query<K, V, Entry extends TableEntry<K, V>> {
  private readonly conditions: ReadonlyArray<Condition>
  private readonly order: FrozenSorted | undefined
  private readonly limit: number
  private readonly reverse: boolean

  constructor(
    private readonly slots: Slots<K, V, Entry>,
    indexes: FrozenIndexes,
    where: WhereGiven = {},
    options: QueryGiven = {}
  ) {
    const names = [...indexes.names.keys()]
    const asked = ofIndexes(indexes.names.topic)
    checkNames(asked, "where", where, names)
    checkOptions(asked, options, OPTIONS, 0)
    this.limit = options.limit ?? Number.POSITIVE_INFINITY
    this.reverse = options.reverse === true
    this.conditions = Object.entries(where)
      .filter(([, asked]) => asked !== undefined)
      .map(([name, asked]) => conditionOf(indexes.find(name), name, asked))
    const { orderBy } = options
    const sorted = names.filter((name) => hasOrder(indexes.names.get(name)!))
    if (orderBy !== undefined && !sorted.includes(orderBy)) {
      throw misuse(asked, { option: "orderBy", problem: unknownName(String(orderBy), sorted) })
    }
    this.order = orderBy === undefined ? undefined : (indexes.find(orderBy) as FrozenSorted)
  }

  /** What it asks of any row. */
  get tests(): ReadonlyArray<Test> {
    return this.conditions.map(({ definition, isMet }) => ({ definition, isMet }))
  }

  /** The order of its result, and how much of that there is. */
  get arrangement(): Arrangement {
    return { order: this.order?.definition, reverse: this.reverse, limit: this.limit }
  }

  /** All ways to the result. */
  get ways(): ReadonlyArray<Way> {
    const ways: Array<Way> = this.conditions.map((condition) => ({
      condition,
      isOrdered: false,
      candidates: sizeOf(condition.part)
    }))
    const { order } = this
    if (order === undefined) ways.push({ condition: undefined, isOrdered: true, candidates: this.slots.size })
    else {
      const own = this.conditions.find(({ index }) => index === order)
      // Of two ways that are as long, the one is taken after which nothing has to be sorted.
      ways.unshift({
        condition: own,
        isOrdered: true,
        candidates: own === undefined ? order.tree.size : sizeOf(own.part)
      })
    }
    return ways
  }

  /** The way on which the fewest rows are looked at, as far as can be told. */
  get way(): Way {
    let best: Way | undefined
    let least = Number.POSITIVE_INFINITY
    for (const way of this.ways) {
      const cost = this.costOf(way)
      if (cost < least || best === undefined) {
        best = way
        least = cost
      }
    }
    return best!
  }

  /** How many rows are looked at on a way, about: in order, as many as it takes until there are enough. */
  private costOf({ candidates, condition, isOrdered }: Way): number {
    if (!isOrdered || this.limit >= candidates) return candidates
    const others = this.conditions.filter((each) => each !== condition)
    const fewest = Math.min(...others.map(({ part }) => sizeOf(part)), this.slots.size)
    return Math.min(candidates, (this.limit * this.slots.size) / Math.max(1, fewest))
  }

  get plan(): Plan {
    const { candidates, condition, isOrdered } = this.way
    const index = isOrdered && this.order !== undefined ? this.order.name : condition?.index.name
    return { index, candidates, sorts: !isOrdered && this.order !== undefined }
  }

  /** The rows that it finds, on the best way or on a certain one. */
  run(way: Way = this.way): ReadonlyArray<Entry> {
    const { limit, order, slots } = this
    if (limit === 0) return []
    let found: Array<number>
    if (way.isOrdered) {
      found = []
      for (const slot of this.candidates(way)) {
        if (!this.matches(slot, way.condition)) continue
        found.push(slot)
        if (found.length === limit) break
      }
    } else {
      found = [...new Set(this.candidates(way))].filter((slot) => this.matches(slot, undefined))
      if (order === undefined) found.sort((a, b) => a - b)
      else found = sortedBy(order, slots, found)
      if (this.reverse) found.reverse()
      if (found.length > limit) found.length = limit
    }
    return found.map((slot) => slots.entryAt(slot)!)
  }

  /** The rows that are looked at on a way. */
  candidates(way: Way): Iterable<number> {
    if (way.isOrdered) return this.inOrder(way)
    const { from, to, tree } = way.condition!.part
    return tree.slots(from, to, false)
  }

  /** Candidates in the order that is asked for. */
  private inOrder({ condition }: Way): Iterable<number> {
    const { order, reverse, slots } = this
    if (order === undefined) return presentSlots(slots, reverse)
    const { from, to, tree } = condition?.part ?? { tree: order.tree, from: 0, to: order.tree.size }
    return tree.slots(from, to, reverse)
  }

  /** Whether a row meets all conditions. `known` is one that it meets for certain. */
  private matches(slot: number, known: Condition | undefined): boolean {
    return this.conditions.every(
      ({ definition, isMet, part }) => part === known?.part || keysAt(definition, this.slots, slot).some(isMet)
    )
  }
}

const sizeOf = ({ from, to }: Part): number => to - from

/** Slots of rows with values, in order. */
function* presentSlots(slots: AnySlots, reverse: boolean): Generator<number, void> {
  for (let i = 0; i < slots.length; i++) {
    const slot = reverse ? slots.length - 1 - i : i
    if (slots.isPresent(slot)) yield slot
  }
}

/** Those of the rows that an order has, in its order. */
const sortedBy = (order: FrozenSorted, slots: AnySlots, found: ReadonlyArray<number>): Array<number> => {
  const keyed: Array<{ readonly key: Key; readonly slot: number }> = []
  for (const slot of found) {
    const [key] = keysAt(order.definition, slots, slot)
    if (key !== undefined) keyed.push({ key, slot })
  }
  keyed.sort((a, b) => order.compare(a.key, b.key) || slots.index.compare(a.slot, b.slot))
  return keyed.map(({ slot }) => slot)
}
