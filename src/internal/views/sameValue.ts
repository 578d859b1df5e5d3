/** Whether two values of rows are the same, so that nobody is told of an update that changes nothing. */
import * as Equal from "effect/Equal"
import { types } from "node:util"
import { equalsByItself, isEqualByFields } from "../effect/v4/equality.ts"

/** How deep values are looked into: below, they count as different. */
const MAX_DEPTH = 200

/** How many pairs of objects are looked into: where there are more, the values count as different. */
const MAX_PAIRS = 100_000

/** What is left of the work that one comparison may do. Values that hold themselves have no end. */
interface Budget {
  pairs: number
}

/**
 * Whether two values are the same, on either major of Effect: -0 is 0, and `NaN` is `NaN`; what implements Effect's `Equal`
 * goes by that, arrays, maps, sets, dates, bytes, errors, patterns and URLs by their content, all other objects by their
 * own enumerable properties, if they have the same prototype. Functions, and objects of classes without such properties,
 * are the same as themselves only. State in private fields is not seen: a class that has some should implement `Equal`.
 *
 * This never throws, and ends for whatever it is given: what cannot be looked into is different.
 */
export const sameValue = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (!isObject(a) || !isObject(b)) return isNan(a) && isNan(b)
  try {
    return sameObjects(a, b, 0, { pairs: MAX_PAIRS })
  } catch {
    return false
  }
}

const isObject = (u: unknown): u is object => typeof u === "object" && u !== null

const isNan = (u: unknown): boolean => u !== u

const same = (a: unknown, b: unknown, depth: number, budget: Budget): boolean => {
  if (a === b) return true
  return isObject(a) && isObject(b) ? sameObjects(a, b, depth, budget) : isNan(a) && isNan(b)
}

const sameObjects = (a: object, b: object, depth: number, budget: Budget): boolean => {
  if (depth > MAX_DEPTH || --budget.pairs < 0) return false
  const prototype: unknown = Object.getPrototypeOf(a)
  if (prototype !== Object.getPrototypeOf(b)) return false
  const within = depth + 1
  if (prototype === Array.prototype) return sameItems(a as Array<unknown>, b as Array<unknown>, within, budget)
  if (Equal.isEqual(a) && !isEqualByFields(a)) {
    return Equal.isEqual(b) && equalsByItself(a, b, (x, y) => same(x, y, within, budget))
  }
  if (prototype === Object.prototype || prototype === null) return sameFields(a, b, within, budget)
  return sameInstances(a, b, within, budget)
}

const sameItems = (a: ReadonlyArray<unknown>, b: ReadonlyArray<unknown>, depth: number, budget: Budget): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) {
    if (!same(a[i], b[i], depth, budget)) return false
  }
  return true
}

/** The own enumerable properties. Names that stand in the same order on both sides, as they mostly do, need no look-up. */
const sameFields = (a: object, b: object, depth: number, budget: Budget): boolean => {
  const names = namesOf(a)
  const others = namesOf(b)
  if (names.length !== others.length) return false
  for (let i = 0; i < names.length; i++) {
    const name = names[i]
    if (name !== others[i] && !isEnumerable.call(b, name)) return false
    if (!same(a[name as keyof object], b[name as keyof object], depth, budget)) return false
  }
  return true
}

const isEnumerable = Object.prototype.propertyIsEnumerable

const namesOf = (self: object): ReadonlyArray<PropertyKey> => {
  const symbols = Object.getOwnPropertySymbols(self)
  if (symbols.length === 0) return Object.keys(self)
  return [...Object.keys(self), ...symbols.filter((symbol) => isEnumerable.call(self, symbol))]
}

/** Objects of one class: their content, where it is one that has some besides its properties, and their properties. */
const sameInstances = (a: object, b: object, depth: number, budget: Budget): boolean => {
  if (types.isTypedArray(a)) return types.isTypedArray(b) && sameElements(a, b)
  const content = sameContent(a, b, depth, budget)
  if (content === false) return false
  return (content === true || namesOf(a).length > 0) && sameFields(a, b, depth, budget)
}

/** `undefined` for what has no content besides its properties. */
const sameContent = (a: object, b: object, depth: number, budget: Budget): boolean | undefined => {
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length
  if (types.isMap(a)) return types.isMap(b) && sameMaps(a, b, depth, budget)
  if (types.isSet(a)) return types.isSet(b) && sameSets(a, b, depth, budget)
  if (types.isDate(a)) return types.isDate(b) && same(a.getTime(), b.getTime(), depth, budget)
  if (types.isRegExp(a)) return types.isRegExp(b) && String(a) === String(b) && a.lastIndex === b.lastIndex
  if (a instanceof URL) return b instanceof URL && a.href === b.href
  if (types.isNativeError(a)) {
    return types.isNativeError(b) && a.message === b.message && same(a.cause, b.cause, depth, budget)
  }
  return undefined
}

const sameElements = (a: NodeJS.TypedArray, b: NodeJS.TypedArray): boolean => {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] && !(isNan(a[i]) && isNan(b[i]))) return false
  }
  return true
}

/** Keys that are the same objects, or no objects, are looked up; others have to come in the same order. */
const sameMaps = (a: Map<unknown, unknown>, b: Map<unknown, unknown>, depth: number, budget: Budget): boolean => {
  if (a.size !== b.size) return false
  const others = b.entries()
  let isLookedUp = true
  let isInOrder = true
  for (const [key, value] of a) {
    const [otherKey, other] = others.next().value as [unknown, unknown]
    isInOrder &&= same(key, otherKey, depth, budget) && same(value, other, depth, budget)
    isLookedUp &&= b.has(key) && same(value, b.get(key), depth, budget)
    if (!isInOrder && !isLookedUp) return false
  }
  return true
}

const sameSets = (a: Set<unknown>, b: Set<unknown>, depth: number, budget: Budget): boolean => {
  if (a.size !== b.size) return false
  const others = b.values()
  let isLookedUp = true
  let isInOrder = true
  for (const item of a) {
    isInOrder &&= same(item, others.next().value, depth, budget)
    isLookedUp &&= b.has(item)
    if (!isInOrder && !isLookedUp) return false
  }
  return true
}
