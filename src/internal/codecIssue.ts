import * as Inspectable from "effect/Inspectable"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { isUtf8 } from "node:buffer"

/** How much of a text, or how many bytes, an error shows. */
const excerptLength = 64

/** How much of a message is worth a log line: it may quote the whole value. */
const messageLength = 4_096

/** How many of a value's faults are worth a line. */
const faultsListed = 3

/**
 * A `ParseError` that can always be printed. The message is made when it is asked for, by recursion over the issue and
 * over the values in it, and both may nest deeper than the stack: bytes that somebody else wrote must not be able to
 * make a logger throw.
 */
class PrintableParseError extends ParseResult.ParseError {
  override toString(): string {
    try {
      const message = super.toString()
      return message.length > messageLength ? `${message.slice(0, messageLength)}…` : message
    } catch (thrown) {
      return `does not fit its schema, and cannot be shown: ${messageOf(thrown)}`
    }
  }
}

/** @internal */
export const parseErrorOfIssue = (issue: ParseResult.ParseIssue): ParseResult.ParseError =>
  new PrintableParseError({ issue })

/**
 * A `ParseError` that says what it is told to. It holds no value: a value that does not decode may be large, and who
 * reports it has its bytes.
 *
 * @internal
 */
export const parseError = (message: string): ParseResult.ParseError =>
  parseErrorOfIssue(new ParseResult.Type(Schema.Unknown.ast, undefined, message))

/**
 * What somebody threw, or failed with, as a `ParseError`: this never throws, whatever it is.
 *
 * @internal
 */
export const parseErrorOf = (thrown: unknown): ParseResult.ParseError => {
  try {
    return thrown instanceof PrintableParseError
      ? thrown
      : ParseResult.isParseError(thrown)
        ? parseErrorOfIssue(thrown.issue)
        : parseError(messageOf(thrown))
  } catch {
    return parseError(format(thrown))
  }
}

/** Where in the value, and what is wrong there, without the schema's tree. Throws if the issue nests too deep. */
const faultsOf = (error: ParseResult.ParseError): string => {
  const faults = ParseResult.ArrayFormatter.formatErrorSync(error)
  const shown = faults.slice(0, faultsListed).map(({ message, path }) => {
    const place = path.map(String).join(".")
    return place === "" ? message : `${place}: ${message}`
  })
  return shown.join("; ") + (faults.length > faultsListed ? `; and ${faults.length - faultsListed} more` : "")
}

/**
 * What somebody threw, or failed with, as a part of a log line: this never throws, whatever it is.
 *
 * @internal
 */
export const inOneLine = (thrown: unknown): string => {
  let text: string
  try {
    text = ParseResult.isParseError(thrown) ? faultsOf(thrown) : messageOf(thrown)
  } catch {
    text = messageOf(thrown)
  }
  const line = text.slice(0, messageLength).replaceAll(/\s*\n\s*/g, " ")
  return text.length > messageLength ? `${line}…` : line
}

/** @internal */
export const excerpt = (text: string): string =>
  JSON.stringify(text.length > excerptLength ? `${text.slice(0, excerptLength)}…` : text)

/** @internal */
export const hex = (buffer: Buffer, start: number, end: number): string => {
  const shown = Math.min(end, start + excerptLength / 2)
  return `0x${buffer.toString("hex", start, shown)}${shown < end ? "…" : ""} (${end - start} bytes)`
}

/** Bytes that somebody else wrote: as text if they are. @internal */
export const textOrHex = (bytes: Uint8Array): string => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(bytes) ? excerpt(buffer.toString("utf8")) : hex(buffer, 0, buffer.length)
}

/** A value in words, whatever it is: this never throws. @internal */
export const format = (value: unknown): string => {
  try {
    const text = Predicate.isString(value) ? JSON.stringify(value) : Inspectable.toStringUnknown(value, 0)
    return text.length > excerptLength ? `${text.slice(0, excerptLength)}…` : text
  } catch {
    return `a value of type ${typeof value}`
  }
}

const ownMessage = (thrown: object): string => {
  for (const key of ["message", "_tag", "name"]) {
    if (Predicate.hasProperty(thrown, key)) {
      const text = thrown[key]
      if (Predicate.isString(text) && text !== "") {
        return text
      }
    }
  }
  return format(thrown)
}

/**
 * What somebody threw, or failed with, in words, followed by its causes.
 *
 * @internal
 */
export const messageOf = (thrown: unknown): string => {
  const parts: Array<string> = []
  let current = thrown
  while (parts.length < 4) {
    if (!Predicate.isObject(current)) {
      parts.push(Predicate.isString(current) ? current : format(current))
      break
    }
    parts.push(ownMessage(current))
    if (!Predicate.hasProperty(current, "cause") || current.cause === undefined) {
      break
    }
    current = current.cause
  }
  return parts.join(", caused by: ")
}
