/** What plain synchronous code does with queues. */
import * as Queue from "effect/Queue"

/** Puts something into a queue without a bound, from plain synchronous code. */
export const offerNow = <A>(queue: Queue.Queue<A>, value: A): boolean => Queue.offerUnsafe(queue, value)
