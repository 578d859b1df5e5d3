/**
 * What a schema tells of the JSON that its values become, before there is a value: what has no JSON form that comes back,
 * and what has to be looked at when a value is there.
 */
import * as AST from "effect/SchemaAST"
import { foreignText } from "../../../foreignText.ts"
import { HIDDEN } from "../faults.ts"
import { PROTO } from "../proto.ts"
import type { JsonForm } from "../parsers.ts"
import { kindOfType } from "./issues.ts"
import { encodedTypes, isMissingAsUndefined, jsonLinkOf } from "./jsonCodec.ts"
import { representationOf, SeenParts, suspended } from "./parts.ts"

const OR_NULL = "null for what is not there, as in Schema.OptionFromNullOr"

interface Visit {
  readonly ast: AST.AST
  readonly path: string
}

/** Looks at all that a schema's JSON form encodes to. A schema may refer to itself. */
export const jsonFormOf = (json: AST.AST): JsonForm => {
  const problems: Array<string> = []
  let isOpen = false
  let hasOpenNames = false
  let hasBigInts = false
  const seen = new SeenParts()
  const visits: Array<Visit> = [{ ast: json, path: "" }]
  // a list that grows: what is near is looked at before what has no end
  for (const { ast, path } of visits) {
    if (!seen.add(ast)) continue
    const refuse = (what: string, instead: string) =>
      problems.push(`${path === "" ? "" : `${path}: `}${what} does not come back from JSON; use ${instead}`)
    const at = (part: AST.AST, name: string) => visits.push({ ast: part, path: `${path}${name}` })
    if (ast.encoding !== undefined) {
      if (AST.isDeclaration(ast) && isOfUndefinedValues(ast.encoding)) refuse("undefined as a value of a map", OR_NULL)
      at(ast.encoding[ast.encoding.length - 1].to, "")
      continue
    }
    switch (ast._tag) {
      case "Declaration":
        // one of Effect's own, which it has no JSON for
        if (hasNoJson(ast)) refuse(kindOfType(ast), "a schema that transforms it from something that JSON has")
        // a class of somebody's, or JSON of any form: each value has to be looked at
        else isOpen = true
        break
      case "BigInt":
        hasBigInts = true
        break
      case "Symbol":
      case "UniqueSymbol":
        refuse("a symbol", "a string")
        break
      case "Literal":
        if (typeof ast.literal === "bigint") refuse("a bigint literal", "a number or a string as the literal")
        break
      case "Unknown":
      case "Any":
      case "ObjectKeyword":
        isOpen = true
        break
      case "Suspend": {
        const types = suspended(ast)
        // it refers to what is not there yet
        if (types.length === 0) isOpen = true
        for (const type of types) at(type, "")
        break
      }
      case "Union":
        if (encodedTypes(ast).some(AST.isBigInt) && encodedTypes(ast).some(isNumber)) {
          refuse("a bigint beside a number", "one of the two, as JSON has only one kind of number")
        }
        for (const type of ast.types) at(type, "")
        break
      case "Arrays":
        ast.elements.forEach((element, i) => at(element, `[${i}]`))
        for (const rest of ast.rest) at(rest, HIDDEN)
        break
      case "Objects":
        // takes anything
        if (ast.propertySignatures.length === 0 && ast.indexSignatures.length === 0) isOpen = true
        for (const { name, type } of ast.propertySignatures) {
          const text = foreignText(String(name))
          if (typeof name === "symbol") refuse(`the symbol ${text} as a name`, "a string")
          else if (name === PROTO) refuse(`the name ${PROTO}`, "another name")
          if (AST.isOptional(type) && becomesUndefined(type)) refuse("something else that becomes undefined", OR_NULL)
          if (confusesUndefined(type)) refuse(`undefined as ${text}, beside what stands for none,`, OR_NULL)
          at(type, path === "" ? text : `.${text}`)
        }
        for (const { parameter, type } of ast.indexSignatures) {
          hasOpenNames = true
          if (becomesUndefined(type)) refuse("something else that becomes undefined", OR_NULL)
          if (AST.isSymbol(AST.toEncoded(parameter))) refuse("symbols as names", "strings")
          at(type, HIDDEN)
        }
        break
    }
  }
  if (seen.hasGaps) isOpen = true
  return {
    problem: problems.length === 0 ? undefined : problems.join("; "),
    isOpen,
    hasOpenNames: hasOpenNames || isOpen,
    hasBigInts
  }
}

const hasNoJson = (ast: AST.Declaration): boolean =>
  representationOf(ast)?.startsWith("effect/") === true && jsonLinkOf(ast) === undefined

/**
 * Does it make undefined of something else? Left out where a name may be missing, that would be read as a name that is
 * missing. Undefined itself may be.
 */
const becomesUndefined = (ast: AST.AST): boolean =>
  membersOf(ast).some(
    (type) => type.encoding !== undefined && !isUndefined(type) && encodedTypes(type).some(isUndefined)
  )

/**
 * Does it stand both for undefined and for a name that is missing, and tell them apart? Left out, undefined would be read
 * as the other.
 */
const confusesUndefined = (ast: AST.AST): boolean => {
  if (ast.encoding === undefined || AST.isOptional(ast)) return false
  const last = ast.encoding[ast.encoding.length - 1]
  const from = last.to
  if (isMissingAsUndefined(last) || !AST.isOptional(from) || !encodedTypes(from).some(isUndefined)) return false
  // itself, or in an Option
  return mayBeUndefined(ast) || (AST.isDeclaration(ast) && ast.typeParameters.some(mayBeUndefined))
}

const mayBeUndefined = (ast: AST.AST): boolean => encodedTypes(AST.toType(ast)).some(isUndefined)

/** A record that becomes a map does not have the names whose values are undefined. */
const isOfUndefinedValues = (encoding: AST.Encoding): boolean =>
  encoding.some(
    ({ to }) => AST.isObjects(to) && to.indexSignatures.some(({ type }) => encodedTypes(type).some(isUndefined))
  )

const isUndefined = (ast: AST.AST): boolean => AST.isUndefined(ast) || AST.isVoid(ast)

/** What it is one of: the members of unions, also of those that are suspended. */
const membersOf = (ast: AST.AST): ReadonlyArray<AST.AST> => {
  const seen = new SeenParts()
  const found: Array<AST.AST> = []
  const types = [ast]
  for (const type of types) {
    if (!seen.add(type)) continue
    if (type.encoding === undefined && AST.isUnion(type)) types.push(...type.types)
    else if (type.encoding === undefined && AST.isSuspend(type)) types.push(...suspended(type))
    else found.push(type)
  }
  return found
}

const isNumber = (ast: AST.AST): boolean =>
  AST.isNumber(ast) ||
  (AST.isLiteral(ast) && typeof ast.literal === "number") ||
  (AST.isEnum(ast) && ast.enums.some(([, value]) => typeof value === "number"))
