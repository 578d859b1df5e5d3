/** Looks through a value: does a schema leave it as it is, when it is decoded or encoded? */
import type { Field, Passes, Shape } from "./shape.ts"

/**
 * Whether a value that was read from JSON has the shape: objects have its fields, in their order and no others. A no may be
 * wrong where the order is another one.
 */
export const compileReadCheck = (shape: Shape): Passes => compileCheck(shape, isJson)

/**
 * The same of a value that anybody has made, and that is then written by `JSON.stringify`: a yes says that its objects and arrays
 * are plain ones, of which that writes what was looked at. What getters give is asked for twice.
 */
export const compileWriteCheck = (shape: Shape): Passes => compileCheck(shape, isPlainHolder)

/** Whether an object or an array may be looked through. */
type Holder = (value: object, prototype: object) => boolean

const isJson: Holder = () => true

const isPlainHolder: Holder = (value, prototype) =>
  Object.getPrototypeOf(value) === prototype && (value as { readonly toJSON?: unknown }).toJSON === undefined

const compileCheck = (shape: Shape, holder: Holder): Passes => {
  switch (shape.tag) {
    case "string":
    case "number":
      return primitive(shape.tag, shape.checks)
    case "boolean":
      return (value) => typeof value === "boolean"
    case "null":
      return (value) => value === null
    case "nothing":
      return (value) => value === undefined
    case "literal":
      return (value) => value === shape.value
    case "object":
      return object(shape.fields, holder)
    case "array":
      return array(
        shape.elements.map((element) => compileCheck(element, holder)),
        shape.rest === undefined ? undefined : compileCheck(shape.rest, holder),
        holder
      )
    case "union": {
      const checks = shape.members.map((member) => compileCheck(member, holder))
      return (value) => checks.some((check) => check(value))
    }
  }
}

const primitive = (type: "string" | "number", checks: ReadonlyArray<Passes>): Passes =>
  checks.length === 0
    ? (value) => typeof value === type
    : (value) => typeof value === type && checks.every((passes) => passes(value))

/** The loop over an object's own keys is the fastest way that there is to read it, and tells order and excess at once. */
const object = (fields: ReadonlyArray<Field>, holder: Holder): Passes => {
  const names = fields.map(({ name }) => name)
  const optional = fields.map(({ isOptional }) => isOptional)
  const checks = fields.map(({ shape }) => compileCheck(shape, holder))
  const count = names.length
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value) || !holder(value, Object.prototype))
      return false
    const object = value as Record<string, unknown>
    let i = 0
    for (const name in object) {
      while (i < count && names[i] !== name && optional[i]) i++
      if (i === count || names[i] !== name || !checks[i++](object[name])) return false
    }
    while (i < count && optional[i]) i++
    return i === count
  }
}

const array = (elements: ReadonlyArray<Passes>, rest: Passes | undefined, holder: Holder): Passes => {
  const least = elements.length
  return (value) => {
    if (!Array.isArray(value) || !holder(value, Array.prototype)) return false
    if (value.length < least || (rest === undefined && value.length > least)) return false
    for (let i = 0; i < value.length; i++) {
      if (!(i < least ? elements[i] : rest!)(value[i])) return false
    }
    return true
  }
}
