/**
 * Does a text in bytes stand for a value that a schema leaves as it is? Told without making the value, in a fifth of the
 * time.
 *
 * Only a yes is an answer. It is given for JSON in ASCII, without escapes, whose objects have the schema's fields in the
 * schema's order, and no others: as an encoder writes them. All else is left to `JSON.parse` and what looks at values.
 */
import type { Field, Passes, Shape } from "./shape.ts"

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

/** For objects and arrays. */
export const compileScanner = (shape: Shape): ((bytes: Buffer, start: number, end: number) => boolean) | undefined => {
  const scan = shape.tag === "object" || shape.tag === "array" ? compile(shape) : undefined
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

const compile = (shape: Shape): Scan | undefined => {
  switch (shape.tag) {
    case "string":
      return shape.checks.length === 0 ? string : checked(string, 1, String, shape.checks)
    case "number":
      return shape.checks.length === 0 ? number : checked(number, 0, Number, shape.checks)
    case "boolean":
      return either([exactly("true"), exactly("false")])
    case "null":
      return exactly("null")
    case "nothing":
      // there is none in JSON
      return () => NO
    case "literal":
      return literal(shape.value)
    case "object":
      return object(shape.fields)
    case "array":
      return array(shape.elements, shape.rest)
    case "union": {
      const scans = compileAll(shape.members)
      return scans === undefined ? undefined : either(scans)
    }
  }
}

const compileAll = (shapes: ReadonlyArray<Shape>): ReadonlyArray<Scan> | undefined => {
  const scans = shapes.map(compile)
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

const literal = (value: string | number | boolean): Scan | undefined => {
  if (typeof value === "boolean") return exactly(String(value))
  if (typeof value === "string") {
    const text = plainText(value)
    return text === undefined ? undefined : exactly(text)
  }
  // 1 is 1.0, too
  return (bytes, at, end) => {
    const after = number(bytes, at, end)
    return after !== NO && Number(bytes.toString("latin1", at, after)) === value ? after : NO
  }
}

/** Checks numbers and strings, for which the value itself is made, from between so many bytes of quotes. */
const checked =
  (scan: Scan, quotes: 0 | 1, valueOf: (text: string) => unknown, checks: ReadonlyArray<Passes>): Scan =>
  (bytes, at, end) => {
    const after = scan(bytes, at, end)
    if (after === NO) return NO
    const value = valueOf(bytes.toString("latin1", at + quotes, after - quotes))
    return checks.every((passes) => passes(value)) ? after : NO
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

// ---------------------------------------------------------------------------------------------------------------------
// objects and arrays
// ---------------------------------------------------------------------------------------------------------------------

const object = (fields: ReadonlyArray<Field>): Scan | undefined => {
  const names: Array<Scan> = []
  for (const { name } of fields) {
    const text = plainText(name)
    if (text === undefined) return undefined
    names.push(exactly(text))
  }
  const values = compileAll(fields.map(({ shape }) => shape))
  if (values === undefined) return undefined
  const optional = fields.map(({ isOptional }) => isOptional)
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

const array = (shapes: ReadonlyArray<Shape>, restShape: Shape | undefined): Scan | undefined => {
  const elements = compileAll(shapes)
  const rest = compileAll(restShape === undefined ? [] : [restShape])
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
