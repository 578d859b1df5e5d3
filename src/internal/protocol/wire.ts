/**
 * The primitives of Kafka's protocol, on plain buffers. Big-endian throughout.
 *
 * There are two encodings. The classic one has fixed-size lengths (`int16` for strings, `int32` for bytes and arrays, -1
 * for null). The flexible one, of newer versions of each request, has lengths as an unsigned varint of length + 1 (0 for
 * null), and every structure ends with a section of tagged fields, which a reader skips if it does not know them. A
 * reader and a writer are made for one of the two, so that the code of a request reads the same for both.
 */

import { foreignText } from "../foreignText.ts"

/** How much of a broker's words is kept. */
const MESSAGE_LENGTH = 1_024

/** The bytes are not what the request's specification says. Nothing of the answer is to be used. */
export class ProtocolViolation extends Error {
  override readonly name = "ProtocolViolation"
  readonly detail: string
  constructor(detail: string) {
    super(detail)
    this.detail = detail
  }
}

/** Array elements of one answer, each of which becomes an object: far above what any cluster has to tell. */
const MAX_ELEMENTS = 1_000_000

/** A broker with the largest quota window that makes sense holds a client back for as long, in milliseconds. */
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

  /** An `int64` that has to be exact as a number. */
  int64(): number {
    const at = this.advance(8)
    const value = this.buffer.readInt32BE(at) * 0x1_0000_0000 + this.buffer.readUInt32BE(at + 4)
    if (!Number.isSafeInteger(value)) {
      throw new ProtocolViolation(`${this.buffer.readBigInt64BE(at)} at ${at} is beyond 2^53`)
    }
    return value
  }

  /** For ids, which use all 64 bits. */
  bigint64(): bigint {
    return this.buffer.readBigInt64BE(this.advance(8))
  }

  /** An offset in a log; -1 where the broker does not say. */
  offset(): number {
    const at = this.position
    const value = this.int64()
    if (value < -1) throw new ProtocolViolation(`offset ${value} at ${at}`)
    return value
  }

  /** 22 characters of base64url, as Kafka prints it; `undefined` for the zero id. */
  uuid(): string | undefined {
    const at = this.advance(UUID_BYTES)
    const bytes = this.buffer.subarray(at, at + UUID_BYTES)
    return bytes.equals(zeroUuid) ? undefined : bytes.toString("base64url")
  }

  /** 32 bits at most: seven per byte, the lowest first, the top bit set on all bytes but the last. */
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

  /** -1 for null. */
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

  /** What a broker says about an error, in one line: some say nothing with null, some with an empty string. */
  message(): string | undefined {
    const text = this.nullableString()
    return text === undefined || text === "" ? undefined : foreignText(text, MESSAGE_LENGTH)
  }

  /** For how many milliseconds a broker holds this client back: no number that it names makes us wait for days. */
  throttle(): number {
    return Math.min(Math.max(0, this.int32()), MAX_THROTTLE_MILLIS)
  }

  /** A view of the reader's buffer, no copy. */
  nullableBytes(): Buffer | undefined {
    const length = this.length("int32")
    if (length === -1) return undefined
    const at = this.advance(length)
    return this.buffer.subarray(at, at + length)
  }

  array<A>(element: () => A, max?: number): Array<A> {
    return this.notNull("array", this.nullableArray(element, max))
  }

  /** `max`: more elements than that cannot be meant. */
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

  /** An array of numbers that nobody is interested in. */
  skipInt32s(): void {
    const at = this.position
    const count = this.count(at, 4)
    if (count === -1) throw new ProtocolViolation(`null array at ${at}`)
    this.skip(4 * count)
  }

  /** The number of elements of an array, of so many bytes each at least; -1 for null. */
  private count(at: number, bytes: number): number {
    const count = this.length("int32")
    if (count * bytes > this.remaining) {
      throw new ProtocolViolation(`array of ${count} at ${at}, ${this.remaining} bytes left`)
    }
    return count
  }

  /**
   * The tagged fields that end a structure: a count, then for each its tag, its size and its bytes; nothing at all in the
   * classic encoding. `visit` returns whether it read the field, all of it; others are skipped.
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

  /** An answer has been read when no byte of it is left: anything else means that it was misunderstood. */
  finish(): void {
    if (this.remaining > 0) throw new ProtocolViolation(`${this.remaining} bytes too many at ${this.position}`)
  }
}

/** Grows as needed. Values that do not fit their field are the caller's mistake, and throw a `RangeError`. */
export class Writer {
  private buffer: Buffer
  private size = 0
  readonly flexible: boolean

  constructor(flexible: boolean, capacity = 256) {
    this.buffer = Buffer.allocUnsafe(capacity)
    this.flexible = flexible
  }

  /** May replace the buffer: to be called before `this.buffer` is looked at. */
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

  /** What was written, as a view: the writer is not to be used afterwards. */
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

  /** 22 characters of base64url; `undefined` is the zero id. */
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

  /** Ends a structure. No request of ours has tagged fields. */
  tags(): void {
    if (this.flexible) this.unsignedVarint(0)
  }
}
