/** What plain synchronous code does with fibers. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"

/** Whether a fiber has ended. */
export const hasEnded = <A, E>(fiber: Fiber.RuntimeFiber<A, E>): boolean => fiber.unsafePoll() !== null

/**
 * Interrupts a fiber, and does not wait for its end. A fiber that only waits ends within this turn of the event loop.
 */
export const interruptSoon = <A, E>(fiber: Fiber.RuntimeFiber<A, E>): void => fiber.unsafeInterruptAsFork(FiberId.none)

/**
 * Runs an Effect in a fiber of its own, which is interrupted when the caller is: but the caller does not wait for its
 * end then.
 */
export const disconnected = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => Effect.disconnect(self)
