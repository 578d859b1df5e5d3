/** What all codecs are made of. */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as Schema from "effect/Schema"
import { Prototype } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import type { AsBytes, Codec, Suspended, TypeId as CodecTypeId } from "../../Codec.ts"
import { viewOf } from "../bytes.ts"
import * as issue from "./schema/issue.ts"

/** @internal */
export const TypeId: CodecTypeId = Symbol.for("effect-ktables/Codec") as CodecTypeId

/** @internal */
export const suspended: Suspended = Symbol.for("effect-ktables/Codec/suspended") as Suspended

/** @internal */
export const asBytes: AsBytes = Symbol.for("effect-ktables/Codec/asBytes") as AsBytes

/** @internal */
export const isCodec = (u: unknown): u is Codec<unknown> => Predicate.hasProperty(u, TypeId)

type Implementation<A> = Omit<Codec<A>, typeof TypeId | "pipe">

/** A codec of its functions. */
export const codec = <A>(implementation: Implementation<A>): Codec<A> => ({
  [TypeId]: { _A: identity },
  ...Prototype,
  ...implementation
})

/**
 * Runs what may throw, or end in any way, and fails with a `SchemaError` only. An Effect that ends by interruption
 * counts as one that failed. Where the fiber itself is interrupted, the runtime does not come here.
 */
export const rescued = <A, E>(self: () => Effect.Effect<A, E>): Effect.Effect<A, Schema.SchemaError> =>
  Effect.catchCause(Effect.suspend(self), (cause) => Effect.fail(issue.errorOfCause(cause)))

/** Makes a codec of two functions that may throw a `SchemaError`, and nothing else. */
export const fromSync = <A>(
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
        catch: (thrown) => issue.errorOf(thrown)
      }),
    encode: (value) => Effect.try({ try: () => encodeSync(value), catch: (thrown) => issue.errorOf(thrown) })
  })

/** A codec that refuses everything, as what it was made of makes none. */
export const unusable = <A>(problem: string): Codec<A> => {
  const refuse = (): never => {
    throw issue.codecError(problem)
  }
  return codec({ ...fromSync<A>(false, refuse, refuse), problem })
}

/**
 * Makes a `SchemaError` of what somebody threw, without values if they may be secret, as it may quote all that it was
 * given.
 */
export const failureOf = (isSecret: () => boolean) => (thrown: unknown) =>
  isSecret() ? issue.withoutValues(issue.errorOf(thrown)) : issue.errorOf(thrown)
