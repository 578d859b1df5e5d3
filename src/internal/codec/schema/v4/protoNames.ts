/** Where a schema of Effect 4 leaves names open. */
import * as AST from "effect/SchemaAST"
import { any, hasProtoKey, inArray, inHolder, inObject, never, type ProtoFinder } from "../protoNames.ts"

/** Looks where a schema leaves names open, and only there; none if it does so nowhere. */
export const compileProtoFinder = (schema: AST.AST): ProtoFinder | undefined => {
  const finders = new Map<AST.AST, ProtoFinder>()
  const find = (ast: AST.AST): ProtoFinder => {
    const found = finders.get(ast)
    if (found !== undefined) return found
    // a schema that refers to itself asks for it while it is made
    let made = never
    finders.set(ast, (value) => made(value))
    made = make(ast, find)
    finders.set(ast, made)
    return made
  }
  const finder = find(schema)
  return finder === never ? undefined : finder
}

const make = (ast: AST.AST, find: (part: AST.AST) => ProtoFinder): ProtoFinder => {
  switch (ast._tag) {
    case "Declaration": {
      const held = inHolder(any(ast.typeParameters.map(find)))
      // its names may be a map's keys
      const isNames = (ast.encoding ?? []).some(({ to }) => AST.isObjects(to) && to.indexSignatures.length > 0)
      return isNames ? any([hasProtoKey, held]) : held
    }
    case "Suspend":
      return (value) => find(ast.thunk())(value)
    case "Union":
      return any(ast.types.map(find))
    case "Arrays":
      return inArray(any([...ast.elements, ...ast.rest].map(find)))
    case "Objects":
      return inObject(
        ast.indexSignatures.length > 0,
        ast.propertySignatures.map(({ name, type }) => [name, find(type)] as const),
        any(ast.indexSignatures.map(({ type }) => find(type)))
      )
    default:
      return never
  }
}
