/** Where a schema of Effect 3 leaves names open. */
import * as Option from "effect/Option"
import * as AST from "effect/SchemaAST"
import { any, hasProtoKey, inArray, inHolder, inObject, never, type ProtoFinder } from "../protoNames.ts"

/** Looks where a schema leaves names open, and only there; none if it does so nowhere. */
export const compileProtoFinder = (schema: AST.AST): ProtoFinder | undefined => {
  // by whether names that the schema does not know are kept
  const known = { true: new Map<AST.AST, ProtoFinder>(), false: new Map<AST.AST, ProtoFinder>() }
  const find = (ast: AST.AST, keptAbove: boolean): ProtoFinder => {
    const option = Option.flatMapNullable(
      AST.getParseOptionsAnnotation(ast),
      ({ onExcessProperty }) => onExcessProperty
    )
    const kept = Option.match(option, { onNone: () => keptAbove, onSome: (what) => what === "preserve" })
    const finders = known[`${kept}`]
    const found = finders.get(ast)
    if (found !== undefined) return found
    // a schema that refers to itself asks for it while it is made
    let made = never
    finders.set(ast, (value) => made(value))
    made = make(ast, (part) => find(part, kept), kept)
    finders.set(ast, made)
    return made
  }
  const finder = find(schema, false)
  return finder === never ? undefined : finder
}

const make = (ast: AST.AST, find: (part: AST.AST) => ProtoFinder, isKept: boolean): ProtoFinder => {
  switch (ast._tag) {
    case "Refinement":
      return find(ast.from)
    case "Transformation":
      // its names may be a map's keys
      return ast.to._tag === "Declaration" && ast.from._tag === "TypeLiteral" && ast.from.indexSignatures.length > 0
        ? any([hasProtoKey, find(ast.to)])
        : find(ast.to)
    case "Declaration":
      return Option.match(AST.getSurrogateAnnotation(ast), {
        onNone: () => inHolder(any(ast.typeParameters.map(find))),
        onSome: find
      })
    case "Suspend":
      return (value) => find(ast.f())(value)
    case "Union":
      return any(ast.types.map(find))
    case "TupleType":
      return inArray(any([...ast.elements, ...ast.rest].map(({ type }) => find(type))))
    case "TypeLiteral":
      return inObject(
        isKept || ast.indexSignatures.length > 0,
        ast.propertySignatures.map(({ name, type }) => [name, find(type)] as const),
        any(ast.indexSignatures.map(({ type }) => find(type)))
      )
    default:
      return never
  }
}
