import * as Effect from "effect/Effect"

/**
 * "Look again", for one fiber that waits over and over: as `Signal`, but a wait costs next to nothing, as nothing has to
 * be undone when it is interrupted. What an interrupted fiber left is replaced by the next that waits.
 */
export class Wake {
  private waiting: ((effect: Effect.Effect<void>) => void) | undefined
  version = 0

  notify(): void {
    this.version++
    this.release()
  }

  private release(): void {
    const waiting = this.waiting
    this.waiting = undefined
    waiting?.(Effect.void)
  }

  /**
   * Until it was notified after `version`, but no longer than `millis`, which is at least one (see `Signal.after`); for
   * ever if that is infinite.
   */
  after(version: number, millis = Number.POSITIVE_INFINITY): Effect.Effect<void> {
    const wait = Effect.async<void>((resume) => {
      if (this.version !== version) return resume(Effect.void)
      this.release()
      this.waiting = resume
    })
    return Number.isFinite(millis) ? Effect.asVoid(Effect.timeoutOption(wait, Math.max(1, millis))) : wait
  }
}
