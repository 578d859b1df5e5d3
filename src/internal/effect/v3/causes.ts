import * as Cause from "effect/Cause"
import * as Option from "effect/Option"

/** What a fiber died of, if it did. */
export const defectOf = (cause: Cause.Cause<unknown>): { readonly defect: unknown } | undefined =>
  Option.getOrUndefined(Option.map(Cause.dieOption(cause), (defect) => ({ defect })))
