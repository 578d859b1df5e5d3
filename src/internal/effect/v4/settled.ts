import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/**
 * The value of an Effect that is settled already, such as Schema's parsers mostly give; `pending` if it has to be run.
 * What `onFailure` returns stands for its failure.
 */
export const settledOr = <A, E, B, C>(
  self: Effect.Effect<A, E, unknown>,
  pending: B,
  onFailure: (error: E) => C
): A | B | C => {
  if (!Exit.isExit(self)) return pending
  const settled = self as Exit.Exit<A, E>
  if (Exit.isSuccess(settled)) return settled.value
  const failure = Cause.findErrorOption(settled.cause)
  // A defect is a bug of a function in the schema: it is thrown as it would be there.
  if (Option.isNone(failure)) throw Cause.squash(settled.cause)
  return onFailure(failure.value)
}
