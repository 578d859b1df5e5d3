/** A Deferred that plain synchronous code can make and settle. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"

export const makeDeferred = <A, E = never>(): Deferred.Deferred<A, E> => Deferred.unsafeMake<A, E>(FiberId.none)

/** Settles a Deferred. The first exit counts. */
export const settleDeferred = <A, E>(deferred: Deferred.Deferred<A, E>, exit: Exit.Exit<A, E>): void =>
  Deferred.unsafeDone(deferred, exit)

/** Runs an Effect, and settles a Deferred with how it ended, whatever that is. */
export const into =
  <A, E>(deferred: Deferred.Deferred<A, E>) =>
  <R>(self: Effect.Effect<A, E, R>): Effect.Effect<boolean, never, R> =>
    Effect.intoDeferred(self, deferred)
