/** What is in a cause. */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as FiberId from "effect/FiberId"

/** The errors that somebody failed with, in their order. */
export const errorsOf = <E>(cause: Cause.Cause<E>): ReadonlyArray<E> => Chunk.toReadonlyArray(Cause.failures(cause))

/** The defects, in their order. */
export const defectsOf = <E>(cause: Cause.Cause<E>): ReadonlyArray<unknown> =>
  Chunk.toReadonlyArray(Cause.defects(cause))

/** It ended in two ways at once. */
export const both = <E, E2>(one: Cause.Cause<E>, other: Cause.Cause<E2>): Cause.Cause<E | E2> =>
  Cause.parallel(one, other)

/** Somebody interrupted it. */
export const interrupted: Cause.Cause<never> = Cause.interrupt(FiberId.none)

/** A cause as it is printed with all that errors are caused by. */
export const printed = (cause: Cause.Cause<unknown>): string => Cause.pretty(cause, { renderErrorCause: true })
