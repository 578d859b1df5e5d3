import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import * as Tls from "node:tls"
import type { KafkaClient, KafkaClientOptions, SaslOptions, TlsOptions } from "../../KafkaClient.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import * as Client from "../client/client.ts"
import { BACKOFF_OPTIONS, CLIENT_OPTIONS, TLS_OPTIONS } from "../optionNames.ts"
import { checkOptions, type OptionCheck } from "../options.ts"
import { connect } from "./connection.ts"
import { makeLogger } from "./logger.ts"
import { oauthBearer } from "./oauthBearer.ts"
import { passwordMechanism } from "./passwordMechanisms.ts"

const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

/** `host:port`, an IPv6 host in brackets. */
const parseBroker = (text: string): { readonly host: string; readonly port: number } | undefined => {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const host = match[1] ?? match[2]
  const port = Number(match[3])
  return port < 1 || port > 65535 || (match[1] !== undefined && !Net.isIPv6(host)) ? undefined : { host, port }
}

const readBrokers = (check: OptionCheck, brokers: ReadonlyArray<string>) => {
  if (!Array.isArray(brokers) || brokers.length === 0) {
    check.problem("brokers", 'must name at least one broker, such as ["localhost:9092"]')
    return []
  }
  return brokers.flatMap((text, i) => {
    const broker = typeof text === "string" ? parseBroker(text.trim()) : undefined
    // without the text: somebody may have put a password into it
    if (broker === undefined) check.problem(`brokers[${i}]`, "must be host:port (IPv6 in brackets, no scheme, no user)")
    return broker === undefined ? [] : [broker]
  })
}

const readSecret = (check: OptionCheck, option: string, secret: Redacted.Redacted<string>): string => {
  if (Redacted.isRedacted(secret)) return Redacted.value(secret)
  check.problem(option, "must be Redacted: Redacted.make(secret), or Config.redacted")
  return ""
}

const readTls = (check: OptionCheck, tls: boolean | TlsOptions | undefined): Tls.ConnectionOptions | undefined => {
  if (tls === undefined || tls === false) return undefined
  if (tls === true) return {}
  check.known(tls, TLS_OPTIONS, "tls")
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    check.problem("tls", "cert and key belong together")
  }
  const authorities = tls.ca === undefined ? [] : typeof tls.ca === "string" ? [tls.ca] : [...tls.ca]
  if (authorities.some((pem) => !pem.includes("-----BEGIN"))) {
    check.problem("tls.ca", "must be PEM text (not the path of a file)")
  }
  const options: Tls.ConnectionOptions = {
    ...(tls.ca === undefined ? {} : { ca: authorities }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: readSecret(check, "tls.key", tls.key) }),
    ...(tls.passphrase === undefined ? {} : { passphrase: readSecret(check, "tls.passphrase", tls.passphrase) }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName })
  }
  try {
    Tls.createSecureContext(options)
  } catch {
    // OpenSSL's words would not help, and could hold a part of the key
    check.problem("tls", "ca, cert, key and passphrase are not PEM texts that fit together")
  }
  return options
}

const readSasl = (check: OptionCheck, sasl: SaslOptions | undefined, runtime: Runtime.Runtime<never>) => {
  if (sasl === undefined) return undefined
  if (!MECHANISMS.includes(sasl.mechanism)) {
    check.problem("sasl.mechanism", `must be one of ${MECHANISMS.join(", ")}`)
    return undefined
  }
  if (sasl.mechanism === "OAUTHBEARER") {
    check.known(sasl, ["mechanism", "token"], "sasl")
    return oauthBearer(sasl.token, runtime)
  }
  check.known(sasl, ["mechanism", "username", "password"], "sasl")
  const { mechanism, username } = sasl
  if (username === "") check.problem("sasl.username", "must not be empty")
  const password = readSecret(check, "sasl.password", sasl.password)
  return passwordMechanism(mechanism, username, password)
}

/** The client on kafkajs's connections. */
export const make = (options: KafkaClientOptions): Effect.Effect<KafkaClient, InvalidOptionsError, Scope.Scope> =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime()
    const logger = yield* makeLogger
    const settings = yield* checkOptions("KafkaClient", (check) => {
      check.known(options, CLIENT_OPTIONS)
      check.known(options.backoff ?? {}, BACKOFF_OPTIONS, "backoff")
      return {
        bootstrap: readBrokers(check, options.brokers),
        backoff: {
          initialMillis: check.millis("backoff.initial", options.backoff?.initial, 100),
          maxMillis: check.millis("backoff.max", options.backoff?.max, 1_000)
        },
        connection: {
          clientId: options.clientId ?? "effect-ktables",
          connectTimeoutMillis: check.millis("connectTimeout", options.connectTimeout, 10_000),
          requestTimeoutMillis: check.millis("requestTimeout", options.requestTimeout, 10_000),
          tls: readTls(check, options.tls),
          sasl: readSasl(check, options.sasl, runtime),
          logger
        }
      }
    })
    return yield* Client.make({
      bootstrap: settings.bootstrap,
      backoff: settings.backoff,
      connect: (broker) => connect(settings.connection, broker)
    })
  })
