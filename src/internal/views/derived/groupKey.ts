/**
 * The keys of groups as bytes, by which they are told apart and ordered: a text as its UTF-8, so that its beginning is that of
 * the bytes; all else begins with a byte that no text begins with.
 */
import type { Codec } from "../../../Codec.ts"
import { codec } from "../../codec/codec.ts"
import { encodeText } from "../../codec/schema/text.ts"
import type { Prefix as KeyPrefix } from "../../codec/tuple.ts"
import { viewOf } from "../../bytes.ts"
import type { IndexKey } from "../../../TableIndex.ts"
import { isList, type Item, type Key, normalized } from "../indexKey.ts"
import * as Effect from "effect/Effect"

/** First bytes, none of which begins a character in UTF-8. */
const BOOLEAN = 0xf8
const NUMBER = 0xf9
const DATE = 0xfa
const BIGINT = 0xfb
const LIST = 0xfc

/** A double in the order of its bytes: its sign bit is flipped, and all bits of a negative one. */
const doubleBytes = (type: number, number: number): Buffer => {
  const bytes = Buffer.alloc(9)
  bytes[0] = type
  bytes.writeDoubleBE(number, 1)
  if ((bytes[1] & 0x80) === 0) bytes[1] ^= 0x80
  else for (let i = 1; i < 9; i++) bytes[i] ^= 0xff
  return bytes
}

/** A bigint in the order of its bytes: its sign, how many bytes it has, and these; all but the sign inverted below 0. */
const bigintBytes = (number: bigint): Buffer => {
  const isNegative = number < 0n
  const digits = (isNegative ? -number : number).toString(16)
  const magnitude = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex")
  const bytes = Buffer.alloc(6 + magnitude.length)
  bytes[0] = BIGINT
  bytes[1] = isNegative ? 0 : 1
  bytes.writeUInt32BE(magnitude.length, 2)
  magnitude.copy(bytes, 6)
  if (isNegative) for (let i = 2; i < bytes.length; i++) bytes[i] ^= 0xff
  return bytes
}

const itemBytes = (item: Item): Buffer => {
  switch (typeof item) {
    case "string":
      return viewOf(encodeText(item))
    case "boolean":
      return Buffer.from([BOOLEAN, item ? 1 : 0])
    case "number":
      return doubleBytes(NUMBER, item)
    case "bigint":
      return bigintBytes(item)
    case "object":
      return doubleBytes(DATE, item.getTime())
  }
}

/** An item of a list: 0x00 is escaped, and the end is 0x00 0x00, so that no item begins another one. */
const escaped = (bytes: Buffer): Buffer => {
  const all: Array<number> = []
  for (const byte of bytes) {
    all.push(byte)
    if (byte === 0) all.push(0xff)
  }
  all.push(0, 0)
  return Buffer.from(all)
}

export const groupKeyBytes = (key: Key): Buffer =>
  isList(key) ? Buffer.concat([Buffer.from([LIST]), ...key.map((item) => escaped(itemBytes(item)))]) : itemBytes(key)

/** The bytes of a key as somebody gives it. */
const encoded = (key: unknown): Buffer => {
  const found = normalized(key as IndexKey, true)
  if (found === undefined) throw new TypeError("must be what can be the key of a group")
  return groupKeyBytes(found)
}

/** The codec of groups' keys, which are looked up by it, and never decoded. */
export const groupKeyCodec: Codec<unknown> = codec<unknown>({
  text: false,
  encodeSync: encoded,
  encode: (key) => Effect.sync(() => encoded(key)),
  decodeSync: () => undefined,
  decode: () => Effect.void
})

/** The bytes that the keys of groups begin with which begin with a text, or with the first items of a list. */
export const groupKeyPrefix = (first: unknown): KeyPrefix => {
  const key = normalized(first as IndexKey, true)
  return typeof key === "string" || (key !== undefined && isList(key))
    ? { bytes: groupKeyBytes(key) }
    : { problem: "must be a text, or the first items of a list" }
}
