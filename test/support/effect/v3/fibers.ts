/** Fibers as tests need them beyond what programs do with them. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Supervisor from "effect/Supervisor"

/** Counts the fibers that an Effect starts, and those that they start, as long as they run. */
export interface Census {
  readonly of: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly count: Effect.Effect<number>
}

export const census: Effect.Effect<Census> = Effect.map(Supervisor.track, (supervisor) => ({
  of: (effect) => Effect.supervised(effect, supervisor),
  count: Effect.map(supervisor.value, (fibers) => fibers.filter((fiber) => fiber.unsafePoll() === null).length)
}))

/** Interrupts a fiber from plain code, as a library does that has got hold of it. */
export const interruptAtOnce = (fiber: Fiber.RuntimeFiber<unknown, unknown>): void =>
  fiber.unsafeInterruptAsFork(FiberId.none)

/** Lets others run after so many steps of a fiber. */
export const withStepsBeforeYield =
  (steps: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withMaxOpsBeforeYield(effect, steps)
