import * as Effect from "effect/Effect"
import type { Codec } from "../../Codec.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { KafkaTableWriterOptions } from "../../KafkaTableWriter.ts"
import type { Partitioner } from "../../Partitioner.ts"
import { utf8 } from "../codec/codec.ts"
import { murmur2 } from "../partitioner.ts"
import { TABLE_OPTIONS, WRITER_OPTIONS } from "../optionNames.ts"
import { checkOptions } from "../options.ts"
import {
  codecs,
  type Codec as Compression,
  compress,
  DEFAULT_MAX_BATCH_BYTES,
  plainBytesWithin,
  prepareCodecs
} from "../recordBatch/compression.ts"
import { readTopicSettings, type CheckedTopic } from "../topic.ts"

/** The options of a writer with their defaults, checked; times in milliseconds. */
export interface WriterConfig<K, V> extends SendConfig {
  readonly key: Codec<K>
  readonly value: Codec<V>
  /** `undefined`: the topic is taken as it is. */
  readonly ensure: CheckedTopic | undefined
  readonly closeTimeoutMillis: number
}

/** What those parts of a writer need that know bytes only. */
export interface SendConfig {
  readonly topic: string
  readonly acks: -1 | 1
  readonly idempotent: boolean
  readonly compression: Compression
  readonly partitioner: Partitioner
  readonly deliveryTimeoutMillis: number
  readonly requestTimeoutMillis: number
  readonly maxBatchBytes: number
  readonly maxRecordBytes: number
  readonly maxQueued: number
  readonly maxQueuedBytes: number
  readonly metadataMaxAgeMillis: number
  readonly logValues: boolean
}

const MIB = 1024 * 1024

/** Loads what the codec needs; what is wrong if that is not possible here. */
const unusable = (compression: Compression): Effect.Effect<string | undefined> =>
  Effect.tryPromise(() => prepareCodecs()).pipe(
    Effect.andThen(Effect.try(() => compress(compression, Buffer.alloc(1)))),
    Effect.match({
      onFailure: ({ error }) => (error instanceof Error ? error.message : String(error)),
      onSuccess: () => undefined
    })
  )

/** Most bytes that a reader takes as one batch. A table's options may be the same object: then it is as they say. */
const readerLimit = (options: object): number => {
  const { fetch } = options as { readonly fetch?: { readonly maxBatchBytes?: unknown } }
  const asked = fetch?.maxBatchBytes
  return typeof asked === "number" && asked >= 1 ? asked : DEFAULT_MAX_BATCH_BYTES
}

/** Of options that nobody has checked yet: what cannot be read is told by who checks them. */
const compressionOf = (options: { readonly compression?: Compression } | null | undefined): Compression | undefined => {
  try {
    return options?.compression
  } catch {
    return undefined
  }
}

export const readOptions = <K, V>(
  options: KafkaTableWriterOptions<K, V>
): Effect.Effect<WriterConfig<K, V>, InvalidOptionsError> => {
  const compression = compressionOf(options)
  const preparing =
    compression === undefined || compression === "none" || !codecs.includes(compression)
      ? Effect.succeed(undefined)
      : unusable(compression)
  return Effect.flatMap(preparing, (problem) =>
    checkOptions("KafkaTableWriter", (check): WriterConfig<K, V> => {
      check.known(options, WRITER_OPTIONS, undefined, TABLE_OPTIONS)
      check.topic(options.topic)
      check.codec("value", options.value, "Codec.json(schema)")
      if (options.key !== undefined) check.codec("key", options.key, "Codec.utf8")
      if (problem !== undefined) check.problem("compression", problem)
      if (options.partitioner !== undefined && typeof options.partitioner !== "function") {
        check.problem("partitioner", "must be a function of a key's bytes and the number of partitions")
      }
      // a record batch that no reader takes must not be written: readers with these options, or else with the defaults
      const readerBytes = readerLimit(options)
      const mostBytes = Math.max(1, plainBytesWithin(compression ?? "none", readerBytes))
      const readable = (name: "maxBatchBytes" | "maxRecordBytes", fallback: number): number => {
        const bytes = check.integer(name, options[name], Math.min(fallback, mostBytes), 1)
        if (bytes > mostBytes)
          check.problem(name, `must be at most ${mostBytes}, as readers take record batches of ${readerBytes} bytes`)
        return bytes
      }
      const acks = check.oneOf("acks", options.acks, "all", ["all", "leader"])
      if (acks === "leader" && options.idempotent === true) {
        check.problem("idempotent", 'contradicts acks: "leader", as only all replicas together can tell a repetition')
      }
      return {
        topic: options.topic,
        // without a key codec, K is string: the type of the options says so
        key: options.key ?? (utf8 as unknown as Codec<K>),
        value: options.value,
        ensure: readTopicSettings(check, options),
        acks: acks === "all" ? -1 : 1,
        idempotent: check.boolean("idempotent", options.idempotent, acks === "all"),
        compression: check.oneOf("compression", compression, "none", codecs),
        partitioner: options.partitioner ?? murmur2,
        deliveryTimeoutMillis: check.millis("deliveryTimeout", options.deliveryTimeout, 30_000),
        // a whole number in the request
        requestTimeoutMillis: Math.ceil(check.millis("requestTimeout", options.requestTimeout, 10_000)),
        maxBatchBytes: readable("maxBatchBytes", 1_000_000),
        maxRecordBytes: readable("maxRecordBytes", MIB),
        maxQueued: check.integer("maxQueued", options.maxQueued, 10_000, 1),
        maxQueuedBytes: check.integer("maxQueuedBytes", options.maxQueuedBytes, 32 * MIB, 1),
        closeTimeoutMillis: check.millis("closeTimeout", options.closeTimeout, 5_000),
        metadataMaxAgeMillis: check.millis("metadataMaxAge", options.metadataMaxAge, 60_000),
        logValues: check.boolean("logValues", options.logValues, false)
      }
    })
  )
}
