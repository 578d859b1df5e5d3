/** A sorted index: rows by a key, in the order of the keys, and of the rows' own keys where they are the same. */
import { sortedTree } from "../tree/sorted.ts"
import { MutableTree, type Order, type Tree } from "../tree/tree.ts"
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
    this.tree = yield* sortedTree(
      this.order,
      keys,
      found,
      isOfNumbers ? (a, b) => numbers[a] - numbers[b] || index.compare(found[a], found[b]) : undefined
    )
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

  override renumbered(): void {
    this.index = this.input.newest.index
  }

  protected freeze(): FrozenSorted {
    const { compare, definition, name, topic } = this
    const tree = this.tree.freeze()
    return { definition, name, topic, tree, size: tree.size, compare }
  }
}
