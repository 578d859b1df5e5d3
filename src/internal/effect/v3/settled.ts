import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"

/**
 * The value of an Effect that is settled already, such as Schema's parsers mostly give; `pending` if it has to be run.
 * What `onFailure` returns stands for its failure.
 */
export const settledOr = <A, E, B, C>(
  self: Effect.Effect<A, E, unknown>,
  pending: B,
  onFailure: (error: E) => C
): A | B | C => {
  if (!Either.isEither(self)) return pending
  const settled = self as unknown as Either.Either<A, E>
  return Either.isRight(settled) ? settled.right : onFailure(settled.left)
}
