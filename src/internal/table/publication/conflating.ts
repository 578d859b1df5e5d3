/** One change for each key that a slow consumer has not taken, however many there were. */
import * as Option from "effect/Option"
import type { AnyChange, ChangeLog } from "../content/changeLog.ts"
import { withPrevious } from "../content/recordHeaders.ts"
import { LateLogs, PIECE } from "./lateLogs.ts"

/** The one change that stands for two of the same key; `undefined` if they come to no change at all. */
export const conflate = <Change extends AnyChange>(first: Change, second: Change): Change | undefined =>
  second._tag === "Delete" && Option.isNone(first.previous) ? undefined : withPrevious(second, first.previous)

export class Conflating<Change extends AnyChange> {
  private pending = new Map<string, Change>()
  /** What came after that. */
  private readonly late = new LateLogs<ChangeLog<Change>>()
  /** What is left of the changes that are being handed out. */
  private leaving: Iterator<Change> | undefined

  /** `both` gives the change that stands for two; `undefined` if there is none to be told. */
  constructor(private readonly both: (first: Change, second: Change) => Change | undefined) {}

  /** Whether there are changes that `fold` is still to take in. */
  get isLate(): boolean {
    return this.late.size > 0
  }

  /** Whether there is nothing to be taken that has not begun to leave. */
  get isEmpty(): boolean {
    return this.pending.size === 0 && !this.isLate
  }

  push(log: ChangeLog<Change>): void {
    if (this.isLate || log.changes.length > PIECE) this.late.push(log)
    else this.take(log, 0, log.changes.length)
  }

  private readonly take = ({ changes, ids }: ChangeLog<Change>, from: number, to: number): void => {
    for (let i = from; i < to; i++) this.add(ids[i], changes[i])
  }

  /** Takes one change in, of a consumer to whom none is late. */
  add(id: string, change: Change): void {
    const before = this.pending.get(id)
    if (before === undefined) {
      this.pending.set(id, change)
      return
    }
    // The change goes to the end, so that the consumer sees changes in the log's order.
    this.pending.delete(id)
    const both = this.both(before, change)
    if (both !== undefined) this.pending.set(id, both)
  }

  /** Takes all in that is late, in steps. It may be given up after any of them. */
  *fold(): Generator<void, void> {
    while (this.late.takePiece(this.take)) yield
  }

  /** Takes all changes out that are not late, in their order. */
  takeAll(): Iterable<Change> {
    const { pending } = this
    // The map is a fresh one each time, as a map that lives long keeps what was in it: see `Bag`.
    this.pending = new Map()
    return pending.values()
  }

  /** Takes the next changes out, in their order: all, or a piece of them. None if there are none. */
  drain(): ReadonlyArray<Change> {
    for (;;) {
      const piece = this.nextPiece()
      if (piece.length > 0 || !this.late.takePiece(this.take)) return piece
    }
  }

  private nextPiece(): ReadonlyArray<Change> {
    if (this.leaving === undefined) {
      if (this.pending.size <= PIECE) return [...this.takeAll()]
      this.leaving = this.takeAll()[Symbol.iterator]()
    }
    const piece: Array<Change> = []
    for (let next = this.leaving.next(); next.done !== true; next = this.leaving.next()) {
      if (piece.push(next.value) === PIECE) return piece
    }
    this.leaving = undefined
    return piece.length > 0 ? piece : this.nextPiece()
  }
}
