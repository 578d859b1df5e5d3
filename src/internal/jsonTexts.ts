/** Schemas of text that is JSON itself (`Schema.parseJson`): what would not come back from it is refused at the write. */
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { isDeepStrictEqual } from "node:util"
import { isWritable } from "./jsonText.ts"
import { mapParts, somePart } from "./schemaParts.ts"

/** The step of `Schema.parseJson` between text and what it parses to. */
const isJsonStep = (ast: AST.AST): ast is AST.Transformation =>
  AST.isTransformation(ast) &&
  AST.isFinalTransformation(ast.transformation) &&
  Option.contains(AST.getSchemaIdAnnotation(ast), AST.ParseJsonSchemaId)

const COMES_BACK = Schema.declare((_): _ is unknown => true, { description: "what comes back from JSON" }).ast

/** Its own functions are kept: a replacer and a reviver may bring back what JSON does not have. */
const checked = (ast: AST.Transformation, { decode, encode }: AST.FinalTransformation): AST.Transformation =>
  new AST.Transformation(
    ast.from,
    ast.to,
    new AST.FinalTransformation(decode, (value, options, self, input) =>
      ParseResult.flatMap(encode(value, options, self, input), (text) =>
        isWritable(value)
          ? ParseResult.succeed(text)
          : ParseResult.flatMap(decode(text, options, self, text), (read) =>
              isDeepStrictEqual(read, value)
                ? ParseResult.succeed(text)
                : ParseResult.fail(new ParseResult.Type(COMES_BACK, value))
            )
      )
    ),
    ast.annotations
  )

/** The same schema, whose encoder refuses what would not come back from a text within. */
export const withCheckedTexts = (schema: AST.AST): AST.AST =>
  somePart(schema, isJsonStep) === false
    ? schema
    : mapParts(schema, (ast) =>
        isJsonStep(ast) && AST.isFinalTransformation(ast.transformation) ? checked(ast, ast.transformation) : undefined
      )
