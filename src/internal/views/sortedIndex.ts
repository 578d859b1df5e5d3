/** A sorted index: rows by a key, in the order of the keys, and of the rows' own keys where they are the same. */
import { sortedTree } from "../tree/sorted.ts"
import { type Numbered, sortNumbers } from "../tree/numbers.ts"
import { buildTree, MutableTree, type Order, type Tree } from "../tree/tree.ts"
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
    // Numbers, which most orders are of, are kept side by side, and need no comparison.
    const numbers = new Float64Array(slots.size)
    const found = new Int32Array(slots.size)
    let count = 0
    let isOfNumbers = this.definition.order === undefined
    for (let slot = 0; slot < slots.length; slot++) {
      if (slot % ROWS_PER_STEP === 0) yield
      const key = slots.isPresent(slot) ? this.keysFor(slots, slot)[0] : undefined
      if (key === undefined) continue
      if (typeof key === "number") numbers[count] = key
      else isOfNumbers = false
      found[count++] = slot
      this.keys.set(slot, key)
    }
    const entries = { numbers: numbers.subarray(0, count), slots: found.subarray(0, count) }
    this.tree = yield* isOfNumbers ? this.treeOfNumbers(entries) : this.treeOf(entries.slots)
  }

  private *treeOfNumbers(entries: Numbered): Generator<void, MutableTree<Key>> {
    const { index } = this
    const { numbers, slots } = yield* sortNumbers(entries, (a, b) => index.compare(a, b))
    return yield* buildTree<Key>(this.order, numbers, slots)
  }

  private treeOf(slots: Int32Array): Generator<void, MutableTree<Key>> {
    return sortedTree(this.order, slots, (slot) => this.keys.get(slot)!)
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
    const { compare, definition, name } = this
    const tree = this.tree.freeze()
    return { definition, name, tree, size: tree.size, compare }
  }
}
