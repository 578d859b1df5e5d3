/** What is wrong with a question to a table. The compiler refuses most of it; what it cannot see is told like other options. */
import { InvalidOptionsError, type OptionProblem } from "../../KafkaError.ts"
import { nearest } from "../options/nearest.ts"

/** The error for a question that cannot be answered. */
export const misuse = (module: string, ...problems: ReadonlyArray<OptionProblem>): InvalidOptionsError =>
  new InvalidOptionsError({ module, problems })

/** Throws for what is no object, and for names that are not known. `within` is what the names are of. */
export const checkNames = (module: string, within: string, given: unknown, known: ReadonlyArray<string>): void => {
  const problems = nameProblems(within, given, known)
  if (problems.length > 0) throw misuse(module, ...problems)
}

/** What is wrong with something that has to be an object with some of these names. */
export const nameProblems = (
  within: string,
  given: unknown,
  known: ReadonlyArray<string>
): ReadonlyArray<OptionProblem> => {
  if (typeof given !== "object" || given === null || Array.isArray(given) || given instanceof Date) {
    return [{ option: within, problem: `must be an object with some of ${known.join(", ")}` }]
  }
  return Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => ({ option: `${within}.${name}`, problem: unknownName(name, known) }))
}

export const unknownName = (name: string, known: ReadonlyArray<string>): string => {
  const meant = nearest(name, known)
  if (meant !== undefined) return `unknown; did you mean "${meant}"?`
  return known.length === 0 ? "unknown; there are none" : `unknown; known are ${known.join(", ")}`
}

/** Throws for options of a question that cannot work. `least` is the least limit. */
export const checkOptions = (
  module: string,
  given: { readonly limit?: unknown; readonly reverse?: unknown } | undefined,
  known: ReadonlyArray<string>,
  least: number
): void => {
  if (given === undefined) return
  const problems = [...nameProblems("options", given, known)]
  const { limit, reverse } = (given as typeof given | null) ?? {}
  if (
    limit !== undefined &&
    limit !== Number.POSITIVE_INFINITY &&
    !(Number.isSafeInteger(limit) && (limit as number) >= least)
  ) {
    problems.push({ option: "limit", problem: `must be a whole number, at least ${least}` })
  }
  if (reverse !== undefined && typeof reverse !== "boolean") {
    problems.push({ option: "reverse", problem: "must be true or false" })
  }
  if (problems.length > 0) throw misuse(module, ...problems)
}
