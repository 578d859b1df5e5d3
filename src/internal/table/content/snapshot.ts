import * as Option from "effect/Option"
import type { Codec } from "../../../Codec.ts"
import type { RecordEntry, RecordSnapshot } from "../../../TableSnapshot.ts"
import { suspended } from "../../codec/codec.ts"
import { viewOf } from "../../bytes.ts"
import { NOT_ASCII, UNKNOWN, type KeyIndex } from "./keyIndex.ts"
import { NO_HEADERS, withHeaders, type RecordHeaders } from "./recordHeaders.ts"
import type { Records } from "./recordStore.ts"
import { ABSENT, indexInLeaf, isPresent, leafAt, setValue, valueIn, type Leaf, type Rows } from "./rowVector.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/TableSnapshot")

/** What a snapshot shares with the state that it was taken of. */
interface SnapshotParts<K, V> {
  readonly key: Codec<K>
  readonly records: Records<V>
  /** The index is shared, and grows: slots from `rows.length` on are later than this snapshot. */
  readonly index: KeyIndex
  readonly keys: ReadonlyArray<K> | undefined
  readonly rows: Rows
  readonly size: number
  readonly version: number
}

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

class Snapshot<K, V> implements RecordSnapshot<K, V> {
  readonly [TypeId]: typeof TypeId = TypeId
  readonly size: number
  readonly version: number
  readonly #parts: SnapshotParts<K, V>

  constructor(parts: SnapshotParts<K, V>) {
    this.size = parts.size
    this.version = parts.version
    this.#parts = parts
  }

  /** The slot of a key that is present in this snapshot, or `UNKNOWN`. */
  #slot(key: K): number {
    const { index, key: codec, rows } = this.#parts
    let slot = codec.text && typeof key === "string" ? index.findText(key) : NOT_ASCII
    if (slot === NOT_ASCII) {
      const bytes = keyBytes(codec, key)
      slot = bytes === undefined ? UNKNOWN : index.find(bytes, 0, bytes.length)
    }
    return slot >= rows.length ? UNKNOWN : slot
  }

  /** The value of a row that has one. */
  #value(leaf: Leaf, i: number): V {
    const value = valueIn(leaf, i)
    // Rows of this table have no other values than its own.
    if (value !== ABSENT) return value as V
    const { records } = this.#parts
    const made = records.valueAt(leaf.held[i])
    if (records.once) setValue(leaf, i, made)
    return made
  }

  get(key: K): Option.Option<V> {
    const slot = this.#slot(key)
    if (slot === UNKNOWN) return Option.none()
    const leaf = leafAt(this.#parts.rows, slot)
    const i = indexInLeaf(slot)
    return isPresent(leaf.held[i]) ? Option.some(this.#value(leaf, i)) : Option.none()
  }

  getOrUndefined(key: K): V | undefined {
    const slot = this.#slot(key)
    if (slot === UNKNOWN) return undefined
    const leaf = leafAt(this.#parts.rows, slot)
    const i = indexInLeaf(slot)
    return isPresent(leaf.held[i]) ? this.#value(leaf, i) : undefined
  }

  has(key: K): boolean {
    const slot = this.#slot(key)
    return slot !== UNKNOWN && this.#isPresent(slot)
  }

  #isPresent(slot: number): boolean {
    return isPresent(leafAt(this.#parts.rows, slot).held[indexInLeaf(slot)])
  }

  entry(key: K): Option.Option<RecordEntry<K, V>> {
    const slot = this.#slot(key)
    if (slot === UNKNOWN) return Option.none()
    const found = this.#entryAt(slot, key)
    return found === undefined ? Option.none() : Option.some(found)
  }

  #entryAt(slot: number, key: K): RecordEntry<K, V> | undefined {
    const leaf = leafAt(this.#parts.rows, slot)
    const i = indexInLeaf(slot)
    const place = leaf.held[i]
    if (!isPresent(place)) return undefined
    const { records } = this.#parts
    const entry = {
      key,
      value: this.#value(leaf, i),
      partition: records.partitionAt(place),
      offset: records.offsetAt(place),
      timestamp: records.timestampAt(place),
      headers: NO_HEADERS
    }
    return withHeaders(entry, leaf.headers?.[i] as RecordHeaders | undefined)
  }

  *entries(): IterableIterator<RecordEntry<K, V>> {
    for (let slot = 0; slot < this.#parts.rows.length; slot++) {
      const found = this.#entryAt(slot, this.#keyAt(slot))
      if (found !== undefined) yield found
    }
  }

  #keyAt(slot: number): K {
    const { index, keys } = this.#parts
    // Where a key is its own identity, K is string, as the codec says.
    return keys === undefined ? (index.textAt(slot, "utf8") as K) : keys[slot]
  }

  *#pairs(): IterableIterator<readonly [K, V]> {
    const { rows } = this.#parts
    for (let slot = 0; slot < rows.length; slot++) {
      const leaf = leafAt(rows, slot)
      const i = indexInLeaf(slot)
      if (isPresent(leaf.held[i])) yield [this.#keyAt(slot), this.#value(leaf, i)]
    }
  }

  [Symbol.iterator](): IterableIterator<readonly [K, V]> {
    return this.#pairs()
  }

  *keys(): IterableIterator<K> {
    for (let slot = 0; slot < this.#parts.rows.length; slot++) if (this.#isPresent(slot)) yield this.#keyAt(slot)
  }

  *values(): IterableIterator<V> {
    const { rows } = this.#parts
    for (let slot = 0; slot < rows.length; slot++) {
      const leaf = leafAt(rows, slot)
      const i = indexInLeaf(slot)
      if (isPresent(leaf.held[i])) yield this.#value(leaf, i)
    }
  }

  toMap(): Map<K, V> {
    return new Map(this.#pairs())
  }
}

export const makeSnapshot = <K, V>(parts: SnapshotParts<K, V>): RecordSnapshot<K, V> => new Snapshot(parts)
