/** Codecs of a Schema, between bytes and what it encodes to. */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Codec, Suspended } from "../../Codec.ts"
import { settledOr } from "../effect/v4/settled.ts"
import { copyBytes, viewOf } from "../bytes.ts"
import { encodeText, readText } from "./schema/text.ts"
import { asBytes, codec, failureOf, fromSync, rescued, suspended } from "./codec.ts"
import {
  readJson,
  readJsonWithBigInts,
  readJsonWithNames,
  writeJson,
  writeJsonWithBigInts,
  writeOpenJson
} from "./schema/jsonText.ts"
import { compileDecoder, PROTO, UNDECIDED } from "./schema/decoder.ts"
import { holdsSecretPart, mayHoldSecret } from "./schema/faults.ts"
import * as issue from "./schema/issue.ts"
import { compileProtoFinder, jsonFormOf, withExactIntegers } from "./schema/jsonForm.ts"
import { compileScanner } from "./schema/jsonScanner.ts"
import { hasJsonTexts, withCheckedTexts } from "./schema/jsonTexts.ts"
import { onlyChecks, type SchemaTree, transforms } from "./schema/parts.ts"

/** What a parser gave, if it gave that at once; `suspended` otherwise. Throws a `ParseError`. */
const valueOf = <A>(result: Effect.Effect<A, ParseResult.ParseIssue>): A | Suspended =>
  settledOr<A, ParseResult.ParseIssue, Suspended, never>(result, suspended, raise)

const raise = (found: ParseResult.ParseIssue): never => {
  throw issue.parseErrorOfIssue(found)
}

/**
 * Makes a codec of a schema, and of two functions between bytes and what the schema encodes to. Nobody else may have
 * what `read` returns, as it may become the value.
 *
 * The schema's parser is used in the mode that lets Effects through, also synchronously: it returns an Either unless
 * it came upon an Effect. The other mode would run that Effect, leave its fiber behind if it is asynchronous, and
 * report a failure in its place, which a union or a fallback further up takes for a mismatch and answers wrongly.
 */
const fromSchema = <A, I>(
  schema: Schema.Codec<A, I>,
  text: boolean,
  read: (buffer: Buffer, start: number, end: number) => unknown,
  write: (encoded: I) => Uint8Array
): Codec<A> => {
  const checked = Schema.make<A, I>(withCheckedTexts(schema.ast))
  const parse = ParseResult.decodeUnknown(checked)
  const decodeFast = compileDecoder(checked.ast)
  const print = ParseResult.encode(checked)
  const secret = mayHoldSecret(schema.ast)
  const failure = failureOf(() => holdsSecretPart(schema.ast))
  const decodeRead = (encoded: unknown): A | Suspended => {
    const decoded = decodeFast(encoded)
    return decoded === UNDECIDED ? valueOf(parse(encoded)) : (decoded as A)
  }
  return codec({
    text,
    ...(secret ? { secret } : {}),
    decodeSync: (buffer, start, end) => {
      try {
        return decodeRead(read(buffer, start, end))
      } catch (thrown) {
        throw failure(thrown)
      }
    },
    ...(transforms(schema.ast)
      ? {}
      : {
          stored: {
            check: (buffer, start, end) => {
              try {
                const encoded = read(buffer, start, end)
                const value = decodeRead(encoded)
                // If decoding gives the very object that was read, a read from the bytes gives the same value again.
                return value === encoded && typeof value === "object" && value !== null ? asBytes : value
              } catch (thrown) {
                throw failure(thrown)
              }
            },
            load: (buffer, start, end) => read(buffer, start, end) as A,
            once: true
          }
        }),
    encodeSync: (value) => {
      try {
        const encoded = valueOf(print(value))
        return encoded === suspended ? suspended : write(encoded)
      } catch (thrown) {
        throw failure(thrown)
      }
    },
    decode: (bytes) =>
      rescued(() => Effect.mapError(parse(read(viewOf(bytes), 0, bytes.length)), issue.parseErrorOfIssue)).pipe(
        Effect.mapError(failure)
      ),
    encode: (value) =>
      rescued(() => Effect.map(Effect.mapError(print(value), issue.parseErrorOfIssue), write)).pipe(
        Effect.mapError(failure)
      )
  })
}

/** A codec that refuses everything, as its schema has no JSON that comes back. */
const unusable = <A>(problem: string): Codec<A> => {
  const refuse = (): never => {
    throw issue.parseError(problem)
  }
  return codec({ ...fromSync<A>(false, refuse, refuse), problem })
}

/** @internal */
export const json = <A, I>(schema: Schema.Codec<A, I>): Codec<A> => {
  const { hasBigInts, hasOpenNames, isOpen, problem } = jsonFormOf(schema.ast)
  if (problem !== undefined) return unusable(problem)
  const made = hasBigInts
    ? fromSchema(
        Schema.make<A, unknown>(withExactIntegers(schema.ast)),
        false,
        readJsonWithBigInts(hasOpenNames),
        writeJsonWithBigInts
      )
    : fromSchema(schema, false, hasOpenNames ? readJsonWithNames : readJson, isOpen ? writeOpenJson : writeJson)
  return withScanner(refusing(made, schema.ast, hasOpenNames), schema.ast)
}

/** Refuses values of which a schema's own encoder would leave out a name, in JSON or in text that is JSON. */
const refusing = <A>(self: Codec<A>, ast: SchemaTree, isOpenJson: boolean): Codec<A> => {
  const findsProto = isOpenJson || hasJsonTexts(ast) ? compileProtoFinder(ast) : undefined
  if (findsProto === undefined) return self
  const check = (value: A): void => {
    if (findsProto(value)) throw issue.parseError(`Not representable as JSON: the name ${PROTO}`)
  }
  return {
    ...self,
    encodeSync: (value) => {
      try {
        check(value)
      } catch (thrown) {
        throw issue.parseErrorOf(thrown)
      }
      return self.encodeSync(value)
    },
    encode: (value) =>
      rescued(() => {
        check(value)
        return self.encode(value)
      })
  }
}

/** Lets a scanner look at the bytes first: mostly it sees that a value may stay bytes without making the value. */
const withScanner = <A>(self: Codec<A>, ast: SchemaTree): Codec<A> => {
  const { stored } = self
  const scan = stored === undefined ? undefined : compileScanner(ast)
  if (stored === undefined || scan === undefined) return self
  return {
    ...self,
    stored: {
      ...stored,
      check: (buffer, start, end) => (scan(buffer, start, end) ? asBytes : stored.check(buffer, start, end))
    }
  }
}

/** @internal */
export const string = <A, I extends string>(schema: Schema.Codec<A, I>): Codec<A> =>
  refusing(fromSchema(schema, onlyChecks(schema.ast), readText, encodeText), schema.ast, false)

/** @internal */
export const schema = <A, I extends Uint8Array>(schema: Schema.Codec<A, I>): Codec<A> =>
  refusing(fromSchema(schema, false, copyBytes, identity), schema.ast, false)
