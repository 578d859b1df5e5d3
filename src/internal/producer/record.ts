import type { Position } from "../../Position.ts"
import { WriteError } from "../../KafkaError.ts"
import { BATCH_OVERHEAD, estimateSize, type EncodableRecord } from "../recordBatch/encode.ts"

/** How a write ended: where the record is in the log, or why it is not known to be there. */
export type WriteResult = Position | WriteError

export const isFailure = (result: WriteResult): result is WriteError => result instanceof WriteError

export type Headers = EncodableRecord["headers"]

/** A record as bytes, before it has its place in the queue. */
export interface EncodedRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: Headers
  readonly timestamp: number
  /** The partition that was asked for; `undefined` leaves it to the partitioner. */
  readonly partition: number | undefined
}

/** One encoded record on its way to its acknowledgement. */
export class PendingRecord implements EncodableRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: Headers
  readonly timestamp: number
  /** The partition that was asked for. */
  readonly partition: number | undefined
  /** Most bytes that it takes in a batch. */
  readonly size: number
  /** When it was accepted, by the producer's time. */
  acceptedAt = 0
  /** When it fails unless it was acknowledged, by the producer's time. */
  deadline = 0
  private onDone: ((result: WriteResult) => void) | undefined
  private onAccepted: (() => void) | undefined
  private onSettled: Array<() => void> | undefined

  constructor(encoded: EncodedRecord, onDone: (result: WriteResult) => void) {
    this.key = encoded.key
    this.value = encoded.value
    this.headers = encoded.headers
    this.timestamp = encoded.timestamp
    this.partition = encoded.partition
    this.size = estimateSize(this)
    this.onDone = onDone
  }

  /** Bytes of a batch of this record alone. */
  get aloneSize(): number {
    return BATCH_OVERHEAD + this.size
  }

  /** Nobody waits for the record any more; it goes its way all the same. */
  forget(): void {
    this.onDone = undefined
  }

  /** It has its place in the queue since `now`, and fails at `deadline` unless it was acknowledged. */
  accepted(now: number, deadline: number): void {
    this.acceptedAt = now
    this.deadline = deadline
    this.onAccepted?.()
    this.onAccepted = undefined
  }

  /** Calls `listener` when the record gets its place in the queue, if it has none yet. */
  whenAccepted(listener: () => void): void {
    this.onAccepted = listener
  }

  settle(result: WriteResult): void {
    this.onDone?.(result)
    this.onDone = undefined
    this.dropped()
  }

  /** The record will have no result: it was withdrawn before it was accepted. */
  dropped(): void {
    const listeners = this.onSettled
    this.onSettled = undefined
    if (listeners !== undefined) for (const listener of listeners) listener()
  }

  /** Calls `listener` once, when the record is settled or dropped. */
  whenSettled(listener: () => void): void {
    if (this.onSettled === undefined) this.onSettled = [listener]
    else this.onSettled.push(listener)
  }
}
