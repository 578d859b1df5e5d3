/** What rows are indexed by: one form of each key, its order, and its hash. */
import type { Order } from "effect/Order"
import type { IndexKey } from "../../TableIndex.ts"
import { hashOf, type HashKey } from "../table/content/keyHash.ts"

/** A key in the form in which indexes have it; dates are left where somebody gets them back, or has an order of them. */
export type Key = Item | ReadonlyArray<Item>

export type Item = string | number | bigint | boolean | Date

/**
 * The one form of a key: -0 is 0, and a date is its time, unless dates are kept, which are copied. `undefined` is no key, nor
 * is `NaN`.
 */
export const normalized = (key: IndexKey | undefined | null, keepsDates = false): Key | undefined => {
  if (!Array.isArray(key)) return normalizedItem(key as Item | undefined | null, keepsDates)
  const items: Array<Item> = []
  for (const each of key as ReadonlyArray<Item>) {
    const item = normalizedItem(each, keepsDates)
    if (item === undefined) return undefined
    items.push(item)
  }
  return items
}

const normalizedItem = (key: Item | undefined | null, keepsDates: boolean): Item | undefined => {
  switch (typeof key) {
    case "string":
    case "bigint":
    case "boolean":
      return key
    case "number":
      // The sum of -0 and 0 is 0.
      return Number.isNaN(key) ? undefined : key + 0
    default: {
      if (!(key instanceof Date)) return undefined
      const time = key.getTime()
      // A date is copied, as whoever has it may set it to another time.
      return Number.isNaN(time) ? undefined : keepsDates ? new Date(time) : time
    }
  }
}

/** The order of keys of different types: they do not come together where types are kept. */
const RANKS: Readonly<Record<string, number>> = { boolean: 0, number: 1, bigint: 1, string: 2, object: 3 }

/** The natural order of keys. */
export const compareKeys = (a: Key, b: Key): number => {
  if (typeof a === "number" && typeof b === "number") return a < b ? -1 : a > b ? 1 : 0
  const rank = RANKS[typeof a] - RANKS[typeof b]
  if (rank !== 0) return rank
  if (isList(a)) return isList(b) ? compareLists(a, b) : 1
  if (isList(b)) return -1
  return a < b ? -1 : a > b ? 1 : 0
}

const compareLists = (a: ReadonlyArray<Item>, b: ReadonlyArray<Item>): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const order = compareKeys(a[i], b[i])
    if (order !== 0) return order
  }
  return a.length - b.length
}

/** The order of types among items that are the same by the order of keys. */
const KINDS: Readonly<Record<string, number>> = { number: 0, bigint: 1, object: 2 }

const compareKinds = (a: Key, b: Key): number => {
  if (!isList(a) || !isList(b)) return typeof a === typeof b ? 0 : KINDS[typeof a] - KINDS[typeof b]
  for (let i = 0; i < a.length; i++) {
    const order = compareKinds(a[i], b[i])
    if (order !== 0) return order
  }
  return 0
}

/** A key by which others are compared: a date is its time. */
const timed = (key: Key): Key => (typeof key === "object" ? normalized(key)! : key)

/**
 * The natural order of keys whose dates are kept. Of what is the same by that, numbers come before bigints, and these before
 * dates, so that which of them is first does not depend on which was there first.
 */
export const compareKept = (a: Key, b: Key): number => {
  if (typeof a === "number" && typeof b === "number") return compareKeys(a, b)
  return compareKeys(timed(a), timed(b)) || compareKinds(a, b)
}

/**
 * The order of keys that somebody has given, or the natural one. What they have written gets keys as they have made them.
 * It gives an order for all keys, also where their function throws: a tree cannot do without.
 */
export const orderOf = (order: Order<never> | undefined): ((a: Key, b: Key) => number) => {
  if (order === undefined) return compareKeys
  const given = order as unknown as (a: Key, b: Key) => number
  return (a, b) => {
    try {
      return given(a, b)
    } catch {
      return compareKeys(a, b)
    }
  }
}

/** Whether an order can tell that a key is the same as itself; throws what it throws. */
export const isOrdered = (order: Order<never> | undefined, key: Key): boolean =>
  order === undefined || (order as unknown as (a: Key, b: Key) => number)(key, key) === 0

/** Whether a key is a list, or a prefix the first items of lists. */
export const isList = (key: Key): key is ReadonlyArray<Item> => Array.isArray(key)

/** How a key stands to all that begin with a prefix: below 0 if it is before them, 0 if it is one of them. */
export const comparePrefix = (key: Key, prefix: string | ReadonlyArray<Item>): number => {
  if (typeof prefix === "string") {
    return typeof key === "string" ? compareKeys(key.slice(0, prefix.length), prefix) : compareKeys(key, prefix)
  }
  return isList(key) ? compareLists(key.slice(0, prefix.length), prefix) : compareKeys(key, prefix)
}

/** Whether two keys are the same one. */
export const isSameKey = (a: Key, b: Key): boolean => typeof a === typeof b && compareKeys(a, b) === 0

// ---------------------------------------------------------------------------------------------------------------------
// hashes
// ---------------------------------------------------------------------------------------------------------------------

/** The bits of a hash that an entry of a hash index has, beside the slot. */
const TAG_BITS = 24

/** Slots are less than this: with it, a tag and a slot are one whole number. */
const SLOTS = 2 ** 29

/** A text, or the bits of a number, on its way to a hash. */
let bytes = Buffer.alloc(256)

const hashOfText = (hashKey: HashKey, text: string, type: number): number => {
  const size = 3 * text.length + 1
  if (size > bytes.length) bytes = Buffer.alloc(2 * size)
  bytes[0] = type
  return hashOf(hashKey, bytes, 0, 1 + bytes.write(text, 1))
}

const hashOfItem = (hashKey: HashKey, item: Item): number => {
  switch (typeof item) {
    case "number":
      bytes[0] = RANKS.number
      bytes.writeDoubleLE(item, 1)
      return hashOf(hashKey, bytes, 0, 9)
    case "string":
      return hashOfText(hashKey, item, RANKS.string)
    default:
      return hashOfText(hashKey, String(item), RANKS[typeof item])
  }
}

/** The tag of a key: 24 bits of its hash under a secret. */
export const tagOf = (hashKey: HashKey, key: Key): number => {
  if (!isList(key)) return hashOfItem(hashKey, key) >>> (32 - TAG_BITS)
  let hash = key.length
  for (const item of key) hash = (Math.imul(hash, 31) + hashOfItem(hashKey, item)) | 0
  return hash >>> (32 - TAG_BITS)
}

/** The tag of some bytes. */
export const tagOfBytes = (hashKey: HashKey, key: Buffer): number =>
  hashOf(hashKey, key, 0, key.length) >>> (32 - TAG_BITS)

/** A tag and a slot as one whole number, in the order of tags, then of slots. */
export const packed = (tag: number, slot: number): number => tag * SLOTS + slot

export const slotOfPacked = (entry: number): number => entry % SLOTS

export const tagOfPacked = (entry: number): number => Math.floor(entry / SLOTS)
