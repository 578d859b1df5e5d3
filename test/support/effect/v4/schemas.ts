/** Schemas whose constructors differ. */
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

/** A text of at least so many characters that nobody is to see. */
export const secretText = (minLength = 0): Schema.Codec<Redacted.Redacted<string>, string> =>
  Schema.RedactedFromValue(Schema.String.check(Schema.isMinLength(minLength)))

/** Numbers that are decoded and encoded by Effects that cannot fail. */
export const numberBy = (how: {
  readonly decode: (n: number) => Effect.Effect<number>
  readonly encode: (n: number) => Effect.Effect<number>
}): Schema.Codec<number, number> =>
  Schema.Number.pipe(
    Schema.decodeTo(Schema.Number, {
      decode: SchemaGetter.transformEffect(how.decode),
      encode: SchemaGetter.transformEffect(how.encode)
    })
  )

/** Whether it is what Schema fails with. */
export const isSchemaError: (error: unknown) => error is Schema.SchemaError = Schema.isSchemaError

/** Numbers as text; what is no number does not decode. */
export const numberFromText: Schema.Codec<number, string> = Schema.FiniteFromString

/** What Schema says of values that do not fit. */
export const words = {
  shorterThan12: "Expected a value with a length of at least 12, actual a string",
  notANumberAsText: "Expected a finite number, actual a number",
  quotedNoInteger: "Expected an integer, got 1.5",
  quotedNoNumber: "Expected a finite number, got NaN"
}

/** What has no JSON. */
export const withoutJson: Schema.Codec<bigint> = Schema.Literal(1n)
