/**
 * A key's bytes → its slot, and back. Slots count up from 0 and are never taken back.
 *
 * The keys' bytes lie in slabs, outside of V8's heap; an open-addressing hash table over typed arrays leads to them,
 * with linear probing: 8 bytes a place, hash and entry side by side. A key that is not there costs one look at one
 * place, a key that is there one look more. A native `Map` takes some 40 bytes a key more, a string for each look-up
 * and each key, and ends at 2^24 keys.
 *
 * The hash table is in shards by the hash's upper bits, so that the growth of one holds the event loop only shortly.
 */
import { hashOf, makeHashKey } from "./keyHash.ts"
import { bytesAt, KeySlabs, lengthAt, slotAt, unitAt } from "./keySlabs.ts"

export class KeyIndex {
  private readonly shards: Array<Shard | undefined> = new Array<undefined>(1 << SHARD_BITS).fill(undefined)
  /** The keys' bytes, each with its slot. */
  private readonly keys = new KeySlabs()
  /** The keys' places by slot. They are in pieces, as one array that grows would be copied as a whole. */
  private readonly chunks: Array<Uint32Array> = []
  /** The secret of the hash. Whoever writes keys does not know it, and so cannot write many with one hash. */
  private readonly hashKey = makeHashKey()
  /** The bytes of the text that `findText` looks for. */
  private asked = Buffer.alloc(256)
  /** What `hashesOf` gives. */
  private readonly hashes = new Int32Array(AHEAD + 1)
  size = 0

  /**
   * The hashes of keys that are going to be looked for, `AHEAD` of them at most, until the next call; where a start is
   * negative, there is no key. Then the keys' places are touched, in a loop as short as can be: what is not in the
   * processor's caches comes for many of them at the same time.
   */
  hashesOf(bytes: Buffer, starts: Int32Array, ends: Int32Array, from: number, to: number): Int32Array {
    const { hashKey, hashes, shards } = this
    for (let i = from; i < to; i++) {
      if (starts[i] >= 0) hashes[i - from] = hashOf(hashKey, bytes, starts[i], ends[i])
    }
    const count = to - from
    let touched = 0
    for (let i = 0; i < count; i++) {
      const hash = hashes[i]
      const shard = shards[hash >>> SHARD_SHIFT]
      if (shard !== undefined) touched ^= shard.places[2 * (hash & shard.mask)]
    }
    // Without a use of them, V8 would leave the looks out.
    hashes[AHEAD] = touched
    return hashes
  }

  /** The slot of the key with these bytes, or `UNKNOWN`. */
  find(bytes: Buffer, start: number, end: number, hash = this.hashOf(bytes, start, end)): number {
    const shard = this.shards[hash >>> SHARD_SHIFT]
    if (shard === undefined) return UNKNOWN
    const length = end - start
    const { mask, places } = shard
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const entry = places[2 * place]
      if (entry === 0) return UNKNOWN
      if (places[2 * place + 1] !== hash) continue
      const at = (entry >>> 0) - 1
      const slab = this.keys.slabAt(at)
      const unit = unitAt(at)
      if (lengthAt(slab, unit) !== length) continue
      const there = slab.bytes
      const to = bytesAt(unit) - start
      let same = start
      while (same < end && there[to + same] === bytes[same]) same++
      if (same === end) return slotAt(slab, unit)
    }
  }

  /** The slot of a text, by its bytes in UTF-8, or `NOT_ASCII`: then it takes the bytes to tell. */
  findText(text: string): number {
    const { length } = text
    if (length > this.asked.length) this.asked = Buffer.alloc(2 * length)
    const { asked } = this
    let all = 0
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      all |= code
      asked[i] = code
    }
    return all > 0x7f ? NOT_ASCII : this.find(asked, 0, length)
  }

  private hashOf(bytes: Buffer, start: number, end: number): number {
    return hashOf(this.hashKey, bytes, start, end)
  }

  /** Adds a key that has no slot, and returns its slot. */
  add(bytes: Buffer, start: number, end: number, hash = this.hashOf(bytes, start, end)): number {
    const slot = this.size++
    const at = this.keys.append(slot, bytes, start, end)
    if (at >= MAX_PLACE) throw new RangeError("a table cannot hold more than 32 GiB of keys")
    if (slot % CHUNK === 0) this.chunks.push(new Uint32Array(CHUNK))
    this.chunks[(slot / CHUNK) | 0][slot % CHUNK] = at
    const shard = (this.shards[hash >>> SHARD_SHIFT] ??= makeShard(SMALLEST))
    if (++shard.count > (shard.mask + 1) * MAX_LOAD) grow(shard)
    insert(shard, hash, at + 1)
    return slot
  }

  /** Adds a key of another index. */
  addFrom(other: KeyIndex, slot: number): number {
    return other.withBytes(slot, (bytes, start, end) => this.add(bytes, start, end))
  }

  /** The slot of a key of another index, or `UNKNOWN`. */
  findFrom(other: KeyIndex, slot: number): number {
    return other.withBytes(slot, (bytes, start, end) => this.find(bytes, start, end))
  }

  /** The order of two keys by their bytes, as those of `Buffer.compare`. */
  compare(a: number, b: number): number {
    if (a === b) return 0
    return this.withBytes(a, (bytes, start, end) => this.compareWith(b, bytes, start, end))
  }

  /** The order of a key's bytes, given in full, and that of a slot. */
  compareWith(slot: number, bytes: Buffer, start: number, end: number): number {
    return this.withBytes(slot, (others, from, to) => {
      const length = Math.min(end - start, to - from)
      for (let i = 0; i < length; i++) {
        const difference = bytes[start + i] - others[from + i]
        if (difference !== 0) return difference
      }
      return end - start - (to - from)
    })
  }

  /** How a key stands to all keys that begin with some bytes: below 0 if it is before them, 0 if it is one of them. */
  compareStart(slot: number, prefix: Buffer): number {
    return this.withBytes(slot, (bytes, start, end) => {
      const length = Math.min(end - start, prefix.length)
      for (let i = 0; i < length; i++) {
        const difference = bytes[start + i] - prefix[i]
        if (difference !== 0) return difference
      }
      return length < prefix.length ? -1 : 0
    })
  }

  /** The key's bytes, which are not to be changed, nor kept. */
  bytesAt(slot: number): Buffer {
    return this.withBytes(slot, (bytes, start, end) => bytes.subarray(start, end))
  }

  /** The key's bytes as text. */
  textAt(slot: number, encoding: "utf8" | "latin1"): string {
    return this.withBytes(slot, (bytes, start, end) => bytes.toString(encoding, start, end))
  }

  private withBytes<A>(slot: number, use: (bytes: Buffer, start: number, end: number) => A): A {
    const at = this.chunks[(slot / CHUNK) | 0][slot % CHUNK]
    const slab = this.keys.slabAt(at)
    const unit = unitAt(at)
    const start = bytesAt(unit)
    return use(slab.bytes, start, start + lengthAt(slab, unit))
  }
}

/** No slot has this key. */
export const UNKNOWN = -1

/** `findText` cannot tell: it takes the key's bytes. */
export const NOT_ASCII = -2

interface Shard {
  /** Two numbers a place: where the key is in its slabs + 1, or 0 where there is none; and the hash. */
  places: Int32Array
  /** The number of places, which is a power of two, less one. */
  mask: number
  count: number
}

const SHARD_BITS = 8
const SHARD_SHIFT = 32 - SHARD_BITS
const SMALLEST = 8
const MAX_LOAD = 0.7

/** Keys that `hashesOf` looks at in one call. */
export const AHEAD = 64
const CHUNK = 4096
const MAX_PLACE = 0xffffffff

const makeShard = (capacity: number): Shard => ({ places: new Int32Array(2 * capacity), mask: capacity - 1, count: 0 })

const insert = ({ mask, places }: Shard, hash: number, entry: number): void => {
  let place = hash & mask
  while (places[2 * place] !== 0) place = (place + 1) & mask
  places[2 * place] = entry
  places[2 * place + 1] = hash
}

const grow = (shard: Shard): void => {
  const { places } = shard
  const larger = makeShard(places.length)
  shard.places = larger.places
  shard.mask = larger.mask
  for (let i = 0; i < places.length; i += 2) if (places[i] !== 0) insert(shard, places[i + 1], places[i])
}
