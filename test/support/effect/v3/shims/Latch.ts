import * as Effect from "effect/Effect"

export interface Latch extends Effect.Latch {
  readonly openUnsafe: () => boolean | void
  readonly closeUnsafe: () => boolean | void
}

const withUnsafe = (latch: Effect.Latch): Latch =>
  Object.assign(latch, { openUnsafe: () => latch.unsafeOpen(), closeUnsafe: () => latch.unsafeClose() })

export const makeUnsafe = (open?: boolean): Latch => withUnsafe(Effect.unsafeMakeLatch(open))
export const make = (open?: boolean): Effect.Effect<Latch> => Effect.sync(() => makeUnsafe(open))
