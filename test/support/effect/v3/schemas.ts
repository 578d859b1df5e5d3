/** Schemas whose constructors differ. */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ParseResult from "effect/ParseResult"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** A text of at least so many characters that nobody is to see. */
export const secretText = (minLength = 0): Schema.Schema<Redacted.Redacted<string>, string> =>
  Schema.Redacted(Schema.String.pipe(Schema.minLength(minLength)))

/** Numbers that are decoded and encoded by Effects that cannot fail. */
export const numberBy = (how: {
  readonly decode: (n: number) => Effect.Effect<number>
  readonly encode: (n: number) => Effect.Effect<number>
}): Schema.Schema<number, number> =>
  Schema.transformOrFail(Schema.Number, Schema.Number, {
    strict: true,
    decode: (n) => atOnce(how.decode(n)),
    encode: (n) => atOnce(how.encode(n))
  })

/** What is settled is a result of Schema's own, which its parsers take without running it. */
const atOnce = (effect: Effect.Effect<number>) =>
  Exit.isExit(effect) && Exit.isSuccess(effect) ? ParseResult.succeed(effect.value as number) : effect

/** Whether it is what Schema fails with. */
export const isSchemaError: (error: unknown) => error is ParseResult.ParseError = ParseResult.isParseError

export const numberFromText: Schema.Schema<number, string> = Schema.NumberFromString

/** What Schema says of values that do not fit. */
export const words = {
  shorterThan12: "Expected a string at least 12 character(s) long, actual a string",
  notANumberAsText: "Expected NumberFromString, actual a string",
  quotedNoInteger: "Expected an integer, actual 1.5",
  quotedNoNumber: 'Unable to decode "hunter2" into a number'
}

/** What has no JSON. */
export const withoutJson: Schema.Schema<Date> = Schema.DateFromSelf
