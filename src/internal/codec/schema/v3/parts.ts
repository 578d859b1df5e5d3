/** What a schema is made of, looked at part by part, and each of them once. */
import * as Option from "effect/Option"
import * as AST from "effect/SchemaAST"

/** What Effect has a schema described by. */
export type SchemaTree = AST.AST

/** How many copies of a part that refers to itself are looked at: one as it was declared, and one of its types. */
const MAX_COPIES = 3

/** How many parts that refer to others by a function are looked at. */
const MAX_SUSPENDED = 256

/**
 * Which parts of a schema were looked at. A schema that refers to itself comes back to the same parts, but those that
 * `Schema.typeSchema`, `Schema.encodedSchema` and what is built on them (`Schema.OptionFromNullOr`) make of it are new
 * ones at each step, without end: they are known by the annotations that copies share, or else left out at some time.
 */
export class SeenParts {
  private readonly parts = new Set<AST.AST>()
  private readonly copies = new Map<AST.Annotations, number>()
  private suspended = 0
  /** Whether something may have been left out. */
  hasGaps = false

  /** Whether it is to be looked at now. */
  add(ast: AST.AST): boolean {
    if (this.parts.has(ast)) return false
    this.parts.add(ast)
    return !AST.isSuspend(ast) || this.addSuspended(ast)
  }

  private addSuspended({ annotations }: AST.Suspend): boolean {
    const copies = this.copies.get(annotations) ?? 0
    if (copies === MAX_COPIES) return false
    this.copies.set(annotations, copies + 1)
    this.suspended++
    if (this.suspended > MAX_SUSPENDED) this.hasGaps = true
    return !this.hasGaps
  }
}

/** What a part refers to; nothing, while the module that it is in is still being read. */
export const suspended = (ast: AST.Suspend): ReadonlyArray<AST.AST> => {
  try {
    return [ast.f()]
  } catch {
    return []
  }
}

/** The parts that a schema's part is made of. */
const partsOf = (ast: AST.AST): ReadonlyArray<AST.AST> => {
  switch (ast._tag) {
    case "TypeLiteral":
      return [
        ...ast.propertySignatures.map(({ type }) => type),
        ...ast.indexSignatures.flatMap(({ parameter, type }): ReadonlyArray<AST.AST> => [parameter, type])
      ]
    case "TupleType":
      return [...ast.elements, ...ast.rest].map(({ type }) => type)
    case "Union":
      return ast.types
    case "Refinement":
      return [ast.from]
    case "Transformation":
      return [ast.from, ast.to]
    case "Suspend":
      return suspended(ast)
    case "Declaration":
      return ast.typeParameters
    default:
      return []
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

const rebuilt = (ast: AST.AST, mapped: (inner: AST.AST) => AST.AST): AST.AST => {
  switch (ast._tag) {
    case "Refinement":
      return new AST.Refinement(mapped(ast.from), ast.filter, ast.annotations)
    case "Transformation":
      return new AST.Transformation(mapped(ast.from), mapped(ast.to), ast.transformation, ast.annotations)
    case "Suspend":
      return new AST.Suspend(() => mapped(ast.f()), ast.annotations)
    case "Union":
      return AST.Union.make(ast.types.map(mapped), ast.annotations)
    case "TupleType":
      return new AST.TupleType(
        ast.elements.map(
          ({ annotations, isOptional, type }) => new AST.OptionalType(mapped(type), isOptional, annotations)
        ),
        ast.rest.map(({ annotations, type }) => new AST.Type(mapped(type), annotations)),
        ast.isReadonly,
        ast.annotations
      )
    case "TypeLiteral":
      return new AST.TypeLiteral(
        ast.propertySignatures.map(
          ({ annotations, isOptional, isReadonly, name, type }) =>
            new AST.PropertySignature(name, mapped(type), isOptional, isReadonly, annotations)
        ),
        ast.indexSignatures.map(
          ({ isReadonly, parameter, type }) => new AST.IndexSignature(parameter, mapped(type), isReadonly)
        ),
        ast.annotations
      )
    default:
      return ast
  }
}

/** Whether decoding may make something else of what it was given. Where that cannot be told, it may. */
export const transforms = (ast: AST.AST): boolean => AST.typeAST(ast) !== ast

/** Whether decoding returns the very string that it was given, or fails: then it tells apart what `utf8` does. */
export const onlyChecks = (ast: AST.AST): boolean => {
  if (Option.isSome(AST.getDecodingFallbackAnnotation(ast))) {
    return false
  }
  switch (ast._tag) {
    case "StringKeyword":
    case "TemplateLiteral":
      return true
    case "Literal":
      return typeof ast.literal === "string"
    case "Refinement":
      return onlyChecks(ast.from)
    case "Union":
      return ast.types.every(onlyChecks)
    default:
      return false
  }
}
