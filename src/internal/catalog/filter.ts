/** What a catalog is asked for: conditions on the fields that are keys, of which each has to hold. */
import type { CatalogKeys } from "../../Catalog.ts"
import { InvalidOptionsError, type OptionProblem } from "../../KafkaError.ts"
import { isObject } from "../options/check.ts"
import { unknownName } from "../views/misuse.ts"
import { fieldsOf, folded, isKeyText, KEY_TEXT } from "./configuration.ts"

/** The bounds of the row key, by the name that a filter has for them. A key of the same name is meant first. */
const BOUNDS = ["rowFrom", "rowTo"] as const

/** The same within a condition on the row key itself. */
const RANGE = ["from", "to"] as const

export type Where = Readonly<Record<string, unknown>>

/** The conditions of a filter as the indexes have them. Throws what is wrong with it: all of it. */
export const conditionsOf = (topic: string, keys: CatalogKeys, filter: unknown): Where => {
  const problems: Array<OptionProblem> = []
  const known = [...new Set([...fieldsOf(keys), ...BOUNDS])]
  const given = isObject(filter) ? (filter as Readonly<Record<string, unknown>>) : {}
  if (!isObject(filter))
    problems.push({ option: "filter", problem: `must be an object; known are ${known.join(", ")}` })
  const names = Object.keys(given).filter((name) => given[name] !== undefined)
  const text = (name: string, value: unknown): string | undefined => {
    if (isKeyText(value)) return value
    problems.push({ option: `filter.${name}`, problem: KEY_TEXT })
    return undefined
  }
  const where = new Map<string, unknown>()
  /** The bounds that hold, and which the result is within, however they are said. */
  const rows: { gte?: string | undefined; lte?: string | undefined } = {}
  const bound = (name: string, value: unknown, isLower: boolean): void => {
    const found = text(name, value)
    if (found === undefined) return
    if (isLower) rows.gte = rows.gte === undefined || rows.gte < found ? found : rows.gte
    else rows.lte = rows.lte === undefined || rows.lte > found ? found : rows.lte
  }
  for (const name of names) {
    const value = given[name]
    if (keys.indexKeys.includes(name)) {
      const found = text(name, value)
      if (found !== undefined) where.set(name, folded(found))
    } else if (name === keys.rowKey && isObject(value)) {
      const range = value as Readonly<Record<string, unknown>>
      const bounds = Object.keys(range).filter((each) => range[each] !== undefined)
      for (const each of bounds) {
        if (each === "from" || each === "to") bound(`${name}.${each}`, range[each], each === "from")
        else problems.push({ option: `filter.${name}.${each}`, problem: unknownName(each, RANGE) })
      }
      if (bounds.length === 0) problems.push({ option: `filter.${name}`, problem: "must have a from, a to, or both" })
    } else if (name === keys.rowKey) {
      bound(name, value, true)
      if (isKeyText(value)) bound(name, value, false)
    } else if (name === "rowFrom" || name === "rowTo") bound(name, value, name === "rowFrom")
    else problems.push({ option: `filter.${name}`, problem: unknownName(name, known) })
  }
  if (names.length === 0 && problems.length === 0) {
    problems.push({ option: "filter", problem: `must not be empty; known are ${known.join(", ")}` })
  }
  if (problems.length > 0) throw new InvalidOptionsError({ module: "Catalog", topic, problems })
  if (Object.keys(rows).length > 0) where.set(keys.rowKey, rows)
  return Object.fromEntries(where)
}
