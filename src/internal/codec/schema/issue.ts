import * as Cause from "effect/Cause"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import { isUtf8 } from "node:buffer"
import {
  formatFaults,
  kindOfThrown,
  NAME_LENGTH,
  patternOfFaults,
  quoteFaults,
  type Fault,
  type Faults
} from "./faults.ts"
import { faultsOfIssue, FaultsError, type Issue, issueOfError } from "./v4/issues.ts"
import { defectOf } from "../../effect/v4/causes.ts"
import { foreignText, quotedForeignText } from "../../foreignText.ts"

/** At most this many characters of a text, or this many bytes, are quoted where somebody asked for it. */
const EXCERPT_LENGTH = 64

/**
 * At most this many characters of a message are told where somebody asked for all of it, as it may quote the whole
 * value.
 */
const MESSAGE_LENGTH = 4_096

/**
 * Every `SchemaError` of this library's codecs. Nothing of the record stands in anything that is printed of it, nor in
 * its issue; who asks for that gets it from `explain`. It can always be printed, however deep the value nests.
 */
class CodecError extends FaultsError {
  readonly #faults: Faults
  readonly #isOfSchema: boolean

  constructor(faults: Faults, isOfSchema: boolean) {
    super(faults)
    this.#faults = faults
    this.#isOfSchema = isOfSchema
  }

  override toString(): string {
    // The base class's constructor asks for the message when there are no fields yet.
    return #faults in this ? formatFaults(this.#faults) : ""
  }

  get pattern(): string {
    return patternOfFaults(this.#faults)
  }

  get withoutValues(): CodecError {
    // The faults of a schema tell secrets from other values by themselves.
    if (this.#isOfSchema) return this
    const first = this.#faults.first.map(({ quoting: _, ...fault }) => fault)
    return new CodecError({ ...this.#faults, first }, false)
  }

  /** The same failure, of a part of something larger. */
  within(name: string): CodecError {
    const step = foreignText(name, NAME_LENGTH)
    const first = this.#faults.first.map(({ quoting, ...fault }) => ({
      ...fault,
      path: [step, ...fault.path],
      ...(quoting === undefined ? {} : { quoting: () => `${step}: ${quoting()}` })
    }))
    return new CodecError({ ...this.#faults, first }, this.#isOfSchema)
  }

  get explanation(): string {
    return quoteFaults(this.#faults)
  }
}

/** @internal */
export const errorOfIssue = (issue: Issue): Schema.SchemaError => new CodecError(faultsOfIssue(issue), true)

/**
 * A `SchemaError` that says what it is told to, which must not quote the record; nor may `figures`, which differ from
 * record to record. `quoting` may.
 *
 * @internal
 */
export const codecError = (
  says: string,
  { figures, quoting }: Pick<Fault, "figures" | "quoting"> = {}
): Schema.SchemaError =>
  new CodecError(
    {
      first: [
        { path: [], says, ...(figures === undefined ? {} : { figures }), ...(quoting === undefined ? {} : { quoting }) }
      ],
      count: 1
    },
    false
  )

/**
 * What somebody threw, or failed with, as a `SchemaError`: this never throws, whatever it is. `how` says by whom, and
 * how it came.
 *
 * @internal
 */
export const errorOf = (thrown: unknown, how = "a function of the codec threw"): Schema.SchemaError => {
  try {
    if (thrown instanceof CodecError) return thrown
    const found = issueOfError(thrown)
    if (found !== undefined) return errorOfIssue(found)
  } catch {
    // a proxy that throws when it is looked at
  }
  return codecError(`${how} ${kindOfThrown(thrown)}`, { quoting: () => messageOf(thrown) })
}

/**
 * How an Effect of a codec ended, as a `SchemaError`: by a failure, by a defect, or by an interruption that was not
 * ours.
 *
 * @internal
 */
export const errorOfCause = (cause: Cause.Cause<unknown>): Schema.SchemaError => {
  const failure = Cause.findErrorOption(cause)
  if (Option.isSome(failure)) return errorOf(failure.value, "an Effect of the codec failed with")
  const died = defectOf(cause)
  if (died !== undefined) return errorOf(died.defect)
  return codecError("an Effect of the codec was interrupted")
}

/**
 * The same failure, as one of a part of a larger value. The part's name is one that the program gave, and nothing that a
 * record holds.
 *
 * @internal
 */
export const within = (name: string, error: Schema.SchemaError): Schema.SchemaError =>
  error instanceof CodecError ? error.within(name) : error

/**
 * The same failure without what may be quoted: for schemas that call something secret.
 *
 * @internal
 */
export const withoutValues = (error: Schema.SchemaError): Schema.SchemaError =>
  error instanceof CodecError ? error.withoutValues : error

/**
 * All that is known of a failure, with the values that it is about, on one line. For who asked for values only.
 *
 * @internal
 */
export const explain = (error: unknown): string => {
  try {
    const codecError = errorOf(error)
    return codecError instanceof CodecError ? foreignText(codecError.explanation, MESSAGE_LENGTH) : ""
  } catch (thrown) {
    return `cannot be shown: ${foreignText(messageOf(thrown))}`
  }
}

/**
 * The kind of a failure to decode, for telling many alike ones once: which part of the record, where in it and what is
 * expected there. Equal for records that are wrong in the same way, whatever they hold.
 *
 * @internal
 */
export const kindOfPoison = (reason: "Key" | "Value", cause: unknown): string => {
  const error = errorOf(cause)
  return `${reason}: ${error instanceof CodecError ? error.pattern : ""}`
}

/**
 * What somebody threw, or failed with, as a part of a line: a failure of a codec without the values that it is about,
 * all else in its own words. This never throws, whatever it is.
 *
 * @internal
 */
export const inOneLine = (thrown: unknown): string => {
  try {
    if (issueOfError(thrown) !== undefined) return errorOf(thrown).message
  } catch {
    // a proxy that throws when it is looked at
  }
  return foreignText(messageOf(thrown))
}

/** The beginning of a text, for who asked for values. @internal */
export const excerpt = (text: string): string => quotedForeignText(text, EXCERPT_LENGTH)

/** The beginning of bytes, for who asked for values. @internal */
export const hex = (buffer: Buffer, start: number, end: number): string => {
  const shown = Math.min(end, start + EXCERPT_LENGTH / 2)
  return `0x${buffer.toString("hex", start, shown)}${shown < end ? "…" : ""} (${end - start} bytes)`
}

/** Bytes that somebody else wrote, for who asked for values: as text if they are. @internal */
export const textOrHex = (bytes: Uint8Array): string => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(bytes) ? excerpt(buffer.toString("utf8")) : hex(buffer, 0, buffer.length)
}

/** A value in words, whatever it is, for who asked for values: this never throws. @internal */
export const format = (value: unknown): string => {
  try {
    if (Predicate.isString(value)) return excerpt(value)
    if (Predicate.isBigInt(value)) return foreignText(`${value}n`, EXCERPT_LENGTH)
    return foreignText(Inspectable.toStringUnknown(value, 0), EXCERPT_LENGTH)
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
 * What somebody threw, or failed with, in its own words, followed by its causes: this never throws, whatever it is. It
 * is not yet fit for a line, and may quote what a record holds.
 *
 * @internal
 */
export const messageOf = (thrown: unknown): string => {
  const parts: Array<string> = []
  try {
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
  } catch {
    parts.push(format(thrown))
  }
  return parts.join(", caused by: ")
}
