/** Asking a schedule step by step. */
import type * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** Waits as long as the schedule says after this input; fails when the schedule ends. */
export type Step<In> = (input: In) => Effect.Effect<unknown, unknown>

/** Begins a schedule: its steps go on from each other. */
export const begin = <In>(schedule: Schedule.Schedule<unknown, In>): Effect.Effect<Step<In>> =>
  Schedule.toStepWithSleep(schedule)
