/**
 * Bytes of what may be a secret. `Buffer.from` takes small ones from memory that it shares with whoever else asks for some,
 * and that is never cleared: it would be in what others are given, long after.
 */
import { viewOf } from "../bytes.ts"

/** The bytes of a text, in memory of their own. */
export const ownBytes = (text: string, encoding: BufferEncoding = "utf8"): Buffer => {
  const bytes = Buffer.alloc(Buffer.byteLength(text, encoding))
  return bytes.subarray(0, bytes.write(text, encoding))
}

/** What `read` makes of bytes, which are cleared then. */
export const readAndCleared = <A>(bytes: Uint8Array, read: (bytes: Buffer) => A): A => {
  const result = read(viewOf(bytes))
  bytes.fill(0)
  return result
}
