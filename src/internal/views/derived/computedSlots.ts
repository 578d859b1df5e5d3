/** The rows of a table that is made of another one, at one version. They have the slots of that table, or their own. */
import type { TableEntry } from "../../../TableSnapshot.ts"
import type { Leaf } from "../../table/content/rowVector.ts"
import { Slots, type SlotsParts } from "../../table/content/slots.ts"
import type { AnySlots } from "../../table/publication/view.ts"

/** What a row holds that has a value. */
export const PRESENT = 0

export class ComputedSlots<K, V> extends Slots<K, V, TableEntry<K, V>> {
  /** `source` has the value of each row that has none of its own, at the same slot. */
  constructor(
    parts: SlotsParts<K>,
    private readonly source: AnySlots | undefined
  ) {
    super(parts)
  }

  /** Whether rows have the values of their source: whoever holds them holds a version of that. */
  get borrows(): boolean {
    return this.source !== undefined
  }

  protected load(slot: number): V {
    // Rows without a value of their own have that of their source, whose type is the same then.
    return this.source!.valueAt(slot) as V
  }

  protected make(slot: number): V {
    return this.source!.peekAt(slot) as V
  }

  protected entryOf(slot: number, key: K, leaf: Leaf, i: number): TableEntry<K, V> {
    return { key, value: this.valueIn(slot, leaf, i) }
  }

  /** The value of a row, or `absent` if it has none. What is made of bytes for that is not kept. */
  peekOr<A>(slot: number, absent: A): V | A {
    return this.isPresent(slot) ? this.peekAt(slot) : absent
  }
}
