import {
  batchSize,
  readBaseOffset,
  readLastOffsetDelta,
  readLeaderEpoch,
  readMagic,
  RECORDS_AT
} from "./batchHeader.ts"
import { Refusal } from "./corruption.ts"

/** What the headers of a fetch answer say, checksums unseen. */
export interface Scan {
  /** Where the next fetch goes on, if the batches turn out to be sound. */
  readonly nextOffset: number
  readonly completeBatches: number
  /** Leader epoch of the last complete batch, -1 if there is none, or its format has none. */
  readonly lastEpoch: number
  /** Bytes of the complete batches. */
  readonly bytes: number
  /** Bytes that the cut-off batch at the end takes in all; 0 if there is none. At least, if its length is cut off, too. */
  readonly partialTail: number
  /** A header that cannot be was met: the walk stopped before it, decoding will say what is wrong. */
  readonly malformed: boolean
}

/**
 * Hops over the complete batches of a fetch answer, so that the next fetch can be on its way while this answer is being
 * decoded. Never throws.
 */
export const scan = (buffer: Buffer, fetchOffset: number): Scan => {
  let position = 0
  let nextOffset = fetchOffset
  let completeBatches = 0
  let lastEpoch = -1
  let partialTail = 0
  let malformed = false
  try {
    while (position < buffer.length) {
      const size = batchSize(buffer, position)
      if (size === undefined || size > buffer.length - position) {
        partialTail = size ?? RECORDS_AT
        break
      }
      readMagic(buffer, position)
      const baseOffset = readBaseOffset(buffer, position)
      const lastOffset = baseOffset + readLastOffsetDelta(buffer, position)
      if (lastOffset < nextOffset || (completeBatches > 0 && baseOffset < nextOffset)) {
        malformed = true
        break
      }
      nextOffset = lastOffset + 1
      lastEpoch = readLeaderEpoch(buffer, position)
      position += size
      completeBatches++
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    malformed = true
  }
  return { nextOffset, completeBatches, lastEpoch, bytes: position, partialTail, malformed }
}
