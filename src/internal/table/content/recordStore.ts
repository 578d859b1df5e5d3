/**
 * The records that the rows of a table hold, by place: where each comes from, and its value's bytes where the codec can
 * make the value of them at reads (`Codec.stored`).
 *
 * A large fetch answer that is mostly values is kept as it is, and its values are pointed at. Values of other answers
 * are copied, as are those that were compressed. When less than half of all that is kept is in use, the emptiest slabs
 * are emptied: the state goes through their heads, and appends again what a row still holds.
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

/**
 * The most bytes of a slab of the store's own, its heads aside. A value of more than an eighth of that has a slab
 * alone.
 */
const LIMIT = 1024 * 1024

/** An answer is kept as it is if it takes at least this part of a slab of the store's own. */
const KEPT_ANSWER = 1 / 4

/** An answer of several partitions is kept if one of them has at least this part of it. */
const KEPT_PART = 1 / 4

/** An answer is kept only if it takes at most this many times what copies of its values would. */
const KEPT_WASTE = 4 / 3

const NO_BYTES = Buffer.alloc(0)

/** A record, and the slot of the row that holds it. */
interface Entry {
  readonly slot: number
  readonly place: number
}

/** How many heads of records are looked at between two chances to let the event loop run. */
const HEADS_PER_STEP = 8192

/** What an answer is like, by its first batch of one partition. */
export interface Sample {
  readonly records: number
  readonly bytes: number
  /** How many of these bytes belong to values. */
  readonly valueBytes: number
}

/** Records as they are read. */
export abstract class Records<V> {
  protected readonly stored: Stored<V> | undefined

  constructor(stored: Stored<V> | undefined) {
    this.stored = stored
  }

  /** The slabs, by number. */
  protected abstract get list(): SlabList

  /** Whether a value that was made of bytes for a read is kept for the next read. */
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

  /** Makes the value of a record of its bytes, which only records of some codecs keep. */
  valueAt(place: number): V {
    const slab = slabAt(this.list, place)
    const head = headAt(place)
    const start = startOf(slab, head)
    return this.stored!.load(slab.bytes, start, start + lengthOf(slab, head))
  }
}

/** The records as they were at one time. It holds nothing of what is written later. */
class SharedRecords<V> extends Records<V> {
  protected readonly list: SlabList

  constructor(stored: Stored<V> | undefined, list: SlabList) {
    super(stored)
    this.list = list
  }
}

/** The records of one table, as they are written. */
export class RecordStore<V> extends Records<V> {
  protected list: Array<RecordSlab | undefined> = []
  /** Whether `list` is shared: then it is copied before it is changed. */
  private shared = false
  /** Numbers of slabs that were dropped. */
  private readonly freeNumbers: Array<number> = []
  private readonly limit: number
  /** The slab of the store's own that is being filled. */
  private open: RecordSlab | undefined
  /** The memory of the answer that is being read, if that is going to be kept. */
  private memory: ArrayBufferLike | undefined
  /** The slab of that answer, once a row holds a value of it. */
  private answer: RecordSlab | undefined
  /** How many heads that slab may come to have. */
  private expected = 0
  /** Bytes of heads and values that rows hold. */
  private live = 0
  /** Bytes that all slabs take, whether rows hold them or not. */
  room = 0

  /** `stored` is that of the values' codec. `limit` is the bytes of a slab; as many may be garbage in any case. */
  constructor(stored: Stored<V> | undefined, limit = LIMIT) {
    super(stored)
    this.limit = limit
  }

  /** A store like this one, without a record. */
  empty(): RecordStore<V> {
    return new RecordStore(this.stored, this.limit)
  }

  /** Appends a record without its value's bytes, for the row of `slot`. Returns the place. */
  append(slot: number, partition: number, offset: number, timestamp: number): number {
    return this.appendCopy(slot, partition, offset, timestamp, NO_BYTES, NO_BYTES.buffer, 0, 0)
  }

  /**
   * Decides whether to keep an answer, whose values are going to be appended, and whose memory nobody changes any more.
   */
  beginAnswer(answer: Buffer, { bytes, records, valueBytes }: Sample): void {
    const memory = answer.buffer
    // The answer has several partitions, and this is not the first one.
    if (memory === this.memory) return
    this.endAnswer()
    if (answer.length < KEPT_ANSWER * this.limit || answer.length < KEPT_PART * memory.byteLength) return
    const heads = records * HEAD_BYTES
    if (bytes + heads > KEPT_WASTE * (valueBytes + heads)) return
    this.memory = memory
    this.expected = Math.min(HEADS, Math.ceil((records * memory.byteLength) / bytes))
  }

  /** Ends the answer: nothing of it is appended any more. */
  endAnswer(): void {
    const { answer } = this
    this.memory = undefined
    this.answer = undefined
    if (answer === undefined) return
    if (answer.live === 0) this.drop(answer)
    else answer.trim()
  }

  /**
   * Appends a record with its value's bytes: points at them in an answer that is kept, or copies them. `memory` is
   * `bytes.buffer`.
   */
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

  /** Makes a slab of the memory of an answer. */
  private keep(memory: ArrayBufferLike): RecordSlab {
    const slab = this.add()
    slab.bytes = Buffer.from(memory)
    slab.filled = memory.byteLength
    slab.reserve(this.expected)
    this.room += slab.filled
    this.answer = slab
    return slab
  }

  /** A slab of the store's own that has room for a value of this many bytes. */
  private slabFor(length: number): RecordSlab {
    const { limit, open } = this
    if (length > limit / 8) return this.withRoom(length)
    if (open !== undefined && open.count < HEADS && open.count * HEAD_BYTES < limit) {
      // A slab has no memory for values until one needs it.
      if (length <= open.bytes.length - open.filled) return open
      if (open.bytes.length === 0) return allocated(open, this.nextRoom(length))
    }
    const slab = this.withRoom(length === 0 ? 0 : this.nextRoom(length))
    this.open = slab
    if (open?.live === 0) this.drop(open)
    return slab
  }

  /** How many bytes the next slab gets: they double up to the limit, so that a small table has small slabs. */
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

  /** Forgets a slab, whose number is given to another one. Lists that were shared before keep it. */
  private drop(slab: RecordSlab): void {
    this.room -= slab.used
    this.listToWrite()[slab.number] = undefined
    this.freeNumbers.push(slab.number)
  }

  /** Releases a record that no row holds any more. */
  release(place: number): void {
    const slab = slabAt(this.list, place)
    this.live -= slab.release(headAt(place))
    if (slab.live === 0 && slab !== this.open && slab !== this.answer) this.drop(slab)
  }

  /** Whether it is time to empty some slabs. */
  get wantsEmptying(): boolean {
    return this.room > 2 * (this.live + this.limit)
  }

  /**
   * Goes through the records of the emptiest slabs. Whoever takes a step has to append the record again, and to release
   * it here: once no record of a slab is held, the slab is dropped. It yields `undefined` after each slab.
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
   * Goes through the records of a partition below an offset that rows hold. Whoever takes a step has to release the
   * record here, and must append nothing meanwhile. It yields `undefined` after each `HEADS_PER_STEP`, and returns the
   * lowest offset among the partition's other records, or infinity if there are none.
   */
  *entriesBelow(partition: number, offset: number): Generator<Entry | undefined, number> {
    let lowest = Number.POSITIVE_INFINITY
    let n = 0
    // Slabs that are dropped on the way leave this list, or a copy of it.
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

  /** The slab of which the smallest part is in use. */
  private emptiest(): RecordSlab {
    let found: RecordSlab | undefined
    for (const slab of this.list) {
      if (slab === undefined || slab === this.open) continue
      if (found === undefined || slab.live * found.used < found.live * slab.used) found = slab
    }
    // There is one, as more than half of all is garbage, and the open slab takes no more than may be garbage in any
    // case.
    return found!
  }

  /** The records as they are now, for readers. Slabs are only appended to, so they are shared. */
  share(): Records<V> {
    this.shared = true
    return new SharedRecords(this.stored, this.list)
  }
}

/**
 * Gives a slab memory for values. It is cleared, as a table can be looked into, and shows nothing that the process had in
 * this memory before.
 */
const allocated = (slab: RecordSlab, bytes: number): RecordSlab => {
  if (bytes > 0) slab.bytes = Buffer.alloc(bytes)
  return slab
}

/** Makes a store for the values of a codec. */
export const recordStoreOf = <V>(codec: Codec<V>): RecordStore<V> => new RecordStore(codec.stored)
