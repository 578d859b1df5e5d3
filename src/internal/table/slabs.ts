/**
 * Bytes that lie outside of V8's heap, where no garbage collection copies or marks them: appended to slabs, found again
 * by a number.
 *
 *     entry: tag: int32 (the owner's), length: int32, what else the owner keeps, bytes, zeros up to a multiple of 8 bytes
 *
 * A place is the number of the slab times `UNITS`, plus the entry's first unit of 8 bytes in it: a small integer to V8
 * up to 16 GiB, a double beyond.
 */

/** A slab's size at most, in units of 8 bytes: 1 MiB. What takes more than a part of that has a slab of its own. */
export const UNITS = 1 << 17
const UNIT = 8

/** Below, a loop is faster than the two objects that a native copy needs. */
const COPIED_BY_LOOP = 32

export class Slab {
  readonly number: number
  readonly bytes: Buffer
  /** The first unit of entry `u` is at `2 * u`. */
  readonly ints: Int32Array
  /** Unit `u` is at `u`. */
  readonly floats: Float64Array
  /** In units. */
  readonly capacity: number
  used = 0
  /** Units of entries that are in use; for the owner to count down. */
  live = 0

  constructor(number: number, capacity: number) {
    this.number = number
    this.capacity = capacity
    this.bytes = Buffer.allocUnsafeSlow(capacity * UNIT)
    this.ints = new Int32Array(this.bytes.buffer)
    this.floats = new Float64Array(this.bytes.buffer)
  }
}

/** Slabs by number, as they were at one time: for whom only reads, and is not disturbed by what is written later. */
export type SlabList = ReadonlyArray<Slab | undefined>

export const slabAt = (list: SlabList, place: number): Slab => list[(place / UNITS) | 0]!

export const unitAt = (place: number): number => place % UNITS

export const placeIn = (slab: Slab, unit: number): number => slab.number * UNITS + unit

export const tagAt = (slab: Slab, unit: number): number => slab.ints[2 * unit]

/** Where the bytes of an entry begin in its slab. */
export const bytesAt = (unit: number, head: number): number => (unit + head) * UNIT

export const lengthAt = (slab: Slab, unit: number): number => slab.ints[2 * unit + 1]

export class Slabs {
  private list: Array<Slab | undefined> = []
  /** The list is somebody else's, too. */
  private shared = false
  /** The one that the next entries go to; none of those that have a slab of their own. */
  newest: Slab | undefined
  private readonly freeNumbers: Array<number> = []
  private readonly head: number
  private readonly limit: number

  /** `head`: units of an entry before its bytes. `limit`: of a slab, in units. */
  constructor(head: number, limit = UNITS) {
    this.head = head
    this.limit = limit
  }

  /** What an entry of so many bytes takes. */
  unitsOf(length: number): number {
    return this.head + ((length + UNIT - 1) >>> 3)
  }

  /**
   * Copies `bytes` from `start` to `end`, and returns the place. `memory` is `bytes.buffer`, which is slow to ask for. The
   * rest of the head is for the owner to write.
   */
  append(tag: number, bytes: Buffer, memory: ArrayBufferLike, start: number, end: number): number {
    const length = end - start
    const units = this.unitsOf(length)
    let slab = this.newest
    if (slab === undefined || units > slab.capacity - slab.used || this.isAlone(units)) slab = this.open(units)
    const unit = slab.used
    slab.used = unit + units
    slab.live += units
    const { ints } = slab
    ints[2 * (unit + units) - 2] = 0
    ints[2 * (unit + units) - 1] = 0
    ints[2 * unit] = tag
    ints[2 * unit + 1] = length
    const target = slab.bytes
    let to = bytesAt(unit, this.head)
    if (length < COPIED_BY_LOOP) for (let from = start; from < end; from++) target[to++] = bytes[from]
    else target.set(new Uint8Array(memory, bytes.byteOffset + start, length), to)
    return placeIn(slab, unit)
  }

  private open(units: number): Slab {
    if (this.isAlone(units)) return this.add(units)
    // a small table does with small ones
    const capacity = this.newest === undefined ? this.limit >>> 5 : 2 * this.newest.capacity
    const slab = this.add(Math.min(this.limit, Math.max(capacity, units)))
    this.newest = slab
    return slab
  }

  /** Does an entry of so many units have a slab of its own? */
  isAlone(units: number): boolean {
    return units > this.limit >>> 3
  }

  private add(capacity: number): Slab {
    const list = this.listToWrite()
    const slab = new Slab(this.freeNumbers.pop() ?? list.length, capacity)
    list[slab.number] = slab
    return slab
  }

  private listToWrite(): Array<Slab | undefined> {
    if (this.shared) {
      this.list = this.list.slice()
      this.shared = false
    }
    return this.list
  }

  /** Forgets a slab; its number is given to another one. Lists that were shared before keep it. */
  drop(slab: Slab): void {
    this.listToWrite()[slab.number] = undefined
    this.freeNumbers.push(slab.number)
  }

  /** For reading. */
  get current(): SlabList {
    return this.list
  }

  /** The list as it is now, for ever. Entries are never changed in place. */
  share(): SlabList {
    this.shared = true
    return this.list
  }
}
