/**
 * How a key or a value is bytes.
 *
 * A table needs one codec for its keys (`utf8` by default) and one for its values. Whatever goes wrong in a codec is a
 * `SchemaError`, also when a function of the user's throws, or its Effect is interrupted: bytes that do not decode make a
 * poison record, and a value that does not encode makes a failed write, never a defect. The error says where in the
 * value, what is expected there and what kind of thing is there, and quotes nothing of it: `explain` does.
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Codec } from "effect-ktables"
 *
 * class Service extends Schema.Class<Service>("Service")({ host: Schema.String, port: Schema.Int }) {}
 *
 * const codec = Codec.json(Service)
 *
 * export const program = Effect.gen(function* () {
 *   const bytes = yield* codec.encode(new Service({ host: "b1", port: 8080 }))
 *   const service = yield* codec.decode(bytes)
 *   return service.host
 * })
 * ```
 *
 * @since 0.1.0
 * @module
 */
import type * as Effect from "effect/Effect"
import type { Pipeable } from "effect/Pipeable"
import type * as Schema from "effect/Schema"
import type * as Types from "effect/Types"
import * as internal from "./internal/codec/codec.ts"
import * as functions from "./internal/codec/functions.ts"
import * as plain from "./internal/codec/plain.ts"
import * as ofSchema from "./internal/codec/schemaCodec.ts"
import * as issue from "./internal/codec/schema/issue.ts"
import * as ofParts from "./internal/codec/tuple.ts"

/**
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: unique symbol = internal.TypeId

/**
 * @since 0.1.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/**
 * What `decodeSync` and `encodeSync` return when only `decode` and `encode` can tell: the codec, or what it did with
 * this input, is an Effect that has to be run.
 *
 * @since 0.1.0
 * @category symbols
 */
export const suspended: unique symbol = internal.suspended

/**
 * @since 0.1.0
 * @category symbols
 */
export type Suspended = typeof suspended

/**
 * What `stored.check` returns when the bytes are sound, and as good as the value.
 *
 * @since 0.1.0
 * @category symbols
 */
export const asBytes: unique symbol = internal.asBytes

/**
 * @since 0.1.0
 * @category symbols
 */
export type AsBytes = typeof asBytes

/**
 * How an `A` is bytes, in both directions.
 *
 * Bytes that are passed in stay the caller's: they are never changed, and no decoded value is a view of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Codec<in out A> extends Pipeable {
  readonly [TypeId]: Codec.Variance<A>
  /**
   * True if `A` is a string that stands for exactly one sequence of bytes, so that equal keys are equal strings: a
   * table can use the string itself as the key of its map. False says nothing.
   */
  readonly text: boolean
  /**
   * Why the codec cannot be used at all: what its schema encodes to does not come back. Then nothing encodes or decodes,
   * and a table or writer that is given it is not acquired (`KafkaInvalidOptionsError`). Default: it can be used.
   */
  readonly problem?: string
  /**
   * True if there may be something in `A` that its schema calls `Redacted`. `logValues` then quotes neither such a value nor
   * the raw key that it was to be made of. Default: false.
   */
  readonly secret?: boolean
  /** Fails with what does not fit, and never dies. */
  readonly decode: (bytes: Uint8Array) => Effect.Effect<A, Schema.SchemaError>
  /** Fails with what does not fit, and never dies. */
  readonly encode: (value: A) => Effect.Effect<Uint8Array, Schema.SchemaError>
  /**
   * `decode` of `buffer` from `start` up to `end`, for hot loops: a plain function that **throws** a `SchemaError`
   * where `decode` fails with one, and returns `suspended` where `decode` has to be run. What it returns otherwise is
   * what `decode` succeeds with.
   */
  readonly decodeSync: (buffer: Buffer, start: number, end: number) => A | Suspended
  /**
   * How a table may keep values as their bytes, outside of the heap, to make them at reads. Default: it keeps what
   * `decodeSync` gave.
   */
  readonly stored?: {
    /** `decodeSync`, but `asBytes` where `load` makes an equal value of the same bytes. */
    readonly check: (buffer: Buffer, start: number, end: number) => A | Suspended | AsBytes
    /** The value of bytes for which the answer was `asBytes`. Neither throws nor suspends. */
    readonly load: (buffer: Buffer, start: number, end: number) => A
    /** Whether a value that was made for a read is kept for the next one: a value must be an object then. */
    readonly once: boolean
  }
  /**
   * `encode` for hot loops: a plain function that **throws** a `SchemaError` where `encode` fails with one, and returns
   * `suspended` where `encode` has to be run.
   */
  readonly encodeSync: (value: A) => Uint8Array | Suspended
}

/**
 * @since 0.1.0
 * @category models
 */
export declare namespace Codec {
  /**
   * @since 0.1.0
   * @category models
   */
  export interface Variance<in out A> {
    readonly _A: Types.Invariant<A>
  }

  /**
   * What a codec decodes to.
   *
   * @since 0.1.0
   * @category models
   */
  export type Type<C> = C extends Codec<infer A> ? A : never
}

/**
 * @since 0.1.0
 * @category guards
 */
export const isCodec: (u: unknown) => u is Codec<unknown> = internal.isCodec

/**
 * All that is known of what a codec failed with, on one line of at most some thousand characters: the values that do not
 * fit, and what the codec's functions said. The error's own message has nothing of the record, as it goes into logs;
 * this has, apart from what a schema calls `Redacted`.
 *
 * @since 0.2.0
 * @category errors
 */
export const explain: (error: Schema.SchemaError) => string = issue.explain

// ---------------------------------------------------------------------------------------------------------------------
// text and bytes
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Text in UTF-8, strictly: bytes that are not UTF-8 do not decode, a string with a lone surrogate does not encode, and
 * a byte order mark is a character like others. So each string is one sequence of bytes, and the other way round.
 *
 * @since 0.1.0
 * @category codecs
 */
export const utf8: Codec<string> = plain.utf8

/**
 * The bytes themselves, copied in both directions. A table keeps values compactly and copies them at each read, so
 * what a reader does to one reaches nobody else; a change's value is one for all subscribers, and so are keys.
 *
 * @since 0.1.0
 * @category codecs
 */
export const bytes: Codec<Uint8Array> = plain.bytes

// ---------------------------------------------------------------------------------------------------------------------
// numbers, as Kafka's own serializers write them
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A signed integer in 4 bytes, big-endian, as Java's `IntegerSerializer` writes it.
 *
 * @since 0.1.0
 * @category codecs
 */
export const int32: Codec<number> = plain.int32

/**
 * An unsigned integer in 4 bytes, big-endian.
 *
 * @since 0.1.0
 * @category codecs
 */
export const uint32: Codec<number> = plain.uint32

/**
 * A signed integer in 8 bytes, big-endian, as Java's `LongSerializer` writes it.
 *
 * @since 0.1.0
 * @category codecs
 */
export const int64: Codec<bigint> = plain.int64

/**
 * An unsigned integer in 8 bytes, big-endian.
 *
 * @since 0.1.0
 * @category codecs
 */
export const uint64: Codec<bigint> = plain.uint64

// ---------------------------------------------------------------------------------------------------------------------
// by schema
// ---------------------------------------------------------------------------------------------------------------------

/**
 * JSON in UTF-8, of what the schema encodes to. A schema class decodes to instances.
 *
 * - Text that is not JSON does not decode; the empty text is not JSON.
 * - What is no JSON is written as Effect's own JSON codec has it, by the same annotations (`toCodecJson`, `toCodec`):
 *   `Schema.Date` as text, `Schema.Option`, `Schema.ReadonlyMap`, `Schema.Redacted`, `Schema.Uint8Array` and others can be
 *   used as they are. Numbers and bigints stay numbers, though, and what is undefined is left out.
 * - A schema that encodes to something which does not come back from JSON (a symbol, also as a name; a bigint beside a
 *   number) makes a codec that is refused, with the place in the schema and what to use instead: see `problem`.
 * - Where the schema leaves it open (`Schema.Unknown`, `Schema.ObjectKeyword`, a declaration), a value that would not
 *   come back does not encode: `undefined`, a function, a bigint, a cycle, an instance of a class, a symbol as a name. Nor
 *   do `NaN`, an infinity or a hole in an array, which JSON would turn into `null`. A property that is undefined is left
 *   out, and `-0` is `0`. What `Schema.fromJsonString` makes text of is as open, by `string` and `schema`, too.
 * - `Schema.BigInt` is a whole number in JSON, with all its digits, in both directions. `Schema.Number` is what
 *   `JSON.parse` makes of the digits: above 2^53 the nearest number.
 * - Where a schema keeps names that it does not know (a record, `Schema.Unknown`, excess properties), the name `__proto__`
 *   is refused, in both directions. So it is in text that `Schema.fromJsonString` reads or makes, by any codec of a schema.
 * - A schema may do asynchronous work (a transformation that is an Effect); it then decodes one record at a time, several
 *   times slower even if nothing waits. Services that it needs are to be provided first.
 * - What to do with excess properties, and whether to report all errors, is the schema's `parseOptions` annotation.
 *
 * @since 0.1.0
 * @category constructors
 */
export const json: <A, I>(schema: Schema.Codec<A, I>) => Codec<A> = ofSchema.json

/**
 * Text in UTF-8 (as strict as `utf8`) of what the schema encodes to. For keys that are more than any string:
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Codec } from "effect-ktables"
 *
 * const ServiceId = Schema.NonEmptyString.pipe(Schema.brand("ServiceId"))
 *
 * export const byId = Codec.string(ServiceId)
 * export const byNumber = Codec.string(Schema.NumberFromString)
 * ```
 *
 * A schema that only checks or brands its string keeps the codec as fast a key as `utf8` (`text` is true).
 *
 * @since 0.1.0
 * @category constructors
 */
export const string: <A, I extends string>(schema: Schema.Codec<A, I>) => Codec<A> = ofSchema.string

/**
 * The bytes that the schema encodes to.
 *
 * @since 0.1.0
 * @category constructors
 */
export const schema: <A, I extends Uint8Array>(schema: Schema.Codec<A, I>) => Codec<A> = ofSchema.schema

// ---------------------------------------------------------------------------------------------------------------------
// of several parts
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A codec for keys of several parts, by their codecs. The order of the properties is the order of the parts: keys are
 * ordered by the first part, among equal ones by the second, and so on, and the bytes of the first parts are a prefix of
 * the bytes of the key.
 *
 * ```ts
 * import { Codec } from "effect-ktables"
 *
 * export const configKey = Codec.tuple({ tenant: Codec.utf8, name: Codec.utf8, version: Codec.int32 })
 *
 * export type ConfigKey = Codec.Codec.Type<typeof configKey>
 * // { readonly tenant: string; readonly name: string; readonly version: number }
 * ```
 *
 * - A part of `int32`, `uint32`, `int64` or `uint64` is ordered as the number. The bytes of a signed one are not those that
 *   the codec alone writes, as -1 comes before 0 here.
 * - A part of any other codec is ordered by its encoded bytes. Of text that is the order of its code points, which differs
 *   from that of JavaScript's `<` above U+FFFF; of `imap` over a signed integer, negative ones come last.
 * - A tuple may be a part of another one, and is then ordered by its own parts.
 * - Each value is one sequence of bytes, where the parts are so. Bytes that no value has do not decode.
 * - Properties that are no part are not written.
 * - Text and bytes are escaped and ended as FoundationDB's tuple layer does it, with an end of two zero bytes: they take
 *   two bytes more, and one more for each zero byte in them. Integers take what they take alone.
 *
 * The name of a part must be no whole number (JavaScript puts such names first), no symbol and not `__proto__`, and there
 * must be a part; else the codec is refused: see `problem`. It is `secret` if a part is.
 *
 * @since 0.4.0
 * @category constructors
 */
export const tuple: <A extends object>(parts: { readonly [K in keyof A]-?: Codec<A[K]> }) => Codec<{
  readonly [K in keyof A]: A[K]
}> = ofParts.tuple

/**
 * The first parts of a key of several parts. Types do not know the order of properties: a part without those before it is
 * refused when it is used.
 *
 * @since 0.4.0
 * @category models
 */
export type TuplePrefix<A> = { readonly [K in keyof A]?: A[K] }

// ---------------------------------------------------------------------------------------------------------------------
// by functions
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A codec from two plain functions. What they throw becomes a `SchemaError`, which tells its tag or name and its code;
 * its message may quote the record, so only `explain` has that. `decode` gets a copy, which it may keep.
 *
 * ```ts
 * import { Codec } from "effect-ktables"
 * import { deserialize, serialize } from "node:v8"
 *
 * export const v8: Codec.Codec<Map<string, number>> = Codec.make({
 *   decode: (bytes) => new Map<string, number>(deserialize(bytes)),
 *   encode: (map) => serialize(map)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: <A>(options: {
  readonly decode: (bytes: Uint8Array) => A
  readonly encode: (value: A) => Uint8Array
}) => Codec<A> = functions.make

/**
 * A codec from two functions that return Effects, such as one that asks a schema registry. What they fail with, any
 * defect, and an interruption that comes from within become a `SchemaError`, as with `make`. `decode` gets a copy, which
 * it may keep.
 *
 * Its `decodeSync` and `encodeSync` always return `suspended`: records are decoded one at a time.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeEffect: <A, E, E2>(options: {
  readonly decode: (bytes: Uint8Array) => Effect.Effect<A, E>
  readonly encode: (value: A) => Effect.Effect<Uint8Array, E2>
}) => Codec<A> = functions.makeEffect

/**
 * A codec for something that is one to one with what another codec decodes. What the functions throw becomes a
 * `SchemaError`.
 *
 * ```ts
 * import { Codec } from "effect-ktables"
 *
 * export const url = Codec.utf8.pipe(
 *   Codec.imap(
 *     (text) => new URL(text),
 *     (url) => url.href
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const imap: {
  <A, B>(to: (a: A) => B, from: (b: B) => A): (self: Codec<A>) => Codec<B>
  <A, B>(self: Codec<A>, to: (a: A) => B, from: (b: B) => A): Codec<B>
} = functions.imap
