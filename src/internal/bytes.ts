/**
 * The bytes as a buffer that shares their memory.
 *
 * @internal
 */
export const viewOf = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * A copy in memory of its own. Not from Node's pool of small buffers: one record that stays in a table would hold all
 * of its 8 KB.
 *
 * @internal
 */
export const copyBytes = (buffer: Buffer, start: number, end: number): Uint8Array => {
  const copy = new Uint8Array(end - start)
  buffer.copy(copy, 0, start, end)
  return copy
}
