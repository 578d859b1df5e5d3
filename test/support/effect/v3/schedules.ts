/** Schedules that look at what they are asked about. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** Ends the schedule when the input does not satisfy the predicate. */
export const whileInput = <Out, In>(
  schedule: Schedule.Schedule<Out, In>,
  predicate: (input: In) => boolean
): Schedule.Schedule<Out, In> => Schedule.whileInput(schedule, predicate)

/** Runs an Effect with each input. */
export const tapInput = <Out, In>(
  schedule: Schedule.Schedule<Out, In>,
  tap: (input: In) => Effect.Effect<unknown>
): Schedule.Schedule<Out, In> => Schedule.tapInput(schedule, tap)

/** Runs an Effect at each step. */
export const tapStep = <Out, In>(
  schedule: Schedule.Schedule<Out, In>,
  tap: Effect.Effect<unknown>
): Schedule.Schedule<Out, In> => Schedule.tapOutput(schedule, () => tap)

/** So often, with such pauses. */
export const recurs = (times: number, pause: Duration.DurationInput): Schedule.Schedule<number> =>
  Schedule.intersect(Schedule.spaced(pause), Schedule.recurs(times)).pipe(Schedule.map(([count]) => count))

/** So many more times, and no more. */
export const limited = <Out, In>(schedule: Schedule.Schedule<Out, In>, times: number): Schedule.Schedule<Out, In> =>
  Schedule.intersect(schedule, Schedule.recurs(times)).pipe(Schedule.map(([out]) => out))
