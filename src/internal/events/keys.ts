/** Keys of events: text, or bytes. */
import type { Codec } from "../../Codec.ts"
import { copyBytes } from "../bytes.ts"
import { fromSync } from "../codec/codec.ts"
import { kindOfValue } from "../codec/schema/faults.ts"
import { codecError } from "../codec/schema/issue.ts"
import { encodeText } from "../codec/schema/text.ts"

export type EventKey = string | Uint8Array

/** Writes text in UTF-8, and bytes as they are. Without types, a key may be anything. */
export const keys: Codec<EventKey> = fromSync<EventKey>(false, copyBytes, (key) => {
  if (typeof key === "string") return encodeText(key)
  if (key instanceof Uint8Array) return Buffer.from(key)
  throw codecError(`Expected a string, a Uint8Array or null, actual ${kindOfValue(key)}`)
})
