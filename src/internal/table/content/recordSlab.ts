/**
 * Heads of records, and the bytes of their values, outside of V8's heap, where no garbage collection copies or marks
 * them.
 *
 *     head: slot: int32, length: int32, offset: float64, timestamp: float64, partition: int32, start: int32
 *
 * `start` and `length` are of the value in the slab's bytes. Those are its own, appended as they come, or the memory of
 * a fetch answer as it is, in which values are pointed at.
 *
 * A place is the number of the slab times `HEADS`, plus the number of the head. What is written is never changed, but
 * for the slot of a record that no row holds any more: that is for the owner of the slab alone to read.
 */

/** The most records of one slab. */
export const HEADS = 1 << 17
export const HEAD_BYTES = 32

const FEWEST_HEADS = 16
/** Room for up to this many times the heads that there are is left as it is. */
const MAX_SLACK = 1.25
const NO_BYTES = Buffer.alloc(0)

/** Fewer bytes than this are copied by a loop, which is faster than the two objects that a native copy needs. */
const COPIED_BY_LOOP = 32

export class RecordSlab {
  readonly number: number
  bytes: Buffer = NO_BYTES
  /** The head `h` begins at `8 * h`. */
  ints = new Int32Array(0)
  /** The head `h` begins at `4 * h`. */
  floats = new Float64Array(0)
  /** How many heads there are. */
  count = 0
  /** How many of `bytes` are taken. */
  filled = 0
  /** Bytes of heads and values that are in use. */
  live = 0

  constructor(number: number) {
    this.number = number
  }

  /** Bytes of heads and values that are taken, in use or not. */
  get used(): number {
    return this.count * HEAD_BYTES + this.filled
  }

  /** Adds a head, and returns the place. */
  add(slot: number, partition: number, offset: number, timestamp: number, start: number, length: number): number {
    const head = this.count
    if (4 * head === this.floats.length) this.reserve(Math.max(FEWEST_HEADS, 2 * head))
    const { floats, ints } = this
    ints[8 * head] = slot
    ints[8 * head + 1] = length
    floats[4 * head + 1] = offset
    floats[4 * head + 2] = timestamp
    ints[8 * head + 6] = partition
    ints[8 * head + 7] = start
    this.count = head + 1
    this.live += HEAD_BYTES + length
    return placeIn(this, head)
  }

  /** Releases a record that no row holds any more. Returns the bytes that are no longer in use. */
  release(head: number): number {
    const { ints } = this
    const bytes = HEAD_BYTES + ints[8 * head + 1]
    ints[8 * head] = NO_SLOT
    this.live -= bytes
    return bytes
  }

  /** Makes room for so many heads in all. */
  reserve(heads: number): void {
    const floats = new Float64Array(4 * heads)
    floats.set(this.floats.subarray(0, 4 * this.count))
    this.floats = floats
    this.ints = new Int32Array(floats.buffer)
  }

  /** Gives up room for heads, as none is added any more. */
  trim(): void {
    if (this.floats.length > MAX_SLACK * 4 * this.count) this.reserve(this.count)
  }

  /**
   * Copies `bytes` from `start` to `end`, for which there is room; returns where they begin. `memory` is
   * `bytes.buffer`.
   */
  copy(bytes: Buffer, memory: ArrayBufferLike, start: number, end: number): number {
    const to = this.filled
    const target = this.bytes
    const length = end - start
    this.filled = to + length
    if (length < COPIED_BY_LOOP) for (let from = start, at = to; from < end; from++) target[at++] = bytes[from]
    else target.set(new Uint8Array(memory, bytes.byteOffset + start, length), to)
    return to
  }
}

/** Slabs by number, for reading. What is written to them later does not disturb that. */
export type SlabList = ReadonlyArray<RecordSlab | undefined>

export const slabAt = (list: SlabList, place: number): RecordSlab => list[(place / HEADS) | 0]!

/** The number of the head at a place. It is computed by a division, as a remainder of doubles would be a call. */
export const headAt = (place: number): number => place - ((place / HEADS) | 0) * HEADS

export const placeIn = (slab: RecordSlab, head: number): number => slab.number * HEADS + head

/** The slot of the row that holds it, or `NO_SLOT`. */
export const slotOf = ({ ints }: RecordSlab, head: number): number => ints[8 * head]

export const NO_SLOT = -1

export const lengthOf = ({ ints }: RecordSlab, head: number): number => ints[8 * head + 1]

export const offsetOf = ({ floats }: RecordSlab, head: number): number => floats[4 * head + 1]

export const timestampOf = ({ floats }: RecordSlab, head: number): number => floats[4 * head + 2]

export const partitionOf = ({ ints }: RecordSlab, head: number): number => ints[8 * head + 6]

export const startOf = ({ ints }: RecordSlab, head: number): number => ints[8 * head + 7]
