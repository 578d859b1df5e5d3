/**
 * The candidates of identities, and which of them is shown: the first one that the log has. Of each partition that is the
 * one with the lowest offset, and of several partitions, as there are after some were added, the oldest of these by
 * timestamp, then the one of the lowest partition. Whatever is written later in the same partition changes nothing of that.
 */
import type { RecordEntry } from "../../TableSnapshot.ts"
import type { KeyIndex } from "../table/content/keyIndex.ts"
import type { HashKey } from "../table/content/keyHash.ts"
import type { Tree } from "../tree/tree.ts"
import { ranksOf } from "../views/hashIndex.ts"
import { tagOfBytes } from "../views/indexKey.ts"
import { identityIn } from "./keys.ts"

/** The slots of an identity's candidates. `tree` has all candidates, by the tags of their identities. */
export const candidatesOf = (
  index: KeyIndex,
  tree: Tree<number>,
  hashKey: HashKey,
  identity: Buffer
): ReadonlyArray<number> => {
  const [from, to] = ranksOf(tree, tagOfBytes(hashKey, identity))
  return from === to
    ? []
    : [...tree.slots(from, to, false)].filter((slot) => identityIn(index.bytesAt(slot)).equals(identity))
}

/** What of a candidate says which of them is first. */
type Place = Pick<RecordEntry<unknown, unknown>, "partition" | "offset" | "timestamp">

/** The slot of the first of some candidates; `undefined` if there are none. */
export const firstOf = (placeAt: (slot: number) => Place, candidates: ReadonlyArray<number>): number | undefined => {
  if (candidates.length <= 1) return candidates[0]
  const firsts = new Map<number, Place & { readonly slot: number }>()
  for (const slot of candidates) {
    const { offset, partition, timestamp } = placeAt(slot)
    const before = firsts.get(partition)
    if (before === undefined || offset < before.offset) firsts.set(partition, { offset, partition, timestamp, slot })
  }
  const [first] = [...firsts.values()].sort((a, b) => a.timestamp - b.timestamp || a.partition - b.partition)
  return first.slot
}
