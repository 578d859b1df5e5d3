/** What is wrong with a question to a table. The compiler refuses most of it; what it cannot see is told like other options. */
import { InvalidOptionsError, type OptionProblem } from "../../KafkaError.ts"
import { nearest } from "../options/nearest.ts"

/** The error for a question that cannot be answered. */
export const misuse = (module: string, ...problems: ReadonlyArray<OptionProblem>): InvalidOptionsError =>
  new InvalidOptionsError({ module, problems })

/** Throws for names that are not known. `within` is what the names are of. */
export const checkNames = (module: string, within: string, given: object, known: ReadonlyArray<string>): void => {
  const problems = Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => ({ option: `${within}.${name}`, problem: unknownName(name, known) }))
  if (problems.length > 0) throw misuse(module, ...problems)
}

export const unknownName = (name: string, known: ReadonlyArray<string>): string => {
  const meant = nearest(name, known)
  if (meant !== undefined) return `unknown; did you mean "${meant}"?`
  return known.length === 0 ? "unknown; there are none" : `unknown; known are ${known.join(", ")}`
}

/** Throws for a number that is not whole, or below the least one. */
export const checkLimit = (module: string, limit: number | undefined, least: number): void => {
  if (limit === undefined || limit === Number.POSITIVE_INFINITY) return
  if (Number.isSafeInteger(limit) && limit >= least) return
  throw misuse(module, { option: "limit", problem: `must be a whole number, at least ${least}` })
}
