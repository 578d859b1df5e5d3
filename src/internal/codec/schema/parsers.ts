/** What a schema of either major of Effect is made into, for codecs. */
import type * as Effect from "effect/Effect"
import type { ProtoFinder } from "./protoNames.ts"
import type { Passes, Shape } from "./shape.ts"
import type { Issue } from "./v4/issues.ts"

/** A parser cannot say at once. */
export const UNDECIDED: unique symbol = Symbol.for("effect-ktables/undecided")

/** What a schema tells of the JSON that its values become, before there is a value. */
export interface JsonForm {
  /** What does not come back, and what to use instead: nothing can be written then. */
  readonly problem: string | undefined
  /** Whether the schema leaves open what it encodes to, so that each value has to be looked at. */
  readonly isOpen: boolean
  /** Whether names that the schema does not know become names of a value's own. */
  readonly hasOpenNames: boolean
  /** Whether there are bigints, which are whole numbers in JSON. */
  readonly hasBigInts: boolean
}

export interface Parsers<A> {
  /** Decodes what the schema encodes to. It is settled at once unless there is an Effect on the way. */
  readonly parse: (encoded: unknown) => Effect.Effect<A, Issue>
  /**
   * The same by a plain function, or `UNDECIDED`, where a value is wrong above all: then `parse` says what it is. Only for
   * values that nobody else holds, as they may be the answer.
   */
  readonly parseFast: (encoded: unknown) => unknown
  /** Encodes a value. */
  readonly print: (value: A) => Effect.Effect<unknown, Issue>
  /** Whether decoding may make something else of what it was given. */
  readonly transforms: boolean
  /** Whether decoding returns the very string that it was given, or fails. */
  readonly onlyChecks: boolean
  /** Whether there may be something in it that the schema calls secret. */
  readonly mayHoldSecret: boolean
  /** The same, asked when all is declared that the schema refers to. */
  readonly holdsSecret: () => boolean
  /** Finds values of which a name would be left out; none if there can be no such value. */
  readonly findsProto: ProtoFinder | undefined
  /** What a value that was read is looked through for that decoding leaves as it is; none if that is not known. */
  readonly isPlain: Passes | undefined
  /** What a value is looked through for that is written as it is, without being encoded; none if that is not known. */
  readonly isWrittenPlain: Passes | undefined
}

/** For a schema whose values become JSON. */
export interface JsonParsers<A> extends Parsers<A> {
  readonly form: JsonForm
  /** The shape of JSON that decoding leaves as it is, where it is a plain one. */
  readonly shape: Shape | undefined
}
