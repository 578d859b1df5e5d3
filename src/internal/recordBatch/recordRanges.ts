import { malformed } from "./corruption.ts"
import { readVarint, varintEnd } from "./varint.ts"

/**
 * Room for this many records is kept from batch to batch. More is allocated for a batch that needs it, and dropped
 * after it.
 */
const KEPT_CAPACITY = 65_536

/**
 * The records of one batch as positions in `bytes`, one array per field, reused from batch to batch: no object per
 * record. Record `i` has the offset `baseOffset + offsetDelta[i]`. Index `count` and above is left over from before.
 *
 * `bytes` is the fetch answer itself or what was decompressed: who keeps a part of it keeps all of it in memory.
 */
export class RecordRanges {
  bytes: Buffer = Buffer.alloc(0)
  count = 0
  /** Index of the first record at or after the position that was asked for; `count` if there is none. */
  first = 0
  baseOffset = 0
  offsetDelta!: Int32Array
  /** Milliseconds since the epoch; -1 if there is no timestamp. */
  timestamp!: Float64Array
  /** Where the key begins; -1 for a record without a key. */
  keyStart!: Int32Array
  keyEnd!: Int32Array
  /** Where the value begins; -1 for a tombstone. */
  valueStart!: Int32Array
  valueEnd!: Int32Array
  /** Where the headers begin, for `decodeHeaders`. */
  headersStart!: Int32Array
  headersEnd!: Int32Array
  headerCount!: Int32Array
  private capacity = 0

  constructor() {
    this.allocate(256)
  }

  /** Forgets the last batch and makes room for `count` records. */
  reset(count: number): void {
    this.count = 0
    this.first = 0
    if (count > this.capacity) this.allocate(Math.max(count, Math.min(KEPT_CAPACITY, this.capacity * 2)))
    else if (this.capacity > KEPT_CAPACITY && count <= KEPT_CAPACITY) this.allocate(KEPT_CAPACITY)
  }

  private allocate(capacity: number): void {
    this.capacity = capacity
    this.offsetDelta = new Int32Array(capacity)
    this.timestamp = new Float64Array(capacity)
    this.keyStart = new Int32Array(capacity)
    this.keyEnd = new Int32Array(capacity)
    this.valueStart = new Int32Array(capacity)
    this.valueEnd = new Int32Array(capacity)
    this.headersStart = new Int32Array(capacity)
    this.headersEnd = new Int32Array(capacity)
    this.headerCount = new Int32Array(capacity)
  }
}

export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

/**
 * The headers of one record, copied, in their order; keys may repeat. For ranges that a decoded batch gave: those are
 * known to be sound.
 */
export const decodeHeaders = (
  bytes: Buffer,
  start: number,
  end: number,
  count: number
): ReadonlyArray<RecordHeader> => {
  const headers: Array<RecordHeader> = []
  let position = start
  for (let i = 0; i < count; i++) {
    const keyLength = readVarint(bytes, position, end)
    const keyEnd = varintEnd + keyLength
    const key = bytes.toString("utf8", varintEnd, keyEnd)
    const valueLength = readVarint(bytes, keyEnd, end)
    position = varintEnd
    if (valueLength < 0) {
      headers.push({ key, value: null })
    } else {
      headers.push({ key, value: new Uint8Array(bytes.subarray(position, position + valueLength)) })
      position += valueLength
    }
  }
  return headers
}

/** Walks `count` headers, checks every length, returns the position after them. */
export const skipHeaders = (bytes: Buffer, start: number, end: number, count: number): number => {
  // A header takes two bytes at least, the lengths of its key and its value.
  if (count < 0 || count > (end - start) / 2) throw malformed(`header count ${count}`)
  let position = start
  for (let i = 0; i < count; i++) {
    const keyLength = readVarint(bytes, position, end)
    if (keyLength < 0 || keyLength > end - varintEnd) throw malformed(`header key length ${keyLength}`)
    const valueLength = readVarint(bytes, varintEnd + keyLength, end)
    if (valueLength < -1 || valueLength > end - varintEnd) throw malformed(`header value length ${valueLength}`)
    position = valueLength < 0 ? varintEnd : varintEnd + valueLength
  }
  return position
}
