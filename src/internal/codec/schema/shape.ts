/**
 * The form of JSON that a schema decodes without changing it, as far as it is a plain one: what a scanner looks for in
 * bytes, and what a value that was read is looked through for. A schema of either major of Effect is made into it.
 */
import { PROTO } from "./proto.ts"

/** Whether a value passes a schema's own check. */
export type Passes = (value: unknown) => boolean

export interface Field {
  readonly name: string
  readonly isOptional: boolean
  readonly shape: Shape
}

export type Shape =
  | { readonly tag: "string" | "number"; readonly checks: ReadonlyArray<Passes> }
  | { readonly tag: "boolean" | "null" | "nothing" }
  | { readonly tag: "literal"; readonly value: string | number | boolean }
  | { readonly tag: "object"; readonly fields: ReadonlyArray<Field> }
  | { readonly tag: "array"; readonly elements: ReadonlyArray<Shape>; readonly rest: Shape | undefined }
  | { readonly tag: "union"; readonly members: ReadonlyArray<Shape> }

const isSimple = ({ tag }: Shape): boolean => tag !== "object" && tag !== "array" && tag !== "union"

/** One of several; none if more than one may be an object, as the first might take the values of another. */
export const unionShape = (members: ReadonlyArray<Shape | undefined>): Shape | undefined =>
  isWhole(members) && members.filter((member) => !isSimple(member)).length <= 1 ? { tag: "union", members } : undefined

/** An object of these fields; none if JSON may have its names in another order, or under another form. */
export const objectShape = (
  fields: ReadonlyArray<{ readonly name: PropertyKey; readonly isOptional: boolean; readonly shape: Shape | undefined }>
): Shape | undefined => (fields.length > 0 && fields.every(isField) ? { tag: "object", fields } : undefined)

const isField = (field: { readonly name: PropertyKey; readonly shape: Shape | undefined }): field is Field =>
  field.shape !== undefined && typeof field.name === "string" && field.name !== PROTO && !isIndex(field.name)

/** A name that is an index comes before others in an object, wherever the text has it. */
const isIndex = (name: string): boolean => /^\d+$/.test(name)

export const arrayShape = (
  elements: ReadonlyArray<Shape | undefined>,
  rest: ReadonlyArray<Shape | undefined>
): Shape | undefined =>
  isWhole(elements) && isWhole(rest) && rest.length <= 1 ? { tag: "array", elements, rest: rest[0] } : undefined

const isWhole = (shapes: ReadonlyArray<Shape | undefined>): shapes is ReadonlyArray<Shape> =>
  shapes.every((shape) => shape !== undefined)
