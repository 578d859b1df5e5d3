/** One change for each key that a slow consumer has not taken, however many there were. */
import * as Option from "effect/Option"
import type { AnyChange, ChangeLog } from "../content/changeLog.ts"
import { withPrevious } from "../content/recordHeaders.ts"

/** So many changes are folded in, or handed out, in one step. */
export const PIECE = 4096

/** The one change that stands for two of the same key; `undefined` if they come to no change at all. */
const conflate = <Change extends AnyChange>(first: Change, second: Change): Change | undefined =>
  second._tag === "Delete" && Option.isNone(first.previous) ? undefined : withPrevious(second, first.previous)

/**
 * A publication may have a million changes, and be pushed to many consumers in one step. So one that is large is put by as
 * it is, and folded into what is there later, piece by piece: by `fold`, or when it is taken.
 */
export class Conflating<Change extends AnyChange> {
  private pending = new Map<string, Change>()
  /** Changes that came after those that are pending, in their order. */
  private late: Array<ChangeLog<Change>> = []
  /** How many changes of the first of them were folded in. */
  private folded = 0
  /** What is left of the changes that are being handed out. */
  private leaving: Iterator<Change> | undefined

  /** Whether there are changes that `fold` is still to take in. */
  get isLate(): boolean {
    return this.late.length > 0
  }

  push(id: string, change: Change): void {
    const before = this.pending.get(id)
    if (before === undefined) {
      this.pending.set(id, change)
      return
    }
    // The change goes to the end, so that the consumer sees changes in the log's order.
    this.pending.delete(id)
    const both = conflate(before, change)
    if (both !== undefined) this.pending.set(id, both)
  }

  pushAll(log: ChangeLog<Change>): void {
    if (this.late.length === 0 && log.changes.length <= PIECE) this.take(log, 0, log.changes.length)
    else this.late.push(log)
  }

  private take({ changes, ids }: ChangeLog<Change>, from: number, to: number): void {
    for (let i = from; i < to; i++) this.push(ids[i], changes[i])
  }

  /** Folds all in that came late, in steps. It may be given up after any of them. */
  *fold(): Generator<void, void> {
    while (this.foldPiece()) yield
  }

  private foldPiece(): boolean {
    if (this.late.length === 0) return false
    const [log] = this.late
    const to = Math.min(this.folded + PIECE, log.changes.length)
    this.take(log, this.folded, to)
    this.folded = to
    if (to === log.changes.length) {
      this.late.shift()
      this.folded = 0
    }
    return true
  }

  get isEmpty(): boolean {
    return this.pending.size === 0 && this.late.length === 0
  }

  /** Takes all changes out at once, of which none is late, where pieces are not taken. */
  takeAll(): Iterable<Change> {
    const { pending } = this
    this.pending = new Map()
    return pending.values()
  }

  /** Takes the next changes out, in their order: all, or a piece of them. None if there are none. */
  drain(): ReadonlyArray<Change> {
    while (this.leaving === undefined && this.pending.size === 0) if (!this.foldPiece()) return []
    if (this.leaving === undefined) {
      const { pending } = this
      // The map is a fresh one each time, as a map that lives long keeps what was in it: see `Bag`.
      this.pending = new Map()
      if (pending.size <= PIECE) return [...pending.values()]
      this.leaving = pending.values()
    }
    const piece: Array<Change> = []
    for (let next = this.leaving.next(); ; next = this.leaving.next()) {
      if (next.done === true) {
        this.leaving = undefined
        break
      }
      if (piece.push(next.value) === PIECE) break
    }
    return piece.length > 0 ? piece : this.drain()
  }
}
