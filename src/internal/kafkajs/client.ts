/** The client on kafkajs's connections. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import type * as Tls from "node:tls"
import type { KafkaClient, KafkaClientOptions, SaslOptions, TlsOptions } from "../../KafkaClient.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { Address } from "../client/address.ts"
import * as Client from "../client/client.ts"
import { captured, type Running } from "../effect/v4/running.ts"
import { checkOptions } from "../options/check.ts"
import { CLIENT } from "../options/client.ts"
import { millis, type Option, readSpec, type Spec } from "../options/spec.ts"
import { connect } from "./connection.ts"
import { makeDisclosureWarning } from "./disclosure.ts"
import { makeLogger } from "./logger.ts"
import { readSasl } from "./saslOptions.ts"
import { readTls } from "./tlsOptions.ts"

/** Reads `host:port`, with an IPv6 host in brackets; `undefined` if it is something else. */
const parseBroker = (text: string): Address | undefined => {
  const match = /^(?:\[([^\]]{1,255})\]|([^:[\]\s/@\p{C}]{1,255})):(\d{1,5})$/u.exec(text)
  if (match === null) return undefined
  const host = match[1] ?? match[2]
  const port = Number(match[3])
  return port < 1 || port > 65535 || (match[1] !== undefined && !Net.isIPv6(host)) ? undefined : { host, port }
}

const brokers: Option<ReadonlyArray<string>, ReadonlyArray<Address>> = {
  read: (check, name, value) => {
    if (!Array.isArray(value) || value.length === 0) {
      check.problem(name, 'must name at least one broker, such as ["localhost:9092"]')
      return []
    }
    return value.flatMap((text, i) => {
      const broker = typeof text === "string" ? parseBroker(text.trim()) : undefined
      // The message leaves the text out, as somebody may have put a password into it.
      if (broker === undefined)
        check.problem(`${name}[${i}]`, "must be host:port (IPv6 in brackets, no scheme, no user)")
      return broker === undefined ? [] : [broker]
    })
  }
}

const tls: Option<boolean | TlsOptions, Tls.ConnectionOptions | undefined> = {
  read: (check, _name, value) => readTls(check, value)
}

const saslBy = (running: Running): Option<SaslOptions, ReturnType<typeof readSasl>> => ({
  read: (check, _name, value) => readSasl(check, value, running)
})

/** All options of a client. `running` runs what a user gives as an Effect. */
export const clientSpec = (running: Running) =>
  ({
    brokers,
    clientId: CLIENT.clientId,
    tls,
    sasl: saslBy(running),
    connectTimeout: millis(10_000),
    requestTimeout: CLIENT.requestTimeout,
    backoff: CLIENT.backoff
  }) satisfies Spec<KafkaClientOptions>

/** Makes a client on kafkajs's sockets: see `KafkaClient.layer`. */
export const make = (options: KafkaClientOptions): Effect.Effect<KafkaClient, InvalidOptionsError, Scope.Scope> =>
  Effect.gen(function* () {
    const spec = clientSpec(yield* captured)
    const logger = yield* makeLogger
    const { backoff, brokers, ...settings } = yield* checkOptions("KafkaClient", (check) =>
      readSpec(check, spec, options)
    )
    const warnOf = makeDisclosureWarning(options)
    yield* Effect.forEach(brokers, warnOf, { discard: true })
    return yield* Client.make({
      bootstrap: brokers,
      backoff,
      connect: (broker) => Effect.andThen(warnOf(broker), connect({ ...settings, logger }, broker))
    })
  })
