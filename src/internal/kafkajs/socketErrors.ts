/**
 * What an error of a socket comes down to. Node wraps errors: the connects to all addresses of a name fail as one
 * AggregateError without a message, and errors have causes that have causes. What counts is what is wrapped.
 */
import type { ConnectionReason } from "../../KafkaError.ts"

interface SocketError extends Error {
  readonly code?: unknown
  readonly syscall?: unknown
  readonly address?: unknown
  readonly port?: unknown
  /** What OpenSSL has to say, without the addresses and files around it. */
  readonly reason?: unknown
}

/** At most this many errors are looked at: a host name seldom has more addresses. */
const MAX_LEAVES = 32

const codeOf = (error: SocketError): string => (typeof error.code === "string" ? error.code : "")

/** The errors that wrap no others, in their order. */
export const wrappedErrors = (error: Error): ReadonlyArray<Error> => {
  const seen = new Set<Error>()
  const leaves: Array<Error> = []
  const visit = (one: unknown): void => {
    if (!(one instanceof Error) || seen.has(one) || seen.size >= MAX_LEAVES) return
    seen.add(one)
    const before = leaves.length
    if (one instanceof AggregateError) for (const inner of one.errors) visit(inner)
    // An error with a code and a system call of its own says more than its cause does.
    else if (codeOf(one) === "" || (one as SocketError).syscall === undefined) visit(one.cause)
    if (leaves.length === before) leaves.push(one)
  }
  visit(error)
  return leaves
}

/** The codes of Node for what OpenSSL finds wrong with a certificate. */
const CERTIFICATE_CODES = new Set([
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_CRL",
  "UNABLE_TO_DECRYPT_CERT_SIGNATURE",
  "UNABLE_TO_DECRYPT_CRL_SIGNATURE",
  "UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY",
  "CERT_SIGNATURE_FAILURE",
  "CRL_SIGNATURE_FAILURE",
  "CERT_NOT_YET_VALID",
  "CERT_HAS_EXPIRED",
  "CRL_NOT_YET_VALID",
  "CRL_HAS_EXPIRED",
  "ERROR_IN_CERT_NOT_BEFORE_FIELD",
  "ERROR_IN_CERT_NOT_AFTER_FIELD",
  "ERROR_IN_CRL_LAST_UPDATE_FIELD",
  "ERROR_IN_CRL_NEXT_UPDATE_FIELD",
  "OUT_OF_MEM",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_CHAIN_TOO_LONG",
  "CERT_REVOKED",
  "INVALID_CA",
  "INVALID_NON_CA",
  "PATH_LENGTH_EXCEEDED",
  "INVALID_PURPOSE",
  "CERT_UNTRUSTED",
  "CERT_REJECTED",
  "HOSTNAME_MISMATCH",
  // This one stands for whatever else OpenSSL finds, such as a key that is too short.
  "UNSPECIFIED"
])

/**
 * Whether a code is about TLS: OpenSSL's begin with ERR_SSL_ or ERR_OSSL_, those of Node's TLS with ERR_TLS_,
 * certificates have names of their own, and older Nodes tell any failure of OpenSSL as EPROTO.
 */
const isTls = (code: string): boolean =>
  /^ERR_(?:SSL|OSSL|TLS)_/.test(code) || code === "EPROTO" || CERTIFICATE_CODES.has(code)

const reasonOfOne = (error: SocketError, connecting: boolean): ConnectionReason => {
  const code = codeOf(error)
  if (code === "ETIMEDOUT" || code === "ERR_SOCKET_CONNECTION_TIMEOUT") return "Timeout"
  if (code === "ECONNRESET" || code === "EPIPE") return "Closed"
  if (isTls(code)) return "Tls"
  return connecting ? "Unreachable" : "Closed"
}

/** The reasons in their order of precedence: where errors differ, a reason that may pass by itself stands for all. */
const RANKS: ReadonlyArray<ConnectionReason> = ["Unreachable", "Timeout", "Closed", "Tls"]

/** The reason that stands for an error of a socket, which `connecting` tells was not open yet. */
export const socketReason = (error: Error, connecting: boolean): ConnectionReason => {
  const reasons = wrappedErrors(error).map((one) => reasonOfOne(one, connecting))
  return RANKS.find((reason) => reasons.includes(reason))!
}

const wordsOfOne = (error: SocketError): string => {
  const code = codeOf(error)
  // OpenSSL puts addresses and file names around the reason.
  if (code.startsWith("ERR_SSL_") && typeof error.reason === "string") return error.reason
  if (error.message !== "") return error.message
  const address = typeof error.address === "string" ? ` ${error.address}:${String(error.port)}` : ""
  return `${code === "" ? error.name : code}${address}`
}

/** An error in words: each different message of the errors that it wraps. */
export const socketWords = (error: Error): string => [...new Set(wrappedErrors(error).map(wordsOfOne))].join("; ")
