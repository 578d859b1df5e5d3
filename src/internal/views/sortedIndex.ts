/** A sorted index: rows by a key, in the order of the keys, and of the rows' own keys where they are the same. */
import { buildTree, MutableTree, type Order, type Tree } from "../tree/tree.ts"
import { sortInSteps } from "../tree/sorting.ts"
import type { KeyIndex } from "../table/content/keyIndex.ts"
import type { Renumbering } from "../table/content/slots.ts"
import type { AnySlots, Input } from "../table/publication/view.ts"
import { Column } from "./column.ts"
import type { AnyDefinition } from "./definition.ts"
import { type Key, orderOf } from "./indexKey.ts"
import { type FrozenIndex, IndexView, renumbered } from "./indexView.ts"
import { ROWS_PER_STEP } from "./rowView.ts"

/** A sorted index at one version. */
export interface FrozenSorted extends FrozenIndex {
  readonly tree: Tree<Key>
  readonly compare: (a: Key, b: Key) => number
}

export class SortedIndex extends IndexView<FrozenSorted> {
  private tree: MutableTree<Key>
  private keys = new Column<Key>()
  /** The keys of the rows whose entries are compared. */
  private index: KeyIndex
  private readonly order: Order<Key>
  private readonly compare: (a: Key, b: Key) => number

  constructor(input: Input, name: string, definition: AnyDefinition) {
    super(input, name, definition)
    this.compare = orderOf(definition.order)
    this.index = input.newest.index
    this.order = {
      compare: (a, aSlot, b, bSlot) => this.compare(a, b) || (aSlot === bSlot ? 0 : this.index.compare(aSlot, bSlot))
    }
    this.tree = MutableTree.empty(this.order)
  }

  protected *fill(slots: AnySlots): Generator<void, void> {
    this.index = slots.index
    const keys: Array<Key> = []
    const found: Array<number> = []
    // Numbers, which most orders are of, are compared without a look at their types.
    const numbers = new Float64Array(slots.size)
    let isOfNumbers = this.definition.order === undefined
    for (let slot = 0; slot < slots.length; slot++) {
      if (slot % ROWS_PER_STEP === 0) yield
      const key = slots.isPresent(slot) ? this.keysFor(slots, slot)[0] : undefined
      if (key === undefined) continue
      if (typeof key === "number") numbers[keys.length] = key
      else isOfNumbers = false
      keys.push(key)
      found.push(slot)
      this.keys.set(slot, key)
    }
    const { index } = slots
    const { compare } = this.order
    const ranks = new Float64Array(keys.length)
    for (let i = 0; i < ranks.length; i++) ranks[i] = i
    const sorted = yield* sortInSteps(
      ranks,
      isOfNumbers
        ? (a, b) => numbers[a] - numbers[b] || index.compare(found[a], found[b])
        : (a, b) => compare(keys[a], found[a], keys[b], found[b])
    )
    const [sortedKeys, sortedSlots] = [new Array<Key>(0), new Array<number>(0)]
    for (let i = 0; i < sorted.length; i++) {
      if (i % 8192 === 8191) yield
      sortedKeys.push(keys[sorted[i]])
      sortedSlots.push(found[sorted[i]])
    }
    this.tree = yield* buildTree(this.order, sortedKeys, sortedSlots)
  }

  protected update(slots: AnySlots, slot: number): void {
    this.index = slots.index
    const before = this.keys.get(slot)
    const after = slots.isPresent(slot) ? this.keysFor(slots, slot)[0] : this.gone(slot)
    if (before !== undefined && after !== undefined && this.compare(before, after) === 0) return
    if (before !== undefined) this.tree.remove(before, slot)
    if (after !== undefined) this.tree.insert(after, slot)
    if (before !== undefined || after !== undefined) this.keys.set(slot, after)
  }

  protected *moveEntries(to: Renumbering): Generator<void, void> {
    yield* this.keys.renumber(to)
    this.tree = yield* renumbered(this.order, this.tree, to)
  }

  protected freeze(): FrozenSorted {
    const { compare, definition, name } = this
    const tree = this.tree.freeze()
    return { definition, name, tree, size: tree.size, compare }
  }
}
