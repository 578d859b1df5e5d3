import * as Effect from "effect/Effect"

export type Semaphore = Effect.Semaphore

export const makeUnsafe = Effect.unsafeMakeSemaphore
