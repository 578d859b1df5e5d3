/**
 * The primitives of Kafka's protocol, on plain buffers. Big-endian throughout.
 *
 * There are two encodings. The classic one has fixed-size lengths (`int16` for strings, `int32` for bytes and arrays,
 * -1 for null). The flexible one, of newer versions of each request, has lengths as an unsigned varint of length + 1 (0
 * for null), and every structure ends with a section of tagged fields, which a reader skips if it does not know them. A
 * reader and a writer are made for one of the two, so that the code of a request reads the same for both.
 */

import { foreignText } from "../foreignText.ts"

/** At most this many characters of a broker's words are kept. */
const MESSAGE_LENGTH = 1_024

/** Thrown where the bytes of an answer are not what its specification says. Then nothing of the answer may be used. */
export class ProtocolViolation extends Error {
  override readonly name = "ProtocolViolation"
  readonly detail: string
  constructor(detail: string) {
    super(detail)
    this.detail = detail
  }
}

/** The most array elements in one answer, as each becomes an object. This is far above what any cluster has to tell. */
const MAX_ELEMENTS = 1_000_000

/**
 * The longest wait that is believed of a broker, in milliseconds: as long as the largest quota window that makes sense.
 */
export const MAX_THROTTLE_MILLIS = 60_000

const UUID_BYTES = 16
const zeroUuid = Buffer.alloc(UUID_BYTES)

/** Every read checks its bounds first, and fails with a `ProtocolViolation`; no count is trusted before that. */
export class Reader {
  private position = 0
  private end: number
  /** Array elements that may still be read. */
  private elements = MAX_ELEMENTS
  private readonly buffer: Buffer
  readonly flexible: boolean

  constructor(buffer: Buffer, flexible: boolean) {
    this.buffer = buffer
    this.end = buffer.length
    this.flexible = flexible
  }

  get remaining(): number {
    return this.end - this.position
  }

  private advance(bytes: number): number {
    const at = this.position
    if (bytes > this.end - at) throw new ProtocolViolation(`${bytes} bytes expected at ${at}, ${this.end - at} left`)
    this.position = at + bytes
    return at
  }

  skip(bytes: number): void {
    this.advance(bytes)
  }

  boolean(): boolean {
    return this.int8() !== 0
  }

  int8(): number {
    return this.buffer.readInt8(this.advance(1))
  }

  int16(): number {
    return this.buffer.readInt16BE(this.advance(2))
  }

  int32(): number {
    return this.buffer.readInt32BE(this.advance(4))
  }

  /** Reads an `int64` that has to be exact as a number. */
  int64(): number {
    const at = this.advance(8)
    const value = this.buffer.readInt32BE(at) * 0x1_0000_0000 + this.buffer.readUInt32BE(at + 4)
    if (!Number.isSafeInteger(value)) {
      throw new ProtocolViolation(`${this.buffer.readBigInt64BE(at)} at ${at} is beyond 2^53`)
    }
    return value
  }

  /** Reads an `int64` that uses all of its bits, as ids do. */
  bigint64(): bigint {
    return this.buffer.readBigInt64BE(this.advance(8))
  }

  /** Reads an offset in a log; -1 where the broker does not say. */
  offset(): number {
    const at = this.position
    const value = this.int64()
    if (value < -1) throw new ProtocolViolation(`offset ${value} at ${at}`)
    return value
  }

  /** Reads an id as 22 characters of base64url, as Kafka prints it; `undefined` for the zero id. */
  uuid(): string | undefined {
    const at = this.advance(UUID_BYTES)
    const bytes = this.buffer.subarray(at, at + UUID_BYTES)
    return bytes.equals(zeroUuid) ? undefined : bytes.toString("base64url")
  }

  /** Reads the id of a topic, which is never the zero id. */
  topicId(): string {
    return this.notNull("topic id", this.uuid())
  }

  /** Reads at most 32 bits: seven in each byte, the lowest first, with the top bit set on all bytes but the last. */
  unsignedVarint(): number {
    const at = this.position
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.buffer[this.advance(1)]
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    const last = this.buffer[this.advance(1)]
    if (last > 0x0f) throw new ProtocolViolation(`varint above 32 bits at ${at}`)
    return value + last * 0x1000_0000
  }

  /** Reads a length, which is -1 for null. */
  private length(classic: "int16" | "int32"): number {
    if (this.flexible) return this.unsignedVarint() - 1
    const at = this.position
    const length = this[classic]()
    if (length < -1) throw new ProtocolViolation(`length ${length} at ${at}`)
    return length
  }

  private notNull<A>(what: string, value: A | undefined): A {
    if (value === undefined) throw new ProtocolViolation(`null ${what} before ${this.position}`)
    return value
  }

  string(): string {
    return this.notNull("string", this.nullableString())
  }

  nullableString(): string | undefined {
    const length = this.length("int16")
    if (length === -1) return undefined
    const at = this.advance(length)
    return this.buffer.toString("utf8", at, at + length)
  }

  /**
   * Reads what a broker says about an error, in one line. Some brokers say nothing by null, others by an empty string.
   */
  message(): string | undefined {
    const text = this.nullableString()
    return text === undefined || text === "" ? undefined : foreignText(text, MESSAGE_LENGTH)
  }

  /**
   * Reads how long a broker makes this client wait, in milliseconds: no number that it names makes us wait for days.
   */
  throttle(): number {
    return Math.min(Math.max(0, this.int32()), MAX_THROTTLE_MILLIS)
  }

  /** Reads bytes as a view of the reader's buffer. */
  nullableBytes(): Buffer | undefined {
    const length = this.length("int32")
    if (length === -1) return undefined
    const at = this.advance(length)
    return this.buffer.subarray(at, at + length)
  }

  bytes(): Buffer {
    return this.notNull("bytes", this.nullableBytes())
  }

  /** Reads an array of numbers, as of partitions. */
  int32s(): Array<number> {
    return this.array(() => this.int32())
  }

  array<A>(element: () => A, max?: number): Array<A> {
    return this.notNull("array", this.nullableArray(element, max))
  }

  /** Reads an array, or null. More than `max` elements cannot be meant, and are not read. */
  nullableArray<A>(element: () => A, max = MAX_ELEMENTS): Array<A> | undefined {
    const at = this.position
    const count = this.count(at, 1)
    if (count === -1) return undefined
    this.elements -= count
    if (count > max || this.elements < 0) throw new ProtocolViolation(`array of ${count} at ${at}, which is too many`)
    const elements: Array<A> = []
    for (let i = 0; i < count; i++) elements.push(element())
    return elements
  }

  /** Skips an array of numbers that nobody is interested in. */
  skipInt32s(): void {
    const at = this.position
    const count = this.count(at, 4)
    if (count === -1) throw new ProtocolViolation(`null array at ${at}`)
    this.skip(4 * count)
  }

  /** Reads the number of elements of an array, each of which has at least so many bytes; -1 for null. */
  private count(at: number, bytes: number): number {
    const count = this.length("int32")
    if (count * bytes > this.remaining) {
      throw new ProtocolViolation(`array of ${count} at ${at}, ${this.remaining} bytes left`)
    }
    return count
  }

  /**
   * Reads the tagged fields that end a structure: a count, then for each its tag, its size and its bytes. The classic
   * encoding has nothing there. `visit` returns whether it has read all of the field; a field that it leaves is
   * skipped.
   */
  tags(visit?: (tag: number) => boolean): void {
    if (!this.flexible) return
    const count = this.unsignedVarint()
    for (let i = 0; i < count; i++) {
      const tag = this.unsignedVarint()
      const size = this.unsignedVarint()
      const start = this.advance(size)
      if (visit === undefined) continue
      const after = this.position
      const end = this.end
      this.position = start
      this.end = after
      if (visit(tag) && this.position !== after) {
        throw new ProtocolViolation(`${after - this.position} bytes too many in tagged field ${tag} at ${start}`)
      }
      this.position = after
      this.end = end
    }
  }

  /** Ends an answer. If a byte of it is left, it was misunderstood. */
  finish(): void {
    if (this.remaining > 0) throw new ProtocolViolation(`${this.remaining} bytes too many at ${this.position}`)
  }
}

/**
 * Writes into a buffer that grows as needed. A value that does not fit its field is the caller's mistake, and throws a
 * `RangeError`.
 */
export class Writer {
  private buffer: Buffer
  private size = 0
  readonly flexible: boolean

  constructor(flexible: boolean, capacity = 256) {
    this.buffer = Buffer.allocUnsafe(capacity)
    this.flexible = flexible
  }

  /**
   * Makes room, and returns where it begins. It may replace the buffer, so it comes before `this.buffer` is looked at.
   */
  private reserve(bytes: number): number {
    const at = this.size
    const needed = at + bytes
    if (needed > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2))
      this.buffer.copy(larger, 0, 0, at)
      this.buffer = larger
    }
    this.size = needed
    return at
  }

  /** What was written, as a view of the buffer: the writer must not be used afterwards. */
  toBuffer(): Buffer {
    return this.buffer.subarray(0, this.size)
  }

  boolean(value: boolean): void {
    this.int8(value ? 1 : 0)
  }

  private uint8(value: number): void {
    const at = this.reserve(1)
    this.buffer.writeUInt8(value, at)
  }

  int8(value: number): void {
    const at = this.reserve(1)
    this.buffer.writeInt8(value, at)
  }

  int16(value: number): void {
    const at = this.reserve(2)
    this.buffer.writeInt16BE(value, at)
  }

  int32(value: number): void {
    const at = this.reserve(4)
    this.buffer.writeInt32BE(value, at)
  }

  int64(value: number | bigint): void {
    const at = this.reserve(8)
    this.buffer.writeBigInt64BE(BigInt(value), at)
  }

  /** Writes an id of 22 characters of base64url; `undefined` is the zero id. */
  uuid(value: string | undefined): void {
    const bytes = value === undefined ? zeroUuid : Buffer.from(value, "base64url")
    if (bytes.length !== UUID_BYTES) throw new RangeError(`not an id: ${value}`)
    const at = this.reserve(UUID_BYTES)
    bytes.copy(this.buffer, at)
  }

  unsignedVarint(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.uint8((rest % 0x80) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    this.uint8(rest)
  }

  private length(classic: "int16" | "int32", value: number): void {
    if (this.flexible) this.unsignedVarint(value + 1)
    else this[classic](value)
  }

  string(value: string): void {
    const bytes = Buffer.byteLength(value)
    this.length("int16", bytes)
    const at = this.reserve(bytes)
    this.buffer.write(value, at, "utf8")
  }

  nullableString(value: string | undefined): void {
    if (value === undefined) this.length("int16", -1)
    else this.string(value)
  }

  bytes(value: Uint8Array): void {
    this.length("int32", value.length)
    const at = this.reserve(value.length)
    this.buffer.set(value, at)
  }

  array<A>(elements: ReadonlyArray<A>, element: (value: A) => void): void {
    this.length("int32", elements.length)
    for (const value of elements) element(value)
  }

  nullArray(): void {
    this.length("int32", -1)
  }

  nullableArray<A>(elements: ReadonlyArray<A> | undefined, element: (value: A) => void): void {
    if (elements === undefined) this.nullArray()
    else this.array(elements, element)
  }

  nullableBytes(value: Uint8Array | undefined): void {
    if (value === undefined) this.length("int32", -1)
    else this.bytes(value)
  }

  int32s(numbers: ReadonlyArray<number>): void {
    this.array(numbers, (number) => this.int32(number))
  }

  /** Ends a structure, with no tagged fields: no request of ours has any. */
  tags(): void {
    if (this.flexible) this.unsignedVarint(0)
  }
}
