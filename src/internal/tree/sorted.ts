/** Trees of entries that are in no order yet. */
import { sortInSteps } from "./sorting.ts"
import { buildTree, type MutableTree, type Order } from "./tree.ts"

/** How many entries are put in order between two steps. */
const ENTRIES_PER_STEP = 8192

/** Builds a tree of entries, each a key and a slot, in steps. */
export function* sortedTree<K>(
  order: Order<K>,
  keys: ReadonlyArray<K>,
  slots: ReadonlyArray<number>
): Generator<void, MutableTree<K>> {
  const { compare } = order
  const ranks = Float64Array.from(keys.keys())
  const sorted = yield* sortInSteps(ranks, (a, b) => compare(keys[a], slots[a], keys[b], slots[b]))
  const [sortedKeys, sortedSlots] = [new Array<K>(0), new Array<number>(0)]
  for (let i = 0; i < sorted.length; i++) {
    if (i % ENTRIES_PER_STEP === ENTRIES_PER_STEP - 1) yield
    sortedKeys.push(keys[sorted[i]])
    sortedSlots.push(slots[sorted[i]])
  }
  return yield* buildTree(order, sortedKeys, sortedSlots)
}
