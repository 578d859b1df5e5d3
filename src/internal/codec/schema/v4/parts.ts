/** What a schema is made of, looked at part by part, and each of them once. */
import * as AST from "effect/SchemaAST"

/** What Effect has a schema described by. */
export type SchemaTree = AST.AST

/** How many parts that refer to others by a function are looked at: what is derived from them may have no end. */
const MAX_SUSPENDED = 256

/** Which parts of a schema were looked at. A schema that refers to itself comes back to the same parts. */
export class SeenParts {
  private readonly parts = new Set<AST.AST>()
  private suspended = 0
  /** Whether something may have been left out. */
  hasGaps = false

  /** Whether it is to be looked at now. */
  add(ast: AST.AST): boolean {
    if (this.parts.has(ast)) return false
    this.parts.add(ast)
    if (!AST.isSuspend(ast)) return true
    this.suspended++
    if (this.suspended > MAX_SUSPENDED) this.hasGaps = true
    return !this.hasGaps
  }
}

/** What a part refers to; nothing, while the module that it is in is still being read. */
export const suspended = (ast: AST.Suspend): ReadonlyArray<AST.AST> => {
  try {
    return [ast.thunk()]
  } catch {
    return []
  }
}

/** The parts that a schema's part is made of, what it is decoded from among them. */
const partsOf = (ast: AST.AST): ReadonlyArray<AST.AST> => {
  const from = (ast.encoding ?? []).map(({ to }) => to)
  switch (ast._tag) {
    case "Objects":
      return [
        ...from,
        ...ast.propertySignatures.map(({ type }) => type),
        ...ast.indexSignatures.flatMap(({ parameter, type }): ReadonlyArray<AST.AST> => [parameter, type])
      ]
    case "Arrays":
      return [...from, ...ast.elements, ...ast.rest]
    case "Union":
      return [...from, ...ast.types]
    case "Suspend":
      return [...from, ...suspended(ast)]
    case "Declaration":
      return [...from, ...ast.typeParameters]
    default:
      return from
  }
}

/** Whether a part is as asked; `undefined` if none was found, and not all of them were looked at. */
export const somePart = (ast: AST.AST, isAsked: (part: AST.AST) => boolean): boolean | undefined => {
  const seen = new SeenParts()
  const parts = [ast]
  // a list that grows: what is near is looked at before what has no end
  for (const part of parts) {
    if (!seen.add(part)) continue
    if (isAsked(part)) return true
    const inner = partsOf(part)
    if (AST.isSuspend(part) && inner.length === 0) seen.hasGaps = true
    parts.push(...inner)
  }
  return seen.hasGaps ? undefined : false
}

/** A copy of a part that differs in what is given. */
export const changed = (ast: AST.AST, changes: Partial<Pick<AST.AST, "encoding" | "context">>): AST.AST =>
  Object.assign(Object.create(Object.getPrototypeOf(ast) as object) as AST.AST, ast, changes)

/**
 * A part made anew of parts that `f` gives for those within it, and `field` for those under a name of their own. What it
 * is decoded from is left aside.
 */
export const rebuilt = (ast: AST.AST, f: (part: AST.AST) => AST.AST, field = f): AST.AST => {
  switch (ast._tag) {
    case "Objects":
      return new AST.Objects(
        ast.propertySignatures.map(({ name, type }) => new AST.PropertySignature(name, field(type))),
        ast.indexSignatures.map(({ parameter, type }) => new AST.IndexSignature(parameter, f(type))),
        ast.annotations,
        ast.checks,
        undefined,
        ast.context,
        ast.encodingChecks
      )
    case "Arrays":
      return new AST.Arrays(
        ast.isMutable,
        ast.elements.map(f),
        ast.rest.map(f),
        ast.annotations,
        ast.checks,
        undefined,
        ast.context,
        ast.encodingChecks
      )
    case "Union":
      return new AST.Union(
        ast.types.map(f),
        ast.options,
        ast.annotations,
        ast.checks,
        undefined,
        ast.context,
        ast.encodingChecks
      )
    case "Suspend":
      return new AST.Suspend(() => f(ast.thunk()), ast.annotations, undefined, undefined, ast.context)
    case "Declaration":
      return ast.typeParameters.length === 0
        ? ast
        : new AST.Declaration(
            ast.typeParameters.map(f),
            ast.run,
            ast.annotations,
            ast.checks,
            undefined,
            ast.context,
            ast.encodingChecks,
            ast.encodingRun
          )
    default:
      return ast
  }
}

/** The name of what Effect itself declares. */
export const representationOf = ({ annotations }: AST.Declaration): string | undefined =>
  (annotations?.representation as { readonly id?: string } | undefined)?.id

/** The schema with other parts: those for which `replace` has none are made anew of parts that were replaced. */
export const mapParts = (
  schema: AST.AST,
  replace: (part: AST.AST, mapped: (inner: AST.AST) => AST.AST) => AST.AST | undefined
): AST.AST => {
  const known = new Map<AST.AST, AST.AST>()
  const mapped = (ast: AST.AST): AST.AST => {
    const found = known.get(ast)
    if (found !== undefined) return found
    const made = replace(ast, mapped) ?? rebuilt(ast, mapped)
    known.set(ast, made)
    return made
  }
  return mapped(schema)
}

/** Whether decoding may make something else of what it was given. Where that cannot be told, it may. */
export const transforms = (ast: AST.AST): boolean => somePart(ast, hasSteps) ?? true

const hasSteps = (ast: AST.AST): boolean =>
  ast.encoding !== undefined || AST.isVoid(ast) || (AST.isDeclaration(ast) && ast.typeParameters.length > 0)

/** Whether decoding returns the very string that it was given, or fails: then it tells apart what `utf8` does. */
export const onlyChecks = (ast: AST.AST): boolean => {
  if (ast.encoding !== undefined) return false
  switch (ast._tag) {
    case "String":
    case "TemplateLiteral":
      return true
    case "Literal":
      return typeof ast.literal === "string"
    case "Union":
      return ast.types.every(onlyChecks)
    default:
      return false
  }
}
