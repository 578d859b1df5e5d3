/**
 * Keys' bytes, outside of V8's heap, where no garbage collection copies or marks them: appended to slabs, found again
 * by a number, never taken back.
 *
 *     entry: slot: int32, length: int32, bytes, up to a multiple of 8 bytes
 *
 * A place is the number of the slab times `UNITS`, plus the entry's first unit of 8 bytes in it.
 */

/** The most units of 8 bytes in a slab, which make 1 MiB. A key that takes more has a slab of its own. */
const UNITS = 1 << 17
const UNIT = 8
/** How many units of an entry are before its bytes. */
const HEAD = 1
/** The units of the first slab. Slabs double from there, so that a small table has small ones. */
const FIRST = UNITS >>> 5

/** Fewer bytes than this are copied by a loop, which is faster than the two objects that a native copy needs. */
const COPIED_BY_LOOP = 32

export interface KeySlab {
  readonly bytes: Buffer
  /** The first unit of entry `u` is at `2 * u`. */
  readonly ints: Int32Array
  /** The size of the slab, in units. */
  readonly capacity: number
}

export const unitAt = (place: number): number => place % UNITS

export const slotAt = (slab: KeySlab, unit: number): number => slab.ints[2 * unit]

export const lengthAt = (slab: KeySlab, unit: number): number => slab.ints[2 * unit + 1]

/** Where the bytes of an entry begin in its slab. */
export const bytesAt = (unit: number): number => (unit + HEAD) * UNIT

export class KeySlabs {
  private readonly slabs: Array<KeySlab> = []
  /** How many units of the last slab are taken. */
  private used = 0

  slabAt(place: number): KeySlab {
    return this.slabs[(place / UNITS) | 0]
  }

  /** Copies `bytes` from `start` to `end`, and returns the place. */
  append(slot: number, bytes: Buffer, start: number, end: number): number {
    const { slabs } = this
    const length = end - start
    const units = HEAD + ((length + UNIT - 1) >>> 3)
    let slab: KeySlab | undefined = slabs[slabs.length - 1]
    if (slab === undefined || units > slab.capacity - this.used) slab = this.open(slab, units)
    const unit = this.used
    this.used = unit + units
    slab.ints[2 * unit] = slot
    slab.ints[2 * unit + 1] = length
    const target = slab.bytes
    let to = bytesAt(unit)
    if (length < COPIED_BY_LOOP) for (let from = start; from < end; from++) target[to++] = bytes[from]
    else bytes.copy(target, to, start, end)
    return (slabs.length - 1) * UNITS + unit
  }

  /** Begins a slab with room for at least this many units. */
  private open(last: KeySlab | undefined, units: number): KeySlab {
    const wanted = last === undefined ? FIRST : Math.min(UNITS, 2 * last.capacity)
    const capacity = Math.max(wanted, units)
    // cleared: a table can be looked into, and shows nothing that the process had in this memory before
    const bytes = Buffer.alloc(capacity * UNIT)
    const slab = { bytes, ints: new Int32Array(bytes.buffer), capacity }
    this.slabs.push(slab)
    this.used = 0
    return slab
  }
}
