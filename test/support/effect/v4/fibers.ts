/** Fibers as tests need them beyond what programs do with them. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Scheduler from "effect/Scheduler"

/** Counts the fibers that an Effect starts, and those that they start, as long as they run. */
export interface Census {
  readonly of: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly count: Effect.Effect<number>
}

export const census: Effect.Effect<Census> = Effect.sync(() => {
  let count = 0
  return {
    of: (effect) =>
      Effect.provideService(effect, Metric.FiberRuntimeMetrics, {
        recordFiberStart: () => {
          count++
        },
        recordFiberEnd: () => {
          count--
        }
      }),
    count: Effect.sync(() => count)
  }
})

/** Interrupts a fiber from plain code, as a library does that has got hold of it. */
export const interruptAtOnce = (fiber: Fiber.Fiber<unknown, unknown>): void => fiber.interruptUnsafe()

/** Lets others run after so many steps of a fiber. */
export const withStepsBeforeYield =
  (steps: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(effect, Scheduler.MaxOpsBeforeYield, steps)
