/** Trees of entries that are in no order yet. */
import { sortInSteps } from "./sorting.ts"
import { buildTree, type MutableTree, type Order } from "./tree.ts"

/** How many entries are looked at between two steps. */
const ENTRIES_PER_STEP = 8192

/** Builds a tree of entries in steps, each a slot and the key that `keyOf` gives of it. */
export function* sortedTree<K>(
  order: Order<K>,
  slots: ArrayLike<number>,
  keyOf: (slot: number) => K
): Generator<void, MutableTree<K>> {
  const ranks = new Float64Array(slots.length)
  // A sort reads each key many times: side by side, they are at hand.
  const keys: Array<K> = []
  for (let i = 0; i < slots.length; i++) {
    if (i % ENTRIES_PER_STEP === ENTRIES_PER_STEP - 1) yield
    ranks[i] = i
    keys.push(keyOf(slots[i]))
  }
  const sorted = yield* sortInSteps(ranks, (a, b) => order.compare(keys[a], slots[a], keys[b], slots[b]))
  const [sortedKeys, sortedSlots] = [new Array<K>(0), new Int32Array(slots.length)]
  for (let i = 0; i < sorted.length; i++) {
    if (i % ENTRIES_PER_STEP === ENTRIES_PER_STEP - 1) yield
    sortedKeys.push(keys[sorted[i]])
    sortedSlots[i] = slots[sorted[i]]
  }
  return yield* buildTree(order, sortedKeys, sortedSlots)
}
