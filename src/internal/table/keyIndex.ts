/**
 * A key's identity → its slot, and back. Slots count up from 0 and are never taken back.
 *
 * An open-addressing hash table over typed arrays, with linear probing: 8 bytes a place, hash and slot side by side. A
 * key that is not there costs one look at one place, and a key that is there is found by its bytes, without a string
 * being made of them. A native `Map` takes some 40 bytes a key more, a string for each look-up, and ends at 2^24 keys.
 *
 * In shards by the hash's upper bits, so that the event loop is never held by a large table that grows.
 */
export class KeyIndex {
  private readonly shards: Array<Shard | undefined> = new Array<undefined>(1 << SHARD_BITS).fill(undefined)
  /** The identities by slot, in pieces: an array that grows is copied as a whole. */
  private readonly chunks: Array<Array<string>> = []
  // Unknown to who writes keys, who could otherwise write many with one hash.
  private readonly seed = random()
  private readonly multiplier = random() | 1
  size = 0

  /** The slot, or `UNKNOWN`. */
  slotOf(id: string): number {
    const hash = this.hashOf(id)
    const shard = this.shards[hash >>> SHARD_SHIFT]
    if (shard === undefined) return UNKNOWN
    const { mask, places } = shard
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const entry = places[2 * place]
      if (entry === 0) return UNKNOWN
      if (places[2 * place + 1] === hash && this.idAt(entry - 1) === id) return entry - 1
    }
  }

  /**
   * The slot of the key whose identity is these bytes, as ASCII or as latin1 text: `UNKNOWN`, or `NOT_ASCII` if it is
   * asked for ASCII and some are not.
   */
  find(bytes: Buffer, start: number, end: number, ascii: boolean): number {
    const { multiplier } = this
    let hash = this.seed
    let all = 0
    for (let i = start; i < end; i++) {
      const byte = bytes[i]
      all |= byte
      hash = Math.imul(hash ^ byte, multiplier)
    }
    if (ascii && all > 0x7f) return NOT_ASCII
    hash = mixed(hash)
    const shard = this.shards[hash >>> SHARD_SHIFT]
    if (shard === undefined) return UNKNOWN
    const { mask, places } = shard
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const entry = places[2 * place]
      if (entry === 0) return UNKNOWN
      if (places[2 * place + 1] === hash && isText(this.idAt(entry - 1), bytes, start, end)) return entry - 1
    }
  }

  /** The next slot, for an identity that has none. */
  add(id: string): number {
    const slot = this.size++
    if (slot % CHUNK === 0) this.chunks.push(new Array<string>(CHUNK))
    this.chunks[(slot / CHUNK) | 0][slot % CHUNK] = id
    const hash = this.hashOf(id)
    const shard = (this.shards[hash >>> SHARD_SHIFT] ??= makeShard(SMALLEST))
    if (++shard.count > (shard.mask + 1) * MAX_LOAD) grow(shard)
    insert(shard, hash, slot + 1)
    return slot
  }

  idAt(slot: number): string {
    return this.chunks[(slot / CHUNK) | 0][slot % CHUNK]
  }

  private hashOf(id: string): number {
    const { multiplier } = this
    let hash = this.seed
    for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), multiplier)
    return mixed(hash)
  }
}

/** No slot has this identity. */
export const UNKNOWN = -1

/** It takes the decoded text to tell. */
export const NOT_ASCII = -2

interface Shard {
  /** Two numbers a place: slot + 1, or 0 where there is none; and the hash. */
  places: Int32Array
  /** Places, less one; they are a power of two. */
  mask: number
  count: number
}

const SHARD_BITS = 6
const SHARD_SHIFT = 32 - SHARD_BITS
const SMALLEST = 8
const MAX_LOAD = 0.7
const CHUNK = 1024

const random = (): number => (Math.random() * 0x100000000) | 0

/** What the upper bits know, the lower ones know afterwards: the last step of MurmurHash3. */
const mixed = (hash: number): number => {
  let h = hash
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

const isText = (id: string, bytes: Buffer, start: number, end: number): boolean => {
  if (id.length !== end - start) return false
  for (let i = 0; i < id.length; i++) {
    if (id.charCodeAt(i) !== bytes[start + i]) return false
  }
  return true
}

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
