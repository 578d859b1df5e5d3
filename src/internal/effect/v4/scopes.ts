import type * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

/** A scope that is closed with its parent, or before. */
export const forkedScope = (parent: Scope.Scope): Effect.Effect<Scope.Closeable> => Scope.fork(parent)
