/**
 * Values as bytes in slabs, for codecs that can make them at reads (`Codec.stored`). What a row holds is told apart by its
 * type: a number is a place in here, all else is the value itself (or `ABSENT`).
 *
 * Each entry is tagged with the slot of its row. When less than half of the slabs is in use, the emptiest ones are
 * emptied: who holds the rows goes through their entries, and appends again what a row still holds.
 */
import type { Codec } from "../../Codec.ts"
import { bytesAt, lengthAt, placeIn, Slabs, slabAt, UNITS, unitAt, unitsOf, type Slab, type SlabList } from "./slabs.ts"

type Stored<V> = NonNullable<Codec<V>["stored"]>

/** A value that is a number, as a row holds it. */
class Plain {
  readonly number: number

  constructor(number: number) {
    this.number = number
  }
}

interface Entry {
  readonly slot: number
  readonly place: number
}

export class ValueStore<V> {
  private readonly slabs: Slabs
  private readonly stored: Stored<V>
  private readonly limit: number
  private open: Slab | undefined
  /** Units that entries took in slabs to which nothing is added any more. */
  private closed = 0
  /** Units of entries that rows hold. */
  private live = 0

  /** `limit`: of a slab, in units. As much may be garbage in any case. */
  constructor(stored: Stored<V>, limit = UNITS) {
    this.stored = stored
    this.limit = limit
    this.slabs = new Slabs(limit)
  }

  /** One like this, without a value. */
  empty(): ValueStore<V> {
    return new ValueStore(this.stored, this.limit)
  }

  /** Is what was made of bytes for a read to be kept for the next one? */
  get once(): boolean {
    return this.stored.once
  }

  /** What a row holds for a value that is not kept as bytes. */
  hold(value: unknown): unknown {
    return typeof value === "number" ? new Plain(value) : value
  }

  /** For the row of `slot`. Returns the place. */
  append(slot: number, bytes: Buffer, memory: ArrayBufferLike, start: number, end: number): number {
    const { slabs } = this
    const place = slabs.append(slot, bytes, memory, start, end)
    const units = unitsOf(end - start)
    this.live += units
    if (slabs.newest !== this.open) {
      if (this.open !== undefined) this.close(this.open)
      this.open = slabs.newest
    }
    if (slabs.isAlone(units)) this.closed += units
    return place
  }

  /** What a row of `slot` is to hold for what one of `other` holds. */
  holdFrom(other: ValueStore<V>, held: unknown, slot: number): unknown {
    return typeof held === "number" ? this.appendFrom(other, held, slot) : held
  }

  /** Appends once more what `other` holds at `place`. */
  appendFrom(other: ValueStore<V>, place: number, slot: number): number {
    const slab = slabAt(other.slabs.current, place)
    const start = bytesAt(unitAt(place))
    return this.append(slot, slab.bytes, slab.bytes.buffer, start, start + lengthAt(slab, unitAt(place)))
  }

  /** A row does not hold it any more. */
  release(held: unknown): void {
    if (typeof held === "number") this.releasePlace(held)
  }

  private releasePlace(place: number): void {
    const slab = slabAt(this.slabs.current, place)
    const units = unitsOf(lengthAt(slab, unitAt(place)))
    slab.live -= units
    this.live -= units
    if (slab.live === 0 && slab !== this.open) this.drop(slab)
  }

  private close(slab: Slab): void {
    this.closed += slab.used
    if (slab.live === 0) this.drop(slab)
  }

  private drop(slab: Slab): void {
    this.closed -= slab.used
    this.slabs.drop(slab)
  }

  /** Units that entries take, held or not. */
  get room(): number {
    return this.closed + (this.open?.used ?? 0)
  }

  /** Is it time to empty some? */
  get wantsEmptying(): boolean {
    return this.room > 2 * (this.live + this.limit)
  }

  /**
   * Goes through the entries of the emptiest slabs, some of which no row holds any more. Whoever takes a step sees to it
   * that what is held is appended again, and released here: once nothing in it is held, a slab is dropped.
   */
  *entriesToMove(): Generator<Entry> {
    while (this.wantsEmptying) {
      const slab = this.emptiest()
      for (let unit = 0; slab.live > 0 && unit < slab.used; unit += unitsOf(lengthAt(slab, unit))) {
        yield { slot: slab.ints[2 * unit], place: placeIn(slab, unit) }
      }
      if (slab.live > 0) throw new Error(`${slab.live} units of slab ${slab.number} are held by nobody`)
    }
  }

  private emptiest(): Slab {
    let found: Slab | undefined
    for (const slab of this.slabs.current) {
      if (slab === undefined || slab === this.open) continue
      if (found === undefined || slab.live * found.used < found.live * slab.used) found = slab
    }
    // more than half of what is closed is garbage: the open one is smaller than what may be garbage in any case
    return found!
  }

  load(held: unknown): V {
    return this.loadFrom(this.slabs.current, held)
  }

  /** Reads what is there now, whatever is written later. */
  reader(): (held: unknown) => V {
    const list = this.slabs.share()
    return (held) => this.loadFrom(list, held)
  }

  private loadFrom(list: SlabList, held: unknown): V {
    // where it is not a place, it is a V: `hold` made it
    if (typeof held !== "number") return (held instanceof Plain ? held.number : held) as V
    const slab = slabAt(list, held)
    const unit = unitAt(held)
    const start = bytesAt(unit)
    return this.stored.load(slab.bytes, start, start + lengthAt(slab, unit))
  }
}

/** For the values of a codec, if some are kept as bytes. */
export const valueStoreOf = <V>(codec: Codec<V>): ValueStore<V> | undefined =>
  codec.stored === undefined ? undefined : new ValueStore(codec.stored)
