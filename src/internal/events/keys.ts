/** Keys of events: text, or bytes. */
import * as Effect from "effect/Effect"
import type { Codec } from "../../Codec.ts"
import { codec } from "../codec/codec.ts"
import { bytes, utf8 } from "../codec/plain.ts"

export type EventKey = string | Uint8Array

const codecOf = (key: EventKey): Codec<EventKey> =>
  (typeof key === "string" ? utf8 : bytes) as unknown as Codec<EventKey>

/** Writes text in UTF-8, and bytes as they are. */
export const keys: Codec<EventKey> = codec<EventKey>({
  text: false,
  decodeSync: bytes.decodeSync,
  decode: bytes.decode,
  encodeSync: (key) => codecOf(key).encodeSync(key),
  encode: (key) => Effect.suspend(() => codecOf(key).encode(key))
})
