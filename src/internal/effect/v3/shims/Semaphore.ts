import * as Effect from "effect/Effect"

export type Semaphore = Effect.Semaphore

export const make = Effect.makeSemaphore
