/**
 * The mechanisms PLAIN and SCRAM, by kafkajs. What the broker says is checked here before kafkajs obeys it (K29), and
 * what kafkajs says of it is told without the credentials (K30).
 */
import plain from "kafkajs/src/broker/saslAuthenticator/plain.js"
import scram256 from "kafkajs/src/broker/saslAuthenticator/scram256.js"
import scram512 from "kafkajs/src/broker/saslAuthenticator/scram512.js"
import errors from "kafkajs/src/errors.js"
import type { Authenticator, AuthenticatorContext, Exchange } from "kafkajs/src/broker/saslAuthenticator/index.js"
import { quotedForeignText } from "../foreignText.ts"
import { ownBytes } from "./ownBytes.ts"
import { redacted } from "./redaction.ts"

export type PasswordMechanism = "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512"

const providers = { PLAIN: plain, "SCRAM-SHA-256": scram256, "SCRAM-SHA-512": scram512 } as const

/**
 * A logger that says nothing: what kafkajs warns of is also raised as a typed error, which has no credentials in it.
 */
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

// ---------------------------------------------------------------------------------------------------------------------
// what a broker says in SCRAM (RFC 5802)
// ---------------------------------------------------------------------------------------------------------------------

/** The fewest iterations that RFC 7677 allows, and Kafka. */
const MIN_ITERATIONS = 4_096

/**
 * The most iterations that are computed, which takes a tenth of a second; Kafka has 16,384 at most. Each is a hash, on
 * a thread of the process that others wait for, and that keeps the process from ending.
 */
const MAX_ITERATIONS = 100_000

/** The most characters of a message of the broker's. Kafka's own have less than 150. */
const MAX_MESSAGE = 4_096

/** The most characters of a salt in base64, and of both nonces together. */
const MAX_SALT = 1_024
const MAX_NONCE = 1_024

/** Thrown where a message of the broker is not to be obeyed. */
class Unacceptable extends Error {}

/**
 * The attributes of a message. Each may be there once, and only if it is known, as any other may be one that must be
 * obeyed.
 */
const attributesOf = (message: Buffer | null, known: string): ReadonlyMap<string, string> => {
  if (message === null || message.length === 0) throw new Unacceptable("the broker's message is empty")
  if (message.length > MAX_MESSAGE) throw new Unacceptable(`the broker's message has ${message.length} bytes`)
  const attributes = new Map<string, string>()
  for (const part of message.toString().split(",")) {
    const name = part.slice(0, 1)
    if (part[1] !== "=" || name === "" || !known.includes(name) || attributes.has(name)) {
      throw new Unacceptable(
        `${quotedForeignText(part, 32)} in the broker's message is not of SCRAM, or is there twice`
      )
    }
    attributes.set(name, part.slice(2))
  }
  return attributes
}

/** Checks the broker's first message: `r` has both nonces, `s` the salt, `i` the number of iterations. */
const checkFirst = (message: Buffer | null): void => {
  const attributes = attributesOf(message, "rsi")
  const [nonce, salt, iterations] = ["r", "s", "i"].map((name) => attributes.get(name) ?? "")
  if (!/^[\x21-\x7e]+$/.test(nonce) || nonce.length > MAX_NONCE) throw new Unacceptable("the broker's nonce is none")
  if (!/^(?:[a-z0-9+/]{4})*(?:[a-z0-9+/]{2}==|[a-z0-9+/]{3}=)?$/i.test(salt) || salt === "" || salt.length > MAX_SALT) {
    throw new Unacceptable("the broker's salt is none")
  }
  const count = /^[1-9]\d{0,9}$/.test(iterations) ? Number(iterations) : Number.NaN
  if (!(count >= MIN_ITERATIONS && count <= MAX_ITERATIONS)) {
    throw new Unacceptable(
      `the broker asks for ${quotedForeignText(iterations, 32)} iterations: not from ${MIN_ITERATIONS} to ${MAX_ITERATIONS}`
    )
  }
}

/** Checks the broker's last message: `v` proves that the broker knows the password, too, and `e` is an error. */
const checkFinal = (message: Buffer | null): void => {
  const attributes = attributesOf(message, "ve")
  if (attributes.size !== 1) throw new Unacceptable("the broker's last message is none")
}

/** Checks both messages of the broker before kafkajs sees them. */
const checkingScram = (exchange: Exchange): Exchange => {
  let messages = 0
  return ({ request, response }) => {
    const check = messages++ === 0 ? checkFirst : checkFinal
    return exchange({
      request,
      response: {
        decode: response.decode,
        parse: (message) => {
          check(message as Buffer | null)
          return response.parse(message)
        }
      }
    })
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// the mechanisms
// ---------------------------------------------------------------------------------------------------------------------

/**
 * K33: A password for SCRAM, which kafkajs has made a text of and gives to Node: a text would be written into memory that
 * is shared, and bytes are taken as they are. They are cleared afterwards.
 */
const bytesForScram = (password: string) => {
  const bytes = ownBytes(password)
  return { password: { toString: () => bytes }, clear: () => bytes.fill(0) }
}

/** Makes the mechanism of each connection, in kafkajs's terms. */
export const passwordMechanism = (mechanism: PasswordMechanism, username: string, password: string) => {
  const withoutCredentials = redacted({ secret: password, username })
  const authenticationProvider = ({ saslAuthenticate, ...context }: AuthenticatorContext): Authenticator => ({
    authenticate: () => {
      const isPlain = mechanism === "PLAIN"
      const given = isPlain ? { password, clear: () => {} } : bytesForScram(password)
      return providers[mechanism]({ username, password: given.password })({
        ...context,
        logger: silent,
        saslAuthenticate: isPlain ? saslAuthenticate : checkingScram(saslAuthenticate)
      })
        .authenticate()
        .catch((cause: unknown) => {
          const words = cause instanceof Error ? cause.message : String(cause)
          throw new errors.KafkaJSSASLAuthenticationError(withoutCredentials(words))
        })
        .finally(given.clear)
    }
  })
  return () => ({ mechanism, authenticationProvider })
}
