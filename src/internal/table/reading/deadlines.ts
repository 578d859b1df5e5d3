/** When the rows of a table are to go, in the order of these times. */
import { buildTree, MutableTree, type Order } from "../../tree/tree.ts"
import { Column } from "../../views/column.ts"
import type { Renumbering } from "../content/slots.ts"

/** How many rows are moved between two steps. */
const ROWS_PER_STEP = 8192

const BY_TIME: Order<number> = { compare: (a, aSlot, b, bSlot) => a - b || aSlot - bSlot }

export class Deadlines {
  private bySlot = new Column<number>()
  private byTime = MutableTree.empty(BY_TIME)

  /** The earliest of all; infinity if there is none. */
  get first(): number {
    return this.head?.deadline ?? Number.POSITIVE_INFINITY
  }

  private get head(): { readonly slot: number; readonly deadline: number } | undefined {
    let found: { readonly slot: number; readonly deadline: number } | undefined
    this.byTime.visit(0, Math.min(1, this.byTime.size), false, (slot, deadline) => {
      found = { slot, deadline }
      return false
    })
    return found
  }

  /** Sets when a row is to go, in milliseconds since the epoch; infinity stands for never. */
  set(slot: number, deadline: number): void {
    const before = this.bySlot.get(slot)
    const after = Number.isFinite(deadline) ? deadline : undefined
    if (before === after) return
    if (before !== undefined) this.byTime.remove(before, slot)
    if (after !== undefined) this.byTime.insert(after, slot)
    this.bySlot.set(slot, after)
  }

  /** Takes out a row that was to go by now, and returns its slot; `undefined` if there is none. */
  takeDue(now: number): number | undefined {
    const { head } = this
    if (head === undefined || head.deadline > now) return undefined
    this.set(head.slot, Number.POSITIVE_INFINITY)
    return head.slot
  }

  /** Moves all to new slots, in steps. Up to the last one, nothing has changed. */
  *renumber(to: Renumbering): Generator<void, void> {
    const times: Array<number> = []
    const slots: Array<number> = []
    const { size } = this.byTime
    for (let from = 0; from < size; from += ROWS_PER_STEP) {
      this.byTime.visit(from, Math.min(from + ROWS_PER_STEP, size), false, (slot, deadline) => {
        if (to[slot] < 0) return true
        times.push(deadline)
        slots.push(to[slot])
        return true
      })
      yield
    }
    const byTime = yield* buildTree(BY_TIME, times, slots)
    yield* this.bySlot.renumber(to)
    this.byTime = byTime
  }
}
