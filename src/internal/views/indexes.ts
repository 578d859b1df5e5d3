/** The indexes that somebody has defined, as views of a table. */
import { InvalidOptionsError } from "../../KafkaError.ts"
import type { Indexes } from "../../TableIndex.ts"
import type { Input } from "../table/publication/view.ts"
import { isDefinition } from "./definition.ts"
import { HashIndex } from "./hashIndex.ts"
import type { AnyIndexView } from "./lookups.ts"
import { SortedIndex } from "./sortedIndex.ts"

/** The error for what is no index; `undefined` if all are. */
export const problemsOf = (module: string, indexes: Indexes): InvalidOptionsError | undefined => {
  const problems = Object.entries(indexes)
    .filter(([, definition]) => !isDefinition(definition))
    .map(([name]) => ({
      option: `indexes.${name}`,
      problem: "must be made by the builder of indexes, such as index.sorted((value) => value.age)"
    }))
  return problems.length === 0 ? undefined : new InvalidOptionsError({ module, problems })
}

/** Makes the views of indexes, by name. */
export const indexViews = (input: Input, indexes: Indexes): ReadonlyArray<readonly [string, AnyIndexView]> =>
  Object.entries(indexes).flatMap(([name, definition]) => {
    if (!isDefinition(definition)) return []
    const view: AnyIndexView =
      definition.kind === "sorted" ? new SortedIndex(input, name, definition) : new HashIndex(input, name, definition)
    return [[name, view] as const]
  })
