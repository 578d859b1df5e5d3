/** The indexes that somebody has defined, as views of a table. */
import { InvalidOptionsError } from "../../KafkaError.ts"
import type { Indexes } from "../../TableIndex.ts"
import type { Input } from "../table/publication/view.ts"
import { isDefinition } from "./definition.ts"
import { HashIndex } from "./hashIndex.ts"
import type { AnyIndexView } from "./lookups.ts"
import { SortedIndex } from "./sortedIndex.ts"

/** The error for what are no indexes; `undefined` if all are. */
export const problemsOf = (
  table: { readonly module: string; readonly topic: string },
  indexes: unknown
): InvalidOptionsError | undefined => {
  if (typeof indexes !== "object" || indexes === null) {
    const problem = "must be an object of indexes by their names, such as { age: index.sorted((value) => value.age) }"
    return new InvalidOptionsError({ ...table, problems: [{ option: "indexes", problem }] })
  }
  const problems = Object.entries(indexes).flatMap(([name, definition]) =>
    problemsIn(definition).map((problem) => ({ option: `indexes.${name}`, problem }))
  )
  return problems.length === 0 ? undefined : new InvalidOptionsError({ ...table, problems })
}

const problemsIn = (definition: unknown): ReadonlyArray<string> => {
  if (!isDefinition(definition)) {
    return ["must be made by the builder of indexes with a function, such as index.sorted((value) => value.age)"]
  }
  return (["where", "order"] as const)
    .filter((name) => definition[name] !== undefined && typeof definition[name] !== "function")
    .map((name) => `${name} must be a function`)
}

/** Makes the views of indexes, by name. */
export const indexViews = (input: Input, indexes: Indexes): ReadonlyArray<readonly [string, AnyIndexView]> =>
  Object.entries(indexes).flatMap(([name, definition]) => {
    if (!isDefinition(definition)) return []
    const view: AnyIndexView =
      definition.kind === "sorted" ? new SortedIndex(input, name, definition) : new HashIndex(input, name, definition)
    return [[name, view] as const]
  })
