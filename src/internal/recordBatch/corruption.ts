import type { CorruptReason } from "../../KafkaError.ts"

/** What is wrong with some bytes, said by code that does not know which batch they belong to. */
export class Refusal extends Error {
  override readonly name = "Refusal"
  readonly reason: CorruptReason
  readonly detail: string
  constructor(reason: CorruptReason, detail: string) {
    super(detail)
    this.reason = reason
    this.detail = detail
  }
}

/** A batch that cannot be trusted: nothing of it was handed out. The only thing that reading batches throws. */
export class BatchCorruption extends Error {
  override readonly name = "BatchCorruption"
  readonly reason: CorruptReason
  /** Base offset of the batch, as its header says; the position that was reached where the header is not readable. */
  readonly baseOffset: number
  readonly detail: string
  constructor(reason: CorruptReason, baseOffset: number, detail: string) {
    super(`${reason} at offset ${baseOffset}: ${detail}`)
    this.reason = reason
    this.baseOffset = baseOffset
    this.detail = detail
  }
}

export const malformed = (detail: string): Refusal => new Refusal("Malformed", detail)
