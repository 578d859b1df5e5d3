/** What plain synchronous code does with fibers. */
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"

export const hasEnded = <A, E>(fiber: Fiber.RuntimeFiber<A, E>): boolean => fiber.unsafePoll() !== null

/** Interrupts a fiber without waiting for its end: it comes within this turn of the event loop, if the fiber only waits. */
export const interruptSoon = <A, E>(fiber: Fiber.RuntimeFiber<A, E>): void => fiber.unsafeInterruptAsFork(FiberId.none)
