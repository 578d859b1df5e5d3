import * as Effect from "effect/Effect"
import { soon } from "./effect/v4/soon.ts"

/**
 * Tells those who wait that something has changed. Read `version` before checking a condition and pass it to `after`:
 * then a change in between is not missed.
 */
export class Signal {
  private waiting = new Set<(effect: Effect.Effect<void>) => void>()
  /** How often `notify` was called. */
  version = 0

  /** Whether anybody waits. */
  get isAwaited(): boolean {
    return this.waiting.size > 0
  }

  /** Wakes everybody who waits. */
  notify(): void {
    this.version++
    if (this.waiting.size === 0) return
    const { waiting } = this
    this.waiting = new Set()
    soon(() => {
      for (const resume of waiting) resume(Effect.void)
    })
  }

  /**
   * Waits until `notify` was called after `version`, but no longer than `millis`, which is for ever by default. A wait
   * of less than a millisecond is made one: it could be too short to move a clock, and the caller would find the same
   * time again, wait as long again, and never come further.
   *
   * An interrupted wait without a time is forgotten at the next `notify` only, as to undo it at once would cost each
   * wait an `onInterrupt` (docs/performance.md): it is for fibers that live as long as the signal is notified.
   */
  after(version: number, millis = Number.POSITIVE_INFINITY): Effect.Effect<void> {
    const isTimed = Number.isFinite(millis)
    const wait = Effect.callback<void>((resume) => {
      if (this.version !== version) return resume(Effect.void)
      this.waiting.add(resume)
      return isTimed ? Effect.sync(() => void this.waiting.delete(resume)) : undefined
    })
    return isTimed ? Effect.asVoid(Effect.timeoutOption(wait, Math.max(1, millis))) : wait
  }
}
