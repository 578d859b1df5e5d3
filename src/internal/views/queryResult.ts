/** Results of live queries: the rows of a query at one version, in its order. */
import * as Option from "effect/Option"
import type { QueryResult } from "../../LiveQuery.ts"
import type { TableEntry } from "../../TableSnapshot.ts"
import { UNKNOWN } from "../table/content/keyIndex.ts"
import type { Slots } from "../table/content/slots.ts"
import type { Tree } from "../tree/tree.ts"
import { type AnyDefinition, keysAt } from "./definition.ts"
import type { Key } from "./indexKey.ts"

/** The order that a result has, and how much of it. */
export interface Arrangement {
  /** The sorted index by whose keys rows are in order; `undefined` for the order of their slots. */
  readonly order: AnyDefinition | undefined
  readonly reverse: boolean
  /** `Infinity` if there is none. */
  readonly limit: number
}

/** The slots that are in a result, in its order. All rows that match are in the tree. */
export const windowOf = (tree: Tree<Key>, { limit, reverse }: Arrangement): Iterable<number> => {
  const size = Math.min(limit, tree.size)
  const from = reverse ? tree.size - size : 0
  return tree.slots(from, from + size, reverse)
}

/** All rows that match at one version, in order, and how their keys in it are compared. */
export interface Frozen {
  readonly tree: Tree<Key>
  readonly compare: (a: Key, b: Key) => number
}

/** The same with the rows of that version. */
export interface Matching<K, V, Entry extends TableEntry<K, V>> extends Frozen {
  readonly slots: Slots<K, V, Entry>
}

export class Result<K, V, Entry extends TableEntry<K, V>> implements QueryResult<K, V, Entry> {
  readonly size: number
  readonly #slots: Slots<K, V, Entry>
  readonly #tree: Tree<Key>
  readonly #compare: (a: Key, b: Key) => number
  readonly #arrangement: Arrangement

  constructor(
    { compare, slots, tree }: Matching<K, V, Entry>,
    readonly version: number,
    arrangement: Arrangement
  ) {
    this.size = Math.min(arrangement.limit, tree.size)
    this.#slots = slots
    this.#tree = tree
    this.#compare = compare
    this.#arrangement = arrangement
  }

  *entries(): IterableIterator<Entry> {
    // A tree has only rows that have a value in its version.
    for (const slot of windowOf(this.#tree, this.#arrangement)) yield this.#slots.entryAt(slot)!
  }

  [Symbol.iterator](): IterableIterator<Entry> {
    return this.entries()
  }

  toArray(): ReadonlyArray<Entry> {
    return [...this.entries()]
  }

  get(key: K): Option.Option<V> {
    const slot = this.#find(key)
    return slot === UNKNOWN ? Option.none() : Option.some(this.#slots.valueAt(slot))
  }

  has(key: K): boolean {
    return this.#find(key) !== UNKNOWN
  }

  /** The slot of a row that is in the result, or `UNKNOWN`. */
  #find(key: K): number {
    const slot = this.#slots.find(key)
    if (slot === UNKNOWN) return UNKNOWN
    const tree = this.#tree
    const rank = this.#rank(slot)
    if (rank === undefined || rank === tree.size) return UNKNOWN
    const place = this.#arrangement.reverse ? tree.size - 1 - rank : rank
    const [found] = tree.slots(rank, rank + 1, false)
    return found === slot && place < this.size ? slot : UNKNOWN
  }

  /** How many rows of the tree are before a row, by the tree's order; `undefined` for one that cannot be in it. */
  #rank(slot: number): number | undefined {
    const { order } = this.#arrangement
    if (order === undefined) return this.#tree.rank((_, other) => other < slot)
    const slots = this.#slots
    const [key] = keysAt(order, slots, slot)
    if (key === undefined) return undefined
    const compare = this.#compare
    return this.#tree.rank((other, at) => (compare(other, key) || slots.index.compare(at, slot)) < 0)
  }
}
