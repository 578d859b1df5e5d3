/** Schemas of Effect 4 as shapes of JSON. */
import * as AST from "effect/SchemaAST"
import { arrayShape, objectShape, type Passes, type Shape, unionShape } from "../shape.ts"

/** The shape of what a schema decodes without changing it; none if there are parts in it that are not plain. */
export const shapeOf = (ast: AST.AST): Shape | undefined => {
  if (ast.encoding !== undefined) return undefined
  const shape = uncheckedShapeOf(ast)
  if (ast.checks === undefined || shape === undefined) return shape
  if (shape.tag !== "string" && shape.tag !== "number") return undefined
  return { tag: shape.tag, checks: ast.checks.flatMap((check) => passesOf(check, ast)) }
}

const passesOf = (check: AST.Check<never>, ast: AST.AST): ReadonlyArray<Passes> =>
  check._tag === "FilterGroup"
    ? check.checks.flatMap((inner) => passesOf(inner, ast))
    : [(value) => check.run(value as never, ast, {}) === undefined]

const uncheckedShapeOf = (ast: AST.AST): Shape | undefined => {
  switch (ast._tag) {
    case "String":
      return { tag: "string", checks: [] }
    case "Number":
      return { tag: "number", checks: [] }
    case "Boolean":
      return { tag: "boolean" }
    case "Null":
      return { tag: "null" }
    case "Undefined":
      return { tag: "nothing" }
    case "Literal":
      return typeof ast.literal === "bigint" ? undefined : { tag: "literal", value: ast.literal }
    case "Objects":
      return ast.indexSignatures.length > 0 || ast.encodingChecks !== undefined
        ? undefined
        : objectShape(
            ast.propertySignatures.map(({ name, type }) => ({
              name,
              isOptional: AST.isOptional(type),
              shape: shapeOf(type)
            }))
          )
    case "Arrays":
      return ast.elements.some(AST.isOptional) || ast.encodingChecks !== undefined
        ? undefined
        : arrayShape(ast.elements.map(shapeOf), ast.rest.map(shapeOf))
    case "Union":
      return ast.options?.mode === "oneOf" || ast.encodingChecks !== undefined
        ? undefined
        : unionShape(ast.types.map(shapeOf))
    default:
      return undefined
  }
}
