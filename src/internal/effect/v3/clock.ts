/** Reading a clock in plain synchronous code. */
import type * as Clock from "effect/Clock"

/** Milliseconds of the wall clock, since the epoch. */
export const millisOf = (clock: Clock.Clock): number => clock.unsafeCurrentTimeMillis()

/** Milliseconds with fractions, of a clock that goes on evenly when the wall clock is set. */
export const evenMillisOf = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos()) / 1e6
