/** Subscribers to single keys: each publication is looked through for what concerns them. */
import type { End } from "../../effect/v4/pushed.ts"
import { runAtOnce } from "../../yield.ts"
import type { AnyChange, ChangeLog } from "../content/changeLog.ts"
import { LateLogs, PIECE } from "./lateLogs.ts"
import type { Subscriber } from "./subscriber.ts"

/** A publication, and how many there were before it. */
interface NumberedLog<Change> extends ChangeLog<Change> {
  readonly number: number
}

export class KeySubscribers<Change extends AnyChange, E> {
  /** By the key's identity (see `keyId`), with how many publications there were before they came. */
  private readonly byKey = new Map<string, Map<Subscriber<Change, E>, number>>()
  /** How many publications there were. */
  private count = 0
  private readonly late = new LateLogs<NumberedLog<Change>>()

  get size(): number {
    let n = 0
    for (const subscribers of this.byKey.values()) n += subscribers.size
    return n
  }

  get isEmpty(): boolean {
    return this.byKey.size === 0
  }

  add(id: string, subscriber: Subscriber<Change, E>): void {
    const subscribers = this.byKey.get(id)
    if (subscribers === undefined) this.byKey.set(id, new Map([[subscriber, this.count]]))
    else subscribers.set(subscriber, this.count)
  }

  remove(id: string, subscriber: Subscriber<Change, E>): void {
    const subscribers = this.byKey.get(id)
    if (subscribers?.delete(subscriber) === true && subscribers.size === 0) this.byKey.delete(id)
  }

  push({ changes, ids }: ChangeLog<Change>): void {
    const log = { changes, ids, number: this.count++ }
    if (this.isEmpty) return
    if (this.isFull || changes.length > PIECE) this.late.push(log)
    else this.hand(log, 0, changes.length)
  }

  private readonly hand = ({ changes, ids, number }: NumberedLog<Change>, from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      const subscribers = this.byKey.get(ids[i])
      if (subscribers === undefined) continue
      for (const [subscriber, since] of subscribers) {
        // Who came later began with what this has led to.
        if (since > number) continue
        subscriber.buffer.push(ids[i], changes[i])
        subscriber.wake()
      }
    }
  }

  /** Whether there are changes that `fold` is still to hand out. */
  get isFull(): boolean {
    return this.late.size > 0
  }

  *fold(): Generator<void, void> {
    while (this.late.takePiece(this.hand)) yield
  }

  end(how: End<E>): void {
    runAtOnce(this.fold())
    for (const subscribers of this.byKey.values()) for (const subscriber of subscribers.keys()) subscriber.end(how)
    this.byKey.clear()
  }
}
