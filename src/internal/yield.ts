import * as Effect from "effect/Effect"

/**
 * Lets the event loop go round once, so that the host's sockets and timers have their turn. `Effect.yieldNow` is only a
 * microtask.
 */
export const yieldToEventLoop: Effect.Effect<void> = Effect.callback((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** How long synchronous work may hold the event loop, in milliseconds. */
export const SLICE_MILLIS = 3

/** Runs the steps of a generator at once, however long that takes, and gives what it returns. */
export const runAtOnce = <A>(steps: Iterator<void, A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Runs the steps of a generator in slices, and gives what it returns. */
export const runInSlices = <A>(steps: Iterator<void, A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const until = performance.now() + SLICE_MILLIS
    while (performance.now() < until) {
      const step = steps.next()
      if (step.done === true) return Effect.succeed(step.value)
    }
    return Effect.andThen(yieldToEventLoop, runInSlices(steps))
  })
