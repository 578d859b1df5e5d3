/** A Deferred that plain synchronous code can make and settle. */
import * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { soon } from "./soon.ts"

export const makeDeferred = <A, E = never>(): Deferred.Deferred<A, E> => Deferred.makeUnsafe<A, E>()

/** Settles a Deferred, soon: those who wait for it run when the code that settles it has come to its end. The first exit counts. */
export const settleDeferred = <A, E>(deferred: Deferred.Deferred<A, E>, exit: Exit.Exit<A, E>): void => {
  soon(() => Deferred.doneUnsafe(deferred, exit))
}

/** Runs an Effect, and settles a Deferred with how it ended, whatever that is. */
export const into =
  <A, E>(deferred: Deferred.Deferred<A, E>) =>
  <R>(self: Effect.Effect<A, E, R>): Effect.Effect<boolean, never, R> =>
    Deferred.into(self, deferred)
