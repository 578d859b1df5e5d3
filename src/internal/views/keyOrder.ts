/** The rows of a table in the order of their keys' bytes. */
import type { KeyIndex } from "../table/content/keyIndex.ts"
import type { Renumbering } from "../table/content/slots.ts"
import type { AnySlots, Input } from "../table/publication/view.ts"
import { sortInSteps } from "../tree/sorting.ts"
import { buildTree, MutableTree, type Order, type Tree } from "../tree/tree.ts"
import { runAtOnce } from "../yield.ts"
import { SlotSet } from "./column.ts"
import { packed, slotOfPacked, tagOfPacked } from "./indexKey.ts"
import { renumberedPacked } from "./indexView.ts"
import { ROWS_PER_STEP, RowView } from "./rowView.ts"

/** The first three bytes of a key, as a number in their order. Most keys are told apart by these, or by few more. */
const headOf = (index: KeyIndex, slot: number): number => {
  const bytes = index.bytesAt(slot)
  const { length } = bytes
  return ((length > 0 ? bytes[0] : 0) << 16) | ((length > 1 ? bytes[1] : 0) << 8) | (length > 2 ? bytes[2] : 0)
}

const compareEntries = (index: KeyIndex, a: number, b: number): number =>
  a === b ? 0 : tagOfPacked(a) - tagOfPacked(b) || index.compare(slotOfPacked(a), slotOfPacked(b))

export class KeyOrder extends RowView {
  readonly kind = "order"
  private tree: MutableTree<number>
  /** The slots that are in the tree. */
  private readonly present = new SlotSet()
  private index: KeyIndex
  private readonly order: Order<number> = {
    compare: (a, _aSlot, b) => compareEntries(this.index, a, b),
    slotOf: slotOfPacked
  }
  private frozen: Tree<number> | undefined

  constructor(input: Input) {
    super(input)
    this.index = input.newest.index
    this.tree = MutableTree.empty(this.order)
  }

  get shown(): Tree<number> | undefined {
    return this.frozen
  }

  protected *fill(slots: AnySlots): Generator<void, void> {
    this.index = slots.index
    const sorted = yield* sortedKeys(slots)
    for (let i = 0; i < sorted.length; i++) {
      if (i % 8192 === 8191) yield
      this.present.add(slotOfPacked(sorted[i]))
    }
    this.tree = yield* buildTree(this.order, sorted, sorted)
  }

  protected update(slots: AnySlots, slot: number): void {
    this.index = slots.index
    const isPresent = slots.isPresent(slot)
    if (isPresent === this.present.has(slot)) return
    const entry = packed(headOf(slots.index, slot), slot)
    if (isPresent) {
      this.present.add(slot)
      this.tree.insert(entry, slot)
    } else {
      this.present.delete(slot)
      this.tree.remove(entry, slot)
    }
  }

  protected *move(to: Renumbering): Generator<void, void> {
    yield* this.present.renumber(to)
    this.tree = yield* renumberedPacked(this.order, this.tree, to)
  }

  override renumbered(): void {
    this.index = this.input.newest.index
  }

  show(): void {
    this.frozen = this.tree.freeze()
  }
}

/** Entries of all rows that have a value, in the order of their keys, in steps. */
export function* sortedKeys(slots: AnySlots): Generator<void, Float64Array> {
  const { index } = slots
  const entries = new Float64Array(slots.size)
  let n = 0
  for (let slot = 0; slot < slots.length; slot++) {
    if (slot % (16 * ROWS_PER_STEP) === 0) yield
    if (slots.isPresent(slot)) entries[n++] = packed(headOf(index, slot), slot)
  }
  return yield* sortInSteps(entries, (a, b) => compareEntries(index, a, b))
}

/** The same order of one version, for which no tree was kept. It takes as long as a sort, and holds the event loop. */
export const keyOrderOf = (slots: AnySlots): Tree<number> => {
  const order: Order<number> = { compare: (a, _aSlot, b) => compareEntries(slots.index, a, b), slotOf: slotOfPacked }
  const sorted = runAtOnce(sortedKeys(slots))
  return runAtOnce(buildTree(order, sorted, sorted))
}
