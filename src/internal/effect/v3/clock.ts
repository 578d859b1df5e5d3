/** Reading a clock in plain synchronous code. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** The clock of the present fiber. */
export const currentClock: Effect.Effect<Clock.Clock> = Effect.clock

/** Milliseconds of the wall clock, since the epoch. */
export const millisOf = (clock: Clock.Clock): number => clock.unsafeCurrentTimeMillis()

/** Milliseconds with fractions, of a clock that goes on evenly when the wall clock is set. */
export const evenMillisOf = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos()) / 1e6
