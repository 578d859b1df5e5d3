import * as Effect from "effect/Effect"

/**
 * "Something changed". Read `version` before checking a condition and pass it to `after`: a change in between is not
 * missed.
 */
export class Signal {
  private waiting = new Set<(effect: Effect.Effect<void>) => void>()
  version = 0

  notify(): void {
    this.version++
    if (this.waiting.size === 0) return
    const { waiting } = this
    this.waiting = new Set()
    for (const resume of waiting) resume(Effect.void)
  }

  /**
   * Waits until it was notified after `version`, but no longer than `millis`; for ever by default. What is left of a time can
   * be too short to move a clock: who looks again would then find the same time, and wait no longer than before. So less
   * than a millisecond is one.
   */
  after(version: number, millis = Number.POSITIVE_INFINITY): Effect.Effect<void> {
    const wait = Effect.async<void>((resume) => {
      if (this.version !== version) return resume(Effect.void)
      const { waiting } = this
      waiting.add(resume)
      return Effect.sync(() => {
        waiting.delete(resume)
      })
    })
    return Number.isFinite(millis) ? Effect.asVoid(Effect.timeoutOption(wait, Math.max(1, millis))) : wait
  }
}
