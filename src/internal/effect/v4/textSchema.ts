/** Schemas of values that have a text. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"

/** How values are read from text, and written there. */
export interface TextForm<A> {
  /** The name of the values. */
  readonly name: string
  /** What the text looks like. */
  readonly form: string
  /** Texts of some of the values. Effect 3 makes values at random of them, which Effect 4 has no annotation for. */
  readonly some: RegExp
  readonly is: (u: unknown) => u is A
  /** None where it is not the text of a value. */
  readonly parse: (text: string) => A | undefined
  readonly print: (value: A) => string
  /** Says what was expected, and what stands there. */
  readonly explain: (text: string) => string
}

/** Values as texts. */
export const textSchema = <A>({ explain, form, is, name, parse, print }: TextForm<A>): Schema.Codec<A, string> => {
  const refuse = (text: string) => Effect.fail(new SchemaIssue.InvalidValue({ message: explain(text) }))
  return Schema.String.annotate({ description: form }).pipe(
    Schema.decodeTo(
      Schema.declare(is, { identifier: name, toFormatter: () => print }),
      SchemaTransformation.transformEffect<A, string>({
        decode: (text) => {
          const value = parse(text)
          return value === undefined ? refuse(text) : Effect.succeed(value)
        },
        encode: (value) => {
          const text = print(value)
          return parse(text) === undefined ? refuse(text) : Effect.succeed(text)
        }
      })
    ),
    Schema.annotate({ identifier: `${name}FromString` })
  )
}

/** Many of them in one text, separated by commas; spaces around them and nothing between commas are allowed. */
export const listSchema = <A>(item: Schema.Codec<A, string>, name: string, form: string) =>
  Schema.String.annotate({ description: `${form}, separated by commas` }).pipe(
    Schema.decodeTo(
      Schema.Array(item),
      SchemaTransformation.transform<ReadonlyArray<string>, string>({
        decode: (text) =>
          text
            .split(",")
            .map((each) => each.trim())
            .filter((each) => each !== ""),
        encode: (items) => items.join(",")
      })
    ),
    Schema.annotate({ identifier: name })
  )
