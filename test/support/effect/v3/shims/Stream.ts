import * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as S from "effect/Stream"

export * from "../../../../../src/internal/effect/v3/shims/Stream.ts"

type Each<A, X, E2, R2> = (values: ReadonlyArray<A>) => Effect.Effect<X, E2, R2>

/** Runs an Effect with each chunk. */
export const runForEachArray: {
  <A, X, E2, R2>(f: Each<A, X, E2, R2>): <E, R>(self: S.Stream<A, E, R>) => Effect.Effect<void, E | E2, R | R2>
  <A, E, R, X, E2, R2>(self: S.Stream<A, E, R>, f: Each<A, X, E2, R2>): Effect.Effect<void, E | E2, R | R2>
} = dual(2, <A, E, R, X, E2, R2>(self: S.Stream<A, E, R>, f: Each<A, X, E2, R2>) =>
  S.runForEachChunk(self, (chunk) => f(Chunk.toReadonlyArray(chunk)))
)
