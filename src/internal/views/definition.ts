/** How indexes are defined, and what a row is indexed by. */
import type { Order } from "effect/Order"
import type { Builder, Definition, Indexes, IndexKey, IndexOptions, Kind, SortedOptions } from "../../TableIndex.ts"
import type { AnySlots } from "../table/publication/view.ts"
import { isList, isOrdered, isSameKey, type Key, normalized } from "./indexKey.ts"

const NO_KEYS: ReadonlyArray<Key> = []

const definitionOf = <K, V, IndexKind extends Kind>(
  kind: IndexKind,
  keyOf: (value: V, key: K) => unknown,
  options: IndexOptions<K, V> & { readonly order?: Order<never> } = {}
): Definition<K, V, never, IndexKind> => ({
  kind,
  keyOf: keyOf as Definition<K, V, never, IndexKind>["keyOf"],
  where: options.where,
  order: options.order
})

/** The builder is one for all tables: only its types are a table's own. */
const builder = {
  unique: (keyOf: () => unknown, options?: object) => definitionOf("unique", keyOf, options),
  hash: (keyOf: () => unknown, options?: object) => definitionOf("hash", keyOf, options),
  multi: (keysOf: () => unknown, options?: object) => definitionOf("multi", keysOf, options),
  sorted: (keyOf: () => unknown, options?: SortedOptions<never, never, never>) => definitionOf("sorted", keyOf, options)
}

const builderOf = <K, V>(): Builder<K, V> => builder as unknown as Builder<K, V>

/** @internal */
export const define =
  <K, V>() =>
  <Ix extends Indexes>(make: (index: Builder<K, V>) => Ix): Ix =>
    make(builderOf<K, V>())

/** Any definition, as what is done with rows sees it. */
export type AnyDefinition = Definition<unknown, unknown, IndexKey, Kind>

/** Whether a value has all that a definition is. */
export const isDefinition = (value: unknown): value is AnyDefinition =>
  typeof value === "object" && value !== null && typeof (value as AnyDefinition).keyOf === "function"

/** What `keysOf` gives for a row that should have a key, and has none. */
export const LEFT_OUT: unique symbol = Symbol("LEFT_OUT")

/**
 * What a row is indexed by: none, one, or of a multi index any number of different keys. Throws what the user's functions
 * throw.
 */
export const keysOf = (
  definition: AnyDefinition,
  value: unknown,
  key: unknown
): ReadonlyArray<Key> | typeof LEFT_OUT => {
  const { order, where } = definition
  if (where !== undefined && !where(value, key)) return NO_KEYS
  const given = definition.keyOf(value, key)
  if (definition.kind === "multi") return given === undefined ? LEFT_OUT : differentKeys(given as Iterable<IndexKey>)
  const only = normalized(given as IndexKey | undefined, order !== undefined)
  return only === undefined || !isOrdered(order, only) ? LEFT_OUT : [only]
}

/** The different ones of several keys. What is no key is passed over, unless there is nothing else. */
const differentKeys = (given: Iterable<IndexKey>): ReadonlyArray<Key> | typeof LEFT_OUT => {
  const all = new Set<Key>()
  let isEmpty = true
  for (const each of given) {
    isEmpty = false
    const one = normalized(each)
    if (one === undefined) continue
    if (isList(one) && [...all].some((other) => isSameKey(other, one))) continue
    all.add(one)
  }
  return all.size === 0 && !isEmpty ? LEFT_OUT : [...all]
}

/** What a row with a value is indexed by. What the user's functions throw is no key. */
export const keysAt = (definition: AnyDefinition, slots: AnySlots, slot: number): ReadonlyArray<Key> => {
  try {
    const keys = keysOf(definition, slots.peekAt(slot), slots.keyAt(slot))
    return keys === LEFT_OUT ? NO_KEYS : keys
  } catch {
    return NO_KEYS
  }
}
