/**
 * A key's identity → its slot, and back. Slots count up from 0 and are never taken back.
 *
 * In shards, as V8 ends a `Map` at 2^24 keys, and copies all of it whenever it has doubled: for a million keys that
 * would hold the event loop for some 50 ms at a time.
 */
export class KeyIndex {
  private readonly shards: Array<Map<string, number> | undefined> = new Array<undefined>(SHARDS).fill(undefined)
  /** The identities by slot. Grows only; what is in it stays. */
  readonly ids: Array<string> = []

  get size(): number {
    return this.ids.length
  }

  /** The slot, or -1. */
  slotOf(id: string): number {
    const shard = this.shards[shardOf(id)]
    if (shard === undefined) return -1
    const slot = shard.get(id)
    return slot === undefined ? -1 : slot
  }

  /** The next slot, for an identity that has none. */
  add(id: string): number {
    const at = shardOf(id)
    const slot = this.ids.length
    const shard = this.shards[at]
    if (shard === undefined) this.shards[at] = new Map([[id, slot]])
    else shard.set(id, slot)
    this.ids.push(id)
    return slot
  }
}

const SHARDS = 64

/** Keys of one topic tend to differ at their ends. */
const HASHED_CHARACTERS = 8

const shardOf = (id: string): number => {
  const { length } = id
  let hash = length
  for (let i = length > HASHED_CHARACTERS ? length - HASHED_CHARACTERS : 0; i < length; i++) {
    hash = (hash * 31 + id.charCodeAt(i)) | 0
  }
  return (hash ^ (hash >>> 7) ^ (hash >>> 15)) & (SHARDS - 1)
}
