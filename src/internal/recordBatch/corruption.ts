import type { CorruptReason } from "../../KafkaError.ts"

/** Thrown by code that does not know which batch some bytes belong to, and finds something wrong with them. */
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

/** Thrown for a batch that cannot be trusted, of which nothing was handed out. Reading batches throws nothing else. */
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

/** The refusal of bytes that do not have the form that they should have. */
export const malformed = (detail: string): Refusal => new Refusal("Malformed", detail)
