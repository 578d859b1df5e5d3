import * as Effect from "effect/Effect"
import * as F from "effect/FiberSet"

export * from "effect/FiberSet"

/** The fiber is interruptible, as on Effect 4, wherever it is started. */
export const run = <A, E, R, X extends A, Y extends E>(self: F.FiberSet<A, E>, effect: Effect.Effect<X, Y, R>) =>
  F.run(self, Effect.interruptible(effect))
