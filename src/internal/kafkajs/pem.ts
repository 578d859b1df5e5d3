/**
 * Certificates and keys as PEM texts. Node ignores what it cannot read of them, and then trusts nobody, or everybody's word
 * for it: here each of them is read, and what is wrong is said.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto"

/** Line ends as `.env` files and some stores of secrets give them: a backslash and a letter. No PEM has a backslash. */
export const withLineEnds = (text: string): string => text.replaceAll(/\\r\\n|\\n|\\r/g, "\n")

const BEGIN = "-----BEGIN"

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^]*?-----END \1-----/g

/** The certificates of a text, in their order; or what is wrong with it. What stands between them is a comment. */
export const readCertificates = (text: string): ReadonlyArray<X509Certificate> | string => {
  const blocks = [...text.matchAll(BLOCK)]
  if (blocks.length === 0) return "must be PEM text with a certificate (not the path of a file)"
  if (blocks.length !== text.split(BEGIN).length - 1) return "is cut off: a certificate begins in it, and does not end"
  const certificates: Array<X509Certificate> = []
  for (const [i, [block, kind]] of blocks.entries()) {
    if (!kind.endsWith("CERTIFICATE")) return `must have certificates only: number ${i + 1} in it is none`
    try {
      certificates.push(new X509Certificate(block))
    } catch {
      // OpenSSL's words would not help
      return `cannot be read: certificate ${i + 1} of ${blocks.length} in it is broken`
    }
  }
  return certificates
}

/** A private key; or what is wrong with it, without its text. */
export const readKey = (text: string, passphrase: string | undefined): KeyObject | string => {
  if (!text.includes(BEGIN)) return "must be PEM text with a private key (not the path of a file)"
  try {
    return createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) })
  } catch {
    return "is no private key that can be read, with this passphrase if it is encrypted"
  }
}
