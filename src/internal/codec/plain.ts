/** Codecs of text, bytes and numbers. */
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

const fixed = <A>(
  name: string,
  size: number,
  fits: (value: A) => boolean,
  read: (buffer: Buffer, at: number) => A,
  write: (buffer: Buffer, value: A) => number
): Codec<A> =>
  fromSync(
    false,
    (buffer, start, end) => {
      if (end - start !== size) {
        const actual = issue.hex(buffer, start, end)
        throw issue.codecError(`Expected ${size} bytes (${name})`, {
          figures: `, actual ${end - start}`,
          quoting: () => `Expected ${size} bytes (${name}), actual ${actual}`
        })
      }
      return read(buffer, start)
    },
    (value) => {
      if (!fits(value)) {
        throw issue.codecError(`Expected an integer that fits ${name}, actual ${kindOfValue(value)}`, {
          quoting: () => `Expected an integer that fits ${name}, actual ${issue.format(value)}`
        })
      }
      const buffer = Buffer.alloc(size)
      write(buffer, value)
      return buffer
    }
  )

/** @internal */
export const int32: Codec<number> = fixed(
  "int32",
  4,
  (value) => typeof value === "number" && (value | 0) === value,
  (buffer, at) => buffer.readInt32BE(at),
  (buffer, value) => buffer.writeInt32BE(value)
)

/** @internal */
export const uint32: Codec<number> = fixed(
  "uint32",
  4,
  (value) => typeof value === "number" && value >>> 0 === value,
  (buffer, at) => buffer.readUInt32BE(at),
  (buffer, value) => buffer.writeUInt32BE(value)
)

/** @internal */
export const int64: Codec<bigint> = fixed(
  "int64",
  8,
  (value) => typeof value === "bigint" && BigInt.asIntN(64, value) === value,
  (buffer, at) => buffer.readBigInt64BE(at),
  (buffer, value) => buffer.writeBigInt64BE(value)
)

/** @internal */
export const uint64: Codec<bigint> = fixed(
  "uint64",
  8,
  (value) => typeof value === "bigint" && BigInt.asUintN(64, value) === value,
  (buffer, at) => buffer.readBigUInt64BE(at),
  (buffer, value) => buffer.writeBigUInt64BE(value)
)
