/**
 * The JSON of what a schema's values are: as Effect's own JSON codec (`Schema.toCodecJson`) has it, from the same
 * annotations, except for what would not come back from there, or is JSON already. Bytes are those that Effect 3 writes:
 * numbers stay numbers, bigints are whole numbers, and what is undefined is left out.
 */
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { changed, mapParts, rebuilt, SeenParts, suspended } from "./parts.ts"

/** The schema's tree with what is no JSON encoded to what is. */
export const toJson = (schema: AST.AST): AST.AST => {
  const known = new Map<AST.AST, AST.AST>()
  const derived = (ast: AST.AST): AST.AST => {
    const found = known.get(ast)
    if (found !== undefined) return found
    const made = derive(ast, derived)
    known.set(ast, made)
    return made
  }
  return derived(schema)
}

const derive = (ast: AST.AST, derived: (part: AST.AST) => AST.AST): AST.AST => {
  if (ast.encoding !== undefined) {
    const links = [...ast.encoding]
    const last = links.pop()!
    return changed(ast, { encoding: [...links, new AST.Link(derived(last.to), last.transformation)] as never })
  }
  switch (ast._tag) {
    case "Declaration":
      return declaration(ast, derived)
    case "Objects":
      return rebuilt(withStringNames(ast), derived, (type) => orMissing(derived(type)))
    case "Arrays":
    case "Union":
    case "Suspend":
      return rebuilt(ast, derived)
    default:
      return ast
  }
}

type ToLink = (typeParameters: ReadonlyArray<Schema.Top>) => AST.Link | undefined

/** How Effect, or who declares something, has it as JSON. */
export const jsonLinkOf = (ast: AST.Declaration): ToLink | undefined => {
  const toLink = (ast.annotations?.toCodecJson ?? ast.annotations?.toCodec) as ToLink | undefined
  return typeof toLink === "function" ? toLink : undefined
}

const declaration = (ast: AST.Declaration, derived: (part: AST.AST) => AST.AST): AST.AST => {
  const toLink = jsonLinkOf(ast)
  if (toLink === undefined) return ast
  const link = toLink(ast.typeParameters.map((parameter) => Schema.make(AST.toEncoded(parameter))))
  if (link === undefined) return ast
  const encoded = changed(ast, { encoding: [new AST.Link(derived(link.to), link.transformation)] })
  return ast.context?.isOptional === true ? withOptionalFrom(encoded) : encoded
}

/** What an optional field is decoded from is optional, too. */
const withOptionalFrom = (ast: AST.AST): AST.AST => {
  if (ast.encoding === undefined) return changed(ast, { context: new AST.Context(true, false) })
  const links = [...ast.encoding]
  const last = links.pop()!
  return changed(ast, {
    encoding: [...links, new AST.Link(withOptionalFrom(last.to), last.transformation)] as never
  })
}

/** Names are text in JSON; Effect's own codec knows how numbers are written there. */
const withStringNames = (ast: AST.Objects): AST.Objects => {
  if (ast.indexSignatures.every(({ parameter }) => AST.isString(parameter) || !isNumeric(parameter))) return ast
  const signatures = ast.indexSignatures.map((signature) => {
    if (!isNumeric(signature.parameter)) return signature
    const own = new AST.Objects([], [new AST.IndexSignature(signature.parameter, AST.any)])
    const codec = Schema.toCodecJson(Schema.make<Schema.Schema<unknown>>(own)).ast as AST.Objects
    return new AST.IndexSignature(codec.indexSignatures[0].parameter, signature.type)
  })
  return new AST.Objects(
    ast.propertySignatures,
    signatures,
    ast.annotations,
    ast.checks,
    undefined,
    ast.context,
    ast.encodingChecks
  )
}

const isNumeric = (ast: AST.AST): boolean => AST.isNumber(AST.toEncoded(ast))

const missingAsUndefined = new SchemaTransformation.Transformation<unknown, unknown>(
  SchemaGetter.transformOptional((value) => Option.orElseSome(value, () => undefined)),
  SchemaGetter.transformOptional(Option.filter((value) => value !== undefined))
)

/** Whether it is decoded from what may be missing. */
const isOptionalFrom = (ast: AST.AST): boolean =>
  ast.encoding === undefined ? AST.isOptional(ast) : isOptionalFrom(ast.encoding[ast.encoding.length - 1].to)

/** Reads what is missing as undefined, which is left out. */
export const isMissingAsUndefined = ({ transformation }: AST.Link): boolean => transformation === missingAsUndefined

/** A field that may be undefined is read as that where it is missing, as JSON has no other way to say so. */
const orMissing = (ast: AST.AST): AST.AST => {
  if (isOptionalFrom(ast) || !encodesTo(ast, (part) => AST.isUndefined(part) || AST.isVoid(part))) return ast
  const from = changed(AST.toEncoded(ast), { context: new AST.Context(true, false) })
  return changed(ast, { encoding: [...(ast.encoding ?? []), new AST.Link(from, missingAsUndefined)] as never })
}

/** The parts that something encodes to one of, through unions and what is suspended. */
export const encodedTypes = (ast: AST.AST): ReadonlyArray<AST.AST> => {
  const seen = new SeenParts()
  const found: Array<AST.AST> = []
  const types = [ast]
  for (const type of types) {
    if (!seen.add(type)) continue
    if (type.encoding !== undefined) types.push(type.encoding[type.encoding.length - 1].to)
    else if (AST.isUnion(type)) types.push(...type.types)
    else if (AST.isSuspend(type)) types.push(...suspended(type))
    else found.push(type)
  }
  return found
}

const encodesTo = (ast: AST.AST, isAsked: (part: AST.AST) => boolean): boolean => encodedTypes(ast).some(isAsked)

// ---------------------------------------------------------------------------------------------------------------------
// bigints
// ---------------------------------------------------------------------------------------------------------------------

/** What `jsonText.ts` reads: a whole number that a JavaScript number does not hold is a bigint, others are numbers. */
const wholeNumber = new AST.Union<AST.AST>([AST.number, AST.bigInt])

const bigIntFromWhole = new SchemaTransformation.Transformation<bigint, number | bigint>(
  SchemaGetter.transformEffect((read, options) =>
    typeof read === "bigint"
      ? Exit.succeed(read)
      : Number.isSafeInteger(read)
        ? Exit.succeed(BigInt(read))
        : Exit.fail(new SchemaIssue.InvalidType(AST.bigInt, read, options))
  ),
  SchemaGetter.transform((value) => {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  })
)

const numberFromWhole = new SchemaTransformation.Transformation<number, number | bigint>(
  SchemaGetter.transformEffect((read, options) => {
    const number = Number(read)
    // the very number, or the digits that JavaScript writes for it
    return typeof read === "number" || BigInt(number) === read || String(number) === String(read)
      ? Exit.succeed(number)
      : Exit.fail(new SchemaIssue.InvalidType(AST.number, read, options))
  }),
  SchemaGetter.transform((value) => value)
)

/** The JSON form with its bigints and numbers encoded to what is read and written as whole numbers. */
export const withExactIntegers = (json: AST.AST): AST.AST =>
  mapParts(json, (ast, mapped) => {
    if (ast.encoding !== undefined) {
      // what it makes of them is no affair of the text
      const links = [...ast.encoding]
      const last = links.pop()!
      return changed(ast, { encoding: [...links, new AST.Link(mapped(last.to), last.transformation)] as never })
    }
    switch (ast._tag) {
      case "BigInt":
        return exactly(ast, bigIntFromWhole)
      case "Number":
        return exactly(ast, numberFromWhole)
      case "Declaration":
        // nor is what it is declared of
        return ast
      default:
        return undefined
    }
  })

const exactly = (ast: AST.AST, transformation: AST.Link["transformation"]): AST.AST => {
  const from = AST.isOptional(ast) ? changed(wholeNumber, { context: new AST.Context(true, false) }) : wholeNumber
  return changed(ast, { encoding: [new AST.Link(from, transformation)] })
}
