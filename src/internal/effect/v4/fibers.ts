/** What plain synchronous code does with fibers. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** Whether a fiber has ended. */
export const hasEnded = <A, E>(fiber: Fiber.Fiber<A, E>): boolean => fiber.pollUnsafe() !== undefined

/**
 * Interrupts a fiber, and does not wait for its end. A fiber that only waits ends within this turn of the event loop.
 */
export const interruptSoon = <A, E>(fiber: Fiber.Fiber<A, E>): void => fiber.interruptUnsafe()

/**
 * Runs an Effect in a fiber of its own, which is interrupted when the caller is: but the caller does not wait for its
 * end then.
 */
export const disconnected = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(restore(self)), (fiber) =>
      Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => interruptSoon(fiber)))
    )
  )
