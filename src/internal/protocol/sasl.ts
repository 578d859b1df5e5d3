/**
 * The answers of an authentication. kafkajs sends these requests and reads these answers, and believes each count and length
 * in them: here it is only seen whether they are well formed.
 */
import { KIB, type Message } from "./api.ts"
import { ProtocolViolation } from "./wire.ts"

const notSentHere = (): never => {
  throw new Error("this request is sent by kafkajs")
}

/** Which mechanisms the broker has. */
export const saslHandshake: Message<undefined, void> = {
  key: 17,
  name: "SaslHandshake",
  versions: { min: 0, max: 1 },
  flexible: () => false,
  maxAnswerBytes: 64 * KIB,
  encode: notSentHere,
  // error_code: int16, mechanisms: [string]
  decode: (_version, reader) => {
    reader.int16()
    reader.array(() => reader.string())
  }
}

/** One message of a mechanism, and its answer. */
export const saslAuthenticate: Message<undefined, void> = {
  key: 36,
  name: "SaslAuthenticate",
  versions: { min: 0, max: 1 },
  flexible: () => false,
  maxAnswerBytes: 256 * KIB,
  encode: notSentHere,
  // error_code: int16, error_message: nullable string, auth_bytes: bytes, session_lifetime_ms: int64 (v1+)
  decode: (version, reader) => {
    reader.int16()
    reader.nullableString()
    reader.nullableBytes()
    if (version === 0) return
    const lifetime = reader.bigint64()
    if (lifetime < 0n) throw new ProtocolViolation(`a session of ${lifetime} ms`)
  }
}
