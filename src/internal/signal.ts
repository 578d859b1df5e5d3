import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"

/**
 * "Something changed". Read `version` before checking a condition and pass it to `after`: a change in between is not
 * missed.
 */
export class Signal {
  private waiting: Deferred.Deferred<void> | undefined
  version = 0

  notify(): void {
    this.version++
    const waiting = this.waiting
    if (waiting === undefined) return
    this.waiting = undefined
    Deferred.unsafeDone(waiting, Effect.void)
  }

  /**
   * Until it was notified after `version`, but no longer than `millis`; for ever if that is `undefined`. What is left of a
   * time can be too short to move a clock: who looks again would then find the same time, and wait no longer than
   * before. So less than a millisecond is one.
   */
  after(version: number, millis?: number): Effect.Effect<void> {
    const wait = Effect.suspend(() => {
      if (this.version !== version) return Effect.void
      this.waiting ??= Deferred.unsafeMake(FiberId.none)
      return Deferred.await(this.waiting)
    })
    return millis === undefined ? wait : Effect.asVoid(Effect.timeoutOption(wait, Math.max(1, millis)))
  }
}
