/** Keys that have expired, and stay in the log for a while. */
import type * as Effect from "effect/Effect"
import { Signal } from "../signal.ts"

export interface ExpiredKey<K> {
  readonly key: K
  /** The identity of the key by the bytes that it has in the log. */
  readonly id: string
}

interface Waiting<K> extends ExpiredKey<K> {
  readonly until: number
}

export class ExpiredKeys<K> {
  /** By their identities, in the order of their times. */
  private readonly waiting = new Map<string, Waiting<K>>()
  private readonly come = new Signal()

  constructor(
    private readonly graceMillis: number,
    /** Milliseconds that go on evenly, so that keys are in the order of their times. */
    private readonly now: () => number
  ) {}

  /** Has a key wait, from now on. */
  readonly add = (key: K, id: string): void => {
    this.waiting.delete(id)
    this.waiting.set(id, { key, id, until: this.now() + this.graceMillis })
    // Who waits for the first one's time finds it sooner than any that come after.
    if (this.waiting.size === 1) this.come.notify()
  }

  /** Takes out keys whose time has come, `most` of them. */
  takeDue(most: number): ReadonlyArray<ExpiredKey<K>> {
    const now = this.now()
    const due: Array<ExpiredKey<K>> = []
    for (const each of this.waiting.values()) {
      if (each.until > now || due.length === most) break
      due.push(each)
    }
    for (const { id } of due) this.waiting.delete(id)
    return due
  }

  /** Waits until the time of the first one has come. There is none whose time has come when this is called. */
  get next(): Effect.Effect<void> {
    const [first] = this.waiting.values()
    const millis = first === undefined ? Number.POSITIVE_INFINITY : first.until - this.now()
    return this.come.after(this.come.version, millis)
  }
}
