/** Values with a name that an encoder would leave out, as it takes it for an object's prototype. */
import * as Redacted from "effect/Redacted"
import { PROTO } from "./proto.ts"

/** Whether a value has an own property that an encoder would take for its prototype, and leave out. */
export type ProtoFinder = (value: unknown) => boolean

export const never: ProtoFinder = () => false

export const any = (finders: ReadonlyArray<ProtoFinder>): ProtoFinder => {
  const some = finders.filter((finder) => finder !== never)
  return some.length === 0 ? never : (value) => some.some((finder) => finder(value))
}

/** Looks through arrays. */
export const inArray = (parts: ProtoFinder): ProtoFinder =>
  parts === never ? never : (value) => Array.isArray(value) && value.some(parts)

/** Looks through objects: at their names, if they are open, at fields that a schema declares, and at all other values. */
export const inObject = (
  isOpen: boolean,
  declared: ReadonlyArray<readonly [PropertyKey, ProtoFinder]>,
  values: ProtoFinder
): ProtoFinder => {
  const fields = declared.filter(([, finder]) => finder !== never)
  if (fields.length === 0 && !isOpen) return never
  return (value) => {
    if (typeof value !== "object" || value === null) return false
    const object = value as Record<PropertyKey, unknown>
    return (
      (isOpen && Object.hasOwn(object, PROTO)) ||
      fields.some(([name, finder]) => finder(object[name])) ||
      (values !== never && Object.values(object).some(values))
    )
  }
}

/** How many steps inwards it is looked: the values of a map lie in pairs, two steps in. */
const HOLDER_DEPTH = 2

const heldBy = (holder: object): ReadonlyArray<unknown> => {
  if (Redacted.isRedacted(holder)) return [Redacted.value(holder)]
  if (Array.isArray(holder)) return holder
  // Bytes have no names, and are many.
  if (ArrayBuffer.isView(holder)) return []
  const fields: ReadonlyArray<unknown> = Object.values(holder)
  return Symbol.iterator in holder ? [...fields, ...(holder as Iterable<unknown>)] : fields
}

/** Looks into a value that is declared to hold others, whatever it is: a map, a set, an Option, a secret, a class's instance. */
export const inHolder = (held: ProtoFinder): ProtoFinder => {
  if (held === never) return never
  const within = (value: unknown, depth: number): boolean =>
    held(value) ||
    (depth > 0 && typeof value === "object" && value !== null && heldBy(value).some((one) => within(one, depth - 1)))
  return (value) => within(value, HOLDER_DEPTH)
}

/** A map whose keys become names. */
export const hasProtoKey: ProtoFinder = (value) => value instanceof Map && value.has(PROTO)
