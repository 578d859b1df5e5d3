/** What a snapshot, and a table, can be asked of an index. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type {
  HashLookup,
  IndexKey,
  IndexProblem,
  LiveHash,
  LiveIndex,
  LiveSorted,
  LiveUnique,
  Page,
  SortedLookup,
  UniqueLookup
} from "../../TableIndex.ts"
import { InvalidOptionsError } from "../../KafkaError.ts"
import type { TableFailure } from "../../LiveTable.ts"
import type { TableEntry } from "../../TableSnapshot.ts"
import type { Slots } from "../table/content/slots.ts"
import { keysAt } from "./definition.ts"
import { type FrozenHash, type HashIndex, slotsWith } from "./hashIndex.ts"
import { isSameKey, type Key, tagOfPacked } from "./indexKey.ts"
import type { FrozenIndex } from "./indexView.ts"
import { misuse, ofIndexes, unknownName } from "./misuse.ts"
import { isSorted } from "./query.ts"
import { askedKey, entriesIn, equalPart, type Part, sortedPage, sortedPart } from "./range.ts"
import type { FrozenSorted, SortedIndex } from "./sortedIndex.ts"

/** Any index of a table. */
export type AnyIndexView = SortedIndex | HashIndex

/** The indexes of a table, by name. */
export interface NamedIndexes extends ReadonlyMap<string, AnyIndexView> {
  /** The topic of the table: see `topicsOf`. */
  readonly topic: string
}

export class TableIndexes extends Map<string, AnyIndexView> implements NamedIndexes {
  constructor(
    readonly topic: string,
    views: Iterable<readonly [string, AnyIndexView]> = []
  ) {
    super(views)
  }
}

/** The index of a name, which the compiler has seen. */
export const indexOf = (names: NamedIndexes, name: string): AnyIndexView => {
  const view = names.get(name)
  if (view !== undefined) return view
  throw misuse(ofIndexes(names.topic), { option: "index", problem: unknownName(name, [...names.keys()]) })
}

type AnyLookup<Entry> = UniqueLookup<IndexKey, Entry> | HashLookup<IndexKey, Entry> | SortedLookup<never, Entry>

const hasSome = <A>(all: Iterable<A>): boolean => {
  for (const _ of all) return true
  return false
}

/** What a snapshot can be asked of an index. */
export const lookupOf = <K, V, Entry extends TableEntry<K, V>>(
  index: FrozenIndex,
  slots: Slots<K, V, Entry>
): AnyLookup<Entry> => {
  if (isSorted(index)) return sortedLookup(index, slots)
  // What is not sorted is a hash index of some kind.
  const hash = index as FrozenHash
  return index.definition.kind === "unique" ? uniqueLookup(hash, slots) : hashLookup(hash, slots)
}

const hashLookup = <K, V, Entry extends TableEntry<K, V>>(
  index: FrozenHash,
  slots: Slots<K, V, Entry>
): HashLookup<IndexKey, Entry> => {
  const found = (key: IndexKey) => slotsWith(index, slots, askedKey(index, "key", key))
  return {
    get: (key) => Array.from(found(key), (slot) => slots.entryAt(slot)!),
    has: (key) => hasSome(found(key)),
    count: (key) => [...found(key)].length,
    size: index.size
  }
}

const uniqueLookup = <K, V, Entry extends TableEntry<K, V>>(
  index: FrozenHash,
  slots: Slots<K, V, Entry>
): UniqueLookup<IndexKey, Entry> => {
  const winner = (key: IndexKey) => {
    let best: number | undefined
    for (const slot of slotsWith(index, slots, askedKey(index, "key", key))) {
      if (best === undefined || slots.compareAge(slot, best) < 0) best = slot
    }
    return best
  }
  let conflicts: ReadonlyArray<Entry> | undefined
  return {
    get: (key) => {
      const slot = winner(key)
      return slot === undefined ? Option.none() : Option.some(slots.entryAt(slot)!)
    },
    has: (key) => winner(key) !== undefined,
    conflicts: () => (conflicts ??= losersOf(index, slots)),
    size: index.size
  }
}

/** The rows of a unique index whose key another row has, which is the winner. */
const losersOf = <K, V, Entry extends TableEntry<K, V>>(
  { definition, large, lost, tree }: FrozenHash,
  slots: Slots<K, V, Entry>
): ReadonlyArray<Entry> => {
  if (lost === 0 && large.length === 0) return []
  const losers: Array<number> = []
  let tag = -1
  let together: Array<number> = []
  const settle = () => {
    if (together.length > 1) losers.push(...losersAmong(together))
  }
  const losersAmong = (found: ReadonlyArray<number>): Array<number> => {
    const winners: Array<{ readonly key: Key; slot: number }> = []
    const lost: Array<number> = []
    for (const slot of found) {
      const [key] = keysAt(definition, slots, slot)
      const other = key === undefined ? undefined : winners.find((each) => isSameKey(each.key, key))
      if (key === undefined) continue
      if (other === undefined) winners.push({ key, slot })
      else if (slots.compareAge(slot, other.slot) < 0) {
        lost.push(other.slot)
        other.slot = slot
      } else lost.push(slot)
    }
    return lost
  }
  tree.visit(0, tree.size, false, (slot, entry) => {
    if (tagOfPacked(entry) !== tag) {
      settle()
      tag = tagOfPacked(entry)
      together = []
    }
    together.push(slot)
    return true
  })
  settle()
  return losers.sort((a, b) => a - b).map((slot) => slots.entryAt(slot)!)
}

const sortedLookup = <K, V, Entry extends TableEntry<K, V>>(
  index: FrozenSorted,
  slots: Slots<K, V, Entry>
): SortedLookup<never, Entry> => {
  const asked = ofIndexes(index.topic)
  const equal = (key: never): Part => equalPart(index, askedKey(index, "key", key))
  const count = ({ from, to }: Part) => to - from
  return {
    get: (key) => [...entriesIn(asked, slots, equal(key))],
    has: (key) => count(equal(key)) > 0,
    range: (range, options) => entriesIn(asked, slots, sortedPart(index, range), options),
    prefix: (prefix, options) => entriesIn(asked, slots, sortedPart(index, { prefix }), options),
    count: (range) => count(sortedPart(index, range)),
    page: (range, options) => sortedPage(index, slots, range, options),
    size: index.size
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// of a table
// ---------------------------------------------------------------------------------------------------------------------

/** What a table can be asked of an index: each question of the version that is shown when it is run. */
export const liveLookupOf = <K, Entry>(
  view: AnyIndexView,
  lookup: () => unknown
): LiveUnique<K, IndexKey, Entry> | LiveHash<K, IndexKey, Entry> | LiveSorted<K, never, Entry> => {
  const { kind } = view.definition
  const ask = <L, A>(question: (lookup: L) => A): Effect.Effect<A> => Effect.sync(() => question(lookup() as L))
  const common = liveIndexOf<K>(view)
  if (kind === "unique") {
    type Lookup = UniqueLookup<IndexKey, Entry>
    const unique: LiveUnique<K, IndexKey, Entry> = {
      ...common,
      get: (key) => ask((index: Lookup) => index.get(key)),
      has: (key) => ask((index: Lookup) => index.has(key)),
      conflicts: ask((index: Lookup) => index.conflicts())
    }
    return unique
  }
  if (kind !== "sorted") {
    type Lookup = HashLookup<IndexKey, Entry>
    const hash: LiveHash<K, IndexKey, Entry> = {
      ...common,
      get: (key) => ask((index: Lookup) => index.get(key)),
      has: (key) => ask((index: Lookup) => index.has(key)),
      count: (key) => ask((index: Lookup) => index.count(key))
    }
    return hash
  }
  type Lookup = SortedLookup<never, Entry>
  const sorted: LiveSorted<K, never, Entry> = {
    ...common,
    get: (key) => ask((index: Lookup) => index.get(key)),
    has: (key) => ask((index: Lookup) => index.has(key)),
    range: (range, options) => ask((index: Lookup) => [...index.range(range, options)]),
    prefix: (prefix, options) => ask((index: Lookup) => [...index.prefix(prefix, options)]),
    count: (range) => ask((index: Lookup) => index.count(range)),
    page: (range, options) => paged(() => (lookup() as Lookup).page(range, options))
  }
  return sorted
}

const liveIndexOf = <K>(view: AnyIndexView): LiveIndex<K> => ({
  stats: Effect.sync(() => view.stats),
  problems: view.problems.stream as Stream.Stream<IndexProblem<K>, TableFailure>
})

/** A page; what is wrong with what is asked is a failure, as a cursor may come from outside. */
export const paged = <Entry>(page: () => Page<Entry>): Effect.Effect<Page<Entry>, InvalidOptionsError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(page())
    } catch (thrown) {
      return thrown instanceof InvalidOptionsError ? Effect.fail(thrown) : Effect.die(thrown)
    }
  })
