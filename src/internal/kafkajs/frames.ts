/**
 * The frames of Kafka's protocol on a byte stream: `size: int32`, then `size` bytes that begin with the correlation id.
 */

const SIZE_BYTES = 4

/** Bytes of a frame's head: its size, and the correlation id that each answer begins with. */
const HEAD_BYTES = 8

/** An answer cannot be shorter than its correlation id. */
const MIN_FRAME = HEAD_BYTES - SIZE_BYTES

/**
 * No frame is larger, in bytes. This is far above any answer to our own requests, and below what other protocols look
 * like: "HTTP" read as a size is 1.2 GB, and the alert of a TLS listener is 352 MB.
 */
const MAX_FRAME = 256 * 1024 * 1024

/**
 * At most this much memory, in bytes, is allocated because a frame's size says so. A larger frame's memory is doubled
 * each time that it is full.
 */
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

/** If at least this many bytes of a frame are missing, they are read into its memory without a copy. */
const LARGE_REST = 64 * 1024

/**
 * Cuts a stream into frames and hands each to `onFrame`. Its bytes come as chunks, which are copied and can be used
 * again by who hands them in; or they are read into `room`, which makes no copy.
 */
export class FrameReader {
  private readonly onFrame: (correlationId: number, payload: Buffer) => void
  private readonly maxBytes: (correlationId: number) => number | undefined
  private readonly head = Buffer.alloc(HEAD_BYTES)
  /** The memory for what follows the head, or for its beginning; `undefined` while the head is read. */
  private payload: Buffer | undefined
  /** How many bytes have come: of `head` until that is complete, then of the payload. */
  private filled = 0
  /** How many bytes the payload has in the end. */
  private size = 0

  /** `maxBytes` tells how large the answer to a request may be; `undefined` if there is no such request. */
  constructor(
    onFrame: (correlationId: number, payload: Buffer) => void,
    maxBytes: (correlationId: number) => number | undefined = () => MAX_FRAME
  ) {
    this.onFrame = onFrame
    this.maxBytes = maxBytes
  }

  /** How many bytes of the arriving answer have come, without its head. */
  get arrived(): number {
    return this.payload === undefined ? 0 : this.filled
  }

  /**
   * Takes the next bytes. Returns what is wrong when the stream is not Kafka's protocol (kafkajs throws out of the
   * socket's data handler there, which ends the process), or when an answer is none to what was asked; the stream is
   * unusable then.
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

  /** Copies from a chunk what fits into the memory, and returns where the rest of the chunk begins. */
  private copy(into: Buffer, chunk: Buffer, from: number): number {
    const taken = chunk.copy(into, this.filled, from)
    this.filled += taken
    return from + taken
  }

  /** Reads the head, once it is complete, and allocates the payload. Returns what is wrong with it. */
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

  /** The memory that the next bytes are to be read into, if many are missing; `came` then says how many were. */
  get room(): Buffer | undefined {
    const { filled, payload } = this
    return payload === undefined || payload.length - filled < LARGE_REST ? undefined : payload.subarray(filled)
  }

  /** Notes that so many bytes were written to `room`. */
  came(length: number): void {
    this.filled += length
    this.ended(this.payload!)
  }

  /** Hands a complete payload on, and makes more room for one that has filled its memory. */
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
