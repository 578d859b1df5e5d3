import { assert, it } from "@effect/vitest"
import { Column } from "../../src/internal/views/column.ts"
import { SlotHeap } from "../../src/internal/views/derived/slotHeap.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"

/** A part of each row, of which many have the same one, as the order of rows. */
const ordered = (parts: Map<number, number>) => (a: number, b: number) =>
  parts.get(a)! < parts.get(b)! || (parts.get(a) === parts.get(b) && a < b)

const run = (steps: Iterator<void, void>): void => {
  while (steps.next().done !== true);
}

it.each(Array.from({ length: ofRounds(4, 40) }, (_, seed) => seed))(
  "the first of several heaps' slots is what a sort finds, also after these have new numbers (%i)",
  (seed) => {
    const random = randomOf(seed)
    const below = (n: number) => Math.floor(random() * n)
    let parts = new Map<number, number>()
    const places = new Column<number>()
    let isBefore = ordered(parts)
    const heaps = Array.from({ length: 3 }, () => new SlotHeap((a, b) => isBefore(a, b), places))
    let held = heaps.map(() => new Array<number>())
    for (let step = 0; step < 1500; step++) {
      const at = below(heaps.length)
      // The heaps grow, shrink to nothing, and grow again.
      if (held[at].length === 0 || random() < (step % 600 < 300 ? 0.7 : 0.2)) {
        const slot = 10 * step
        parts.set(slot, below(40))
        heaps[at].add(slot)
        held[at].push(slot)
      } else {
        const [slot] = held[at].splice(below(held[at].length), 1)
        heaps[at].remove(slot)
        parts.delete(slot)
      }
      if (step % 500 === 499) {
        const to = new Int32Array(10 * (step + 1)).fill(-1)
        for (const slot of parts.keys()) to[slot] = slot - (slot % 10 === 0 ? 5 : 0)
        for (const heap of heaps) run(heap.renumber(to))
        run(places.renumber(to))
        held = held.map((slots) => slots.map((slot) => to[slot]))
        parts = new Map([...parts].map(([slot, part]) => [to[slot], part]))
        isBefore = ordered(parts)
      }
      for (const [i, heap] of heaps.entries()) {
        const [first] = [...held[i]].sort((a, b) => (isBefore(a, b) ? -1 : 1))
        assert.strictEqual(heap.first, first)
      }
    }
  }
)
