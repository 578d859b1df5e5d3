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

/** Of so much and more, the rest of a frame is read to where it belongs at once. */
const LARGE_REST = 64 * 1024

/**
 * Cuts a stream into frames and hands each to `onFrame`. Its bytes come as chunks, which are copied and can be used again
 * by who hands them in; or they are read into `room`, which makes no copy.
 */
export class FrameReader {
  private readonly onFrame: (correlationId: number, payload: Buffer) => void
  private readonly head = Buffer.alloc(SIZE_BYTES)
  private frame: Buffer | undefined
  /** Bytes of `head` until that is complete, then of the frame. */
  private filled = 0
  private size = 0

  constructor(onFrame: (correlationId: number, payload: Buffer) => void) {
    this.onFrame = onFrame
  }

  /**
   * Takes the next bytes. Returns what is wrong when the stream is not Kafka's protocol (kafkajs throws out of the socket's
   * data handler there, which ends the process); the stream is unusable then.
   */
  take(chunk: Buffer): string | undefined {
    let at = 0
    while (at < chunk.length) {
      if (this.frame === undefined) {
        at = this.copy(this.head, chunk, at)
        if (this.filled < SIZE_BYTES) return undefined
        this.size = this.head.readInt32BE(0)
        if (this.size < MIN_FRAME || this.size > MAX_FRAME) return `an answer of ${this.size} bytes`
        this.frame = Buffer.allocUnsafe(Math.min(this.size, TRUSTED_BYTES))
        this.filled = 0
      } else {
        at = this.copy(this.frame, chunk, at)
        this.ended(this.frame)
      }
    }
    return undefined
  }

  private copy(into: Buffer, chunk: Buffer, from: number): number {
    const taken = chunk.copy(into, this.filled, from)
    this.filled += taken
    return from + taken
  }

  /** Where the next bytes belong, if they are many: then `came` says how many were written there. */
  get room(): Buffer | undefined {
    const { filled, frame } = this
    return frame === undefined || frame.length - filled < LARGE_REST ? undefined : frame.subarray(filled)
  }

  came(length: number): void {
    this.filled += length
    this.ended(this.frame!)
  }

  private ended(frame: Buffer): void {
    const { filled, size } = this
    if (filled === size) {
      this.frame = undefined
      this.filled = 0
      this.onFrame(frame.readInt32BE(0), frame.subarray(MIN_FRAME))
    } else if (filled === frame.length) {
      const larger = Buffer.allocUnsafe(Math.min(size, 2 * filled))
      frame.copy(larger)
      this.frame = larger
    }
  }
}
