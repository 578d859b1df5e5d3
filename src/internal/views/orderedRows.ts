/**
 * The rows of a view in the order of their keys: a tree of them, and the key that it has of each row. The order may be a
 * user's function. Whatever that does, each row is in the tree once, and what is no row is not.
 */
import type { Order as KeyOrder } from "effect/Order"
import { kindOfValue } from "../codec/schema/faults.ts"
import type { KeyIndex } from "../table/content/keyIndex.ts"
import type { Renumbering } from "../table/content/slots.ts"
import { type Numbered, sortNumbers } from "../tree/numbers.ts"
import { sortedTree } from "../tree/sorted.ts"
import { buildTree, MutableTree, type Order, type Tree } from "../tree/tree.ts"
import { Column } from "./column.ts"
import { compareKeys, type Key, orderOf } from "./indexKey.ts"
import { renumbered } from "./indexView.ts"
import { ROWS_PER_STEP } from "./rowView.ts"

/** Hears what is wrong with an order, and at which row it was found. */
type FaultListener = (slot: number, cause: unknown) => void

export class OrderedRows {
  /** How keys are compared by who reads the tree as it is now. */
  compare: (a: Key, b: Key) => number
  private tree: MutableTree<Key>
  private readonly keys = new Column<Key>()
  private readonly order: Order<Key>
  /** The last row at which the order was at fault, and how; `undefined` if that is told. */
  private fault: { readonly slot: number; readonly cause: unknown } | undefined
  /** Whether a row was not where its key leads to: the tree has it in another place yet. */
  private isContradicted = false

  constructor(
    private given: KeyOrder<never> | undefined,
    /** The keys of the rows, by which those of one key are in order. */
    private index: KeyIndex,
    private readonly onFault: FaultListener
  ) {
    this.compare = orderOf(given)
    this.order = {
      compare: (a, aSlot, b, bSlot) =>
        this.compareIn(a, b, bSlot) || (aSlot === bSlot ? 0 : this.index.compare(aSlot, bSlot))
    }
    this.tree = MutableTree.empty(this.order)
  }

  /** Compares two keys for the tree. Where the user's function throws, or gives no number, that is noted. */
  private compareIn(a: Key, b: Key, slot: number): number {
    const { given } = this
    if (given === undefined) return compareKeys(a, b)
    try {
      const order: unknown = (given as unknown as (a: Key, b: Key) => unknown)(a, b)
      if (typeof order === "number" && !Number.isNaN(order)) return order
      this.fault = { slot, cause: new TypeError(`the order gave ${Number.isNaN(order) ? "NaN" : kindOfValue(order)}`) }
    } catch (cause) {
      this.fault = { slot, cause }
    }
    return compareKeys(a, b)
  }

  private tellOfFault(): void {
    if (this.fault === undefined) return
    const { cause, slot } = this.fault
    this.fault = undefined
    this.onFault(slot, cause)
  }

  /** The key by which a row is in the tree; `undefined` if it is not. */
  keyOf(slot: number): Key | undefined {
    return this.keys.get(slot)
  }

  /** Notes the key by which a row is going to be in the tree, before that is filled. */
  note(slot: number, key: Key): void {
    this.keys.set(slot, key)
  }

  /** Fills the empty tree with these rows, which were noted, in steps. */
  *fill(index: KeyIndex, slots: ArrayLike<number>): Generator<void, void> {
    this.index = index
    this.tree = yield* this.sorted(slots)
    this.tellOfFault()
  }

  /** The same with rows whose keys are all numbers, in their natural order. */
  *fillNumbers(index: KeyIndex, entries: Numbered): Generator<void, void> {
    this.index = index
    const { numbers, slots } = yield* sortNumbers(entries, (a, b) => index.compare(a, b))
    this.tree = yield* buildTree<Key>(this.order, numbers, slots)
  }

  private sorted(slots: ArrayLike<number>): Generator<void, MutableTree<Key>> {
    return sortedTree(this.order, slots, (slot) => this.keys.get(slot)!)
  }

  /** Sets the key by which a row is in the tree; `undefined` takes it out. After the last row, `mend` has to be run. */
  set(index: KeyIndex, slot: number, after: Key | undefined): void {
    this.index = index
    const before = this.keys.get(slot)
    if (before === undefined && after === undefined) return
    this.keys.set(slot, after)
    // What is the same by the order stays where it is.
    if (before === undefined || after === undefined || this.compareIn(before, after, slot) !== 0) {
      const isFound = before === undefined || this.tree.remove(before, slot)
      const isNew = after === undefined || this.tree.insert(after, slot)
      if (!isFound || !isNew) {
        this.isContradicted = true
        this.fault = { slot, cause: new TypeError("the order contradicts itself: the natural one is used from now on") }
      }
    }
    this.tellOfFault()
  }

  /** Puts the rows into the natural order, in steps, if that of the user has contradicted itself. */
  *mend(): Generator<void, void> {
    if (!this.isContradicted) return
    this.given = undefined
    const slots: Array<number> = []
    for (let slot = 0; slot < this.index.size; slot++) {
      if (slot % ROWS_PER_STEP === ROWS_PER_STEP - 1) yield
      if (this.keys.get(slot) !== undefined) slots.push(slot)
    }
    this.tree = yield* this.sorted(slots)
    this.compare = compareKeys
    this.isContradicted = false
  }

  /** Has all follow to new slots, in steps. */
  *renumber(to: Renumbering): Generator<void, void> {
    yield* this.keys.renumber(to)
    this.tree = yield* renumbered(this.order, this.tree, to)
  }

  /** The rows have the new slots now. */
  renumbered(index: KeyIndex): void {
    this.index = index
  }

  /** The tree as it is on its way. */
  get newest(): Tree<Key> {
    return this.tree
  }

  /** The tree as it is now, for ever. */
  freeze(): Tree<Key> {
    return this.tree.freeze()
  }
}
