/**
 * The records that the rows of a table hold, as entries in slabs: where each comes from, and its value's bytes where the
 * codec can make the value of them at reads (`Codec.stored`).
 *
 *     entry: slot: int32, length: int32, offset: float64, timestamp: float64, partition: int32, 0: int32, bytes
 *
 * When less than half of the slabs is in use, the emptiest ones are emptied: who holds the rows goes through their
 * entries, and appends again what a row still holds.
 */
import type { Codec } from "../../Codec.ts"
import { bytesAt, lengthAt, placeIn, slabAt, Slabs, tagAt, UNITS, unitAt, type Slab, type SlabList } from "./slabs.ts"

type Stored<V> = NonNullable<Codec<V>["stored"]>

/** Units of an entry before its bytes. */
const HEAD = 4

const NO_BYTES = Buffer.alloc(0)

interface Entry {
  readonly slot: number
  readonly place: number
}

/** Records to read. */
export abstract class Records<V> {
  protected readonly stored: Stored<V> | undefined

  constructor(stored: Stored<V> | undefined) {
    this.stored = stored
  }

  protected abstract get list(): SlabList

  /** Is what was made of bytes for a read to be kept for the next one? */
  get once(): boolean {
    return this.stored?.once === true
  }

  offsetAt(place: number): number {
    return slabAt(this.list, place).floats[unitAt(place) + 1]
  }

  timestampAt(place: number): number {
    return slabAt(this.list, place).floats[unitAt(place) + 2]
  }

  partitionAt(place: number): number {
    return slabAt(this.list, place).ints[2 * unitAt(place) + 6]
  }

  /** Of the value's bytes, which only some codecs' records have. */
  valueAt(place: number): V {
    const slab = slabAt(this.list, place)
    const unit = unitAt(place)
    const start = bytesAt(unit, HEAD)
    return this.stored!.load(slab.bytes, start, start + lengthAt(slab, unit))
  }
}

/** As they were at one time, whatever is written later; holds nothing of that. */
class SharedRecords<V> extends Records<V> {
  protected readonly list: SlabList

  constructor(stored: Stored<V> | undefined, list: SlabList) {
    super(stored)
    this.list = list
  }
}

export class RecordStore<V> extends Records<V> {
  private readonly slabs: Slabs
  private readonly limit: number
  private open: Slab | undefined
  /** Units that entries took in slabs to which nothing is added any more. */
  private closed = 0
  /** Units of entries that rows hold. */
  private live = 0

  /** `stored`: of the values' codec. `limit`: of a slab, in units. As much may be garbage in any case. */
  constructor(stored: Stored<V> | undefined, limit = UNITS) {
    super(stored)
    this.slabs = new Slabs(HEAD, limit)
    this.limit = limit
  }

  protected get list(): SlabList {
    return this.slabs.current
  }

  /** One like this, without a record. */
  empty(): RecordStore<V> {
    return new RecordStore(this.stored, this.limit)
  }

  /** For the row of `slot`. Returns the place. */
  append(slot: number, partition: number, offset: number, timestamp: number): number {
    return this.appendBytes(slot, partition, offset, timestamp, NO_BYTES, NO_BYTES.buffer, 0, 0)
  }

  /** The same with the value's bytes. `memory` is `bytes.buffer`. */
  appendBytes(
    slot: number,
    partition: number,
    offset: number,
    timestamp: number,
    bytes: Buffer,
    memory: ArrayBufferLike,
    start: number,
    end: number
  ): number {
    const { slabs } = this
    const place = slabs.append(slot, bytes, memory, start, end)
    const slab = slabAt(slabs.current, place)
    const unit = unitAt(place)
    slab.floats[unit + 1] = offset
    slab.floats[unit + 2] = timestamp
    slab.ints[2 * unit + 6] = partition
    slab.ints[2 * unit + 7] = 0
    const units = slabs.unitsOf(end - start)
    this.live += units
    if (slabs.newest !== this.open) {
      if (this.open !== undefined) this.close(this.open)
      this.open = slabs.newest
    }
    if (slabs.isAlone(units)) this.closed += units
    return place
  }

  /** Appends once more what `other` has at `place`. */
  appendFrom(other: RecordStore<V>, place: number, slot: number): number {
    const { bytes, floats, ints } = slabAt(other.slabs.current, place)
    const unit = unitAt(place)
    const start = bytesAt(unit, HEAD)
    const end = start + ints[2 * unit + 1]
    const partition = ints[2 * unit + 6]
    return this.appendBytes(slot, partition, floats[unit + 1], floats[unit + 2], bytes, bytes.buffer, start, end)
  }

  /** A row does not hold it any more. */
  release(place: number): void {
    const { slabs } = this
    const slab = slabAt(slabs.current, place)
    const units = slabs.unitsOf(lengthAt(slab, unitAt(place)))
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
    const { slabs } = this
    while (this.wantsEmptying) {
      const slab = this.emptiest()
      for (let unit = 0; slab.live > 0 && unit < slab.used; unit += slabs.unitsOf(lengthAt(slab, unit))) {
        yield { slot: tagAt(slab, unit), place: placeIn(slab, unit) }
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

  /** For who reads what there is now. */
  share(): Records<V> {
    return new SharedRecords(this.stored, this.slabs.share())
  }
}

/** For the values of a codec. */
export const recordStoreOf = <V>(codec: Codec<V>): RecordStore<V> => new RecordStore(codec.stored)
