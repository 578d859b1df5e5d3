/** Publications that are put by as they came, and taken in later, piece by piece. */
import type { ChangeLog } from "../content/changeLog.ts"

/** So many changes are taken in, or handed out, in one step. */
export const PIECE = 4096

/**
 * A publication may have a million changes, and be pushed to many consumers in one step. So a consumer that has something to
 * do for each change puts a large one by.
 */
export class LateLogs<Log extends ChangeLog<unknown>> {
  /** In the order in which they came. */
  private readonly logs: Array<Log> = []
  /** How many changes of the first of them were taken in. */
  private taken = 0
  /** How many changes are to be taken in yet. */
  size = 0

  push(log: Log): void {
    this.logs.push(log)
    this.size += log.changes.length
  }

  /** Has `take` take in the next changes, of one or several publications. Returns whether there were any. */
  takePiece(take: (log: Log, from: number, to: number) => void, most = PIECE): boolean {
    const isLate = this.size > 0
    for (let room = most; room > 0 && this.logs.length > 0;) {
      const [log] = this.logs
      const from = this.taken
      const to = Math.min(from + room, log.changes.length)
      this.taken = to
      this.size -= to - from
      room -= to - from
      if (to === log.changes.length) {
        this.logs.shift()
        this.taken = 0
      }
      take(log, from, to)
    }
    return isLate
  }
}
