/** Text and bytes as callers give them, and what is told where they are not what they should be. */
import { isUtf8 } from "node:buffer"
import { kindOfValue } from "./faults.ts"
import * as issue from "./issue.ts"

/**
 * What a caller without types may have passed for bytes: refused here, as `new Uint8Array` takes a number for a length.
 *
 * @throws `SchemaError`
 * @internal
 */
export const expectBytes = (bytes: Uint8Array): Uint8Array => {
  if (!(bytes instanceof Uint8Array)) {
    throw issue.codecError(`Expected a Uint8Array, actual ${kindOfValue(bytes)}`, {
      quoting: () => `Expected a Uint8Array, actual ${issue.format(bytes)}`
    })
  }
  return bytes
}

/**
 * Strict UTF-8.
 *
 * @throws `SchemaError`
 * @internal
 */
export const readText = (buffer: Buffer, start: number, end: number): string => {
  const text = buffer.toString("utf8", start, end)
  // Malformed bytes are read as U+FFFD. So is the character itself, which is rare: only then is it worth another look.
  if (text.includes("\uFFFD") && !isUtf8(buffer.subarray(start, end))) {
    const actual = issue.hex(buffer, start, end)
    throw issue.codecError("Expected UTF-8", {
      figures: `, actual other bytes (${end - start} in all)`,
      quoting: () => `Expected UTF-8, actual ${actual}`
    })
  }
  return text
}

/**
 * Strict UTF-8.
 *
 * @throws `SchemaError`
 * @internal
 */
export const encodeText = (text: string): Uint8Array => {
  if (typeof text !== "string") {
    throw issue.codecError(`Expected a string, actual ${kindOfValue(text)}`, {
      quoting: () => `Expected a string, actual ${issue.format(text)}`
    })
  }
  const bytes = Buffer.from(text, "utf8")
  // As many bytes as UTF-16 units: ASCII only.
  if (bytes.length !== text.length && /\p{Surrogate}/u.test(text)) {
    throw issue.codecError("Expected well-formed text, actual a string with a lone surrogate", {
      quoting: () => `Expected well-formed text, actual ${issue.excerpt(text)} with a lone surrogate`
    })
  }
  return bytes
}
