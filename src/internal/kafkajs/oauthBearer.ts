/**
 * The OAUTHBEARER mechanism of SASL (RFC 7628), in place of kafkajs's own, which takes every answer for a success
 * (K27).
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import errors from "kafkajs/src/errors.js"
import type { Running } from "../effect/v4/running.ts"
import { ownBytes } from "./ownBytes.ts"
import { redacted } from "./redaction.ts"

/** Sends one message of ours, and gives its answer. Each has its size in front. */
type Exchange = (exchange: {
  readonly request: { readonly encode: () => Buffer }
  readonly response: { readonly decode: (answer: Buffer) => Buffer; readonly parse: (answer: Buffer) => Buffer }
}) => Promise<Buffer>

const SIZE_BYTES = 4

const sized = (text: string): Buffer => {
  const bytes = ownBytes("\0".repeat(SIZE_BYTES) + text)
  bytes.writeInt32BE(bytes.length - SIZE_BYTES, 0)
  return bytes
}

/** Each part of a message ends with this. */
const END = "\u0001"

const failed = (words: string) =>
  new errors.KafkaJSSASLAuthenticationError(`SASL OAUTHBEARER authentication failed: ${words}`)

/** The name of what the token's Effect failed with. No more of it is told, as it may hold a secret. */
const nameOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  if (typeof error !== "object" || error === null) return `a ${typeof error}`
  if ("_tag" in error && typeof error._tag === "string") return error._tag
  return error instanceof Error ? error.name : "an object"
}

const unavailable = (cause: Cause.Cause<unknown>) =>
  Cause.hasInterruptsOnly(cause)
    ? interrupted()
    : failed(`the token Effect failed with ${nameOf(cause)}; its words may hold a secret, log them there`)

/**
 * The error where the token's Effect was interrupted. It did that itself, as nobody here does while its connection
 * lasts.
 */
const interrupted = () => failed("the token Effect was interrupted")

const identity = (answer: Buffer) => answer

/** Sends the token. A refusal is acknowledged, as the exchange wants it, and then told. */
const authenticate = (token: Effect.Effect<Redacted.Redacted<string>, unknown>, exchange: Exchange) =>
  Effect.gen(function* () {
    const secret = yield* Effect.catchCause(Effect.map(token, Redacted.value), (cause) =>
      Effect.fail(unavailable(cause))
    )
    if (!/^[\x21-\x7e]+$/.test(secret))
      return yield* Effect.fail(failed("the token is empty, or has white space in it"))
    const send = (text: string) =>
      Effect.suspend(() => {
        const message = sized(text)
        return Effect.tryPromise({
          try: () => exchange({ request: { encode: () => message }, response: { decode: identity, parse: identity } }),
          catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
        }).pipe(Effect.ensuring(Effect.sync(() => message.fill(0))))
      })
    const withoutToken = redacted({ secret })
    const refused = (words: string) => Effect.fail(failed(withoutToken(words)))
    const answer = yield* Effect.catch(send(`n,,${END}auth=Bearer ${secret}${END}${END}`), refused)
    if (answer.length <= SIZE_BYTES) return
    // A refusal comes as an answer that is not empty. The broker fails the exchange once that is acknowledged.
    const words = answer.toString("utf8", SIZE_BYTES)
    yield* refused(yield* Effect.catch(Effect.as(send(END), words), Effect.succeed))
  })

/**
 * The mechanism of one connection, in kafkajs's terms. `signal` aborts when the connection is gone, which the token's
 * Effect does not outlive.
 */
export const oauthBearer =
  (token: Effect.Effect<Redacted.Redacted<string>, unknown>, running: Running) => (signal: AbortSignal) => ({
    mechanism: "OAUTHBEARER",
    authenticationProvider: ({ saslAuthenticate }: { readonly saslAuthenticate: Exchange }) => ({
      authenticate: () =>
        running.exitOf(authenticate(token, saslAuthenticate), signal).then((exit) => {
          if (Exit.isFailure(exit)) throw Option.getOrElse(Cause.findErrorOption(exit.cause), interrupted)
        })
    })
  })
