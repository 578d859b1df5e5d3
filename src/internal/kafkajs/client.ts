import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import * as Tls from "node:tls"
import type { KafkaClient, KafkaClientOptions, SaslOptions, TlsOptions } from "../../KafkaClient.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import * as Client from "../client/client.ts"
import { foreignText } from "../foreignText.ts"
import { annotateLogs } from "../log.ts"
import { BACKOFF_OPTIONS, CLIENT_OPTIONS, TLS_OPTIONS } from "../optionNames.ts"
import { checkOptions, isObject, UNFIT, type OptionCheck } from "../options.ts"
import { connect } from "./connection.ts"
import { isHost } from "../protocol/host.ts"
import { makeLogger } from "./logger.ts"
import { oauthBearer } from "./oauthBearer.ts"
import { passwordMechanism } from "./passwordMechanisms.ts"
import { readCertificates, readKey, withLineEnds } from "./pem.ts"

const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

/** `host:port`, an IPv6 host in brackets. */
const parseBroker = (text: string): { readonly host: string; readonly port: number } | undefined => {
  const match = /^(?:\[([^\]]{1,255})\]|([^:[\]\s/@\p{C}]{1,255})):(\d{1,5})$/u.exec(text)
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

/** Empty, if it is none. */
const readSecret = (check: OptionCheck, option: string, secret: Redacted.Redacted<string>): string => {
  const value: unknown = Redacted.isRedacted(secret) ? Redacted.value(secret) : undefined
  if (typeof value === "string" && value !== "") return value
  check.problem(
    option,
    value === undefined
      ? "must be Redacted: Redacted.make(secret), or Config.redacted"
      : "must be Redacted text, and not empty"
  )
  return ""
}

const readTls = (check: OptionCheck, tls: boolean | TlsOptions | undefined): Tls.ConnectionOptions | undefined => {
  if (tls === undefined || tls === false) return undefined
  if (tls === true) return {}
  if (!isObject(tls)) {
    check.problem("tls", "must be true, false, or an object of options")
    return undefined
  }
  check.known(tls, TLS_OPTIONS, "tls")
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    check.problem("tls", "cert and key belong together")
  }
  const options: Tls.ConnectionOptions = {
    ...(tls.ca === undefined ? {} : { ca: readAuthorities(check, tls.ca) }),
    ...readIdentity(check, tls),
    ...(tls.serverName === undefined ? {} : { servername: readServerName(check, tls.serverName) })
  }
  try {
    Tls.createSecureContext(options)
  } catch {
    // OpenSSL's words would not help, and could hold a part of the key
    check.problem("tls", "ca, cert, key and passphrase are not PEM texts that fit together")
  }
  return options
}

/** Each text may have several certificates, of which OpenSSL would skip in silence what it cannot read. */
const readAuthorities = (check: OptionCheck, ca: string | ReadonlyArray<string>): Array<string> => {
  const given: ReadonlyArray<unknown> = Array.isArray(ca) ? ca : [ca]
  if (given.length === 0) check.problem("tls.ca", "must have a certificate: without any, nobody is trusted")
  return given.flatMap((one, i) => {
    const option = Array.isArray(ca) ? `tls.ca[${i}]` : "tls.ca"
    if (typeof one !== "string") {
      check.problem(option, "must be PEM text")
      return []
    }
    const text = withLineEnds(one)
    const certificates = readCertificates(text)
    if (typeof certificates !== "string") return [text]
    check.problem(option, certificates)
    return []
  })
}

/** The client's own certificate and its key. */
const readIdentity = (check: OptionCheck, { cert, key, passphrase }: TlsOptions): Tls.ConnectionOptions => {
  if (cert !== undefined && typeof cert !== "string") check.problem("tls.cert", "must be PEM text")
  const certText = typeof cert === "string" ? withLineEnds(cert) : undefined
  const keyText = key === undefined ? undefined : withLineEnds(readSecret(check, "tls.key", key))
  const phrase = passphrase === undefined ? undefined : readSecret(check, "tls.passphrase", passphrase)
  if (phrase !== undefined && key === undefined) check.problem("tls.passphrase", "belongs to a key, and there is none")
  if (certText !== undefined && keyText !== undefined && keyText !== "") {
    const certificates = readCertificates(certText)
    if (typeof certificates === "string") check.problem("tls.cert", certificates)
    const readable = readKey(keyText, phrase)
    if (typeof readable === "string") check.problem("tls.key", readable)
    if (
      typeof certificates !== "string" &&
      typeof readable !== "string" &&
      !certificates[0].checkPrivateKey(readable)
    ) {
      check.problem("tls.key", "is not the key of the first certificate in tls.cert")
    }
  }
  return {
    ...(certText === undefined ? {} : { cert: certText }),
    ...(keyText === undefined ? {} : { key: keyText }),
    ...(phrase === undefined ? {} : { passphrase: phrase })
  }
}

const readServerName = (check: OptionCheck, serverName: string): string => {
  if (typeof serverName === "string" && isHost(serverName)) return serverName
  check.problem("tls.serverName", "must be the name in the brokers' certificates, such as kafka.example.com")
  return ""
}

const readSasl = (check: OptionCheck, sasl: SaslOptions | undefined, runtime: Runtime.Runtime<never>) => {
  if (sasl === undefined) return undefined
  if (!isObject(sasl)) {
    check.problem("sasl", "must be an object with a mechanism")
    return undefined
  }
  if (!MECHANISMS.includes(sasl.mechanism)) {
    check.problem("sasl.mechanism", `must be one of ${MECHANISMS.join(", ")}`)
    return undefined
  }
  if (sasl.mechanism === "OAUTHBEARER") {
    check.known(sasl, ["mechanism", "token"], "sasl")
    if (!Effect.isEffect(sasl.token)) check.problem("sasl.token", "must be an Effect that gives a Redacted token")
    return oauthBearer(sasl.token, runtime)
  }
  check.known(sasl, ["mechanism", "username", "password"], "sasl")
  const { mechanism, username } = sasl
  if (typeof username !== "string" || username === "" || UNFIT.test(username)) {
    check.problem("sasl.username", "must be text without control characters, and not empty")
  }
  const password = readSecret(check, "sasl.password", sasl.password)
  if (UNFIT.test(password)) check.problem("sasl.password", "must have no control characters in it")
  return passwordMechanism(mechanism, typeof username === "string" ? username : "", password)
}

/** Mechanisms that send the secret itself, rather than a proof of it. */
const DISCLOSING = new Map([
  ["PLAIN", "the password"],
  ["OAUTHBEARER", "the token"]
])

const isLoopback = (host: string): boolean =>
  /^(?:(?:.+\.)?localhost\.?|127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3})$/i.test(host)

/**
 * Warns, once, where credentials would go over a network as they are. A broker on this machine is no network; one that is
 * found by it may be.
 */
const makeWarning = ({ sasl, tls }: KafkaClientOptions) => {
  const secret = tls === undefined || tls === false ? DISCLOSING.get(sasl?.mechanism ?? "") : undefined
  let pending = secret !== undefined
  return (broker: { readonly host: string; readonly port: number }): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (!pending || isLoopback(broker.host)) return Effect.void
      pending = false
      return Effect.logWarning(
        `${sasl?.mechanism} without TLS: ${secret} can be read by whoever is between here and the brokers. Set tls, or use SCRAM`
      ).pipe(annotateLogs("KafkaClient", { broker: foreignText(`${broker.host}:${broker.port}`) }))
    })
}

/** The client on kafkajs's connections. */
export const make = (options: KafkaClientOptions): Effect.Effect<KafkaClient, InvalidOptionsError, Scope.Scope> =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime()
    const logger = yield* makeLogger
    const settings = yield* checkOptions("KafkaClient", (check) => {
      check.known(options, CLIENT_OPTIONS)
      const backoff = check.known(options.backoff, BACKOFF_OPTIONS, "backoff")
      return {
        bootstrap: readBrokers(check, options.brokers),
        backoff: {
          initialMillis: check.millis("backoff.initial", backoff.initial, 100),
          maxMillis: check.millis("backoff.max", backoff.max, 1_000)
        },
        connection: {
          clientId: check.clientId(options.clientId),
          connectTimeoutMillis: check.millis("connectTimeout", options.connectTimeout, 10_000),
          requestTimeoutMillis: check.millis("requestTimeout", options.requestTimeout, 10_000),
          tls: readTls(check, options.tls),
          sasl: readSasl(check, options.sasl, runtime),
          logger
        }
      }
    })
    const warnOf = makeWarning(options)
    yield* Effect.forEach(settings.bootstrap, warnOf, { discard: true })
    return yield* Client.make({
      bootstrap: settings.bootstrap,
      backoff: settings.backoff,
      connect: (broker) => Effect.zipRight(warnOf(broker), connect(settings.connection, broker))
    })
  })
