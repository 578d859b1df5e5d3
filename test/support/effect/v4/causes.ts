/** What is in a cause. */
import * as Cause from "effect/Cause"

/** The errors that somebody failed with, in their order. */
export const errorsOf = <E>(cause: Cause.Cause<E>): ReadonlyArray<E> =>
  cause.reasons.filter(Cause.isFailReason).map(({ error }) => error)

/** The defects, in their order. */
export const defectsOf = <E>(cause: Cause.Cause<E>): ReadonlyArray<unknown> =>
  cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect)

/** It ended in two ways at once. */
export const both = <E, E2>(one: Cause.Cause<E>, other: Cause.Cause<E2>): Cause.Cause<E | E2> =>
  Cause.combine(one, other)

/** Somebody interrupted it. */
export const interrupted: Cause.Cause<never> = Cause.interrupt()

/** A cause as it is printed with all that errors are caused by. */
export const printed = (cause: Cause.Cause<unknown>): string => Cause.pretty(cause)
