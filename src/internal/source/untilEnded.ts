import * as Effect from "effect/Effect"

/**
 * Runs `once` over and over, and yields after each time as `Effect.forever` does, until `hasEnded` gives true. Nothing
 * is done after that, so whoever sees from then on that it has ended may begin it anew.
 */
export const untilEnded = (once: Effect.Effect<void>, hasEnded: () => boolean): Effect.Effect<void> => {
  const again = Effect.andThen(
    Effect.andThen(once, Effect.yieldNow),
    Effect.suspend(() => life)
  )
  const life: Effect.Effect<void> = Effect.suspend(() => (hasEnded() ? Effect.void : again))
  return life
}
