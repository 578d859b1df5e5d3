/** What plain synchronous code does with queues. */
import type * as Queue from "effect/Queue"

/** Puts something into a queue without a bound, from plain synchronous code. */
export const offerNow = <A>(queue: Queue.Enqueue<A>, value: A): boolean => queue.unsafeOffer(value)
