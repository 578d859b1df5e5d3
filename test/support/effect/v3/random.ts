/** Randomness that is none. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

type Around = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** All random numbers of an Effect are those that follow from a seed. */
export const withSeed = (seed: number): Around => Effect.withRandom(Random.make(seed))

/** All random numbers of an Effect are 0. */
export const withoutChance: Around = Effect.withRandom(Random.fixed([0]))
