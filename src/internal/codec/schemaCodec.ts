/** Codecs of a Schema, between bytes and what it encodes to. */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as Schema from "effect/Schema"
import type { Codec, Suspended } from "../../Codec.ts"
import { settledOr } from "../effect/v4/settled.ts"
import { copyBytes, viewOf } from "../bytes.ts"
import { encodeText, readText } from "./schema/text.ts"
import { asBytes, codec, failureOf, rescued, suspended, unusable } from "./codec.ts"
import {
  readJson,
  readJsonWithBigInts,
  readJsonWithNames,
  writeJson,
  writeJsonWithBigInts,
  writeOpenJson
} from "./schema/jsonText.ts"
import * as issue from "./schema/issue.ts"
import { compileScanner } from "./schema/jsonScanner.ts"
import { type Parsers, UNDECIDED } from "./schema/parsers.ts"
import { PROTO } from "./schema/proto.ts"
import type { Shape } from "./schema/shape.ts"
import type { Issue } from "./schema/v4/issues.ts"
import { jsonParsersOf, parsersOf } from "./schema/v4/parsers.ts"

/** What a parser gave, if it gave that at once; `suspended` otherwise. Throws a `SchemaError`. */
const valueOf = <A>(result: Effect.Effect<A, Issue>): A | Suspended =>
  settledOr<A, Issue, Suspended, never>(result, suspended, raise)

const raise = (found: Issue): never => {
  throw issue.errorOfIssue(found)
}

/**
 * Makes a codec of a schema's parsers, and of two functions between bytes and what the schema encodes to. Nobody else may
 * have what `read` returns, as it may become the value.
 */
const fromParsers = <A>(
  parsers: Parsers<A>,
  text: boolean,
  read: (buffer: Buffer, start: number, end: number) => unknown,
  write: (encoded: never) => Uint8Array
): Codec<A> => {
  const { findsProto, holdsSecret, isPlain, isWrittenPlain, mayHoldSecret, parse, parseFast, print, transforms } =
    parsers
  const failure = failureOf(holdsSecret)
  const decodeRead = (encoded: unknown): A | Suspended => {
    if (isPlain?.(encoded) === true) return encoded as A
    const decoded = parseFast(encoded)
    return decoded === UNDECIDED ? valueOf(parse(encoded)) : (decoded as A)
  }
  const isUnchanged = (encoded: unknown, value: unknown): boolean =>
    // If decoding gives what was read, a read from the bytes gives the same value again.
    value === encoded && typeof value === "object" && value !== null
  const made = codec<A>({
    text,
    ...(mayHoldSecret ? { secret: mayHoldSecret } : {}),
    decodeSync: (buffer, start, end) => {
      try {
        return decodeRead(read(buffer, start, end))
      } catch (thrown) {
        throw failure(thrown)
      }
    },
    ...(transforms
      ? {}
      : {
          stored: {
            check: (buffer, start, end) => {
              try {
                const encoded = read(buffer, start, end)
                const value = decodeRead(encoded)
                return isUnchanged(encoded, value) ? asBytes : value
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
        if (isWrittenPlain?.(value) === true) return write(value as never)
        const encoded = valueOf(print(value))
        return encoded === suspended ? suspended : write(encoded as never)
      } catch (thrown) {
        throw failure(thrown)
      }
    },
    decode: (bytes) =>
      rescued(() => Effect.mapError(parse(read(viewOf(bytes), 0, bytes.length)), issue.errorOfIssue)).pipe(
        Effect.mapError(failure)
      ),
    encode: (value) =>
      rescued(() =>
        Effect.map(Effect.mapError(print(value), issue.errorOfIssue), (encoded) => write(encoded as never))
      ).pipe(Effect.mapError(failure))
  })
  return findsProto === undefined ? made : refusing(made, findsProto)
}

/** @internal */
export const json = <A, I>(schema: Schema.Codec<A, I>): Codec<A> => {
  const parsers = jsonParsersOf(schema)
  const { hasBigInts, hasOpenNames, isOpen, problem } = parsers.form
  if (problem !== undefined) return unusable(problem)
  const made = hasBigInts
    ? fromParsers(parsers, false, readJsonWithBigInts(hasOpenNames), writeJsonWithBigInts)
    : fromParsers(parsers, false, hasOpenNames ? readJsonWithNames : readJson, isOpen ? writeOpenJson : writeJson)
  return parsers.shape === undefined ? made : withScanner(made, parsers.shape)
}

/** Refuses values of which a schema's own encoder would leave out a name, in JSON or in text that is JSON. */
const refusing = <A>(self: Codec<A>, findsProto: (value: unknown) => boolean): Codec<A> => {
  const check = (value: A): void => {
    if (findsProto(value)) throw issue.codecError(`Not representable as JSON: the name ${PROTO}`)
  }
  return {
    ...self,
    encodeSync: (value) => {
      try {
        check(value)
      } catch (thrown) {
        throw issue.errorOf(thrown)
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
const withScanner = <A>(self: Codec<A>, shape: Shape): Codec<A> => {
  const { stored } = self
  const scan = stored === undefined ? undefined : compileScanner(shape)
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
export const string = <A, I extends string>(schema: Schema.Codec<A, I>): Codec<A> => {
  const parsers = parsersOf(schema)
  return fromParsers(parsers, parsers.onlyChecks, readText, encodeText)
}

/** @internal */
export const schema = <A, I extends Uint8Array>(schema: Schema.Codec<A, I>): Codec<A> =>
  fromParsers(parsersOf(schema), false, copyBytes, identity)
