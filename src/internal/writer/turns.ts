import * as Effect from "effect/Effect"

/** One at a time, strictly in the order of calls. */
export class Turns {
  private isTaken = false
  private readonly waiting = new Set<() => void>()

  /** Nobody has the turn, or waits for it. */
  get isFree(): boolean {
    return !this.isTaken
  }

  private readonly take: Effect.Effect<void> = Effect.async((resume) => {
    if (!this.isTaken) {
      this.isTaken = true
      return resume(Effect.void)
    }
    const go = () => resume(Effect.void)
    this.waiting.add(go)
    return Effect.sync(() => {
      // interrupted after it was given the turn, and before it could take it: hands it on
      if (!this.waiting.delete(go)) this.pass()
    })
  })

  private pass(): void {
    const [next] = this.waiting
    if (next === undefined) {
      this.isTaken = false
    } else {
      this.waiting.delete(next)
      next()
    }
  }

  run<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.acquireUseRelease(
      Effect.interruptible(this.take),
      () => effect,
      () => Effect.sync(() => this.pass())
    )
  }
}
