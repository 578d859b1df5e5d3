/** Lets the event loop go round so often. Time itself stands still where tests have a clock of their own. */
import * as Effect from "effect/Effect"

export const turns = (count: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    let left = count
    const turn = () => {
      if (--left > 0) setImmediate(turn)
      else resume(Effect.void)
    }
    setImmediate(turn)
  })
