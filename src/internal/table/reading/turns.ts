/** Turns, one at a time, of those who may write to the same. */
import * as Effect from "effect/Effect"
import { Signal } from "../../signal.ts"

export class Turns {
  private isTaken = false
  private readonly freed = new Signal()

  /** Runs an Effect when nobody else has the turn. */
  take<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      if (this.isTaken) return Effect.andThen(this.freed.after(this.freed.version), this.take(effect))
      this.isTaken = true
      return Effect.onExit(effect, () =>
        Effect.sync(() => {
          this.isTaken = false
          this.freed.notify()
        })
      )
    })
  }
}
