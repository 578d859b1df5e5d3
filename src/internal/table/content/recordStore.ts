/**
 * The records that the rows of a table hold, by place: where each comes from, and its value's bytes where the codec can
 * make the value of them at reads (`Codec.stored`).
 *
 * A large fetch answer that is mostly values is kept as it is, and its values are pointed at. Values of others are copied, as are
 * those that were compressed.
 * When less than half of all that is kept is in use, the emptiest slabs are emptied: who holds the rows goes through their
 * heads, and appends again what a row still holds.
 */
import type { Codec } from "../../../Codec.ts"
import {
  HEAD_BYTES,
  headAt,
  HEADS,
  lengthOf,
  NO_SLOT,
  offsetOf,
  partitionOf,
  placeIn,
  RecordSlab,
  slabAt,
  slotOf,
  startOf,
  timestampOf,
  type SlabList
} from "./recordSlab.ts"

type Stored<V> = NonNullable<Codec<V>["stored"]>

/** Bytes of a slab of the store's own at most, its heads aside. A value that takes more than a part of it has one alone. */
const LIMIT = 1024 * 1024

/** An answer is kept as it is if it takes at least this part of a slab of the store's own. */
const KEPT_ANSWER = 1 / 4

/** An answer is of several partitions at times: it is kept if one of them has this part of it. */
const KEPT_PART = 1 / 4

/** And if it takes no more than so many times what copies of its values would. */
const KEPT_WASTE = 4 / 3

const NO_BYTES = Buffer.alloc(0)

interface Entry {
  readonly slot: number
  readonly place: number
}

/** Heads of records looked at between two chances to let the event loop run. */
const HEADS_PER_STEP = 8192

/** What an answer looks like, by a part of it. */
export interface Sample {
  readonly records: number
  readonly bytes: number
  /** How many of these bytes are of values. */
  readonly valueBytes: number
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
    return offsetOf(slabAt(this.list, place), headAt(place))
  }

  timestampAt(place: number): number {
    return timestampOf(slabAt(this.list, place), headAt(place))
  }

  partitionAt(place: number): number {
    return partitionOf(slabAt(this.list, place), headAt(place))
  }

  /** The value that is made of the record's bytes: only records of some codecs keep these. */
  valueAt(place: number): V {
    const slab = slabAt(this.list, place)
    const head = headAt(place)
    const start = startOf(slab, head)
    return this.stored!.load(slab.bytes, start, start + lengthOf(slab, head))
  }
}

/** The records as they were at one time, whatever is written later; it holds nothing of that. */
class SharedRecords<V> extends Records<V> {
  protected readonly list: SlabList

  constructor(stored: Stored<V> | undefined, list: SlabList) {
    super(stored)
    this.list = list
  }
}

export class RecordStore<V> extends Records<V> {
  protected list: Array<RecordSlab | undefined> = []
  /** The list is somebody else's, too. */
  private shared = false
  private readonly freeNumbers: Array<number> = []
  private readonly limit: number
  /** The one of the store's own slabs that is being filled. */
  private open: RecordSlab | undefined
  /** The slab of the answer that is being read, if that is to be kept. */
  private memory: ArrayBufferLike | undefined
  /** Its slab, once a value of it is held. */
  private answer: RecordSlab | undefined
  /** Heads that it may come to have. */
  private expected = 0
  /** Bytes of heads and values that rows hold. */
  private live = 0
  /** Bytes that all slabs take, held or not. */
  room = 0

  /** `stored`: of the values' codec. `limit`: bytes of a slab. Some of them may be garbage in any case. */
  constructor(stored: Stored<V> | undefined, limit = LIMIT) {
    super(stored)
    this.limit = limit
  }

  /** One like this, without a record. */
  empty(): RecordStore<V> {
    return new RecordStore(this.stored, this.limit)
  }

  /** For the row of `slot`. Returns the place. */
  append(slot: number, partition: number, offset: number, timestamp: number): number {
    return this.appendCopy(slot, partition, offset, timestamp, NO_BYTES, NO_BYTES.buffer, 0, 0)
  }

  /** Values of an answer are going to be appended: of memory that nobody changes any more. */
  beginAnswer(answer: Buffer, { bytes, records, valueBytes }: Sample): void {
    const memory = answer.buffer
    // of another partition
    if (memory === this.memory) return
    this.endAnswer()
    if (answer.length < KEPT_ANSWER * this.limit || answer.length < KEPT_PART * memory.byteLength) return
    const heads = records * HEAD_BYTES
    if (bytes + heads > KEPT_WASTE * (valueBytes + heads)) return
    this.memory = memory
    this.expected = Math.min(HEADS, Math.ceil((records * memory.byteLength) / bytes))
  }

  /** Nothing of it is appended any more. */
  endAnswer(): void {
    const { answer } = this
    this.memory = undefined
    this.answer = undefined
    if (answer === undefined) return
    if (answer.live === 0) this.drop(answer)
    else answer.trim()
  }

  /** As `append`, with the value's bytes. `memory` is `bytes.buffer`. */
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
    const answer = memory === this.memory ? (this.answer ?? this.keep(memory)) : undefined
    if (answer === undefined || answer.count === HEADS) {
      return this.appendCopy(slot, partition, offset, timestamp, bytes, memory, start, end)
    }
    const length = end - start
    this.live += HEAD_BYTES + length
    this.room += HEAD_BYTES
    return answer.add(slot, partition, offset, timestamp, bytes.byteOffset + start, length)
  }

  private appendCopy(
    slot: number,
    partition: number,
    offset: number,
    timestamp: number,
    bytes: Buffer,
    memory: ArrayBufferLike,
    start: number,
    end: number
  ): number {
    const length = end - start
    const slab = this.slabFor(length)
    this.live += HEAD_BYTES + length
    this.room += HEAD_BYTES + length
    return slab.add(slot, partition, offset, timestamp, slab.copy(bytes, memory, start, end), length)
  }

  /** Appends once more what `other` has at `place`. */
  appendFrom(other: RecordStore<V>, place: number, slot: number): number {
    const slab = slabAt(other.list, place)
    const head = headAt(place)
    const { bytes } = slab
    const start = startOf(slab, head)
    return this.appendCopy(
      slot,
      partitionOf(slab, head),
      offsetOf(slab, head),
      timestampOf(slab, head),
      bytes,
      bytes.buffer,
      start,
      start + lengthOf(slab, head)
    )
  }

  private keep(memory: ArrayBufferLike): RecordSlab {
    const slab = this.add()
    slab.bytes = Buffer.from(memory)
    slab.filled = memory.byteLength
    slab.reserve(this.expected)
    this.room += slab.filled
    this.answer = slab
    return slab
  }

  /** One of the store's own, with room for a value of so many bytes. */
  private slabFor(length: number): RecordSlab {
    const { limit, open } = this
    if (length > limit / 8) return this.withRoom(length)
    if (open !== undefined && open.count < HEADS && open.count * HEAD_BYTES < limit) {
      // heads alone need no memory for values
      if (length <= open.bytes.length - open.filled) return open
      if (open.bytes.length === 0) return allocated(open, this.nextRoom(length))
    }
    const slab = this.withRoom(length === 0 ? 0 : this.nextRoom(length))
    this.open = slab
    if (open?.live === 0) this.drop(open)
    return slab
  }

  /** A small table does with small ones. */
  private nextRoom(length: number): number {
    const before = this.open?.bytes.length ?? 0
    return Math.max(length, Math.min(this.limit, Math.max(this.limit / 32, 2 * before)))
  }

  private withRoom(bytes: number): RecordSlab {
    return allocated(this.add(), bytes)
  }

  private add(): RecordSlab {
    const list = this.listToWrite()
    const slab = new RecordSlab(this.freeNumbers.pop() ?? list.length)
    list[slab.number] = slab
    return slab
  }

  private listToWrite(): Array<RecordSlab | undefined> {
    if (this.shared) {
      this.list = this.list.slice()
      this.shared = false
    }
    return this.list
  }

  /** Forgets a slab; its number is given to another one. Lists that were shared before keep it. */
  private drop(slab: RecordSlab): void {
    this.room -= slab.used
    this.listToWrite()[slab.number] = undefined
    this.freeNumbers.push(slab.number)
  }

  /** A row does not hold it any more. */
  release(place: number): void {
    const slab = slabAt(this.list, place)
    this.live -= slab.release(headAt(place))
    if (slab.live === 0 && slab !== this.open && slab !== this.answer) this.drop(slab)
  }

  /** Is it time to empty some? */
  get wantsEmptying(): boolean {
    return this.room > 2 * (this.live + this.limit)
  }

  /**
   * Goes through the records of the emptiest slabs. Whoever takes a step sees to it that each is appended again, and
   * released here: once nothing in it is held, a slab is dropped. `undefined` after each slab.
   */
  *entriesToMove(): Generator<Entry | undefined> {
    this.endAnswer()
    while (this.wantsEmptying) {
      const slab = this.emptiest()
      for (let head = 0; slab.live > 0 && head < slab.count; head++) {
        const slot = slotOf(slab, head)
        if (slot !== NO_SLOT) yield { slot, place: placeIn(slab, head) }
      }
      if (slab.live > 0) throw new Error(`${slab.live} bytes of slab ${slab.number} are held by nobody`)
      yield undefined
    }
  }

  /**
   * Goes through what rows hold of a partition's records below an offset. Whoever takes a step releases them here, and
   * appends nothing meanwhile. `undefined` after so many heads. Returns the lowest offset among the partition's others,
   * infinity if there are none.
   */
  *entriesBelow(partition: number, offset: number): Generator<Entry | undefined, number> {
    let lowest = Number.POSITIVE_INFINITY
    let n = 0
    // slabs that are dropped on the way leave this list, or a copy of it
    for (const slab of this.list) {
      if (slab === undefined) continue
      for (let head = 0; head < slab.count; head++) {
        if (++n % HEADS_PER_STEP === 0) yield undefined
        const slot = slotOf(slab, head)
        if (slot === NO_SLOT || partitionOf(slab, head) !== partition) continue
        const at = offsetOf(slab, head)
        if (at < offset) yield { slot, place: placeIn(slab, head) }
        else if (at < lowest) lowest = at
      }
    }
    return lowest
  }

  private emptiest(): RecordSlab {
    let found: RecordSlab | undefined
    for (const slab of this.list) {
      if (slab === undefined || slab === this.open) continue
      if (found === undefined || slab.live * found.used < found.live * slab.used) found = slab
    }
    // more than half of all is garbage, and the open one takes no more than may be garbage in any case
    return found!
  }

  /** For who reads what there is now. Entries are never changed in place. */
  share(): Records<V> {
    this.shared = true
    return new SharedRecords(this.stored, this.list)
  }
}

const allocated = (slab: RecordSlab, bytes: number): RecordSlab => {
  if (bytes > 0) slab.bytes = Buffer.allocUnsafeSlow(bytes)
  return slab
}

/** For the values of a codec. */
export const recordStoreOf = <V>(codec: Codec<V>): RecordStore<V> => new RecordStore(codec.stored)
