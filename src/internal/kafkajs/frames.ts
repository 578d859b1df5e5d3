/** The frames of Kafka's protocol on a byte stream: `size: int32`, then `size` bytes that begin with the correlation id. */

const SIZE_BYTES = 4

/** An answer cannot be shorter than its correlation id. */
const MIN_FRAME = 4

/**
 * Far above any answer to our own requests. What is not Kafka is above it: "HTTP" read as a size is 1.2 GB, the alert
 * of a TLS listener 352 MB.
 */
const MAX_FRAME = 256 * 1024 * 1024

/** Memory that is taken for a frame on its word. For more of it, as much has to have come already. */
const TRUSTED_BYTES = 16 * 1024 * 1024

/** Makes the frames of requests: a header around `body`, which is what `encodeRequest` gives. */
export const requestFrames = (clientId: string) => {
  const client = Buffer.from(clientId)
  // size: int32, api_key: int16, api_version: int16, correlation_id: int32, client_id: string
  const header = 4 + 2 + 2 + 4 + 2 + client.length
  return (apiKey: number, version: number, correlationId: number, body: Buffer): Buffer => {
    const frame = Buffer.allocUnsafe(header + body.length)
    frame.writeInt32BE(frame.length - 4, 0)
    frame.writeInt16BE(apiKey, 4)
    frame.writeInt16BE(version, 6)
    frame.writeInt32BE(correlationId, 8)
    frame.writeInt16BE(client.length, 12)
    frame.set(client, 14)
    frame.set(body, header)
    return frame
  }
}

/**
 * Cuts a stream of chunks into frames and hands each to `onFrame`. Returns what is wrong when the stream is not Kafka's
 * protocol (kafkajs throws out of the socket's data handler there, which ends the process); the stream is unusable then.
 *
 * Chunks are copied into the frame as they come, and can be used again by who hands them in.
 */
export const frameReader = (
  onFrame: (correlationId: number, payload: Buffer) => void
): ((chunk: Buffer) => string | undefined) => {
  const head = Buffer.alloc(SIZE_BYTES)
  /** Of `head` until that is complete, then of the frame. */
  let filled = 0
  let size = 0
  let frame: Buffer | undefined

  const take = (into: Buffer, chunk: Buffer, from: number): number => {
    const taken = chunk.copy(into, filled, from)
    filled += taken
    return from + taken
  }

  return (chunk) => {
    let at = 0
    while (at < chunk.length) {
      if (frame === undefined) {
        at = take(head, chunk, at)
        if (filled < SIZE_BYTES) return undefined
        size = head.readInt32BE(0)
        if (size < MIN_FRAME || size > MAX_FRAME) return `an answer of ${size} bytes`
        frame = Buffer.allocUnsafe(Math.min(size, TRUSTED_BYTES))
        filled = 0
      } else {
        at = take(frame, chunk, at)
        if (filled === size) {
          const whole = frame
          frame = undefined
          filled = 0
          onFrame(whole.readInt32BE(0), whole.subarray(MIN_FRAME))
        } else if (filled === frame.length) {
          const larger = Buffer.allocUnsafe(Math.min(size, 2 * frame.length))
          frame.copy(larger)
          frame = larger
        }
      }
    }
    return undefined
  }
}
