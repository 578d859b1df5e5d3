/** X.509 certificates for test brokers, made in memory: of any validity and for any host. */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto"
import { isIP } from "node:net"

// DER: a tag, the length, the content. The length is one byte, or 0x80 + how many bytes of it follow: as few as do.
const der = (tag: number, ...content: ReadonlyArray<Buffer>): Buffer => {
  const body = Buffer.concat(content)
  const length =
    body.length < 0x80
      ? [body.length]
      : body.length < 0x100
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
const sequence = (...content: ReadonlyArray<Buffer>) => der(0x30, ...content)
const octets = (content: Buffer) => der(0x04, content)
const bits = (content: Buffer) => der(0x03, Buffer.from([0]), content)
const integer = (bytes: Buffer) => der(0x02, bytes)
const yes = der(0x01, Buffer.from([0xff]))
const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"))
// UTCTime: YYMMDDhhmmssZ
const time = (at: Date) => der(0x17, Buffer.from(`${at.toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`))

const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"))
const commonName = (name: string) => sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from(name)))))
const basicConstraints = oid("551d13")
const subjectAltName = oid("551d11")

const altName = (host: string): Buffer =>
  isIP(host) === 4 ? der(0x87, Buffer.from(host.split(".").map(Number))) : der(0x82, Buffer.from(host))

const pem = (label: string, content: Buffer): string =>
  `-----BEGIN ${label}-----\n${content.toString("base64").replace(/.{1,64}/g, "$&\n")}-----END ${label}-----\n`

export interface Certificate {
  readonly cert: string
  /** PKCS #8, not encrypted. */
  readonly key: string
}

export interface Authority extends Certificate {
  readonly issue: (options: {
    readonly name: string
    readonly hosts?: ReadonlyArray<string>
    /** Valid for a day around now by default, for a day in the year 2020 otherwise. */
    readonly expired?: boolean
  }) => Certificate
}

const certificate = (options: {
  readonly subject: string
  readonly publicKey: KeyObject
  readonly issuer: string
  readonly issuerKey: KeyObject
  readonly from: Date
  readonly to: Date
  readonly extension: Buffer
}): string => {
  const content = sequence(
    der(0xa0, integer(Buffer.from([2]))), // X.509 version 3
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    commonName(options.issuer),
    sequence(time(options.from), time(options.to)),
    commonName(options.subject),
    options.publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(options.extension))
  )
  const signature = sign("sha256", content, options.issuerKey)
  return pem("CERTIFICATE", sequence(content, ecdsaWithSha256, bits(signature)))
}

const day = 24 * 3600 * 1000

/** A certificate authority of its own key, whatever others of the same name there are. */
export const makeAuthority = (name: string, now: number): Authority => {
  const newKey = () => generateKeyPairSync("ec", { namedCurve: "P-256" })
  const exported = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString()
  const valid = { from: new Date(now - day), to: new Date(now + day) }
  const past = { from: new Date("2020-01-01T00:00:00Z"), to: new Date("2020-01-02T00:00:00Z") }
  const own = newKey()
  return {
    cert: certificate({
      subject: name,
      publicKey: own.publicKey,
      issuer: name,
      issuerKey: own.privateKey,
      ...valid,
      extension: sequence(basicConstraints, yes, octets(sequence(yes)))
    }),
    key: exported(own.privateKey),
    issue: (options) => {
      const key = newKey()
      return {
        cert: certificate({
          subject: options.name,
          publicKey: key.publicKey,
          issuer: name,
          issuerKey: own.privateKey,
          ...(options.expired === true ? past : valid),
          extension:
            options.hosts === undefined
              ? sequence(basicConstraints, octets(sequence()))
              : sequence(subjectAltName, octets(sequence(...options.hosts.map(altName))))
        }),
        key: exported(key.privateKey)
      }
    }
  }
}
