/** How the work of codecs ended, on either major of Effect. */
import { assert } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import { expect } from "vitest"
import { issueOfError } from "../../src/internal/codec/schema/v4/issues.ts"

export type Outcome<A> = Exit.Exit<A, Schema.SchemaError>

/** An error of Schema's, by the name that it has on this major. */
export const isSchemaError = (u: unknown): u is Schema.SchemaError => issueOfError(u) !== undefined

/** What something succeeded with. */
export const successOf = <A, E>(exit: Exit.Exit<A, E>): A =>
  Exit.isSuccess(exit) ? exit.value : assert.fail(`it failed: ${Cause.pretty(exit.cause)}`)

/** What something failed with, by no other way than failing. */
export const failureOf = <A, E>(exit: Exit.Exit<A, E>): E => {
  if (Exit.isSuccess(exit)) return assert.fail("it did not fail")
  const failure = Cause.findErrorOption(exit.cause)
  return Option.isSome(failure) ? failure.value : assert.fail(`it died: ${Cause.pretty(exit.cause)}`)
}

/** In the middle of a larger buffer, as a record is. */
export const embedded = (bytes: Uint8Array): readonly [buffer: Buffer, start: number, end: number] => [
  Buffer.from([0x22, 0xc3, ...bytes, 0xa9, 0x22]),
  2,
  bytes.length + 2
]

export const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "utf8"))
export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8")
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

const trySync = <A>(f: () => A | Codec.Suspended): Outcome<A> | Codec.Suspended => {
  try {
    const result = f()
    return result === Codec.suspended ? Codec.suspended : Exit.succeed(result)
  } catch (thrown) {
    assert(isSchemaError(thrown), `threw something else: ${String(thrown)}`)
    return Exit.fail(thrown)
  }
}

export const decodeSync = <A>(codec: Codec.Codec<A>, bytes: Uint8Array) =>
  trySync(() => codec.decodeSync(...embedded(bytes)))

export const encodeSync = <A>(codec: Codec.Codec<A>, value: A) => trySync(() => codec.encodeSync(value))

export const messageOf = <A>(result: Outcome<A> | Codec.Suspended): string => {
  assert(result !== Codec.suspended)
  return failureOf(result).message
}

/** What is told of it to who asks for values. */
export const explanationOf = <A>(result: Outcome<A> | Codec.Suspended): string => {
  assert(result !== Codec.suspended)
  return Codec.explain(failureOf(result))
}

/** Both say the same of a failure. */
const expectAlike = (one: Schema.SchemaError, other: Schema.SchemaError): void => {
  expect(one.message).toBe(other.message)
  expect(Codec.explain(one)).toBe(Codec.explain(other))
}

/** Whether it is kept or made of its bytes at a read, the value is the same. */
const checkStored = <A>({ stored }: Codec.Codec<A>, bytes: Uint8Array, expected: Outcome<A>): void => {
  if (stored === undefined) return
  const checked = trySync(() => stored.check(...embedded(bytes)))
  assert(checked !== Codec.suspended)
  if (Exit.isFailure(checked)) {
    expect(failureOf(checked).message).toBe(failureOf(expected).message)
  } else {
    const value = checked.value === Codec.asBytes ? stored.load(...embedded(bytes)) : checked.value
    expect(value).toEqual(successOf(expected))
  }
}

/** What the synchronous call gives, having checked that the Effect gives the same. */
export const decode = <A>(codec: Codec.Codec<A>, bytes: Uint8Array): Outcome<A> => {
  const sync = decodeSync(codec, bytes)
  assert(sync !== Codec.suspended)
  checkStored(codec, bytes, sync)
  const effect = Effect.runSyncExit(codec.decode(bytes))
  if (Exit.isSuccess(effect)) expect(successOf(sync)).toEqual(effect.value)
  else expectAlike(failureOf(sync), failureOf(effect))
  return sync
}

export const encode = <A>(codec: Codec.Codec<A>, value: A): Outcome<Uint8Array> => {
  const sync = encodeSync(codec, value)
  assert(sync !== Codec.suspended)
  const effect = Effect.runSyncExit(codec.encode(value))
  if (Exit.isSuccess(effect)) expect(hexOf(successOf(sync))).toBe(hexOf(effect.value))
  else expectAlike(failureOf(sync), failureOf(effect))
  return sync
}

export const roundTrip = <A>(codec: Codec.Codec<A>, value: A): A =>
  successOf(decode(codec, successOf(encode(codec, value))))
