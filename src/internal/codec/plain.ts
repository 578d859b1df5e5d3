/** Codecs of text, bytes and numbers. */
import type * as Schema from "effect/Schema"
import type { Codec } from "../../Codec.ts"
import { copyBytes } from "../bytes.ts"
import { encodeText, expectBytes, readText } from "./schema/text.ts"
import { asBytes, codec, fromSync } from "./codec.ts"
import { kindOfValue } from "./schema/faults.ts"
import * as issue from "./schema/issue.ts"

/** @internal */
export const utf8: Codec<string> = fromSync(true, readText, encodeText)

/** @internal */
export const bytes: Codec<Uint8Array> = codec({
  ...fromSync(false, copyBytes, (value: Uint8Array) => Buffer.from(expectBytes(value))),
  stored: { check: () => asBytes, load: copyBytes, once: false }
})

// ---------------------------------------------------------------------------------------------------------------------
// numbers
// ---------------------------------------------------------------------------------------------------------------------

/** How the values of a codec are integers of one size. */
export interface FixedInteger<A> {
  /** What it is called in messages. */
  readonly name: string
  /** How many bytes each value has. */
  readonly size: number
  readonly isSigned: boolean
  /** Throws a `SchemaError` where the value is no such integer. */
  readonly expect: (value: A) => void
  readonly read: (buffer: Buffer, at: number) => A
  readonly write: (buffer: Buffer, value: A, at: number) => void
}

const integers = new WeakMap<Codec<never>, FixedInteger<never>>()

/** How the values of one of the codecs here are integers; `undefined` for all other codecs. */
export const integerOf = <A>(self: Codec<A>): FixedInteger<A> | undefined =>
  integers.get(self as unknown as Codec<never>) as unknown as FixedInteger<A> | undefined

/** What is told where there are not as many bytes as there should be. */
export const sizeError = (
  { name, size }: Pick<FixedInteger<never>, "name" | "size">,
  buffer: Buffer,
  start: number,
  end: number
): Schema.SchemaError => {
  const actual = issue.hex(buffer, start, end)
  return issue.codecError(`Expected ${size} bytes (${name})`, {
    figures: `, actual ${end - start}`,
    quoting: () => `Expected ${size} bytes (${name}), actual ${actual}`
  })
}

const fixed = <A>(
  name: string,
  size: number,
  fits: (value: A) => boolean,
  read: (buffer: Buffer, at: number) => A,
  write: (buffer: Buffer, value: A, at: number) => void
): Codec<A> => {
  const expect = (value: A): void => {
    if (fits(value)) return
    throw issue.codecError(`Expected an integer that fits ${name}, actual ${kindOfValue(value)}`, {
      quoting: () => `Expected an integer that fits ${name}, actual ${issue.format(value)}`
    })
  }
  const integer: FixedInteger<A> = { name, size, isSigned: !name.startsWith("u"), expect, read, write }
  const made = fromSync<A>(
    false,
    (buffer, start, end) => {
      if (end - start !== size) throw sizeError(integer, buffer, start, end)
      return read(buffer, start)
    },
    (value) => {
      expect(value)
      const buffer = Buffer.alloc(size)
      write(buffer, value, 0)
      return buffer
    }
  )
  integers.set(made as unknown as Codec<never>, integer as unknown as FixedInteger<never>)
  return made
}

/** @internal */
export const int32: Codec<number> = fixed(
  "int32",
  4,
  (value) => typeof value === "number" && (value | 0) === value,
  (buffer, at) => buffer.readInt32BE(at),
  (buffer, value, at) => buffer.writeInt32BE(value, at)
)

/** @internal */
export const uint32: Codec<number> = fixed(
  "uint32",
  4,
  (value) => typeof value === "number" && value >>> 0 === value,
  (buffer, at) => buffer.readUInt32BE(at),
  (buffer, value, at) => buffer.writeUInt32BE(value, at)
)

/** @internal */
export const int64: Codec<bigint> = fixed(
  "int64",
  8,
  (value) => typeof value === "bigint" && BigInt.asIntN(64, value) === value,
  (buffer, at) => buffer.readBigInt64BE(at),
  (buffer, value, at) => buffer.writeBigInt64BE(value, at)
)

/** @internal */
export const uint64: Codec<bigint> = fixed(
  "uint64",
  8,
  (value) => typeof value === "bigint" && BigInt.asUintN(64, value) === value,
  (buffer, at) => buffer.readBigUInt64BE(at),
  (buffer, value, at) => buffer.writeBigUInt64BE(value, at)
)
