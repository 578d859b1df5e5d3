/** Schemas of values that have a text. */
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

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
export const textSchema = <A>({ explain, form, is, name, parse, print, some }: TextForm<A>): Schema.Schema<A, string> =>
  Schema.transformOrFail(
    Schema.String.annotations({ description: form }),
    Schema.declare(is, {
      identifier: name,
      pretty: () => print,
      arbitrary: () => (fc) => fc.stringMatching(some).map(parse).filter(is)
    }),
    {
      strict: true,
      decode: (text, _, ast) => {
        const value = parse(text)
        return value === undefined
          ? ParseResult.fail(new ParseResult.Type(ast, text, explain(text)))
          : ParseResult.succeed(value)
      },
      encode: (value, _, ast) => {
        const text = print(value)
        return parse(text) === undefined
          ? ParseResult.fail(new ParseResult.Type(ast, value, explain(text)))
          : ParseResult.succeed(text)
      }
    }
  ).annotations({ identifier: `${name}FromString` })

/** Many of them in one text, separated by commas; spaces around them and nothing between commas are allowed. */
export const listSchema = <A>(
  item: Schema.Schema<A, string>,
  name: string,
  form: string
): Schema.Schema<ReadonlyArray<A>, string> =>
  Schema.transform(Schema.String.annotations({ description: `${form}, separated by commas` }), Schema.Array(item), {
    strict: true,
    decode: (text) =>
      text
        .split(",")
        .map((each) => each.trim())
        .filter((each) => each !== ""),
    encode: (items) => items.join(",")
  }).annotations({ identifier: name })
