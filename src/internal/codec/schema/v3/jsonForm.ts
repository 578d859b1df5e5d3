/**
 * What a schema tells of the JSON that its values become, before there is a value: what has no JSON form that comes back,
 * and what has to be looked at when a value is there.
 */
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { HIDDEN } from "../faults.ts"
import type { JsonForm } from "../parsers.ts"
import { foreignText } from "../../../foreignText.ts"
import { PROTO } from "../proto.ts"
import { kindOfType } from "./issues.ts"
import { mapParts, SeenParts, suspended } from "./parts.ts"

/** What to use instead, by the name that Effect has for a type. */
const INSTEAD = new Map([
  ["Date", "Schema.Date"],
  ["URL", "Schema.URL"],
  ["Uint8Array", "Schema.Uint8ArrayFromBase64"],
  ["ReadonlyMap", "Schema.ReadonlyMap"],
  ["ReadonlySet", "Schema.ReadonlySet"],
  ["effect/Redacted", "Schema.Redacted"],
  ["effect/Duration", "Schema.Duration"],
  ["effect/DateTime.Utc", "Schema.DateTimeUtc"],
  ["effect/DateTime.Zoned", "Schema.DateTimeZoned"],
  ["effect/DateTime.TimeZone.Offset", "Schema.TimeZoneOffset"],
  ["effect/DateTime.TimeZone.Named", "Schema.TimeZoneNamed"],
  ["effect/Option", "Schema.Option"],
  ["effect/Either", "Schema.Either"],
  ["effect/BigDecimal", "Schema.BigDecimal"],
  ["effect/Chunk", "Schema.Chunk"],
  ["effect/Chunk.NonEmptyChunk", "Schema.NonEmptyChunk"],
  ["effect/FiberId", "Schema.FiberId"],
  ["effect/Cause", "Schema.Cause"],
  ["effect/Exit", "Schema.Exit"],
  ["effect/HashSet", "Schema.HashSet"],
  ["effect/HashMap", "Schema.HashMap"],
  ["effect/List", "Schema.List"],
  ["effect/SortedSet", "Schema.SortedSet"]
])

const OR_NULL = "null for what is not there, as in Schema.OptionFromNullOr"

const TRANSFORM = "a schema that transforms it from something that JSON has"

interface Visit {
  readonly ast: AST.AST
  readonly path: string
  /** Whether names must be there, also those of what may be undefined. */
  readonly isExact: boolean
}

/** Looks at all that a schema encodes to. A schema may refer to itself. */
export const jsonFormOf = (schema: AST.AST): JsonForm => {
  const problems: Array<string> = []
  let isOpen = false
  let hasOpenNames = false
  let hasBigInts = false
  const seen = { true: new SeenParts(), false: new SeenParts() }
  const visits: Array<Visit> = [{ ast: schema, path: "", isExact: false }]
  // a list that grows: what is near is looked at before what has no end
  for (const { ast, isExact: isExactAbove, path } of visits) {
    const options = AST.getParseOptionsAnnotation(ast)
    const isExact = Option.getOrElse(
      Option.flatMapNullable(options, ({ exact }) => exact),
      () => isExactAbove
    )
    if (!seen[`${isExact}`].add(ast)) continue
    const refuse = (what: string, instead: string) =>
      problems.push(`${path === "" ? "" : `${path}: `}${what} does not come back from JSON; use ${instead}`)
    const at = (part: AST.AST, name: string) => visits.push({ ast: part, path: `${path}${name}`, isExact })
    // a part may keep properties that the schema does not know
    if (Option.isSome(options)) isOpen = true
    switch (ast._tag) {
      case "Declaration": {
        const name = Option.getOrElse(AST.getIdentifierAnnotation(ast), () => kindOfType(ast))
        const type = AST.getTypeConstructorAnnotation(ast)
        if (Option.isSome(type)) {
          refuse(name, INSTEAD.get(type.value._tag) ?? TRANSFORM)
        } else if (Option.isSome(AST.getSurrogateAnnotation(ast))) {
          refuse(`an instance of ${name}`, "the class itself as the schema, which makes its instances of fields")
        } else if (Option.contains(AST.getSchemaIdAnnotation(ast), Schema.InstanceOfSchemaId)) {
          refuse(name, TRANSFORM)
        } else {
          isOpen = true
        }
        break
      }
      case "BigIntKeyword":
        hasBigInts = true
        break
      case "SymbolKeyword":
      case "UniqueSymbol":
        refuse("a symbol", "Schema.Symbol, or a string")
        break
      case "Literal":
        if (typeof ast.literal === "bigint") refuse("a bigint literal", "a number or a string as the literal")
        break
      case "UnknownKeyword":
      case "AnyKeyword":
      case "ObjectKeyword":
      // nobody looks at what is there in its place: it may be anything
      case "VoidKeyword":
        isOpen = true
        break
      case "Refinement":
        at(ast.from, "")
        break
      case "Transformation":
        for (const what of confusesUndefined(ast)) refuse(what, OR_NULL)
        at(ast.from, "")
        break
      case "Suspend": {
        const types = suspended(ast)
        // it refers to what is not there yet
        if (types.length === 0) isOpen = true
        for (const type of types) at(type, "")
        break
      }
      case "Union":
        if (ast.types.some(isBigInt) && ast.types.some(isNumber)) {
          refuse("a bigint beside a number", "one of the two, as JSON has only one kind of number")
        }
        for (const type of ast.types) at(type, "")
        break
      case "TupleType":
        ast.elements.forEach((element, i) => at(element.type, `[${i}]`))
        for (const rest of ast.rest) at(rest.type, HIDDEN)
        break
      case "TypeLiteral":
        // takes anything
        if (ast.propertySignatures.length === 0 && ast.indexSignatures.length === 0) isOpen = true
        for (const { isOptional, name, type } of ast.propertySignatures) {
          const text = foreignText(String(name))
          if (isOptional && becomesUndefined(type)) refuse("something else that becomes undefined", OR_NULL)
          if (isExact && !isOptional && isUndefined(type)) refuse(`${text}, undefined and not optional,`, OR_NULL)
          if (typeof name === "symbol") refuse(`the symbol ${text} as a name`, "a string")
          else if (name === PROTO) refuse(`the name ${PROTO}`, "another name")
          at(type, path === "" ? text : `.${text}`)
        }
        for (const { parameter, type } of ast.indexSignatures) {
          hasOpenNames = true
          if (becomesUndefined(type)) refuse("something else that becomes undefined", OR_NULL)
          if (AST.encodedAST(parameter)._tag === "SymbolKeyword") refuse("symbols as names", "strings")
          at(type, HIDDEN)
        }
        break
    }
  }
  if (seen.true.hasGaps || seen.false.hasGaps) isOpen = true
  return {
    problem: problems.length === 0 ? undefined : problems.join("; "),
    isOpen,
    hasOpenNames: hasOpenNames || isOpen,
    hasBigInts
  }
}

/** Where a name that is left out, as it is undefined, would be read as something else. */
const confusesUndefined = ({ from, to, transformation }: AST.Transformation): ReadonlyArray<string> => {
  if (!AST.isTypeLiteral(from)) return []
  if (AST.isDeclaration(to)) {
    // of a record that becomes a map
    const isLeftOut = from.indexSignatures.some(({ type }) => isUndefined(type))
    return isLeftOut ? ["undefined as a value of a map"] : []
  }
  if (transformation._tag !== "TypeLiteralTransformation" || !AST.isTypeLiteral(to)) return []
  return transformation.propertySignatureTransformations.flatMap((step) => {
    const encoded = from.propertySignatures.find(({ name }) => name === step.from)
    const decoded = to.propertySignatures.find(({ name }) => name === step.to)
    if (encoded?.isOptional !== true || decoded?.isOptional !== false || !isUndefined(encoded.type)) return []
    // itself, or in an Option
    const { type } = decoded
    const isAlsoUndefined = isUndefined(type) || (AST.isDeclaration(type) && type.typeParameters.some(isUndefined))
    return isAlsoUndefined ? [`undefined as ${foreignText(String(step.to))}, beside what stands for none,`] : []
  })
}

/**
 * Does it make undefined of something else? Left out where a name may be missing, that would be read as a name that is
 * missing. Undefined itself may be.
 */
const becomesUndefined = (ast: AST.AST): boolean =>
  innerTypes(ast).some((type) => AST.isTransformation(type) && isUndefined(type.from))

const isUndefined = (ast: AST.AST): boolean =>
  encodedTypes(ast).some((type) => AST.isUndefinedKeyword(type) || AST.isVoidKeyword(type))

/** What it is one of: the members of unions, also of those that are suspended or filtered. */
const innerTypes = (ast: AST.AST): ReadonlyArray<AST.AST> => within(ast, (type) => AST.isRefinement(type))

/** What it encodes to one of, where that is no object. */
const encodedTypes = (ast: AST.AST): ReadonlyArray<AST.AST> =>
  within(ast, (type) => AST.isRefinement(type) || AST.isTransformation(type))

const within = (
  ast: AST.AST,
  hasFrom: (type: AST.AST) => type is AST.Refinement | AST.Transformation
): ReadonlyArray<AST.AST> => {
  const seen = new SeenParts()
  const found: Array<AST.AST> = []
  const types = [ast]
  for (const type of types) {
    if (!seen.add(type)) continue
    if (AST.isUnion(type)) types.push(...type.types)
    else if (AST.isSuspend(type)) types.push(...suspended(type))
    else if (hasFrom(type)) types.push(type.from)
    else found.push(type)
  }
  return found
}

const isBigInt = (ast: AST.AST): boolean => encodedTypes(ast).some(AST.isBigIntKeyword)

const isNumber = (ast: AST.AST): boolean =>
  encodedTypes(ast).some(
    (type) =>
      AST.isNumberKeyword(type) ||
      (AST.isLiteral(type) && typeof type.literal === "number") ||
      (AST.isEnums(type) && type.enums.some(([, value]) => typeof value === "number"))
  )

// ---------------------------------------------------------------------------------------------------------------------
// bigints
// ---------------------------------------------------------------------------------------------------------------------

/** What `jsonText.ts` reads: a whole number that a JavaScript number does not hold is a bigint, others are numbers. */
const WholeNumber = Schema.Union(Schema.Number, Schema.BigIntFromSelf)

const exactBigInt = Schema.transformOrFail(WholeNumber, Schema.BigIntFromSelf, {
  strict: true,
  decode: (read, _, ast) =>
    typeof read === "bigint"
      ? ParseResult.succeed(read)
      : Number.isSafeInteger(read)
        ? ParseResult.succeed(BigInt(read))
        : ParseResult.fail(new ParseResult.Type(ast, read)),
  encode: (value) => {
    const number = Number(value)
    return ParseResult.succeed(Number.isSafeInteger(number) ? number : value)
  }
}).annotations({ identifier: "bigint" }).ast as AST.Transformation

const exactNumber = Schema.transformOrFail(WholeNumber, Schema.Number, {
  strict: true,
  decode: (read, _, ast) => {
    const number = Number(read)
    // the very number, or the digits that JavaScript writes for it
    return typeof read === "number" || BigInt(number) === read || String(number) === String(read)
      ? ParseResult.succeed(number)
      : ParseResult.fail(new ParseResult.Type(ast, read))
  },
  encode: (value) => ParseResult.succeed(value)
}).ast as AST.Transformation

const annotated = ({ from, to, transformation, annotations }: AST.Transformation, ast: AST.AST) =>
  new AST.Transformation(from, to, transformation, { ...annotations, ...ast.annotations })

/** The schema with its bigints and numbers encoded to what is read and written as whole numbers. */
export const withExactIntegers = (schema: AST.AST): AST.AST =>
  mapParts(schema, (ast, mapped) => {
    switch (ast._tag) {
      case "BigIntKeyword":
        return annotated(exactBigInt, ast)
      case "NumberKeyword":
        return annotated(exactNumber, ast)
      case "Transformation":
        // what it makes of them is no affair of the text
        return new AST.Transformation(mapped(ast.from), ast.to, ast.transformation, ast.annotations)
      default:
        return undefined
    }
  })
