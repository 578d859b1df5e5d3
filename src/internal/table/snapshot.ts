import * as Option from "effect/Option"
import { suspended, type Codec } from "../../Codec.ts"
import type { Header } from "../../TableChange.ts"
import { TypeId, type TableEntry, type TableSnapshot } from "../../TableSnapshot.ts"
import type { KeyIndex } from "./keyIndex.ts"
import { ABSENT, indexInLeaf, leafAt, type Rows } from "./rowVector.ts"

/** The parts that a snapshot shares with the state that it was taken of. */
interface SnapshotParts<K, V> {
  readonly key: Codec<K>
  readonly load: (stored: unknown) => V
  /** Shared and growing: slots at or above `rows.length` are later than this snapshot. */
  readonly index: KeyIndex
  readonly keys: ReadonlyArray<K> | undefined
  readonly rows: Rows
  readonly size: number
  readonly version: number
}

const NO_HEADERS: ReadonlyArray<Header> = []

/** How a table tells keys apart: a text is its own identity, of all others the bytes are (as latin1 text). */
export const keyId = <K>(codec: Codec<K>, key: K): string | undefined => {
  if (codec.text) return typeof key === "string" ? key : undefined
  try {
    const bytes = codec.encodeSync(key)
    return bytes === suspended
      ? undefined
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")
  } catch {
    // what cannot be encoded cannot be a key of the table
    return undefined
  }
}

class Snapshot<K, V> implements TableSnapshot<K, V> {
  readonly [TypeId]: typeof TypeId = TypeId
  readonly size: number
  readonly version: number
  readonly #parts: SnapshotParts<K, V>

  constructor(parts: SnapshotParts<K, V>) {
    this.size = parts.size
    this.version = parts.version
    this.#parts = parts
  }

  /** The slot of a key that is present in this snapshot, or -1. */
  #slot(key: K): number {
    const { index, key: codec, rows } = this.#parts
    const id = keyId(codec, key)
    if (id === undefined) return -1
    const slot = index.slotOf(id)
    return slot >= rows.length ? -1 : slot
  }

  #value(key: K): unknown {
    const slot = this.#slot(key)
    return slot === -1 ? ABSENT : leafAt(this.#parts.rows, slot).values[indexInLeaf(slot)]
  }

  get(key: K): Option.Option<V> {
    const value = this.#value(key)
    return value === ABSENT ? Option.none() : Option.some(this.#parts.load(value))
  }

  getOrUndefined(key: K): V | undefined {
    const value = this.#value(key)
    return value === ABSENT ? undefined : this.#parts.load(value)
  }

  has(key: K): boolean {
    return this.#value(key) !== ABSENT
  }

  entry(key: K): Option.Option<TableEntry<K, V>> {
    const slot = this.#slot(key)
    if (slot === -1) return Option.none()
    const found = this.#entryAt(slot, key)
    return found === undefined ? Option.none() : Option.some(found)
  }

  #entryAt(slot: number, key: K): TableEntry<K, V> | undefined {
    const leaf = leafAt(this.#parts.rows, slot)
    const i = indexInLeaf(slot)
    const value = leaf.values[i]
    if (value === ABSENT) return undefined
    return {
      key,
      value: this.#parts.load(value),
      partition: leaf.meta[i * 3 + 2],
      offset: leaf.meta[i * 3],
      timestamp: leaf.meta[i * 3 + 1],
      headers: (leaf.headers?.[i] as ReadonlyArray<Header> | undefined) ?? NO_HEADERS
    }
  }

  *entries(): IterableIterator<TableEntry<K, V>> {
    for (let slot = 0; slot < this.#parts.rows.length; slot++) {
      const found = this.#entryAt(slot, this.#keyAt(slot))
      if (found !== undefined) yield found
    }
  }

  #keyAt(slot: number): K {
    const { index, keys } = this.#parts
    // a text is its own identity: then K is string, as the codec says
    return keys === undefined ? (index.idAt(slot) as K) : keys[slot]
  }

  *#pairs(): IterableIterator<readonly [K, V]> {
    const { load, rows } = this.#parts
    for (let slot = 0; slot < rows.length; slot++) {
      const value = leafAt(rows, slot).values[indexInLeaf(slot)]
      if (value !== ABSENT) yield [this.#keyAt(slot), load(value)]
    }
  }

  [Symbol.iterator](): IterableIterator<readonly [K, V]> {
    return this.#pairs()
  }

  *keys(): IterableIterator<K> {
    for (const [key] of this.#pairs()) yield key
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this.#pairs()) yield value
  }

  toMap(): Map<K, V> {
    return new Map(this.#pairs())
  }
}

export const makeSnapshot = <K, V>(parts: SnapshotParts<K, V>): TableSnapshot<K, V> => new Snapshot(parts)
