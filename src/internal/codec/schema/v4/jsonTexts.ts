/**
 * Schemas of text that is JSON itself (`Schema.fromJsonString`): what would not come back from it is refused at the
 * write, and in both directions the name `__proto__`, which would become the prototype of what is made of it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as AST from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { isDeepStrictEqual } from "node:util"
import { isProtoNamed, isWritable } from "../jsonText.ts"
import { PROTO } from "../proto.ts"
import { changed, mapParts, rebuilt, somePart } from "./parts.ts"

/** By it, Effect marks what writes text of a known form (its `internal/schema/content.ts`). */
const CONTENT = Symbol.for("~effect/Schema/content")

interface JsonStep {
  readonly decode: SchemaGetter.TransformEffect<unknown, string, never>
  readonly encode: SchemaGetter.TransformEffect<string, unknown, never>
}

/** The step of `Schema.fromJsonString` between text and what it parses to. */
const jsonStepOf = ({ transformation }: AST.Link): JsonStep | undefined => {
  if (transformation._tag !== "Transformation") return undefined
  const { decode, encode } = transformation
  const content = (encode as { readonly [CONTENT]?: { readonly mediaType: string } })[CONTENT]
  return content?.mediaType === "application/json" && decode._tag === "TransformEffect"
    ? { decode: decode as JsonStep["decode"], encode: encode as JsonStep["encode"] }
    : undefined
}

/** Whether there may be such text in what a schema encodes to, or on the way there. */
export const hasJsonTexts = (schema: AST.AST): boolean =>
  somePart(schema, (part) => (part.encoding ?? []).some((link) => jsonStepOf(link) !== undefined)) !== false

const WITHOUT_PROTO = new AST.String({ description: `JSON without the name ${PROTO}` })

const COMES_BACK = new AST.Unknown({ description: "what comes back from JSON" })

/** Its own functions are kept: a replacer and a reviver may bring back what JSON does not have. They run at once. */
const checked = (step: JsonStep): AST.Link["transformation"] => {
  const decode = (text: string, options: AST.ParseOptions): Exit.Exit<unknown, SchemaIssue.Issue> => {
    const read = Effect.runSyncExit(step.decode.transform(text, options))
    // the text is looked at, as a reviver may have made anything of it
    return Exit.isSuccess(read) && isProtoNamed(text)
      ? Exit.fail(new SchemaIssue.InvalidType(WITHOUT_PROTO, text, options))
      : read
  }
  const encode = (value: unknown, options: AST.ParseOptions): Exit.Exit<string, SchemaIssue.Issue> => {
    const text = Effect.runSyncExit(step.encode.transform(value, options))
    if (!Exit.isSuccess(text) || isWritable(value)) return text
    const read = decode(text.value, options)
    if (Exit.isFailure(read)) return Exit.failCause(read.cause)
    return isDeepStrictEqual(read.value, value)
      ? text
      : Exit.fail(new SchemaIssue.InvalidType(COMES_BACK, value, options))
  }
  return new SchemaTransformation.Transformation(
    SchemaGetter.transformEffect(decode),
    SchemaGetter.transformEffect(encode)
  )
}

/** The schema itself, except that its JSON texts refuse `__proto__` and, at the write, what would not come back. */
export const withCheckedTexts = (schema: AST.AST): AST.AST => {
  if (!hasJsonTexts(schema)) return schema
  return mapParts(schema, (ast, mapped) => {
    const links = ast.encoding?.map((link) => {
      const step = jsonStepOf(link)
      return new AST.Link(mapped(link.to), step === undefined ? link.transformation : checked(step))
    })
    return links === undefined ? undefined : changed(rebuilt(ast, mapped), { encoding: links as never })
  })
}
