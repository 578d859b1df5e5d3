/**
 * Schemas made into plain functions: what `Schema.decodeUnknown` would answer, without an object per field and step.
 *
 * Only for values that nobody else holds, such as what `JSON.parse` returned: where Schema would build an equal object,
 * the value itself is the answer. Whatever is not sure, an error above all, is `UNDECIDED`: then Schema itself decodes,
 * and says what is wrong. Parts of a schema that are not known here are decoded by Schema within the rest.
 */
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { settledOr } from "../../../effect/v3/settled.ts"
import { UNDECIDED } from "../parsers.ts"
import { PROTO } from "../proto.ts"

type Decoder = (input: unknown) => unknown

/** Decoders that are being made or are made: a schema may refer to itself. */
type Known = Map<AST.AST, Decoder>

/** A decoder for values that `input` owns: it answers with what they decode to, or with `UNDECIDED`. */
export const compileDecoder = (ast: AST.AST): Decoder => compile(ast, new Map())

const compile = (ast: AST.AST, known: Known): Decoder => {
  const found = known.get(ast)
  if (found !== undefined) return found
  const decoder = canCompile(ast) ? decoderOf(ast, known) : bySchema(ast)
  known.set(ast, decoder)
  return decoder
}

/** Options on a part are for Schema; so is a fallback, as it would have to know that the part failed. */
export const canCompile = (ast: AST.AST): boolean =>
  Option.isNone(AST.getParseOptionsAnnotation(ast)) && Option.isNone(AST.getDecodingFallbackAnnotation(ast))

const bySchema = (ast: AST.AST): Decoder => {
  const parse = ParseResult.decodeUnknown(Schema.make(ast))
  return (input) => settled(parse(input))
}

const settled = (result: Effect.Effect<unknown, ParseResult.ParseIssue, unknown>): unknown =>
  settledOr(result, UNDECIDED, undecided)

const undecided = () => UNDECIDED

const checking =
  (holds: (input: unknown) => boolean): Decoder =>
  (input) =>
    holds(input) ? input : UNDECIDED

const isString = checking((input) => typeof input === "string")
const isNumber = checking((input) => typeof input === "number")
const isBoolean = checking((input) => typeof input === "boolean")
const isAnything: Decoder = (input) => input

const decoderOf = (ast: AST.AST, known: Known): Decoder => {
  switch (ast._tag) {
    case "StringKeyword":
      return isString
    case "NumberKeyword":
      return isNumber
    case "BooleanKeyword":
      return isBoolean
    case "UnknownKeyword":
    case "AnyKeyword":
      return isAnything
    case "UndefinedKeyword":
      return checking((input) => input === undefined)
    case "Literal":
      return checking((input) => input === ast.literal)
    case "Refinement":
      return refinement(ast, compile(ast.from, known))
    case "Declaration": {
      const parse = ast.decodeUnknown(...ast.typeParameters)
      return (input) => settled(parse(input, AST.defaultParseOption, ast))
    }
    case "Transformation":
      return transformation(ast, known)
    case "TypeLiteral":
      return object(ast, known)
    case "TupleType":
      return array(ast, known)
    case "Union":
      return union(ast, known)
    case "Suspend": {
      let decoder: Decoder | undefined
      return (input) => (decoder ??= compile(ast.f(), known))(input)
    }
    default:
      return bySchema(ast)
  }
}

const refinement =
  (ast: AST.Refinement, from: Decoder): Decoder =>
  (input) => {
    const value = from(input)
    if (value === UNDECIDED) return UNDECIDED
    return Option.isNone(ast.filter(value, AST.defaultParseOption, ast)) ? value : UNDECIDED
  }

const transformation = (ast: AST.Transformation, known: Known): Decoder => {
  const step = ast.transformation
  if (step._tag === "TypeLiteralTransformation" && step.propertySignatureTransformations.length > 0) {
    return bySchema(ast)
  }
  const from = compile(ast.from, known)
  const to = compile(ast.to, known)
  if (step._tag !== "FinalTransformation") {
    return (input) => {
      const value = from(input)
      return value === UNDECIDED ? UNDECIDED : to(value)
    }
  }
  return (input) => {
    const value = from(input)
    if (value === UNDECIDED) return UNDECIDED
    const transformed = settled(step.decode(value, AST.defaultParseOption, ast, input))
    return transformed === UNDECIDED ? UNDECIDED : to(transformed)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// objects
// ---------------------------------------------------------------------------------------------------------------------

interface Fields {
  readonly names: ReadonlyArray<string>
  readonly optional: ReadonlyArray<boolean>
  readonly decoders: ReadonlyArray<Decoder>
}

const isObject = (input: unknown): input is Record<string, unknown> =>
  typeof input === "object" && input !== null && !Array.isArray(input)

const object = (ast: AST.TypeLiteral, known: Known): Decoder => {
  const { indexSignatures, propertySignatures } = ast
  if (propertySignatures.length === 0 && indexSignatures.length === 1) {
    const [{ parameter, type }] = indexSignatures
    return parameter._tag === "StringKeyword" ? record(compile(type, known)) : bySchema(ast)
  }
  if (
    propertySignatures.length === 0 ||
    indexSignatures.length > 0 ||
    propertySignatures.some((p) => typeof p.name !== "string" || p.name === PROTO)
  ) {
    return bySchema(ast)
  }
  return struct({
    names: propertySignatures.map((p) => p.name as string),
    optional: propertySignatures.map((p) => p.isOptional),
    decoders: propertySignatures.map((p) => compile(p.type, known))
  })
}

/**
 * The object itself, if it has the fields, in their order and no others, and none of them changes. The loop over an
 * object's own keys is the fastest way that there is to read it, and tells order and excess at once.
 */
const struct = (fields: Fields): Decoder => {
  const { decoders, names, optional } = fields
  const count = names.length
  return (input) => {
    if (!isObject(input)) return UNDECIDED
    let i = 0
    for (const name in input) {
      while (i < count && names[i] !== name && optional[i]) i++
      if (i === count || names[i] !== name) return copy(input, fields)
      const value = input[name]
      const decoded = decoders[i++](value)
      if (decoded !== value) return decoded === UNDECIDED ? UNDECIDED : copy(input, fields)
    }
    while (i < count && optional[i]) i++
    // a missing field may have a type that allows it
    return i === count ? input : UNDECIDED
  }
}

const copy = (input: Record<string, unknown>, { decoders, names, optional }: Fields): unknown => {
  const output: Record<string, unknown> = {}
  for (let i = 0; i < names.length; i++) {
    const name = names[i]
    if (!Object.hasOwn(input, name)) {
      if (optional[i]) continue
      return UNDECIDED
    }
    const decoded = decoders[i](input[name])
    if (decoded === UNDECIDED) return UNDECIDED
    output[name] = decoded
  }
  return output
}

const record =
  (decode: Decoder): Decoder =>
  (input) => {
    if (!isObject(input)) return UNDECIDED
    let output: Record<string, unknown> | undefined
    for (const name of Object.keys(input)) {
      if (name === PROTO) return UNDECIDED
      const value = input[name]
      const decoded = decode(value)
      if (decoded === UNDECIDED) return UNDECIDED
      if (decoded !== value) output ??= { ...input }
      if (output !== undefined) output[name] = decoded
    }
    return output ?? input
  }

// ---------------------------------------------------------------------------------------------------------------------
// arrays and unions
// ---------------------------------------------------------------------------------------------------------------------

/** The array itself, if none of its elements changes. */
const array = (ast: AST.TupleType, known: Known): Decoder => {
  if (ast.rest.length > 1 || ast.elements.some((element) => element.isOptional)) return bySchema(ast)
  const elements = ast.elements.map((element) => compile(element.type, known))
  const rest = ast.rest.length === 0 ? undefined : compile(ast.rest[0].type, known)
  return (input) => {
    if (!Array.isArray(input) || input.length < elements.length) return UNDECIDED
    if (rest === undefined && input.length > elements.length) return UNDECIDED
    const values: ReadonlyArray<unknown> = input
    let output: Array<unknown> | undefined
    for (let i = 0; i < values.length; i++) {
      const decoded = (i < elements.length ? elements[i] : rest!)(values[i])
      if (decoded === UNDECIDED) return UNDECIDED
      if (decoded !== values[i]) output ??= values.slice()
      if (output !== undefined) output[i] = decoded
    }
    return output ?? values
  }
}

/**
 * Schema has an order of its own in which it tries the members of a union. Here it must not matter: either a literal
 * tells the members apart, or at most one of them is about objects and the others are about what is none.
 */
const union = (ast: AST.Union, known: Known): Decoder => {
  if (!ast.types.every(canCompile)) return bySchema(ast)
  const tag = commonTag(ast.types)
  if (tag !== undefined) {
    const byTag = new Map(ast.types.map((type) => [literalOf(type, tag), compile(type, known)]))
    return (input) => {
      if (!isObject(input) || !Object.hasOwn(input, tag)) return UNDECIDED
      const decode = byTag.get(input[tag] as AST.LiteralValue)
      return decode === undefined ? UNDECIDED : decode(input)
    }
  }
  const simple = ast.types.filter(isSimple)
  const others = ast.types.filter((type) => !isSimple(type))
  if (others.length > 1 || others.some((type) => type._tag !== "TypeLiteral" && type._tag !== "TupleType")) {
    return bySchema(ast)
  }
  const decoders = simple.map((type) => compile(type, known))
  const other = others.length === 0 ? undefined : compile(others[0], known)
  return (input) => {
    if (typeof input === "object" && input !== null) return other === undefined ? UNDECIDED : other(input)
    for (const decode of decoders) {
      const decoded = decode(input)
      if (decoded !== UNDECIDED) return decoded
    }
    return UNDECIDED
  }
}

/** Accepts only what is no object, and leaves it as it is. */
export const isSimple = (ast: AST.AST): boolean => {
  switch (ast._tag) {
    case "StringKeyword":
    case "NumberKeyword":
    case "BooleanKeyword":
    case "UndefinedKeyword":
    case "Literal":
      return canCompile(ast)
    case "Refinement":
      return canCompile(ast) && isSimple(ast.from)
    default:
      return false
  }
}

/** A field that is a literal in all members, and another one in each. */
const commonTag = (types: ReadonlyArray<AST.AST>): string | undefined => {
  const encoded = encodedObject(types[0])
  return encoded?.propertySignatures
    .map((p) => p.name)
    .find((name): name is string => {
      if (typeof name !== "string") return false
      const literals = types.map((type) => literalOf(type, name))
      return !literals.includes(undefined) && new Set(literals).size === types.length
    })
}

const literalOf = (ast: AST.AST, name: string): AST.LiteralValue | undefined => {
  const field = encodedObject(ast)?.propertySignatures.find((p) => p.name === name)
  return field !== undefined && !field.isOptional && field.type._tag === "Literal" ? field.type.literal : undefined
}

/** What a member decodes from, as far as it is an object. */
const encodedObject = (ast: AST.AST): AST.TypeLiteral | undefined => {
  if (!canCompile(ast)) return undefined
  switch (ast._tag) {
    case "TypeLiteral":
      return ast
    case "Transformation":
    case "Refinement":
      return encodedObject(ast.from)
    default:
      return undefined
  }
}
