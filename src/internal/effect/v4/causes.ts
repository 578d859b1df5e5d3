import * as Cause from "effect/Cause"

/** What a fiber died of, if it did. */
export const defectOf = (cause: Cause.Cause<unknown>): { readonly defect: unknown } | undefined =>
  cause.reasons.find(Cause.isDieReason)
