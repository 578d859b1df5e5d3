/** From what users give to the bytes of a record. */
import { disconnected } from "../effect/v4/fibers.ts"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import { isUint8Array } from "node:util/types"
import { suspended } from "../codec/codec.ts"
import type { Codec, Suspended } from "../../Codec.ts"
import type { WriteError } from "../../KafkaError.ts"
import { explain, inOneLine, codecError, errorOf, errorOfCause } from "../codec/schema/issue.ts"
import type { EncodedRecord, Headers } from "./record.ts"
import type { TopicLanes } from "./topicLanes.ts"

/** In place of a key or a value that a record does not have: its bytes are `null`. */
export const ABSENT: unique symbol = Symbol.for("effect-ktables/producer/Absent")

/** What a record may say besides its key and value. */
export interface RecordOptions {
  readonly headers?:
    | Readonly<Record<string, Uint8Array | string | null>>
    | ReadonlyArray<{ readonly key: string; readonly value: Uint8Array | string | null }>
  readonly timestamp?: number
  readonly partition?: number
}

/** A record before it is bytes. */
export interface Write<K, V> {
  readonly key: K | typeof ABSENT
  readonly value: V | typeof ABSENT
  readonly options: RecordOptions | undefined
}

/** How the records of a topic become bytes. */
export interface Encoder<A> {
  /** A plain function, as most codecs are; `suspended` says that only `encode` can tell. */
  readonly encodeNow: (topic: TopicLanes, write: A) => EncodedRecord | Suspended | WriteError
  /** By Effects, which may end in any way: what goes wrong is an `Encode` error, or `Timeout` after `deliveryTimeout`. */
  readonly encode: (topic: TopicLanes, write: A) => Effect.Effect<EncodedRecord, WriteError>
}

type Part = "key" | "value" | "options"

/** Records by two codecs. What is wrong with a record is told with the values that do not fit only by `logValues`. */
export const byCodecs = <K, V>(key: Codec<K>, value: Codec<V>): Encoder<Write<K, V>> => ({
  encodeNow: (topic, write) => {
    let part: Part = "key"
    try {
      const keyBytes = write.key === ABSENT ? null : checked(key.encodeSync(write.key))
      part = "value"
      const valueBytes = write.value === ABSENT ? null : checked(value.encodeSync(write.value))
      part = "options"
      return keyBytes === suspended || valueBytes === suspended
        ? suspended
        : assemble(topic, keyBytes, valueBytes, write.options)
    } catch (thrown) {
      return encodeError(topic, part, thrown)
    }
  },
  encode: (topic, write) =>
    Effect.suspend(() => {
      const { deliveryTimeoutMillis } = topic.shared.settings
      let part: Part = "key"
      const keyBytes = Effect.suspend(() => (write.key === ABSENT ? Effect.succeed(null) : key.encode(write.key)))
      const valueBytes = Effect.suspend(() => {
        part = "value"
        return write.value === ABSENT ? Effect.succeed(null) : value.encode(write.value)
      })
      const encoding = Effect.flatMap(keyBytes, (bytes) =>
        Effect.flatMap(
          Effect.zip(
            Effect.sync(() => checkedOrNull(bytes)),
            valueBytes
          ),
          ([keyBytes, bytes]) => {
            const valueBytes = checkedOrNull(bytes)
            part = "options"
            return Effect.sync(() => assemble(topic, keyBytes, valueBytes, write.options))
          }
        )
      )
      // A codec's Effect may not end at all, whether it can be interrupted or not.
      return disconnected(encoding).pipe(
        Effect.timeoutOption(deliveryTimeoutMillis),
        Effect.catchCause((cause) =>
          Effect.fail(encodeError(topic, part, part === "options" ? Cause.squash(cause) : errorOfCause(cause)))
        ),
        Effect.flatMap(
          Option.match({
            onNone: () =>
              Effect.fail(
                topic.error("Timeout", { detail: `${part}: not encoded within ${deliveryTimeoutMillis} ms` })
              ),
            onSome: Effect.succeed
          })
        )
      )
    })
})

/** What a codec says may quote the value. What is wrong with the options is told in this library's words. */
const encodeError = (topic: TopicLanes, part: Part, thrown: unknown): WriteError =>
  part === "options"
    ? topic.error("Encode", { detail: `options: ${inOneLine(thrown)}`, cause: thrown })
    : unencodable(topic, part, errorOf(thrown))

/** Something could not be encoded, for a reason that may quote values. */
export const unencodable = (topic: TopicLanes, what: string, cause: Schema.SchemaError): WriteError =>
  topic.error("Encode", {
    detail: `${what}: ${topic.shared.settings.logValues ? explain(cause) : inOneLine(cause)}`,
    cause
  })

const NO_HEADERS: Headers = []

/** Throws what is wrong with the options. */
const assemble = (
  topic: TopicLanes,
  key: Uint8Array | null,
  value: Uint8Array | null,
  options: RecordOptions | undefined
): EncodedRecord => ({
  key,
  value,
  headers: options?.headers === undefined ? NO_HEADERS : headersOf(options.headers),
  timestamp: options?.timestamp === undefined ? topic.shared.clock.timestamp() : timestampOf(options.timestamp),
  partition: options?.partition
})

/** Throws if a codec made something else than bytes: without types, it may return anything. */
const checked = <A extends Uint8Array | Suspended>(encoded: A): A => {
  if (encoded !== suspended && !isUint8Array(encoded)) throw codecError("the codec must make bytes, a Uint8Array")
  return encoded
}

const checkedOrNull = (encoded: Uint8Array | null): Uint8Array | null => (encoded === null ? null : checked(encoded))

/** Throws what is wrong with them. */
const headersOf = (headers: NonNullable<RecordOptions["headers"]>): Headers => {
  const list: Array<readonly [string, Uint8Array | null]> = []
  const add = (key: string, value: Uint8Array | string | null) => {
    if (typeof key !== "string" || !(value === null || typeof value === "string" || value instanceof Uint8Array)) {
      throw new TypeError("headers: a key must be a string, and a value a string, bytes or null")
    }
    // A copy: the caller's bytes stay the caller's.
    list.push([key, value === null ? null : Buffer.from(value)])
  }
  if (Symbol.iterator in headers) for (const { key, value } of headers) add(key, value)
  else for (const [key, value] of Object.entries(headers)) add(key, value)
  return list
}

/** Throws what is wrong with it. */
const timestampOf = (timestamp: number): number => {
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
    throw new RangeError("timestamp: must be a whole number of milliseconds since the epoch")
  }
  return timestamp
}
