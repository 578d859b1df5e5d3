/** The rows of a group, of which the first by some order is asked for. */
import type { Renumbering } from "../../table/content/slots.ts"
import type { Column } from "../column.ts"

/** How many slots are moved between two steps. */
const SLOTS_PER_STEP = 8192

/**
 * A binary heap of slots: the first one is at hand, and one that is added or removed moves few others. The places of all slots in
 * their heaps are in one column, which all groups share. Nobody reads older versions of a heap, so it is changed in place.
 */
export class SlotHeap {
  private readonly slots: Array<number> = []

  constructor(
    private readonly isBefore: (a: number, b: number) => boolean,
    private readonly places: Column<number>
  ) {}

  /** The first of all slots; `undefined` if there is none. */
  get first(): number | undefined {
    return this.slots[0]
  }

  add(slot: number): void {
    this.rise(this.slots.push(slot) - 1, slot)
  }

  /** Removes a slot that is in this heap. Its row is still in the order that it was in. */
  remove(slot: number): void {
    const place = this.places.get(slot)!
    this.places.set(slot, undefined)
    const last = this.slots.pop()!
    if (last === slot) return
    const isHigher = place > 0 && this.isBefore(last, this.slots[(place - 1) >> 1])
    if (isHigher) this.rise(place, last)
    else this.sink(place, last)
  }

  /** Puts a slot at a place, or as far above it as it is before what is there. */
  private rise(place: number, slot: number): void {
    let at = place
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!this.isBefore(slot, this.slots[above])) break
      this.put(at, this.slots[above])
      at = above
    }
    this.put(at, slot)
  }

  /** Puts a slot at a place, or as far below it as what is there is before it. */
  private sink(place: number, slot: number): void {
    const { slots } = this
    let at = place
    for (let below = 2 * at + 1; below < slots.length; below = 2 * at + 1) {
      if (below + 1 < slots.length && this.isBefore(slots[below + 1], slots[below])) below++
      if (!this.isBefore(slots[below], slot)) break
      this.put(at, slots[below])
      at = below
    }
    this.put(at, slot)
  }

  private put(place: number, slot: number): void {
    this.slots[place] = slot
    this.places.set(slot, place)
  }

  /** The slots have new numbers, in the same order. Their places stay. */
  *renumber(to: Renumbering): Generator<void, void> {
    const { slots } = this
    for (let i = 0; i < slots.length; i++) {
      if (i % SLOTS_PER_STEP === SLOTS_PER_STEP - 1) yield
      slots[i] = to[slots[i]]
    }
  }
}
