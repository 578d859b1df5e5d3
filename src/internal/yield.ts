import * as Effect from "effect/Effect"

/** Lets the event loop go round once: sockets and timers of the host have their turn. (`Effect.yieldNow` is a microtask.) */
export const yieldToEventLoop: Effect.Effect<void> = Effect.async((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** How long synchronous work may hold the event loop, in milliseconds. */
export const SLICE_MILLIS = 3

/** Runs the steps of a generator, in slices. */
export const runInSlices = (steps: Iterator<void>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const until = performance.now() + SLICE_MILLIS
    while (performance.now() < until) {
      if (steps.next().done === true) return Effect.void
    }
    return Effect.andThen(yieldToEventLoop, runInSlices(steps))
  })
