/**
 * The rows of a table by slot, at one version: what snapshots are a face of, and what all that is made of a table reads. A
 * slot is where a key has its row. Slots stay, from one version to the next, until the table gives its rows new ones
 * (`Renumbering`).
 */
import type { Codec } from "../../../Codec.ts"
import type { TableEntry } from "../../../TableSnapshot.ts"
import { viewOf } from "../../bytes.ts"
import { suspended } from "../../codec/codec.ts"
import { type Prefix as KeyPrefix, prefixOf } from "../../codec/tuple.ts"
import { NOT_ASCII, UNKNOWN, type KeyIndex } from "./keyIndex.ts"
import { ABSENT, indexInLeaf, isPresent, leafAt, valueIn, type Leaf, type Rows } from "./rowVector.ts"

/** The new slot of each row by its old slot, or -1 for a row that is gone. The order of slots stays as it is. */
export type Renumbering = Int32Array

/** The bytes by which a table tells a key from others; `undefined` if it cannot be a key of the table. */
const keyBytes = <K>(codec: Codec<K>, key: K): Buffer | undefined => {
  try {
    const bytes = codec.encodeSync(key)
    return bytes === suspended ? undefined : viewOf(bytes)
  } catch {
    // What cannot be encoded cannot be a key of the table.
    return undefined
  }
}

/** The identity of a key, as text: a text is its own identity, that of any other key are its bytes, as latin1 text. */
export const keyId = <K>(codec: Codec<K>, key: K): string | undefined =>
  codec.text ? (typeof key === "string" ? key : undefined) : keyBytes(codec, key)?.toString("latin1")

/** What all slots are made of. */
export interface SlotsParts<K> {
  readonly key: Codec<K>
  /** The index is shared, and grows: slots from `rows.length` on are later than this version. */
  readonly index: KeyIndex
  /** Decoded keys by slot; `undefined` where a text is its own identity. */
  readonly keys: ReadonlyArray<K> | undefined
  readonly rows: Rows
  /** How many rows have a value. */
  readonly size: number
}

export abstract class Slots<K, V, Entry extends TableEntry<K, V>> {
  readonly key: Codec<K>
  readonly index: KeyIndex
  readonly keys: ReadonlyArray<K> | undefined
  readonly rows: Rows
  readonly size: number

  constructor(parts: SlotsParts<K>) {
    this.key = parts.key
    this.index = parts.index
    this.keys = parts.keys
    this.rows = parts.rows
    this.size = parts.size
  }

  /** Slots from here on are later than this version. */
  get length(): number {
    return this.rows.length
  }

  /** The slot of a key that has a value in this version, or `UNKNOWN`. */
  find(key: K): number {
    const slot = this.slotOf(key)
    return slot !== UNKNOWN && this.isPresent(slot) ? slot : UNKNOWN
  }

  /** The bytes of what may be a key; `undefined` if it cannot be one. */
  bytesOf(key: K): Buffer | undefined {
    return keyBytes(this.key, key)
  }

  /** The bytes that keys begin with which begin with something else than bytes, or why there are none. */
  prefixOf(first: unknown): KeyPrefix {
    return prefixOf(this.key, first)
  }

  /** The slot of a key in this version, whether it has a value or not, or `UNKNOWN`. */
  private slotOf(key: K): number {
    const { index, key: codec, rows } = this
    let slot = codec.text && typeof key === "string" ? index.findText(key) : NOT_ASCII
    if (slot === NOT_ASCII) {
      const bytes = keyBytes(codec, key)
      slot = bytes === undefined ? UNKNOWN : index.find(bytes, 0, bytes.length)
    }
    return slot >= rows.length ? UNKNOWN : slot
  }

  isPresent(slot: number): boolean {
    return slot < this.rows.length && isPresent(leafAt(this.rows, slot).held[indexInLeaf(slot)])
  }

  keyAt(slot: number): K {
    const { index, keys } = this
    // Where a key is its own identity, K is string, as the codec says.
    return keys === undefined ? (index.textAt(slot, "utf8") as K) : keys[slot]
  }

  /** The value of a row that has one. */
  valueAt(slot: number): V {
    return this.valueIn(slot, leafAt(this.rows, slot), indexInLeaf(slot))
  }

  /** The value of a row that has one. What is made of bytes for that is not kept for the next read. */
  peekAt(slot: number): V {
    const leaf = leafAt(this.rows, slot)
    const i = indexInLeaf(slot)
    const value = valueIn(leaf, i)
    // Rows of this table have no other values than its own.
    return value === ABSENT ? this.make(slot, leaf, i) : (value as V)
  }

  /** The value of a row that has one, where it is at hand; `undefined` where it would be made of bytes. */
  heldAt(slot: number): unknown {
    const value = valueIn(leafAt(this.rows, slot), indexInLeaf(slot))
    return value === ABSENT ? undefined : value
  }

  protected valueIn(slot: number, leaf: Leaf, i: number): V {
    const value = valueIn(leaf, i)
    return value === ABSENT ? this.load(slot, leaf, i) : (value as V)
  }

  /** Makes the value of a row that does not have it at hand, and keeps it for the next read where that pays. */
  protected abstract load(slot: number, leaf: Leaf, i: number): V

  /** Makes the value of a row that does not have it at hand. */
  protected abstract make(slot: number, leaf: Leaf, i: number): V

  /** The value of a key, or `absent`. */
  get<A>(key: K, absent: A): V | A {
    const slot = this.slotOf(key)
    if (slot === UNKNOWN) return absent
    const leaf = leafAt(this.rows, slot)
    const i = indexInLeaf(slot)
    return isPresent(leaf.held[i]) ? this.valueIn(slot, leaf, i) : absent
  }

  /** The entry of a slot; `undefined` if it has no value in this version. */
  entryAt(slot: number, key?: K): Entry | undefined {
    if (slot >= this.rows.length) return undefined
    const leaf = leafAt(this.rows, slot)
    const i = indexInLeaf(slot)
    return isPresent(leaf.held[i]) ? this.entryOf(slot, key ?? this.keyAt(slot), leaf, i) : undefined
  }

  protected abstract entryOf(slot: number, key: K, leaf: Leaf, i: number): Entry

  /** Which of two rows with values was first, for who has to choose; where rows have no age, by their keys. */
  compareAge(a: number, b: number): number {
    return this.index.compare(a, b)
  }

  *pairs(): IterableIterator<readonly [K, V]> {
    const { rows } = this
    for (let slot = 0; slot < rows.length; slot++) {
      const leaf = leafAt(rows, slot)
      const i = indexInLeaf(slot)
      if (isPresent(leaf.held[i])) yield [this.keyAt(slot), this.valueIn(slot, leaf, i)]
    }
  }

  *presentKeys(): IterableIterator<K> {
    for (let slot = 0; slot < this.rows.length; slot++) if (this.isPresent(slot)) yield this.keyAt(slot)
  }

  *values(): IterableIterator<V> {
    const { rows } = this
    for (let slot = 0; slot < rows.length; slot++) {
      const leaf = leafAt(rows, slot)
      const i = indexInLeaf(slot)
      if (isPresent(leaf.held[i])) yield this.valueIn(slot, leaf, i)
    }
  }

  *entries(): IterableIterator<Entry> {
    for (let slot = 0; slot < this.rows.length; slot++) {
      const entry = this.entryAt(slot)
      if (entry !== undefined) yield entry
    }
  }
}
