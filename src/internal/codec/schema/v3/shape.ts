/** Schemas of Effect 3 as shapes of JSON. */
import * as Option from "effect/Option"
import * as AST from "effect/SchemaAST"
import { arrayShape, objectShape, type Passes, type Shape, unionShape } from "../shape.ts"
import { canCompile } from "./decoder.ts"

/** The shape of what a schema decodes without changing it; none if there are parts in it that are not plain. */
export const shapeOf = (ast: AST.AST): Shape | undefined => {
  if (!canCompile(ast)) return undefined
  switch (ast._tag) {
    case "StringKeyword":
      return { tag: "string", checks: [] }
    case "NumberKeyword":
      return { tag: "number", checks: [] }
    case "BooleanKeyword":
      return { tag: "boolean" }
    case "UndefinedKeyword":
      return { tag: "nothing" }
    case "Literal":
      if (ast.literal === null) return { tag: "null" }
      return typeof ast.literal === "bigint" ? undefined : { tag: "literal", value: ast.literal }
    case "Refinement":
      return refined(ast)
    case "TypeLiteral":
      return ast.indexSignatures.length > 0
        ? undefined
        : objectShape(
            ast.propertySignatures.map(({ isOptional, name, type }) => ({ name, isOptional, shape: shapeOf(type) }))
          )
    case "TupleType":
      return ast.elements.some((element) => element.isOptional)
        ? undefined
        : arrayShape(
            ast.elements.map(({ type }) => shapeOf(type)),
            ast.rest.map(({ type }) => shapeOf(type))
          )
    case "Union":
      return unionShape(ast.types.map(shapeOf))
    default:
      return undefined
  }
}

/** Numbers and strings with filters. */
const refined = (ast: AST.Refinement): Shape | undefined => {
  const from = shapeOf(ast.from)
  if (from?.tag !== "string" && from?.tag !== "number") return undefined
  const passes: Passes = (value) => Option.isNone(ast.filter(value, AST.defaultParseOption, ast))
  return { tag: from.tag, checks: [...from.checks, passes] }
}
