/** Codecs of users' own functions and Effects. */
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import type { Codec } from "../../Codec.ts"
import { copyBytes } from "../bytes.ts"
import { expectBytes } from "./schema/text.ts"
import { codec, failureOf, fromSync, rescued, suspended } from "./codec.ts"
import * as issue from "./schema/issue.ts"

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
        throw issue.errorOf(thrown)
      }
    },
    (value) => {
      try {
        return expectBytes(options.encode(value))
      } catch (thrown) {
        throw issue.errorOf(thrown)
      }
    }
  )

/** Where there is none, a fiber of Effect 4 dies of it, whoever would catch that. */
const expectEffect = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  if (!Effect.isEffect(effect)) throw new TypeError("a function of the codec returned no Effect")
  return effect
}

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
      return rescued(() => expectEffect(options.decode(copy)))
    },
    encode: (value) => rescued(() => Effect.map(expectEffect(options.encode(value)), expectBytes))
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
