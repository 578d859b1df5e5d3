/** What is wrong with a question to a table. The compiler refuses most of it; what it cannot see is told like other options. */
import { InvalidOptionsError, type OptionProblem } from "../../KafkaError.ts"
import { nearest } from "../options/nearest.ts"

/** What is asked: the module that the question is of, and the topic of the table, or those that it is made of. */
export interface Asked {
  readonly module: "TableIndex" | "LiveTable"
  readonly topic: string
}

/** A question to the indexes of a table. */
export const ofIndexes = (topic: string): Asked => ({ module: "TableIndex", topic })

/** A question to a table by its keys. */
export const ofKeys = (topic: string): Asked => ({ module: "LiveTable", topic })

/** The error for a question that cannot be answered. */
export const misuse = (asked: Asked, ...problems: ReadonlyArray<OptionProblem>): InvalidOptionsError =>
  new InvalidOptionsError({ ...asked, problems })

/** Throws for what is no object, and for names that are not known. `within` is what the names are of. */
export const checkNames = (asked: Asked, within: string, given: unknown, known: ReadonlyArray<string>): void => {
  const problems = nameProblems(within, given, known)
  if (problems.length > 0) throw misuse(asked, ...problems)
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
  asked: Asked,
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
  if (problems.length > 0) throw misuse(asked, ...problems)
}
