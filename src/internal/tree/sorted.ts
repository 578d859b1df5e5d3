/** Trees of entries that are in no order yet. */
import { sortInSteps } from "./sorting.ts"
import { buildTree, type MutableTree, type Order } from "./tree.ts"

/** How many entries are put in order between two steps. */
const ENTRIES_PER_STEP = 8192

/**
 * Builds a tree of entries, each a key and a slot, in steps. `compareAt` is the order of the entries at two places, where
 * there is a faster way to it.
 */
export function* sortedTree<K>(
  order: Order<K>,
  keys: ReadonlyArray<K>,
  slots: ReadonlyArray<number>,
  compareAt: (a: number, b: number) => number = (a, b) => order.compare(keys[a], slots[a], keys[b], slots[b])
): Generator<void, MutableTree<K>> {
  const ranks = new Float64Array(keys.length)
  for (let i = 0; i < ranks.length; i++) ranks[i] = i
  const sorted = yield* sortInSteps(ranks, compareAt)
  const [sortedKeys, sortedSlots] = [new Array<K>(0), new Array<number>(0)]
  for (let i = 0; i < sorted.length; i++) {
    if (i % ENTRIES_PER_STEP === ENTRIES_PER_STEP - 1) yield
    sortedKeys.push(keys[sorted[i]])
    sortedSlots.push(slots[sorted[i]])
  }
  return yield* buildTree(order, sortedKeys, sortedSlots)
}
