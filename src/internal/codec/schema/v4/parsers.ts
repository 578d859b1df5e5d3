/** Parsers of a schema of Effect 4. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as AST from "effect/SchemaAST"
import * as SchemaParser from "effect/SchemaParser"
import { compileReadCheck, compileWriteCheck } from "../plainValue.ts"
import { type JsonParsers, type Parsers, UNDECIDED } from "../parsers.ts"
import { holdsSecretPart, type Issue, mayHoldSecret } from "./issues.ts"
import { toJson, withExactIntegers } from "./jsonCodec.ts"
import { jsonFormOf } from "./jsonForm.ts"
import { hasJsonTexts, withCheckedTexts } from "./jsonTexts.ts"
import { onlyChecks, transforms } from "./parts.ts"
import { compileProtoFinder } from "./protoNames.ts"
import { atOnce, settledAtOnce, withSettling } from "./settling.ts"
import { shapeOf } from "./shape.ts"

/** Parsers of a schema for what it encodes to. They return an Exit unless they came upon an Effect. */
export const parsersOf = <A, I>({ ast }: Schema.Codec<A, I>): Parsers<A> => parsersFor<A>(ast, ast, false)

/** Parsers of a schema for what is read from JSON, and is written there. */
export const jsonParsersOf = <A, I>({ ast }: Schema.Codec<A, I>): JsonParsers<A> => {
  const json = toJson(ast)
  const form = jsonFormOf(json)
  const encoded = form.problem === undefined && form.hasBigInts ? withExactIntegers(json) : json
  const shape = shapeOf(encoded)
  return {
    ...parsersFor<A>(ast, encoded, form.hasOpenNames),
    isPlain: shape === undefined ? undefined : compileReadCheck(shape),
    isWrittenPlain: shape === undefined ? undefined : compileWriteCheck(shape),
    form,
    shape
  }
}

/** Who decodes or encodes wants to know what is wrong, and what stands there: issues are made into faults at once. */
const TOLD: AST.ParseOptions = { reportInput: true }

const TOLD_AT_ONCE = atOnce(TOLD)

const parsersFor = <A>(ast: AST.AST, encoded: AST.AST, hasOpenNames: boolean): Parsers<A> => {
  const checked = Schema.make<Schema.Codec<A>>(withSettling(withCheckedTexts(encoded)))
  const decode = SchemaParser.decodeUnknownEffect(checked)
  const encode = SchemaParser.encodeUnknownEffect(checked)
  return {
    parse: (input) => settledAtOnce(decode(input, TOLD_AT_ONCE)) ?? Effect.suspend(() => decode(input, TOLD)),
    parseFast: (input) => {
      const result: Effect.Effect<A, Issue> = decode(input)
      return Exit.isExit(result) && Exit.isSuccess(result) ? result.value : UNDECIDED
    },
    print: (value) => settledAtOnce(encode(value, TOLD_AT_ONCE)) ?? Effect.suspend(() => encode(value, TOLD)),
    transforms: transforms(encoded),
    onlyChecks: onlyChecks(ast),
    mayHoldSecret: mayHoldSecret(ast),
    holdsSecret: () => holdsSecretPart(ast),
    findsProto: hasOpenNames || hasJsonTexts(ast) ? compileProtoFinder(ast) : undefined,
    isPlain: undefined,
    isWrittenPlain: undefined
  }
}
