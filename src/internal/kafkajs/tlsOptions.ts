/** The options about TLS, checked before anything is connected to. */
import type * as Redacted from "effect/Redacted"
import * as Tls from "node:tls"
import type { TlsOptions } from "../../KafkaClient.ts"
import { isObject, type OptionCheck } from "../options/check.ts"
import { asGiven, readSpec, type Spec } from "../options/spec.ts"
import { isHost } from "../protocol/host.ts"
import { readCertificates, readKey, withLineEnds } from "./pem.ts"
import { readSecret } from "./secrets.ts"

/** The names of its options, each of which is looked at together with the others. */
export const TLS = {
  ca: asGiven<string | ReadonlyArray<string>>(),
  cert: asGiven<string>(),
  key: asGiven<Redacted.Redacted<string>>(),
  passphrase: asGiven<Redacted.Redacted<string>>(),
  serverName: asGiven<string>()
} satisfies Spec<TlsOptions>

/** What Node's `tls.connect` is given; `undefined` without TLS. */
export const readTls = (
  check: OptionCheck,
  tls: boolean | TlsOptions | undefined
): Tls.ConnectionOptions | undefined => {
  if (tls === undefined || tls === false) return undefined
  if (tls === true) return {}
  if (!isObject(tls)) {
    check.problem("tls", "must be true, false, or an object of options")
    return undefined
  }
  readSpec(check, TLS, tls, { within: "tls" })
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
