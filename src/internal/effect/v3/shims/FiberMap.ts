import * as Effect from "effect/Effect"
import * as F from "effect/FiberMap"

export * from "effect/FiberMap"

/** The fiber is interruptible, as on Effect 4, wherever it is started. */
export const run = <K, A, E, R, X extends A, Y extends E>(
  self: F.FiberMap<K, A, E>,
  key: K,
  effect: Effect.Effect<X, Y, R>
) => F.run(self, key, Effect.interruptible(effect))
