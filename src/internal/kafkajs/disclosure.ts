/** The warning about credentials that go over a network as they are. */
import * as Effect from "effect/Effect"
import type { KafkaClientOptions } from "../../KafkaClient.ts"
import { foreignText } from "../foreignText.ts"
import { annotateLogs } from "../log.ts"
import { type Address, addressOf } from "../client/address.ts"

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
export const makeDisclosureWarning = ({ sasl, tls }: KafkaClientOptions) => {
  const secret = tls === undefined || tls === false ? DISCLOSING.get(sasl?.mechanism ?? "") : undefined
  let pending = secret !== undefined
  return (broker: Address): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (!pending || isLoopback(broker.host)) return Effect.void
      pending = false
      return Effect.logWarning(
        `${sasl?.mechanism} without TLS: ${secret} can be read by whoever is between here and the brokers. Set tls, or use SCRAM`
      ).pipe(annotateLogs("KafkaClient", { broker: foreignText(addressOf(broker)) }))
    })
}
