import type { Position } from "../../Position.ts"
import { WriteError } from "../../KafkaError.ts"
import { BATCH_OVERHEAD, estimateSize, type EncodableRecord } from "../recordBatch/encode.ts"

/** How a write ended. */
export type Outcome = Position | WriteError

export const isFailure = (outcome: Outcome): outcome is WriteError => outcome instanceof WriteError

export type Headers = EncodableRecord["headers"]

/** One encoded record on its way to its acknowledgement. */
export class PendingRecord implements EncodableRecord {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
  readonly headers: Headers
  readonly timestamp: number
  /** The partition that was asked for. */
  readonly partition: number | undefined
  /** Most bytes that it takes in a batch. */
  readonly size: number
  /** When it was accepted, by the writer's time. */
  acceptedAt = 0
  deadline = 0
  private onDone: ((outcome: Outcome) => void) | undefined
  private onSettled: Array<() => void> | undefined

  constructor(
    parts: {
      readonly key: Uint8Array
      readonly value: Uint8Array | null
      readonly headers: Headers
      readonly timestamp: number
      readonly partition: number | undefined
    },
    onDone: (outcome: Outcome) => void
  ) {
    this.key = parts.key
    this.value = parts.value
    this.headers = parts.headers
    this.timestamp = parts.timestamp
    this.partition = parts.partition
    this.size = estimateSize(this)
    this.onDone = onDone
  }

  /** Bytes of a batch of this record alone. */
  get aloneSize(): number {
    return BATCH_OVERHEAD + this.size
  }

  /** Nobody waits for it any more; it goes its way all the same. */
  forget(): void {
    this.onDone = undefined
  }

  settle(outcome: Outcome): void {
    this.onDone?.(outcome)
    this.onDone = undefined
    this.dropped()
  }

  /** It will have no outcome: it was withdrawn before it was accepted. */
  dropped(): void {
    const listeners = this.onSettled
    this.onSettled = undefined
    if (listeners !== undefined) for (const listener of listeners) listener()
  }

  /** Calls `listener` once, when it is settled or dropped. */
  whenSettled(listener: () => void): void {
    if (this.onSettled === undefined) this.onSettled = [listener]
    else this.onSettled.push(listener)
  }
}
