/** The values of a catalog's log: records as the user's codec has them, and nothing at all for a claim. */
import * as Effect from "effect/Effect"
import type { Codec, Suspended } from "../../Codec.ts"
import { codec, suspended } from "../codec/codec.ts"
import { codecError } from "../codec/schema/issue.ts"

/** The value of a claim, which has no bytes. */
export const CLAIMED: unique symbol = Symbol("CLAIMED")

export type Claimed = typeof CLAIMED

const NO_BYTES = new Uint8Array(0)

/** A record that has no bytes would be read as a claim. */
const expectSome = <A extends Uint8Array | Suspended>(bytes: A): A => {
  if (bytes !== suspended && bytes.length === 0) {
    throw codecError("Expected a codec that makes bytes of a record, actual one that makes none of it")
  }
  return bytes
}

/** The codec of a log whose records have this one. */
export const claimable = <R>(records: Codec<R>): Codec<R | Claimed> => {
  const { stored } = records
  return codec<R | Claimed>({
    text: false,
    ...(records.problem === undefined ? {} : { problem: records.problem }),
    ...(records.secret === undefined ? {} : { secret: records.secret }),
    decode: (bytes) => (bytes.length === 0 ? Effect.succeed(CLAIMED) : records.decode(bytes)),
    encode: (value) =>
      value === CLAIMED
        ? Effect.succeed(NO_BYTES)
        : Effect.flatMap(records.encode(value), (bytes) =>
            Effect.try({ try: () => expectSome(bytes), catch: (error) => error as ReturnType<typeof codecError> })
          ),
    decodeSync: (buffer, start, end) => (start === end ? CLAIMED : records.decodeSync(buffer, start, end)),
    encodeSync: (value) => (value === CLAIMED ? NO_BYTES : expectSome(records.encodeSync(value))),
    ...(stored === undefined
      ? {}
      : {
          stored: {
            check: (buffer: Buffer, start: number, end: number) =>
              start === end ? CLAIMED : stored.check(buffer, start, end),
            load: stored.load,
            once: stored.once
          }
        })
  })
}
