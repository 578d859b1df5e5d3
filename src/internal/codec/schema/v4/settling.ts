/**
 * Parsers that are asked for an answer at once. Schema answers with an Exit where all is well; where something does not
 * fit, though a member of a union that does may come next, its answer is an Effect that waits for nothing. It can be run
 * in place, unless a function of the schema's gave an Effect of its own: that one must not be started, let alone be left
 * behind, nor be taken for a mismatch.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as AST from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type { Issue } from "./issues.ts"
import { changed, mapParts, rebuilt, representationOf, somePart } from "./parts.ts"

const AT_ONCE: unique symbol = Symbol.for("effect-ktables/atOnce")

interface Options extends AST.ParseOptions {
  readonly [AT_ONCE]?: true
}

/** The same options, with the wish for an answer at once. Schema hands them to all functions on the way. */
export const atOnce = (options: AST.ParseOptions): AST.ParseOptions => ({ ...options, [AT_ONCE]: true }) as Options

const WAITS: unique symbol = Symbol.for("effect-ktables/waits")

/** No union and no fallback takes a defect for a mismatch. */
const waits: Exit.Exit<never> = Exit.die(WAITS)

const orWaits = <A, R>(answer: Effect.Effect<A, Issue, R>, options: Options): Effect.Effect<A, Issue, R> => {
  if (Exit.isExit(answer)) return answer
  // where there is none, a fiber dies of it, whoever would catch that
  if (!Effect.isEffect(answer)) throw new TypeError("a function of the schema returned no Effect")
  return options[AT_ONCE] === true ? waits : answer
}

/** The answer of a parser that was asked at once; none if it has to wait. */
export const settledAtOnce = <A>(answer: Effect.Effect<A, Issue>): Exit.Exit<A, Issue> | undefined => {
  const exit = Exit.isExit(answer) ? (answer as Exit.Exit<A, Issue>) : Effect.runSyncExit(answer)
  return Exit.isFailure(exit) &&
    exit.cause.reasons.some((reason) => Cause.isDieReason(reason) && reason.defect === WAITS)
    ? undefined
    : exit
}

// steps of a schema say nothing of their types
type Getter = AST.Link["transformation"] extends infer Step
  ? Step extends { readonly _tag: "Transformation"; readonly decode: infer G }
    ? G
    : never
  : never

const settlingGetter = (getter: Getter): Getter => {
  switch (getter._tag) {
    case "TransformEffect":
      return SchemaGetter.transformEffect((value, options) => orWaits(getter.transform(value, options), options))
    case "TransformOptionalEffect":
      return SchemaGetter.transformOptionalEffect((value, options) =>
        orWaits(getter.transform(value, options), options)
      )
    default:
      return getter
  }
}

type Transformation = AST.Link["transformation"]

const settlingStep = (step: Transformation): Transformation => {
  if (step._tag === "Middleware") {
    return new SchemaTransformation.Middleware(
      (effect, options) => orWaits(step.decode(inPlace(effect, options), options), options),
      (effect, options) => orWaits(step.encode(inPlace(effect, options), options), options)
    )
  }
  return mayWait(step.decode) || mayWait(step.encode)
    ? new SchemaTransformation.Transformation(settlingGetter(step.decode), settlingGetter(step.encode))
    : step
}

/** What comes before a middleware waits for nothing by now. */
const inPlace = <A, R>(answer: Effect.Effect<A, Issue, R>, options: Options): Effect.Effect<A, Issue, R> =>
  options[AT_ONCE] === true && !Exit.isExit(answer) ? Effect.runSyncExit(answer as Effect.Effect<A, Issue>) : answer

const mayWait = ({ _tag }: Getter): boolean => _tag === "TransformEffect" || _tag === "TransformOptionalEffect"

/** Effect's own declarations wait for nothing but for what they are declared of. */
const isOwn = (ast: AST.Declaration): boolean => representationOf(ast)?.startsWith("effect/") === true

const hasFunctions = (ast: AST.AST): boolean =>
  (AST.isDeclaration(ast) && !isOwn(ast)) ||
  (ast.encoding ?? []).some(
    ({ transformation: step }) => step._tag === "Middleware" || mayWait(step.decode) || mayWait(step.encode)
  )

const settlingDeclaration = (ast: AST.Declaration): AST.AST => {
  if (isOwn(ast)) return ast
  const settling =
    (run: AST.Declaration["run"]): AST.Declaration["run"] =>
    (parameters) => {
      const parse = run(parameters)
      return (input, self, options) => orWaits(parse(input, self, options), options)
    }
  return new AST.Declaration(
    ast.typeParameters,
    settling(ast.run),
    ast.annotations,
    ast.checks,
    undefined,
    ast.context,
    ast.encodingChecks,
    ast.encodingRun === undefined ? undefined : settling(ast.encodingRun)
  )
}

/** The schema itself, except that its functions heed the wish for an answer at once. */
export const withSettling = (schema: AST.AST): AST.AST =>
  somePart(schema, hasFunctions) === false
    ? schema
    : mapParts(schema, (ast, mapped) => {
        const body = rebuilt(ast, mapped)
        const made = AST.isDeclaration(body) ? settlingDeclaration(body) : body
        const links = ast.encoding?.map(
          ({ to, transformation }) => new AST.Link(mapped(to), settlingStep(transformation))
        )
        return links === undefined ? made : changed(made, { encoding: links as never })
      })
