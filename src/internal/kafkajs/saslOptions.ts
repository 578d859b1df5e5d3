/** The options about SASL, checked before anything is connected to. */
import * as Effect from "effect/Effect"
import type { SaslOptions } from "../../KafkaClient.ts"
import type { Running } from "../effect/v4/running.ts"
import { isObject, type OptionCheck, UNFIT } from "../options/check.ts"
import { oauthBearer } from "./oauthBearer.ts"
import { passwordMechanism } from "./passwordMechanisms.ts"
import { readSecret } from "./secrets.ts"

const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

/**
 * Reads how to authenticate, as what makes kafkajs's mechanism for each connection. `running` runs the user's Effect.
 */
export const readSasl = (check: OptionCheck, sasl: SaslOptions | undefined, running: Running) => {
  if (sasl === undefined) return undefined
  if (!isObject(sasl)) {
    check.problem("sasl", "must be an object with a mechanism")
    return undefined
  }
  if (!MECHANISMS.includes(sasl.mechanism)) {
    const isKerberos = String(sasl.mechanism).toUpperCase() === "GSSAPI"
    const why = isKerberos ? "GSSAPI (Kerberos) is not there: it " : ""
    check.problem("sasl.mechanism", `${why}must be one of ${MECHANISMS.join(", ")}`)
    return undefined
  }
  if (sasl.mechanism === "OAUTHBEARER") {
    check.known(sasl, ["mechanism", "token"], "sasl")
    if (!Effect.isEffect(sasl.token)) check.problem("sasl.token", "must be an Effect that gives a Redacted token")
    return oauthBearer(sasl.token, running)
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
