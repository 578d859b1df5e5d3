/**
 * Which records of one partition are done, and up to where its offset may be committed: the contiguous prefix, whatever was
 * done out of order after it. Records are numbered as they are handed out; their marks lie in a ring, as most are done
 * in about the order in which they were handed out.
 */

const FIRST_CAPACITY = 64

/** What has become of a record: it is worked on, it is done, or it was given back without having been worked on. */
const HANDED_OUT = 0
const DONE = 1
const GIVEN_BACK = 2

export class DonePrefix {
  private offsets = new Float64Array(FIRST_CAPACITY)
  private marks = new Uint8Array(FIRST_CAPACITY)
  private mask = FIRST_CAPACITY - 1
  private head = 0
  /** Number of the next record that is handed out. */
  private tail = 0
  /** Offset of the next record that is not handed out, nor passed over. */
  position: number
  /** How many records are handed out, and neither done nor given back. */
  outstanding = 0
  /** Number behind the last record whose work has begun, as far as the prefix is told of that. */
  private begunTo = 0

  /** `position` is the offset from which records are handed out. */
  constructor(position: number) {
    this.position = position
  }

  /** Number of the first record that is not done. */
  get oldest(): number {
    return this.head
  }

  /** How many records were handed out from the first one that is not done on: the window that has to be remembered. */
  get size(): number {
    return this.tail - this.head
  }

  /** What may be committed: the offset of the first record that is not done, or of the next one to hand out. */
  get committable(): number {
    return this.head === this.tail ? this.position : this.offsets[this.head & this.mask]
  }

  /** Notes that the record at this offset is handed out, and returns its number. Offsets only grow. */
  handOut(offset: number): number {
    if (this.tail - this.head > this.mask) this.grow()
    const at = this.tail & this.mask
    this.offsets[at] = offset
    this.marks[at] = HANDED_OUT
    this.position = offset + 1
    this.outstanding++
    return this.tail++
  }

  /** Notes that nothing below this offset is to be handed out any more: what lay there is no record, or none of use. */
  passTo(position: number): void {
    if (position > this.position) this.position = position
  }

  /** Notes that the work on a record begins. */
  begin(number: number): void {
    if (number >= this.begunTo) this.begunTo = number + 1
  }

  /** Whether a record has one behind it whose work has begun: what is done there is committed only if this one is done, too. */
  isBeforeBegun(number: number): boolean {
    return number < this.begunTo
  }

  /** Marks a record as done. A second mark changes nothing. Returns whether more may be committed now. */
  done(number: number): boolean {
    if (number < this.head || number >= this.tail) return false
    const at = number & this.mask
    if (this.marks[at] === HANDED_OUT) this.outstanding--
    this.marks[at] = DONE
    if (number !== this.head) return false
    while (this.head < this.tail && this.marks[this.head & this.mask] === DONE) this.head++
    return true
  }

  /** Notes that a record is not going to be worked on. What may be committed ends before it, unless it is done after all. */
  giveBack(number: number): void {
    if (number < this.head || number >= this.tail || this.marks[number & this.mask] !== HANDED_OUT) return
    this.marks[number & this.mask] = GIVEN_BACK
    this.outstanding--
  }

  private grow(): void {
    const capacity = 2 * (this.mask + 1)
    const offsets = new Float64Array(capacity)
    const marks = new Uint8Array(capacity)
    for (let number = this.head; number < this.tail; number++) {
      offsets[number & (capacity - 1)] = this.offsets[number & this.mask]
      marks[number & (capacity - 1)] = this.marks[number & this.mask]
    }
    this.offsets = offsets
    this.marks = marks
    this.mask = capacity - 1
  }
}
