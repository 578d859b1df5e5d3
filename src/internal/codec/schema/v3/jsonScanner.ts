/**
 * Does a text in bytes stand for a value that a schema leaves as it is? Told without making the value, in a fifth of the
 * time.
 *
 * Only a yes is an answer. It is given for JSON in ASCII, without escapes, whose objects have the schema's fields in the
 * schema's order, and no others: as an encoder writes them. All else is left to `JSON.parse` and `schemaDecoder.ts`.
 */
import * as Option from "effect/Option"
import * as AST from "effect/SchemaAST"
import { canCompile, isSimple, PROTO } from "./decoder.ts"

/** The end of the value that begins at `at`, or `NO`. */
type Scan = (bytes: Buffer, at: number, end: number) => number

const NO = -1

const QUOTE = 0x22
const BACKSLASH = 0x5c
const SPACE = 0x20
const COMMA = 0x2c
const COLON = 0x3a
const MINUS = 0x2d
const PLUS = 0x2b
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const E = 0x65
const OPENING_BRACKET = 0x5b
const CLOSING_BRACKET = 0x5d
const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d
const MAX_ASCII = 0x7f

/** For objects and arrays; none if there are parts in the schema that are not known here. */
export const compileScanner = (ast: AST.AST): ((bytes: Buffer, start: number, end: number) => boolean) | undefined => {
  const scan = ast._tag === "TypeLiteral" || ast._tag === "TupleType" ? compile(ast) : undefined
  if (scan === undefined) return undefined
  return (bytes, start, end) => {
    try {
      const at = scan(bytes, afterSpaces(bytes, start, end), end)
      return at !== NO && afterSpaces(bytes, at, end) === end
    } catch {
      // a filter: it throws once more where that is told
      return false
    }
  }
}

const compile = (ast: AST.AST): Scan | undefined => {
  if (!canCompile(ast)) return undefined
  switch (ast._tag) {
    case "StringKeyword":
      return string
    case "NumberKeyword":
      return number
    case "BooleanKeyword":
      return either([exactly("true"), exactly("false")])
    case "UndefinedKeyword":
      // there is none in JSON
      return () => NO
    case "Literal":
      return literal(ast.literal)
    case "Refinement":
      return refinement(ast)
    case "TypeLiteral":
      return object(ast)
    case "TupleType":
      return array(ast)
    case "Union":
      return union(ast)
    default:
      return undefined
  }
}

const compileAll = (asts: ReadonlyArray<AST.AST>): ReadonlyArray<Scan> | undefined => {
  const scans = asts.map(compile)
  return scans.every((scan) => scan !== undefined) ? scans : undefined
}

const afterSpaces = (bytes: Buffer, from: number, end: number): number => {
  let at = from
  while (at < end && bytes[at] === SPACE) at++
  return at
}

// ---------------------------------------------------------------------------------------------------------------------
// what is no object
// ---------------------------------------------------------------------------------------------------------------------

const string: Scan = (bytes, at, end) => {
  if (bytes[at] !== QUOTE) return NO
  for (let i = at + 1; i < end; i++) {
    const byte = bytes[i]
    if (byte === QUOTE) return i + 1
    if (byte < SPACE || byte === BACKSLASH || byte > MAX_ASCII) return NO
  }
  return NO
}

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= NINE

const afterDigits = (bytes: Buffer, from: number, end: number): number => {
  let at = from
  while (at < end && isDigit(bytes[at])) at++
  return at
}

/** `-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?` */
const number: Scan = (bytes, from, end) => {
  const first = bytes[from] === MINUS ? from + 1 : from
  let at = afterDigits(bytes, first, end)
  if (at === first || (bytes[first] === ZERO && at > first + 1)) return NO
  if (at < end && bytes[at] === DOT) {
    const digits = at + 1
    at = afterDigits(bytes, digits, end)
    if (at === digits) return NO
  }
  if (at < end && (bytes[at] | SPACE) === E) {
    const sign = at + 1
    const digits = sign < end && (bytes[sign] === PLUS || bytes[sign] === MINUS) ? sign + 1 : sign
    at = afterDigits(bytes, digits, end)
    if (at === digits) return NO
  }
  return at
}

/** These very bytes. */
const exactly = (text: string): Scan => {
  const expected = Buffer.from(text)
  const { length } = expected
  return (bytes, at, end) => {
    if (end - at < length) return NO
    for (let i = 0; i < length; i++) if (bytes[at + i] !== expected[i]) return NO
    return at + length
  }
}

/** What JSON has for it, if it is the same without escapes. */
const plainText = (text: string): string | undefined => {
  const json = JSON.stringify(text)
  return json === `"${text}"` && Buffer.byteLength(text) === text.length ? json : undefined
}

const literal = (value: AST.LiteralValue): Scan | undefined => {
  switch (typeof value) {
    case "string": {
      const text = plainText(value)
      return text === undefined ? undefined : exactly(text)
    }
    case "number":
      // 1 is 1.0, too
      return (bytes, at, end) => {
        const after = number(bytes, at, end)
        return after !== NO && Number(bytes.toString("latin1", at, after)) === value ? after : NO
      }
    case "bigint":
      return undefined
    default:
      return exactly(String(value))
  }
}

/** Checks filters of numbers and strings, for which the value itself is made. */
const refinement = (ast: AST.Refinement): Scan | undefined => {
  const filters: Array<AST.Refinement> = []
  let from: AST.AST = ast
  for (; from._tag === "Refinement"; from = from.from) {
    if (!canCompile(from)) return undefined
    filters.unshift(from)
  }
  const passes = (value: unknown): boolean =>
    filters.every((filter) => Option.isNone(filter.filter(value, AST.defaultParseOption, filter)))
  const scan = compile(from)
  if (scan === number) {
    return (bytes, at, end) => {
      const after = number(bytes, at, end)
      return after !== NO && passes(Number(bytes.toString("latin1", at, after))) ? after : NO
    }
  }
  if (scan === string) {
    return (bytes, at, end) => {
      const after = string(bytes, at, end)
      return after !== NO && passes(bytes.toString("latin1", at + 1, after - 1)) ? after : NO
    }
  }
  return undefined
}

const either =
  (scans: ReadonlyArray<Scan>): Scan =>
  (bytes, at, end) => {
    for (const scan of scans) {
      const after = scan(bytes, at, end)
      if (after !== NO) return after
    }
    return NO
  }

/** With one object at most: of two, the first might take the other's values, and leave out fields that it does not know. */
const union = (ast: AST.Union): Scan | undefined => {
  if (ast.types.filter((type) => !isSimple(type)).length > 1) return undefined
  const scans = compileAll(ast.types)
  return scans === undefined ? undefined : either(scans)
}

// ---------------------------------------------------------------------------------------------------------------------
// objects and arrays
// ---------------------------------------------------------------------------------------------------------------------

/** A name that is an index comes before others in an object, wherever the text has it. */
const isIndex = (name: string): boolean => /^\d+$/.test(name)

const object = (ast: AST.TypeLiteral): Scan | undefined => {
  const { indexSignatures, propertySignatures } = ast
  if (indexSignatures.length > 0 || propertySignatures.length === 0) return undefined
  const names: Array<Scan> = []
  for (const { name } of propertySignatures) {
    if (typeof name !== "string" || name === PROTO || isIndex(name)) return undefined
    const text = plainText(name)
    if (text === undefined) return undefined
    names.push(exactly(text))
  }
  const values = compileAll(propertySignatures.map((property) => property.type))
  if (values === undefined) return undefined
  const optional = propertySignatures.map((property) => property.isOptional)
  const count = names.length
  return (bytes, from, end) => {
    if (bytes[from] !== OPENING_BRACE) return NO
    let at = afterSpaces(bytes, from + 1, end)
    let isFirst = true
    for (let i = 0; i < count; i++) {
      if (at >= end) return NO
      if (bytes[at] === CLOSING_BRACE) {
        if (optional[i]) continue
        return NO
      }
      const name = isFirst ? at : bytes[at] === COMMA ? afterSpaces(bytes, at + 1, end) : end
      const colon = names[i](bytes, name, end)
      if (colon === NO) {
        if (optional[i]) continue
        return NO
      }
      at = afterSpaces(bytes, colon, end)
      if (at >= end || bytes[at] !== COLON) return NO
      at = afterSpaces(bytes, at + 1, end)
      if (at >= end) return NO
      at = values[i](bytes, at, end)
      if (at === NO) return NO
      at = afterSpaces(bytes, at, end)
      isFirst = false
    }
    return at < end && bytes[at] === CLOSING_BRACE ? at + 1 : NO
  }
}

const array = (ast: AST.TupleType): Scan | undefined => {
  if (ast.rest.length > 1 || ast.elements.some((element) => element.isOptional)) return undefined
  const elements = compileAll(ast.elements.map((element) => element.type))
  const rest = compileAll(ast.rest.map((element) => element.type))
  if (elements === undefined || rest === undefined) return undefined
  const least = elements.length
  const most = rest.length === 0 ? least : Number.POSITIVE_INFINITY
  return (bytes, from, end) => {
    if (bytes[from] !== OPENING_BRACKET) return NO
    let at = afterSpaces(bytes, from + 1, end)
    if (at < end && bytes[at] === CLOSING_BRACKET) return least === 0 ? at + 1 : NO
    for (let i = 0; i < most; i++) {
      if (at >= end) return NO
      at = (i < least ? elements[i] : rest[0])(bytes, at, end)
      if (at === NO) return NO
      at = afterSpaces(bytes, at, end)
      if (at >= end) return NO
      if (bytes[at] === CLOSING_BRACKET) return i + 1 >= least ? at + 1 : NO
      if (bytes[at] !== COMMA) return NO
      at = afterSpaces(bytes, at + 1, end)
    }
    return NO
  }
}
