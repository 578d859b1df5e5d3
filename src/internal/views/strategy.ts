/** The strategies of subscribers: what is wrong in one is told when it is given, and never to the table that pushes to it. */
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { Strategy } from "../../LiveTable.ts"
import { misuse, nameProblems, ofKeys } from "./misuse.ts"

/** The strategy of subscribers who do not name one. */
export const CONFLATE: Strategy = { _tag: "Conflate" }

const WITH_CAPACITY: ReadonlyArray<unknown> = ["Sliding", "Dropping", "BackPressure"]

const PROBLEM = "must be LiveTable.conflate, or what LiveTable.sliding, dropping and backPressure make of a number"

const isStrategy = (given: unknown): boolean => {
  if (typeof given !== "object" || given === null) return false
  const { _tag, capacity } = given as { readonly _tag?: unknown; readonly capacity?: unknown }
  return _tag === CONFLATE._tag || (WITH_CAPACITY.includes(_tag) && typeof capacity === "number")
}

/** What is wrong with a strategy for changes of a table of this topic; `undefined` if it is one. */
export const problemOfStrategy = (topic: string, given: unknown): InvalidOptionsError | undefined =>
  isStrategy(given) ? undefined : misuse(ofKeys(topic), { option: "strategy", problem: PROBLEM })

/** The strategy among the options of a subscription. Throws for what is none. */
export const strategyOf = (topic: string, options: { readonly strategy?: Strategy } | undefined): Strategy => {
  if (options === undefined) return CONFLATE
  const problems = nameProblems("options", options, ["strategy"])
  if (problems.length > 0) throw misuse(ofKeys(topic), ...problems)
  const { strategy = CONFLATE } = options
  const problem = problemOfStrategy(topic, strategy)
  if (problem !== undefined) throw problem
  return strategy
}
