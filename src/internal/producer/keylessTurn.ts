import type { Lane } from "./lane.ts"

/** Bytes of records without a key that go to one partition in a row, as in Java's client. */
const BYTES_IN_A_ROW = 16 * 1024

/**
 * Which partition of a topic takes the next record without a key. Such records join those that wait for the same
 * partition already, so that they share a batch; where none waits, or enough of them do, the next partition that has a
 * leader has its turn.
 */
export class KeylessTurn {
  private at: number | undefined
  private bytes = 0

  /** The partition for a record of so many bytes. `random` is a number from 0 up to 1, and tells where to begin. */
  next(lanes: ReadonlyArray<Lane>, partitionCount: number, size: number, random: number): number {
    const at = this.at
    if (at !== undefined && at < partitionCount) {
      const lane = lanes[at]
      if (!lane.isIdle && lane.leader !== -1 && this.bytes < BYTES_IN_A_ROW) {
        this.bytes += size
        return at
      }
    }
    const start = at === undefined ? Math.floor(random * partitionCount) : at + 1
    let next = start % partitionCount
    for (let i = 0; i < partitionCount; i++) {
      const partition = (start + i) % partitionCount
      if (lanes[partition].leader === -1) continue
      next = partition
      break
    }
    this.at = next
    this.bytes = size
    return next
  }
}
