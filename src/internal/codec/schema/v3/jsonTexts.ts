/**
 * Schemas of text that is JSON itself (`Schema.parseJson`): what would not come back from it is refused at the write, and
 * in both directions the name `__proto__`, which would become the prototype of what is made of it.
 */
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { isDeepStrictEqual } from "node:util"
import { isProtoNamed, isWritable } from "../jsonText.ts"
import { PROTO } from "../proto.ts"
import { mapParts, somePart } from "./parts.ts"

/** The step of `Schema.parseJson` between text and what it parses to. */
const isJsonStep = (ast: AST.AST): ast is AST.Transformation =>
  AST.isTransformation(ast) &&
  AST.isFinalTransformation(ast.transformation) &&
  Option.contains(AST.getSchemaIdAnnotation(ast), AST.ParseJsonSchemaId)

/** Whether there may be such text in what a schema encodes to, or on the way there. */
export const hasJsonTexts = (schema: AST.AST): boolean => somePart(schema, isJsonStep) !== false

const WITHOUT_PROTO = Schema.String.annotations({ description: `JSON without the name ${PROTO}` }).ast

const COMES_BACK = Schema.declare((_): _ is unknown => true, { description: "what comes back from JSON" }).ast

/** Its own functions are kept: a replacer and a reviver may bring back what JSON does not have. */
const checked = (ast: AST.Transformation, step: AST.FinalTransformation): AST.Transformation => {
  const decode: AST.FinalTransformation["decode"] = (text: string, options, self, input) =>
    ParseResult.flatMap(step.decode(text, options, self, input), (value) =>
      // the text is looked at, as a reviver may have made anything of it
      isProtoNamed(text) ? ParseResult.fail(new ParseResult.Type(WITHOUT_PROTO, text)) : ParseResult.succeed(value)
    )
  const encode: AST.FinalTransformation["encode"] = (value, options, self, input) =>
    ParseResult.flatMap(step.encode(value, options, self, input), (text) =>
      isWritable(value)
        ? ParseResult.succeed(text)
        : ParseResult.flatMap(decode(text, options, self, text), (read) =>
            isDeepStrictEqual(read, value)
              ? ParseResult.succeed(text)
              : ParseResult.fail(new ParseResult.Type(COMES_BACK, value))
          )
    )
  return new AST.Transformation(ast.from, ast.to, new AST.FinalTransformation(decode, encode), ast.annotations)
}

/** The schema itself, except that its JSON texts refuse `__proto__` and, at the write, what would not come back. */
export const withCheckedTexts = (schema: AST.AST): AST.AST =>
  hasJsonTexts(schema)
    ? mapParts(schema, (ast) =>
        isJsonStep(ast) && AST.isFinalTransformation(ast.transformation) ? checked(ast, ast.transformation) : undefined
      )
    : schema
