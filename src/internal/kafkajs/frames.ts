/** The frames of Kafka's protocol on a byte stream: `size: int32`, then `size` bytes that begin with the correlation id. */

const SIZE_BYTES = 4

/** The size, and the correlation id that each answer begins with. */
const HEAD_BYTES = 8

/** An answer cannot be shorter than its correlation id. */
const MIN_FRAME = HEAD_BYTES - SIZE_BYTES

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

/** From so many bytes on, the rest of a frame is read at once to where it belongs. */
const LARGE_REST = 64 * 1024

/**
 * Cuts a stream into frames and hands each to `onFrame`. Its bytes come as chunks, which are copied and can be used again
 * by who hands them in; or they are read into `room`, which makes no copy.
 */
export class FrameReader {
  private readonly onFrame: (correlationId: number, payload: Buffer) => void
  private readonly maxBytes: (correlationId: number) => number | undefined
  private readonly head = Buffer.alloc(HEAD_BYTES)
  /** What follows the head, as far as there is memory for it. */
  private payload: Buffer | undefined
  /** Bytes of `head` until that is complete, then of the payload. */
  private filled = 0
  /** Of the payload. */
  private size = 0

  /** `maxBytes`: how large the answer to a request may be; `undefined` if there is no such request. */
  constructor(
    onFrame: (correlationId: number, payload: Buffer) => void,
    maxBytes: (correlationId: number) => number | undefined = () => MAX_FRAME
  ) {
    this.onFrame = onFrame
    this.maxBytes = maxBytes
  }

  /** How much has come of the answer that is arriving, after its head. */
  get arrived(): number {
    return this.payload === undefined ? 0 : this.filled
  }

  /**
   * Takes the next bytes. Returns what is wrong when the stream is not Kafka's protocol (kafkajs throws out of the socket's
   * data handler there, which ends the process), or when an answer is none to what was asked; the stream is unusable then.
   */
  take(chunk: Buffer): string | undefined {
    let at = 0
    while (at < chunk.length) {
      if (this.payload === undefined) {
        at = this.copy(this.head, chunk, at)
        const violation = this.begin()
        if (violation !== undefined) return violation
      } else {
        at = this.copy(this.payload, chunk, at)
        this.ended(this.payload)
      }
    }
    return undefined
  }

  private copy(into: Buffer, chunk: Buffer, from: number): number {
    const taken = chunk.copy(into, this.filled, from)
    this.filled += taken
    return from + taken
  }

  /** Reads as much of the head as there is. */
  private begin(): string | undefined {
    if (this.filled < SIZE_BYTES) return undefined
    const size = this.head.readInt32BE(0)
    if (size < MIN_FRAME || size > MAX_FRAME) return `an answer of ${size} bytes`
    if (this.filled < HEAD_BYTES) return undefined
    const correlationId = this.head.readInt32BE(SIZE_BYTES)
    const max = this.maxBytes(correlationId)
    if (max === undefined) return `an answer to request ${correlationId}, which nobody waits for`
    if (size > max) return `an answer of ${size} bytes, where ${max} are the most`
    this.size = size - MIN_FRAME
    this.filled = 0
    const payload = Buffer.allocUnsafe(Math.min(this.size, TRUSTED_BYTES))
    this.payload = payload
    this.ended(payload)
    return undefined
  }

  /** Where the next bytes belong, if they are many: then `came` says how many were written there. */
  get room(): Buffer | undefined {
    const { filled, payload } = this
    return payload === undefined || payload.length - filled < LARGE_REST ? undefined : payload.subarray(filled)
  }

  came(length: number): void {
    this.filled += length
    this.ended(this.payload!)
  }

  /** Hands on what is complete, and makes room for what is not. */
  private ended(payload: Buffer): void {
    const { filled, size } = this
    if (filled === size) {
      this.payload = undefined
      this.filled = 0
      this.onFrame(this.head.readInt32BE(SIZE_BYTES), payload)
    } else if (filled === payload.length) {
      const larger = Buffer.allocUnsafe(Math.min(size, 2 * filled))
      payload.copy(larger)
      this.payload = larger
    }
  }
}
