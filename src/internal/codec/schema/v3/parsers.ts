/** Parsers of a schema of Effect 3. */
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type * as AST from "effect/SchemaAST"
import type { JsonParsers, Parsers } from "../parsers.ts"
import { compileDecoder } from "./decoder.ts"
import { holdsSecretPart, mayHoldSecret } from "./issues.ts"
import { jsonFormOf, withExactIntegers } from "./jsonForm.ts"
import { compileWriteCheck } from "../plainValue.ts"
import { hasJsonTexts, withCheckedTexts } from "./jsonTexts.ts"
import { onlyChecks, transforms } from "./parts.ts"
import { compileProtoFinder } from "./protoNames.ts"
import { shapeOf } from "./shape.ts"

/**
 * Parsers of a schema for what it encodes to.
 *
 * Schema's own parser is used in the mode that lets Effects through, also synchronously: it returns an Either unless it
 * came upon an Effect. The other mode would run that Effect, leave its fiber behind if it is asynchronous, and report a
 * failure in its place, which a union or a fallback further up takes for a mismatch and answers wrongly.
 */
export const parsersOf = <A, I>({ ast }: Schema.Schema<A, I>): Parsers<A> => parsersFor<A>(ast, ast, false)

/** Parsers of a schema for what is read from JSON, and is written there. */
export const jsonParsersOf = <A, I>({ ast }: Schema.Schema<A, I>): JsonParsers<A> => {
  const form = jsonFormOf(ast)
  const encoded = form.problem === undefined && form.hasBigInts ? withExactIntegers(ast) : ast
  const shape = transforms(encoded) ? undefined : shapeOf(ast)
  return {
    ...parsersFor<A>(ast, encoded, form.hasOpenNames),
    isWrittenPlain: shape === undefined ? undefined : compileWriteCheck(shape),
    form,
    shape
  }
}

const parsersFor = <A>(ast: AST.AST, encoded: AST.AST, hasOpenNames: boolean): Parsers<A> => {
  const checked = Schema.make<A, unknown>(withCheckedTexts(encoded))
  return {
    parse: ParseResult.decodeUnknown(checked),
    parseFast: compileDecoder(checked.ast),
    print: ParseResult.encode(checked),
    transforms: transforms(encoded),
    onlyChecks: onlyChecks(ast),
    mayHoldSecret: mayHoldSecret(ast),
    holdsSecret: () => holdsSecretPart(ast),
    findsProto: hasOpenNames || hasJsonTexts(ast) ? compileProtoFinder(ast) : undefined,
    // its decoder gives the very value where it leaves it as it is
    isPlain: undefined,
    isWrittenPlain: undefined
  }
}
