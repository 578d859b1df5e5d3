/** Between bytes and what a schema encodes to, as JSON: what would not come back is refused, in both directions. */
import * as issue from "./issue.ts"
import { kindOfInstance, kindOfValue } from "./faults.ts"
import { PROTO } from "./proto.ts"
import { readText } from "./text.ts"

const invalid = (thrown: unknown, text: string) => {
  const quoted = issue.excerpt(text)
  return issue.codecError(text === "" ? "Invalid JSON, it is empty" : "Invalid JSON", {
    quoting: () => `Invalid JSON: ${issue.messageOf(thrown)}, in ${quoted}`
  })
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    throw invalid(thrown, text)
  }
}

/** For schemas that know all names. */
export const readJson = (buffer: Buffer, start: number, end: number): unknown => parsed(readText(buffer, start, end))

/** For schemas that leave names open: refuses `__proto__`, which would become the prototype of what is made of it. */
export const readJsonWithNames = (buffer: Buffer, start: number, end: number): unknown => {
  const text = readText(buffer, start, end)
  return refuseProto(parsed(text), text)
}

/** Whole numbers that a JavaScript number cannot hold are bigints. */
export const readJsonWithBigInts =
  (hasOpenNames: boolean) =>
  (buffer: Buffer, start: number, end: number): unknown => {
    const text = readText(buffer, start, end)
    const value = parsed(text)
    const exact = /\d{16}/.test(text) ? new ExactReader(text).read() : value
    return hasOpenNames ? refuseProto(exact, text) : exact
  }

const refuseProto = (value: unknown, text: string): unknown => {
  if (mayNameProto(text) && namesProto(value)) throw issue.codecError(`The name ${PROTO} is refused`)
  return value
}

/** Whether `__proto__` is a name in a text that is known to be JSON. */
export const isProtoNamed = (text: string): boolean => mayNameProto(text) && namesProto(JSON.parse(text))

/** A name may be written with escapes, and be a text that is no name: only then is it worth a walk. */
const mayNameProto = (text: string): boolean => text.includes(PROTO) || text.includes("\\u00")

/** A loop, as what was parsed may nest deeper than the stack. */
const namesProto = (value: unknown): boolean => {
  const parts = [value]
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    if (typeof part !== "object" || part === null) continue
    if (Object.hasOwn(part, PROTO)) return true
    for (const inner of Object.values(part)) if (typeof inner === "object" && inner !== null) parts.push(inner)
  }
  return false
}

/** Reads text that is known to be JSON once more, with all digits of its whole numbers. */
class ExactReader {
  private readonly text: string
  private at = 0

  constructor(text: string) {
    this.text = text
  }

  read(): unknown {
    this.skipSpace()
    switch (this.text[this.at]) {
      case "{":
        return this.object()
      case "[":
        return this.array()
      case '"':
        return this.string()
      default:
        return this.word()
    }
  }

  private skipSpace(): void {
    while (/\s/.test(this.text[this.at] ?? "")) this.at++
  }

  private object(): unknown {
    const object: Record<string, unknown> = {}
    this.at++
    for (this.skipSpace(); this.text[this.at] !== "}"; this.skipSpace()) {
      if (this.text[this.at] === ",") this.at++
      this.skipSpace()
      const name = this.string()
      this.skipSpace()
      this.at++
      const value = this.read()
      // as a property like others, as `JSON.parse` does
      Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true })
    }
    this.at++
    return object
  }

  private array(): unknown {
    const array: Array<unknown> = []
    this.at++
    for (this.skipSpace(); this.text[this.at] !== "]"; this.skipSpace()) {
      if (this.text[this.at] === ",") this.at++
      array.push(this.read())
    }
    this.at++
    return array
  }

  private string(): string {
    const from = this.at++
    for (; this.text[this.at] !== '"'; this.at++) if (this.text[this.at] === "\\") this.at++
    return JSON.parse(this.text.slice(from, ++this.at)) as string
  }

  private word(): unknown {
    const from = this.at
    while (/[\w.+-]/.test(this.text[this.at] ?? "")) this.at++
    const word = this.text.slice(from, this.at)
    const value: unknown = JSON.parse(word)
    return typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(word) ? BigInt(word) : value
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// writing
// ---------------------------------------------------------------------------------------------------------------------

const unwritable = (what: string, value: unknown) =>
  issue.codecError(`Not representable as JSON: ${what}`, {
    quoting: () => `Not representable as JSON: ${what}: ${issue.format(value)}`
  })

/** What `JSON.stringify` would turn into `null` without saying so. */
const refuseNull = function (this: unknown, _: string, value: unknown): unknown {
  if (typeof value === "number" ? !Number.isFinite(value) : value === undefined && Array.isArray(this)) {
    throw becomesNull(value)
  }
  return value
}

const becomesNull = (value: unknown) =>
  unwritable(
    `${typeof value === "number" ? "a number that is not finite" : kindOfValue(value)} would become null`,
    value
  )

/** JSON escapes lone surrogates, so the text is well-formed. */
const bytesOf = (text: string): Uint8Array => Buffer.from(text, "utf8")

/** For schemas that encode to strings, numbers, booleans, null, and plain objects and arrays of them, as they say. */
export const writeJson = (encoded: unknown): Uint8Array => {
  const text = JSON.stringify(encoded) as string | undefined
  if (text === undefined) throw unwritable(kindOfValue(encoded), encoded)
  if (text.includes("null")) JSON.stringify(encoded, refuseNull)
  return bytesOf(text)
}

/** For schemas that leave open what they encode to. */
export const writeOpenJson = (encoded: unknown): Uint8Array =>
  nested(encoded, () => {
    expectJson(encoded, false)
    return JSON.stringify(encoded)
  })

/** Bigints are written as whole numbers. */
export const writeJsonWithBigInts = (encoded: unknown): Uint8Array =>
  nested(encoded, () => {
    expectJson(encoded, true)
    return exactText(encoded)
  })

const nested = (encoded: unknown, text: () => string): Uint8Array => {
  try {
    return bytesOf(text())
  } catch (thrown) {
    throw thrown instanceof RangeError ? unwritable("it nests too deep, or holds itself", encoded) : thrown
  }
}

/** Throws unless JSON of the value comes back as an equal value. */
const expectJson = (value: unknown, bigInts: boolean): void => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return
    case "number":
      if (!Number.isFinite(value)) throw becomesNull(value)
      return
    case "bigint":
      if (!bigInts) throw unwritable("a bigint, without a schema that says so", value)
      // a schema's own small ones are numbers by now
      if (Number.isSafeInteger(Number(value))) throw unwritable("a bigint that would come back as a number", value)
      return
    case "object":
      if (value === null) return
      return Array.isArray(value) ? expectArray(value, bigInts) : expectObject(value, bigInts)
    default:
      throw unwritable(kindOfValue(value), value)
  }
}

/** Whether JSON of the value comes back as an equal value, without bigints. */
export const isWritable = (value: unknown): boolean => {
  try {
    expectJson(value, false)
    return true
  } catch {
    return false
  }
}

const expectArray = (array: ReadonlyArray<unknown>, bigInts: boolean): void => {
  // the prototype of arrays is one itself, also that of another realm
  if (!Array.isArray(Object.getPrototypeOf(array))) throw unwritable(kindOfInstance(array), array)
  const names = Object.keys(array).length
  if (names !== array.length) {
    throw unwritable(names < array.length ? "an array with holes" : "an array with names", array)
  }
  if (Object.getOwnPropertySymbols(array).length > 0) throw unwritable("a symbol as a name", array)
  for (const value of array) {
    if (value === undefined || typeof value === "function" || typeof value === "symbol") throw becomesNull(value)
    expectJson(value, bigInts)
  }
}

const expectObject = (object: object, bigInts: boolean): void => {
  const prototype: unknown = Object.getPrototypeOf(object)
  // the prototype of plain objects has none itself, also that of another realm
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw unwritable(kindOfInstance(object), object)
  }
  if (Object.getOwnPropertySymbols(object).length > 0) throw unwritable("a symbol as a name", object)
  const fields = object as Readonly<Record<string, unknown>>
  for (const name in fields) {
    if (name === PROTO) throw unwritable(`the name ${PROTO}`, object)
    const value = fields[name]
    // what is undefined is left out, as in a value that never had it
    if (value !== undefined) expectJson(value, bigInts)
  }
}

/** `JSON.stringify` with bigints; what is no JSON was refused before. */
const exactText = (value: unknown): string => {
  if (typeof value === "bigint") return String(value)
  // not to be read as a bigint
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) return value.toExponential()
  if (Array.isArray(value)) return `[${value.map(exactText).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).filter(([, field]) => field !== undefined)
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${exactText(field)}`).join(",")}}`
}
