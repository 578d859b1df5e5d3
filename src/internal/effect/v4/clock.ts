/** Reading a clock in plain synchronous code. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** The clock of the present fiber. */
export const currentClock: Effect.Effect<Clock.Clock> = Clock.clockWith(Effect.succeed)

/** Milliseconds of the wall clock, since the epoch. */
export const millisOf = (clock: Clock.Clock): number => clock.currentTimeMillisUnsafe()

/** Milliseconds with fractions, of a clock that goes on evenly when the wall clock is set. */
export const evenMillisOf = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
