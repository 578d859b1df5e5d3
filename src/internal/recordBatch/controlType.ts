import type { RecordRanges } from "./recordRanges.ts"

export type ControlType = "commit" | "abort" | "unknown"

/**
 * What the marker in a control batch says, by its key: `version: int16, type: int16`. Others than the end of a
 * transaction (a change of leader, a snapshot's begin) are unknown here, and have no meaning for a reader.
 */
export const controlType = (ranges: RecordRanges): ControlType => {
  if (ranges.count === 0) return "unknown"
  const start = ranges.keyStart[0]
  if (start < 0 || ranges.keyEnd[0] - start < 4 || ranges.bytes.readInt16BE(start) < 0) return "unknown"
  const type = ranges.bytes.readInt16BE(start + 2)
  return type === 0 ? "abort" : type === 1 ? "commit" : "unknown"
}
