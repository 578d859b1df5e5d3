/** Schedules that look at what they are asked about. */
import type * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** Ends the schedule when the input does not satisfy the predicate. */
export const whileInput = <Out, In>(
  schedule: Schedule.Schedule<Out, In>,
  predicate: (input: In) => boolean
): Schedule.Schedule<Out, In> => Schedule.while(schedule, ({ input }) => predicate(input))

/** Runs an Effect with each input. */
export const tapInput = <Out, In>(
  schedule: Schedule.Schedule<Out, In>,
  tap: (input: In) => Effect.Effect<unknown>
): Schedule.Schedule<Out, In> => Schedule.tap(schedule, ({ input }) => tap(input))

/** Runs an Effect at each step. */
export const tapStep = <Out, In>(
  schedule: Schedule.Schedule<Out, In>,
  tap: Effect.Effect<unknown>
): Schedule.Schedule<Out, In> => Schedule.tap(schedule, () => tap)

/** Ends the schedule after so many steps; it is asked once more, and says no. */
export const limited = <Out, In>(schedule: Schedule.Schedule<Out, In>, times: number): Schedule.Schedule<Out, In> =>
  Schedule.upTo(schedule, { times })
