/** A sorted index: rows by a key, in the order of the keys, and of the rows' own keys where they are the same. */
import type { Renumbering } from "../table/content/slots.ts"
import type { AnySlots, Input } from "../table/publication/view.ts"
import type { Tree } from "../tree/tree.ts"
import type { AnyDefinition } from "./definition.ts"
import type { Key } from "./indexKey.ts"
import { type FrozenIndex, IndexView } from "./indexView.ts"
import { OrderedRows } from "./orderedRows.ts"
import { ROWS_PER_STEP } from "./rowView.ts"

/** A sorted index at one version. */
export interface FrozenSorted extends FrozenIndex {
  readonly tree: Tree<Key>
  readonly compare: (a: Key, b: Key) => number
}

export class SortedIndex extends IndexView<FrozenSorted> {
  private readonly rows: OrderedRows

  constructor(input: Input, name: string, definition: AnyDefinition) {
    super(input, name, definition)
    this.rows = new OrderedRows(definition.order, input.newest.index, (slot, cause) =>
      this.tellOf(this.input.newest.keyAt(slot), cause)
    )
  }

  protected *fill(slots: AnySlots): Generator<void, void> {
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
      this.rows.note(slot, key)
    }
    const rows = found.subarray(0, count)
    yield* isOfNumbers
      ? this.rows.fillNumbers(slots.index, { numbers: numbers.subarray(0, count), slots: rows })
      : this.rows.fill(slots.index, rows)
  }

  protected update(slots: AnySlots, slot: number): void {
    this.rows.set(slots.index, slot, slots.isPresent(slot) ? this.keysFor(slots, slot)[0] : this.gone(slot))
  }

  override *apply(): Generator<void, void> {
    yield* super.apply()
    yield* this.rows.mend()
  }

  protected moveEntries(to: Renumbering): Iterator<void, void> {
    return this.rows.renumber(to)
  }

  override renumbered(): void {
    this.rows.renumbered(this.input.newest.index)
  }

  protected freeze(): FrozenSorted {
    const { definition, name, rows, topic } = this
    const tree = rows.freeze()
    return { definition, name, topic, tree, size: tree.size, compare: rows.compare }
  }
}
