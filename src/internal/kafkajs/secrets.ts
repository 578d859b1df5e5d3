import * as Redacted from "effect/Redacted"
import type { OptionCheck } from "../options/check.ts"

/** The text of a secret among the options; empty, with a problem noted, if it is something else. */
export const readSecret = (check: OptionCheck, option: string, secret: Redacted.Redacted<string>): string => {
  const value: unknown = Redacted.isRedacted(secret) ? Redacted.value(secret) : undefined
  if (typeof value === "string" && value !== "") return value
  check.problem(
    option,
    value === undefined
      ? "must be Redacted: Redacted.make(secret), or Config.redacted"
      : "must be Redacted text, and not empty"
  )
  return ""
}
