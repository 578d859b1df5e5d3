import * as Effect from "effect/Effect"
import { dual, identity } from "effect/Function"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import { Prototype } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import type { AsBytes, Codec, Suspended, TypeId as CodecTypeId } from "../../Codec.ts"
import { settledOr } from "../effect/settled.ts"
import { holdsSecretPart, kindOfValue, mayHoldSecret } from "./faults.ts"
import * as issue from "./issue.ts"
import { compileScanner } from "./jsonScanner.ts"
import { compileProtoFinder, jsonFormOf, withExactIntegers } from "./jsonSchema.ts"
import { hasJsonTexts, withCheckedTexts } from "./jsonTexts.ts"
import {
  readJson,
  readJsonWithBigInts,
  readJsonWithNames,
  writeJson,
  writeJsonWithBigInts,
  writeOpenJson
} from "./jsonText.ts"
import { compileDecoder, PROTO, UNDECIDED } from "./schemaDecoder.ts"
import { copyBytes, encodeText, expectBytes, readText, viewOf } from "../text.ts"

/** @internal */
export const TypeId: CodecTypeId = Symbol.for("effect-ktables/Codec") as CodecTypeId

/** @internal */
export const suspended: Suspended = Symbol.for("effect-ktables/Codec/suspended") as Suspended

/** @internal */
export const asBytes: AsBytes = Symbol.for("effect-ktables/Codec/asBytes") as AsBytes

/** @internal */
export const isCodec = (u: unknown): u is Codec<unknown> => Predicate.hasProperty(u, TypeId)

/** @internal */
export const explain: (error: ParseResult.ParseError) => string = issue.explain

type Implementation<A> = Omit<Codec<A>, typeof TypeId | "pipe">

const codec = <A>(implementation: Implementation<A>): Codec<A> => ({
  [TypeId]: { _A: identity },
  ...Prototype,
  ...implementation
})

/**
 * Runs what may throw, or end in any way, and fails with a `ParseError` only. An Effect that ends by interruption
 * counts as one that failed. Where the fiber itself is interrupted, the runtime does not come here.
 */
const rescued = <A, E>(self: () => Effect.Effect<A, E>): Effect.Effect<A, ParseResult.ParseError> =>
  Effect.catchAllCause(Effect.suspend(self), (cause) => Effect.fail(issue.parseErrorOfCause(cause)))

/** Makes a codec of two functions that may throw a `ParseError`, and nothing else. */
const fromSync = <A>(
  text: boolean,
  decodeSync: (buffer: Buffer, start: number, end: number) => A,
  encodeSync: (value: A) => Uint8Array
): Codec<A> =>
  codec({
    text,
    decodeSync,
    encodeSync,
    decode: (bytes) =>
      Effect.try({
        try: () => decodeSync(viewOf(bytes), 0, bytes.length),
        catch: (thrown) => issue.parseErrorOf(thrown)
      }),
    encode: (value) => Effect.try({ try: () => encodeSync(value), catch: (thrown) => issue.parseErrorOf(thrown) })
  })

/** @internal */
export const utf8: Codec<string> = fromSync(true, readText, encodeText)

/** @internal */
export const bytes: Codec<Uint8Array> = codec({
  ...fromSync(false, copyBytes, (value: Uint8Array) => Buffer.from(expectBytes(value))),
  stored: { check: () => asBytes, load: copyBytes, once: false }
})

// ---------------------------------------------------------------------------------------------------------------------
// numbers
// ---------------------------------------------------------------------------------------------------------------------

const fixed = <A>(
  name: string,
  size: number,
  fits: (value: A) => boolean,
  read: (buffer: Buffer, at: number) => A,
  write: (buffer: Buffer, value: A) => number
): Codec<A> =>
  fromSync(
    false,
    (buffer, start, end) => {
      if (end - start !== size) {
        const actual = issue.hex(buffer, start, end)
        throw issue.parseError(`Expected ${size} bytes (${name})`, {
          figures: `, actual ${end - start}`,
          quoting: () => `Expected ${size} bytes (${name}), actual ${actual}`
        })
      }
      return read(buffer, start)
    },
    (value) => {
      if (!fits(value)) {
        throw issue.parseError(`Expected an integer that fits ${name}, actual ${kindOfValue(value)}`, {
          quoting: () => `Expected an integer that fits ${name}, actual ${issue.format(value)}`
        })
      }
      const buffer = Buffer.alloc(size)
      write(buffer, value)
      return buffer
    }
  )

/** @internal */
export const int32: Codec<number> = fixed(
  "int32",
  4,
  (value) => typeof value === "number" && (value | 0) === value,
  (buffer, at) => buffer.readInt32BE(at),
  (buffer, value) => buffer.writeInt32BE(value)
)

/** @internal */
export const uint32: Codec<number> = fixed(
  "uint32",
  4,
  (value) => typeof value === "number" && value >>> 0 === value,
  (buffer, at) => buffer.readUInt32BE(at),
  (buffer, value) => buffer.writeUInt32BE(value)
)

/** @internal */
export const int64: Codec<bigint> = fixed(
  "int64",
  8,
  (value) => typeof value === "bigint" && BigInt.asIntN(64, value) === value,
  (buffer, at) => buffer.readBigInt64BE(at),
  (buffer, value) => buffer.writeBigInt64BE(value)
)

/** @internal */
export const uint64: Codec<bigint> = fixed(
  "uint64",
  8,
  (value) => typeof value === "bigint" && BigInt.asUintN(64, value) === value,
  (buffer, at) => buffer.readBigUInt64BE(at),
  (buffer, value) => buffer.writeBigUInt64BE(value)
)

// ---------------------------------------------------------------------------------------------------------------------
// codecs by a schema
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Makes a `ParseError` of what somebody threw, without values if they may be secret, as it may quote all that it was
 * given.
 */
const failureOf = (isSecret: () => boolean) => (thrown: unknown) =>
  isSecret() ? issue.withoutValues(issue.parseErrorOf(thrown)) : issue.parseErrorOf(thrown)

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
  schema: Schema.Schema<A, I>,
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

/** Whether decoding may make something else of what it was given. Where that cannot be told, it may. */
const transforms = (ast: AST.AST): boolean => AST.typeAST(ast) !== ast

/** A codec that refuses everything, as its schema has no JSON that comes back. */
const unusable = <A>(problem: string): Codec<A> => {
  const refuse = (): never => {
    throw issue.parseError(problem)
  }
  return codec({ ...fromSync<A>(false, refuse, refuse), problem })
}

/** @internal */
export const json = <A, I>(schema: Schema.Schema<A, I>): Codec<A> => {
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
const refusing = <A>(self: Codec<A>, ast: AST.AST, isOpenJson: boolean): Codec<A> => {
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
const withScanner = <A>(self: Codec<A>, ast: AST.AST): Codec<A> => {
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

/** Whether decoding returns the very string that it was given, or fails: then it tells apart what `utf8` does. */
const onlyChecks = (ast: AST.AST): boolean => {
  if (Option.isSome(AST.getDecodingFallbackAnnotation(ast))) {
    return false
  }
  switch (ast._tag) {
    case "StringKeyword":
    case "TemplateLiteral":
      return true
    case "Literal":
      return typeof ast.literal === "string"
    case "Refinement":
      return onlyChecks(ast.from)
    case "Union":
      return ast.types.every(onlyChecks)
    default:
      return false
  }
}

/** @internal */
export const string = <A, I extends string>(schema: Schema.Schema<A, I>): Codec<A> =>
  refusing(fromSchema(schema, onlyChecks(schema.ast), readText, encodeText), schema.ast, false)

/** @internal */
export const schema = <A, I extends Uint8Array>(schema: Schema.Schema<A, I>): Codec<A> =>
  refusing(fromSchema(schema, false, copyBytes, identity), schema.ast, false)

// ---------------------------------------------------------------------------------------------------------------------
// codecs by functions
// ---------------------------------------------------------------------------------------------------------------------

/** @internal */
export const make = <A>(options: {
  readonly decode: (bytes: Uint8Array) => A
  readonly encode: (value: A) => Uint8Array
}): Codec<A> =>
  fromSync(
    false,
    (buffer, start, end) => {
      try {
        return options.decode(copyBytes(buffer, start, end))
      } catch (thrown) {
        throw issue.parseErrorOf(thrown)
      }
    },
    (value) => {
      try {
        return expectBytes(options.encode(value))
      } catch (thrown) {
        throw issue.parseErrorOf(thrown)
      }
    }
  )

/** @internal */
export const makeEffect = <A, E, E2>(options: {
  readonly decode: (bytes: Uint8Array) => Effect.Effect<A, E>
  readonly encode: (value: A) => Effect.Effect<Uint8Array, E2>
}): Codec<A> =>
  codec<A>({
    text: false,
    decodeSync: () => suspended,
    encodeSync: () => suspended,
    // The bytes are copied when the call is made, as the Effect may be run later.
    decode: (bytes) => {
      const copy = new Uint8Array(bytes)
      return rescued(() => options.decode(copy))
    },
    encode: (value) => rescued(() => Effect.map(options.encode(value), expectBytes))
  })

/** @internal */
export const imap: {
  <A, B>(to: (a: A) => B, from: (b: B) => A): (self: Codec<A>) => Codec<B>
  <A, B>(self: Codec<A>, to: (a: A) => B, from: (b: B) => A): Codec<B>
} = dual(3, <A, B>(self: Codec<A>, to: (a: A) => B, from: (b: B) => A): Codec<B> => {
  const failure = failureOf(() => self.secret === true)
  return codec<B>({
    text: false,
    decodeSync: (buffer, start, end) => {
      const a = self.decodeSync(buffer, start, end)
      if (a === suspended) {
        return suspended
      }
      try {
        return to(a)
      } catch (thrown) {
        throw failure(thrown)
      }
    },
    encodeSync: (value) => {
      let a: A
      try {
        a = from(value)
      } catch (thrown) {
        throw failure(thrown)
      }
      return self.encodeSync(a)
    },
    decode: (bytes) =>
      Effect.mapError(
        rescued(() => Effect.map(self.decode(bytes), to)),
        failure
      ),
    encode: (value) =>
      Effect.mapError(
        rescued(() => self.encode(from(value))),
        failure
      ),
    ...(self.problem === undefined ? {} : { problem: self.problem }),
    ...(self.secret === undefined ? {} : { secret: self.secret })
  })
})
