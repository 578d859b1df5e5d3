/** Interruption at each of an Effect's steps. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { withStepsBeforeYield } from "./effect/v4/fibers.ts"

/** More steps than most begin with. */
const STEPS = 80

/**
 * Begins an Effect again and again, interrupts it each time at another of the steps at which its fiber gives way, and looks
 * at what is left of it. `where` tells at which.
 */
export const interruptedAnywhere = <A, E, B, F>(
  self: () => Effect.Effect<A, E>,
  look: (where: string) => Effect.Effect<B, F>
): Effect.Effect<void, F> =>
  Effect.gen(function* () {
    for (let before = 0; before < STEPS; before++) {
      for (let turns = 1; turns < 4; turns++) {
        let run: Effect.Effect<unknown, E> = self()
        // so that it comes at another of its steps each time
        for (let i = 0; i < before; i++) run = Effect.andThen(Effect.void, run)
        const fiber = yield* Effect.forkChild(withStepsBeforeYield(40)(run))
        for (let i = 0; i < turns; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        yield* look(`with ${before} steps before, after ${turns} turns`)
      }
    }
  })
