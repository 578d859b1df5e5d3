/** What errors of sockets come down to, as Node makes them: single ones, several in one, and causes of causes. */
import { assert, describe, it } from "@effect/vitest"
import { socketReason, socketWords, wrappedErrors } from "../../src/internal/kafkajs/socketErrors.ts"

const failed = (message: string, fields: object = {}, cause?: unknown): Error =>
  Object.assign(new Error(message, cause === undefined ? undefined : { cause }), fields)

const connect = (code: string, address: string) =>
  failed(`connect ${code} ${address}:9092`, { code, syscall: "connect", address, port: 9092 })

const refused = connect("ECONNREFUSED", "10.0.0.1")
const refusedToo = connect("ECONNREFUSED", "::1")
const timedOut = connect("ETIMEDOUT", "10.0.0.2")
const unroutable = connect("ENETUNREACH", "10.0.0.3")
const unknownName = failed("getaddrinfo ENOTFOUND kafka", { code: "ENOTFOUND", syscall: "getaddrinfo" })
const reset = failed("read ECONNRESET", { code: "ECONNRESET", syscall: "read" })
const expired = failed("certificate has expired", { code: "CERT_HAS_EXPIRED" })
const selfSigned = failed("self-signed certificate", { code: "DEPTH_ZERO_SELF_SIGNED_CERT" })
const weakKey = failed("EE certificate key too weak", { code: "UNSPECIFIED" })
const otherName = failed("Hostname/IP does not match", { code: "ERR_TLS_CERT_ALTNAME_INVALID" })
const noTls = failed("C0A7:error:0A00010B:SSL routines:file.c:354:", {
  code: "ERR_SSL_WRONG_VERSION_NUMBER",
  reason: "wrong version number"
})

/** As Node's `internalConnectMultiple` makes it: no message, the code of the first. */
const several = (...errors: ReadonlyArray<Error>) =>
  Object.assign(new AggregateError(errors), { code: (errors[0] as { readonly code?: string }).code })

describe("an error of a socket", () => {
  it.each([
    ["refused", refused, "Unreachable", "Closed"],
    ["a name that nobody knows", unknownName, "Unreachable", "Closed"],
    ["a connect that timed out", timedOut, "Timeout", "Timeout"],
    ["reset", reset, "Closed", "Closed"],
    ["an expired certificate", expired, "Tls", "Tls"],
    ["a self-signed certificate", selfSigned, "Tls", "Tls"],
    ["a certificate of another name", otherName, "Tls", "Tls"],
    ["a certificate that OpenSSL has no code for", weakKey, "Tls", "Tls"],
    ["no TLS there", noTls, "Tls", "Tls"],
    ["EPROTO, with a syscall", failed("write EPROTO", { code: "EPROTO", syscall: "write" }), "Tls", "Tls"],
    // neither the system's nor TLS's
    ["without a code", failed("what is this"), "Unreachable", "Closed"],
    ["with an unknown code", failed("what is this", { code: "ERR_MADE_UP" }), "Unreachable", "Closed"],
    ["two that are refused", several(refused, refusedToo), "Unreachable", "Closed"],
    ["one refused, one timed out", several(refused, timedOut), "Unreachable", "Timeout"],
    ["one timed out, one refused", several(timedOut, refused), "Unreachable", "Timeout"],
    ["two that timed out", several(timedOut, timedOut), "Timeout", "Timeout"],
    ["one reset, one unroutable", several(reset, unroutable), "Unreachable", "Closed"],
    ["one that may pass, and a certificate", several(expired, refused), "Unreachable", "Closed"],
    ["certificates only", several(expired, selfSigned), "Tls", "Tls"],
    ["several in several", several(several(timedOut), several(timedOut, timedOut)), "Timeout", "Timeout"],
    ["a cause", failed("failed", {}, refused), "Unreachable", "Closed"],
    ["a cause of a cause", failed("failed", { code: "ERR_WRAPPED" }, failed("again", {}, expired)), "Tls", "Tls"],
    ["several as a cause", failed("failed", {}, several(timedOut, timedOut)), "Timeout", "Timeout"],
    ["none in one", Object.assign(new AggregateError([]), { code: "ETIMEDOUT" }), "Timeout", "Timeout"]
  ] as const)("%s", (_, error, whileConnecting, afterwards) => {
    assert.deepStrictEqual([socketReason(error, true), socketReason(error, false)], [whileConnecting, afterwards])
  })

  it("tells each address with what came of it", () => {
    assert.strictEqual(
      socketWords(several(refused, several(timedOut, refused))),
      "connect ECONNREFUSED 10.0.0.1:9092; connect ETIMEDOUT 10.0.0.2:9092"
    )
    assert.strictEqual(socketWords(failed("failed", {}, several(refused, unroutable))).split("; ").length, 2)
    assert.strictEqual(socketWords(failed("", { code: "EHOSTUNREACH", address: "::1", port: 1 })), "EHOSTUNREACH ::1:1")
    assert.strictEqual(socketWords(noTls), "wrong version number")
  })

  it("that is its own cause, or wraps thousands, is looked at once, or in part", () => {
    const circle = failed("circle")
    circle.cause = several(circle, refused)
    assert.deepStrictEqual(wrappedErrors(circle), [refused])
    const many = several(...Array.from({ length: 5_000 }, (_, i) => connect("ECONNREFUSED", `10.0.0.${i}`)))
    assert.isBelow(wrappedErrors(many).length, 100)
  })
})
