/**
 * Codecs of several parts, whose bytes are in the order of the parts, and begin with those of the first parts.
 *
 * The bytes are those of the parts, one after the other. No part's bytes are the beginning of other ones of that part, so
 * what follows takes no part in a comparison before the parts themselves differ. Which part has which form stands in the
 * codec, so there are no type codes between them.
 *
 * - An integer is big-endian, and a signed one has its first bit flipped: -1 is 0x7fffffff, 0 is 0x80000000.
 * - Text and all other bytes are written as FoundationDB's tuple layer writes byte strings, with 0x00 as 0x00 0xff. The end
 *   is 0x00 0x00, where FoundationDB has a single 0x00: there a type code follows, which is never 0xff, and here an
 *   integer may begin with 0xff. https://github.com/apple/foundationdb/blob/main/design/tuple.md
 * - A tuple as a part is its own parts.
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { Codec, Suspended } from "../../Codec.ts"
import { copyBytes, viewOf } from "../bytes.ts"
import { codec, failureOf, isCodec, rescued, suspended, unusable } from "./codec.ts"
import { type FixedInteger, integerOf, sizeError, utf8 } from "./plain.ts"
import { kindOfValue } from "./schema/faults.ts"
import * as issue from "./schema/issue.ts"
import { PROTO } from "./schema/proto.ts"
import { encodeText } from "./schema/text.ts"

/** Follows a 0x00 that is a byte of the part. */
const ESCAPED = 0xff

/** Follows the 0x00 that ends the part. */
const END = 0x00

/** Flips the sign of an integer whose first byte this is. */
const SIGN = 0x80

// ---------------------------------------------------------------------------------------------------------------------
// bytes
// ---------------------------------------------------------------------------------------------------------------------

/** A writer whose memory has grown above this many bytes is not used again. */
const KEPT_SIZE = 64 * 1024

/** The bytes of a value while they are made. */
class Writer {
  #buffer = Buffer.allocUnsafeSlow(256)
  #at = 0

  get isKept(): boolean {
    return this.#buffer.length <= KEPT_SIZE
  }

  /** The memory, with room for so many bytes more. */
  #reserve(size: number): Buffer {
    if (this.#at + size > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(2 * (this.#at + size))
      this.#buffer.copy(larger, 0, 0, this.#at)
      this.#buffer = larger
    }
    return this.#buffer
  }

  #end(at: number): void {
    this.#buffer[at] = 0
    this.#buffer[at + 1] = END
    this.#at = at + 2
  }

  /** Writes text, strictly: throws a `SchemaError` where it is none, or not well-formed. */
  text(text: string): void {
    if (typeof text !== "string") return this.bytes(encodeText(text))
    const buffer = this.#reserve(2 * text.length + 2)
    let at = this.#at
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) return this.bytes(encodeText(text))
      buffer[at++] = unit
      if (unit === 0) buffer[at++] = ESCAPED
    }
    this.#end(at)
  }

  bytes(bytes: Uint8Array): void {
    const buffer = this.#reserve(2 * bytes.length + 2)
    let at = this.#at
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]
      buffer[at++] = byte
      if (byte === 0) buffer[at++] = ESCAPED
    }
    this.#end(at)
  }

  /** Writes an integer: throws a `SchemaError` where the value is none that fits. */
  integer<A>({ expect, isSigned, size, write }: FixedInteger<A>, value: A): void {
    expect(value)
    const buffer = this.#reserve(size)
    write(buffer, value, this.#at)
    if (isSigned) buffer[this.#at] ^= SIGN
    this.#at += size
  }

  /** What was written, in memory of its own. The writer begins anew. */
  take(): Buffer {
    const bytes = Buffer.allocUnsafe(this.#at)
    this.#buffer.copy(bytes, 0, 0, this.#at)
    this.#at = 0
    return bytes
  }

  clear(): void {
    this.#at = 0
  }
}

/** The writer that is free now. A function of a user's that is called meanwhile may encode something, too, by another one. */
let free: Writer | undefined

/** What was written, or `suspended` where that said false. */
const written = (write: (writer: Writer) => boolean): Buffer | Suspended => {
  const writer = free ?? new Writer()
  free = undefined
  try {
    return write(writer) ? writer.take() : suspended
  } finally {
    writer.clear()
    if (writer.isKept) free = writer
  }
}

/** Where an integer's sign is flipped back, as the bytes themselves are not changed. */
const flipped = Buffer.alloc(8)

/** The bytes of a value while they are read, part by part. */
class Reader {
  readonly #buffer: Buffer
  readonly #end: number
  #at: number
  /** Where the bytes of the part lie that was found last, as they were before they were escaped. */
  part: Buffer
  from = 0
  to = 0

  constructor(buffer: Buffer, start: number, end: number) {
    this.#buffer = buffer
    this.#at = start
    this.#end = end
    this.part = buffer
  }

  /** Goes on to the next part, which is text or bytes. */
  bytes(): void {
    const buffer = this.#buffer
    const start = this.#at
    const last = this.#end - 1
    let escapes = 0
    for (let at = start; at < last; at++) {
      if (buffer[at] !== 0) continue
      const next = buffer[++at]
      if (next === END) {
        this.#at = at + 1
        return this.#found(start, at - 1, escapes)
      }
      if (next !== ESCAPED) break
      escapes++
    }
    const actual = issue.hex(buffer, start, this.#end)
    throw issue.codecError("Expected the end of a part (0x0000)", {
      quoting: () => `Expected the end of a part (0x0000), actual ${actual}`
    })
  }

  #found(start: number, end: number, escapes: number): void {
    if (escapes === 0) {
      this.part = this.#buffer
      this.from = start
      this.to = end
      return
    }
    const part = Buffer.allocUnsafe(end - start - escapes)
    for (let from = start, to = 0; from < end; to++) {
      const byte = this.#buffer[from]
      part[to] = byte
      from += byte === 0 ? 2 : 1
    }
    this.part = part
    this.from = 0
    this.to = part.length
  }

  integer<A>(integer: FixedInteger<A>): A {
    const { isSigned, read, size } = integer
    const start = this.#at
    if (this.#end - start < size) throw sizeError(integer, this.#buffer, start, this.#end)
    this.#at = start + size
    if (!isSigned) return read(this.#buffer, start)
    for (let i = 0; i < size; i++) flipped[i] = this.#buffer[start + i]
    flipped[0] ^= SIGN
    return read(flipped, 0)
  }

  expectEnd(): void {
    if (this.#at === this.#end) return
    const actual = issue.hex(this.#buffer, this.#at, this.#end)
    throw issue.codecError("Expected nothing after the last part", {
      figures: `, actual ${this.#end - this.#at} bytes`,
      quoting: () => `Expected nothing after the last part, actual ${actual}`
    })
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// parts
// ---------------------------------------------------------------------------------------------------------------------

/** How a part is written and read. What throws, throws anything; what is an Effect fails with a `SchemaError` or dies. */
interface Layout {
  /** False where only `writeEffect` can. */
  readonly write: (writer: Writer, value: unknown) => boolean
  /** `suspended` where only `readEffect` can. */
  readonly read: (reader: Reader) => unknown
  readonly writeEffect: (writer: Writer, value: unknown) => Effect.Effect<void, Schema.SchemaError>
  readonly readEffect: (reader: Reader) => Effect.Effect<unknown, Schema.SchemaError>
}

/** A part that needs no Effect. */
const syncLayout = (write: (writer: Writer, value: unknown) => void, read: (reader: Reader) => unknown): Layout => ({
  write: (writer, value) => {
    write(writer, value)
    return true
  },
  read,
  writeEffect: (writer, value) => Effect.sync(() => write(writer, value)),
  readEffect: (reader) => Effect.sync(() => read(reader))
})

const text = syncLayout(
  (writer, value) => writer.text(value as string),
  (reader) => {
    reader.bytes()
    return utf8.decodeSync(reader.part, reader.from, reader.to)
  }
)

const integerLayout = (integer: FixedInteger<unknown>): Layout =>
  syncLayout(
    (writer, value) => writer.integer(integer, value),
    (reader) => reader.integer(integer)
  )

const bytesLayout = (self: Codec<unknown>): Layout => ({
  write: (writer, value) => {
    const bytes = self.encodeSync(value)
    if (bytes === suspended) return false
    writer.bytes(bytes)
    return true
  },
  read: (reader) => {
    reader.bytes()
    return self.decodeSync(reader.part, reader.from, reader.to)
  },
  writeEffect: (writer, value) => Effect.map(self.encode(value), (bytes) => writer.bytes(bytes)),
  readEffect: (reader) => {
    reader.bytes()
    return self.decode(reader.part.subarray(reader.from, reader.to))
  }
})

/** The tuples among the codecs. */
const tuples = new WeakMap<object, Tuple>()

const layoutOf = (self: Codec<unknown>): Layout => {
  const integer = integerOf(self)
  if (integer !== undefined) return integerLayout(integer)
  return (self as unknown) === utf8 ? text : (tuples.get(self) ?? bytesLayout(self))
}

/** Several parts one after the other. */
class Tuple implements Layout {
  readonly names: ReadonlyArray<string>
  readonly #layouts: ReadonlyArray<Layout>

  constructor(parts: ReadonlyArray<readonly [name: string, part: Codec<unknown>]>) {
    this.names = parts.map(([name]) => name)
    this.#layouts = parts.map(([, part]) => layoutOf(part))
  }

  readonly write = (writer: Writer, value: unknown): boolean => this.writeFirst(this.names.length, writer, value)

  /** Writes the first parts only, `count` of them. */
  writeFirst(count: number, writer: Writer, value: unknown): boolean {
    expectObject(value)
    let i = 0
    try {
      for (; i < count; i++) {
        if (!this.#layouts[i].write(writer, value[this.names[i]])) return false
      }
    } catch (thrown) {
      throw issue.within(this.names[i], issue.errorOf(thrown))
    }
    return true
  }

  readonly read = (reader: Reader): unknown => {
    const value: Record<string, unknown> = {}
    let i = 0
    try {
      for (; i < this.names.length; i++) {
        const part = this.#layouts[i].read(reader)
        if (part === suspended) return suspended
        value[this.names[i]] = part
      }
    } catch (thrown) {
      throw issue.within(this.names[i], issue.errorOf(thrown))
    }
    return value
  }

  readonly writeEffect = (writer: Writer, value: unknown): Effect.Effect<void, Schema.SchemaError> => {
    expectObject(value)
    return Effect.asVoid(this.#forEach((layout, name) => layout.writeEffect(writer, value[name])))
  }

  readonly readEffect = (reader: Reader): Effect.Effect<unknown, Schema.SchemaError> =>
    Effect.map(
      this.#forEach((layout) => layout.readEffect(reader)),
      (parts) => Object.fromEntries(parts.map((part, i) => [this.names[i], part]))
    )

  /** Does something for one part after the other. */
  #forEach<A>(f: (layout: Layout, name: string) => Effect.Effect<A, Schema.SchemaError>) {
    return Effect.forEach(this.#layouts, (layout, i) =>
      Effect.mapError(
        rescued(() => f(layout, this.names[i])),
        (error) => issue.within(this.names[i], error)
      )
    )
  }
}

function expectObject(value: unknown): asserts value is Record<string, unknown> {
  if (typeof value === "object" && value !== null) return
  throw issue.codecError(`Expected an object, actual ${kindOfValue(value)}`, {
    quoting: () => `Expected an object, actual ${issue.format(value)}`
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// the codec
// ---------------------------------------------------------------------------------------------------------------------

/** The names that JavaScript puts in front of all others, in the order of their numbers. */
const INTEGER = /^(0|[1-9]\d*)$/

const problemOfPart = (name: string, part: unknown): string | undefined => {
  if (INTEGER.test(name)) {
    return "its name must not be a whole number, as JavaScript puts such names in front of others: the order of the parts is that of their bytes"
  }
  if (name === PROTO) return "no part can have this name"
  if (!isCodec(part)) return "must be a Codec, such as Codec.utf8"
  return part.problem
}

/** Why there is no codec of these parts, if there is none. */
const problemOf = (entries: ReadonlyArray<readonly [name: string, part: unknown]>, hasSymbols: boolean) => {
  const problems = entries.flatMap(([name, part]) => {
    const problem = problemOfPart(name, part)
    return problem === undefined ? [] : [`${issue.excerpt(name)}: ${problem}`]
  })
  if (hasSymbols) problems.push("the name of a part must be a string, and no symbol")
  if (entries.length === 0 && !hasSymbols) problems.push("there must be at least one part")
  return problems.length === 0 ? undefined : `Codec.tuple: ${problems.join("; ")}`
}

/** @internal */
export const tuple = <A extends object>(parts: { readonly [K in keyof A]-?: Codec<A[K]> }): Codec<{
  readonly [K in keyof A]: A[K]
}> => {
  type Value = { readonly [K in keyof A]: A[K] }
  const isObject = typeof parts === "object" && parts !== null
  const entries: ReadonlyArray<readonly [string, unknown]> = isObject ? Object.entries(parts) : []
  const problem = problemOf(entries, isObject && Object.getOwnPropertySymbols(parts).length > 0)
  if (problem !== undefined) return unusable(problem)
  const checked = entries as ReadonlyArray<readonly [string, Codec<unknown>]>
  const layout = new Tuple(checked)
  const isSecret = checked.some(([, part]) => part.secret === true)
  const failure = failureOf(() => isSecret)
  const made = codec<Value>({
    text: false,
    ...(isSecret ? { secret: true } : {}),
    decodeSync: (buffer, start, end) => {
      try {
        const reader = new Reader(buffer, start, end)
        const value = layout.read(reader)
        if (value === suspended) return suspended
        reader.expectEnd()
        return value as Value
      } catch (thrown) {
        throw failure(thrown)
      }
    },
    encodeSync: (value) => {
      try {
        return written((writer) => layout.write(writer, value))
      } catch (thrown) {
        throw failure(thrown)
      }
    },
    // The bytes are copied when the call is made, as the Effect of a part may wait.
    decode: (bytes) => {
      const copy = viewOf(copyBytes(viewOf(bytes), 0, bytes.length))
      return Effect.mapError(
        rescued(() => {
          const reader = new Reader(copy, 0, copy.length)
          return Effect.map(layout.readEffect(reader), (value) => {
            reader.expectEnd()
            return value as Value
          })
        }),
        failure
      )
    },
    encode: (value) =>
      Effect.mapError(
        rescued(() => {
          const writer = new Writer()
          return Effect.map(layout.writeEffect(writer, value), () => writer.take())
        }),
        failure
      )
  })
  tuples.set(made, layout)
  return made
}

// ---------------------------------------------------------------------------------------------------------------------
// prefixes
// ---------------------------------------------------------------------------------------------------------------------

/** What all keys begin with that begin with something, or why nothing can be told to begin so. */
export type Prefix = { readonly bytes: Buffer; readonly problem?: never } | { readonly problem: string }

/**
 * The bytes that the keys begin with whose first parts these are. Of keys that are text or bytes, a text or bytes are
 * asked for instead. This never throws.
 */
export const prefixOf = <A>(self: Codec<A>, first: unknown): Prefix => {
  try {
    const layout = tuples.get(self)
    if (layout !== undefined) return prefixOfTuple(layout, first)
    if (self.text) return { bytes: viewOf(encodeText(first as string)) }
    if (first instanceof Uint8Array) return { bytes: Buffer.from(first) }
    return { problem: "must be bytes, as the keys are neither text nor those of Codec.tuple" }
  } catch (thrown) {
    return { problem: issue.errorOf(thrown).message }
  }
}

const prefixOfTuple = (layout: Tuple, first: unknown): Prefix => {
  const { names } = layout
  expectObject(first)
  const unknown = Object.keys(first).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    return { problem: `must have parts of the key only (${names.join(", ")}), actual ${issue.excerpt(unknown)}` }
  }
  const missing = names.findIndex((name) => !(name in first))
  const count = missing === -1 ? names.length : missing
  const later = names.slice(count).find((name) => name in first)
  if (later !== undefined) {
    return { problem: `must have the first parts of the key: ${later} is there, and ${names[count]} before it is not` }
  }
  const bytes = written((writer) => layout.writeFirst(count, writer, first))
  return bytes === suspended ? { problem: "cannot be told, as the codec of a part needs an Effect" } : { bytes }
}
