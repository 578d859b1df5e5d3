/** The snapshots that users get: the face of a version of a table, with what its views show of it. */
import * as Option from "effect/Option"
import type {
  Indexes,
  Lookup,
  Page,
  PageOptions,
  Plan,
  Prefix,
  QueryOptions,
  Range,
  RangeOptions,
  SortedNames,
  Where
} from "../../TableIndex.ts"
import type { TableEntry, TableSnapshot } from "../../TableSnapshot.ts"
import { UNKNOWN } from "../table/content/keyIndex.ts"
import type { Slots } from "../table/content/slots.ts"
import type { Holding } from "../table/publication/view.ts"
import type { Tree } from "../tree/tree.ts"
import { KeyOrder, keyOrderOf } from "./keyOrder.ts"
import { type AnyIndexView, indexOf, lookupOf, type NamedIndexes } from "./lookups.ts"
import type { FrozenIndex } from "./indexView.ts"
import { type Asked, misuse, ofIndexes, ofKeys } from "./misuse.ts"
import { type FrozenIndexes, Query, type QueryGiven, type WhereGiven } from "./query.ts"
import { entriesIn, keyPage, keyPart } from "./range.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/TableSnapshot")

/** What a missing key is looked up as. */
const ABSENT: unique symbol = Symbol("ABSENT")

/** An index at the version that holds it. */
const frozenOf = (holding: Holding, names: NamedIndexes, name: string, view: AnyIndexView): FrozenIndex => {
  const frozen = holding.get(view) as FrozenIndex | undefined
  if (frozen !== undefined) return frozen
  const problem = `"${name}" is not in this snapshot: it is older than the index, or the index has ended`
  throw misuse(ofIndexes(names.topic), { option: "index", problem })
}

/** All indexes of a table at the version that holds them. */
export const frozenIndexes = (holding: Holding, names: NamedIndexes): FrozenIndexes => ({
  names,
  find: (name) => frozenOf(holding, names, name, names.get(name)!)
})

class Snapshot<K, V, Entry extends TableEntry<K, V>, Ix extends Indexes> implements TableSnapshot<K, V, Entry, Ix> {
  readonly [TypeId]: typeof TypeId = TypeId
  readonly size: number
  readonly version: number
  readonly #slots: Slots<K, V, Entry>
  readonly #holding: Holding
  readonly #names: NamedIndexes
  #order: Tree<number> | undefined

  constructor(slots: Slots<K, V, Entry>, version: number, holding: Holding, names: NamedIndexes) {
    this.size = slots.size
    this.version = version
    this.#slots = slots
    this.#holding = holding
    this.#names = names
  }

  get(key: K): Option.Option<V> {
    const value = this.#slots.get<typeof ABSENT>(key, ABSENT)
    return value === ABSENT ? Option.none() : Option.some(value)
  }

  getOrUndefined(key: K): V | undefined {
    return this.#slots.get(key, undefined)
  }

  has(key: K): boolean {
    return this.#slots.find(key) !== UNKNOWN
  }

  entry(key: K): Option.Option<Entry> {
    const slot = this.#slots.find(key)
    return slot === UNKNOWN ? Option.none() : Option.some(this.#slots.entryAt(slot, key)!)
  }

  entries(): IterableIterator<Entry> {
    return this.#slots.entries()
  }

  [Symbol.iterator](): IterableIterator<readonly [K, V]> {
    return this.#slots.pairs()
  }

  keys(): IterableIterator<K> {
    return this.#slots.presentKeys()
  }

  values(): IterableIterator<V> {
    return this.#slots.values()
  }

  toMap(): Map<K, V> {
    return new Map(this.#slots.pairs())
  }

  // -------------------------------------------------------------------------------------------------------------------
  // in the order of keys
  // -------------------------------------------------------------------------------------------------------------------

  /** The rows in the order of their keys: as the table keeps it, or sorted once for this snapshot. */
  get #keyOrder(): Tree<number> {
    if (this.#order !== undefined) return this.#order
    for (const [view, shown] of this.#holding) if (view instanceof KeyOrder) this.#order = shown as Tree<number>
    return (this.#order ??= keyOrderOf(this.#slots))
  }

  get #asked(): Asked {
    return ofKeys(this.#names.topic)
  }

  #keyPart(range: Range<K> | undefined) {
    return keyPart(this.#asked, this.#keyOrder, this.#slots, range)
  }

  range(range?: Range<K>, options?: RangeOptions): Iterable<Entry> {
    return entriesIn(this.#asked, this.#slots, this.#keyPart(range), options)
  }

  prefix(prefix: Prefix<K>, options?: RangeOptions): Iterable<Entry> {
    return this.range({ prefix }, options)
  }

  count(range?: Range<K>): number {
    if (range === undefined) return this.size
    const { from, to } = this.#keyPart(range)
    return to - from
  }

  page(range: Range<K>, options?: PageOptions): Page<Entry> {
    return keyPage(this.#asked, this.#keyOrder, this.#slots, range, options)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // by indexes
  // -------------------------------------------------------------------------------------------------------------------

  by<Name extends keyof Ix & string>(name: Name): Lookup<Ix[Name], Entry> {
    const frozen = frozenOf(this.#holding, this.#names, name, indexOf(this.#names, name))
    return lookupOf(frozen, this.#slots) as unknown as Lookup<Ix[Name], Entry>
  }

  #query(where: WhereGiven | undefined, options: QueryGiven | undefined): Query<K, V, Entry> {
    return new Query(this.#slots, frozenIndexes(this.#holding, this.#names), where, options)
  }

  query(where?: Where<Ix>, options?: QueryOptions<SortedNames<Ix>>): ReadonlyArray<Entry> {
    return this.#query(where, options).run()
  }

  explain(where?: Where<Ix>, options?: QueryOptions<SortedNames<Ix>>): Plan {
    return this.#query(where, options).plan
  }
}

/** Makes the snapshots of a table with these indexes. */
export const faceOf =
  <K, V, Entry extends TableEntry<K, V>, Ix extends Indexes = {}>(names: NamedIndexes) =>
  (slots: Slots<K, V, Entry>, version: number, holding: Holding): TableSnapshot<K, V, Entry, Ix> =>
    new Snapshot<K, V, Entry, Ix>(slots, version, holding, names)
