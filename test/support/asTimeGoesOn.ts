import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { turns } from "./turns.ts"

/** Lets the test's time go on by this much at a time, and what that wakes run, until something has ended that waits for it. */
export const asTimeGoesOn = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  step: Duration.Input = "50 millis"
): Effect.Effect<A, E, R> => Effect.raceFirst(self, Effect.forever(Effect.andThen(TestClock.adjust(step), turns(1))))
