/** The frames of Kafka's protocol on a byte stream: `size: int32`, then `size` bytes that begin with the correlation id. */

/** An answer cannot be shorter than its correlation id. */
const MIN_FRAME = 4

/**
 * Far above any answer to our own requests. What is not Kafka is above it: "HTTP" read as a size is 1.2 GB, the alert
 * of a TLS listener 352 MB.
 */
const MAX_FRAME = 256 * 1024 * 1024

/**
 * Cuts a stream of chunks into frames and hands each to `onFrame`. Returns what is wrong when the stream is not Kafka's
 * protocol (kafkajs throws out of the socket's data handler there, which ends the process); the stream is unusable then.
 */
export const frameReader = (
  onFrame: (correlationId: number, payload: Buffer) => void
): ((chunk: Buffer) => string | undefined) => {
  let chunks: Array<Buffer> = []
  let buffered = 0
  let needed = 4

  const join = (): Buffer => {
    const all = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, buffered)
    chunks = [all]
    return all
  }

  return (chunk) => {
    chunks.push(chunk)
    buffered += chunk.length
    while (buffered >= needed) {
      const head = chunks[0].length >= 4 ? chunks[0] : join()
      const size = head.readInt32BE(0)
      if (size < MIN_FRAME || size > MAX_FRAME) {
        return `an answer of ${size} bytes`
      }
      needed = 4 + size
      if (buffered < needed) return undefined
      const all = join()
      const rest = all.subarray(needed)
      onFrame(all.readInt32BE(4), all.subarray(8, needed))
      chunks = rest.length === 0 ? [] : [rest]
      buffered = rest.length
      needed = 4
    }
    return undefined
  }
}
