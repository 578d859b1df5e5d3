/** The options about sending, which a producer and a table's writer have in common. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Partitioner } from "../../Partitioner.ts"
import { murmur2 } from "../partitioner.ts"
import type { OptionCheck } from "../options.ts"
import {
  codecs,
  type Codec as Compression,
  compress,
  DEFAULT_MAX_BATCH_BYTES,
  plainBytesWithin,
  prepareCodecs
} from "../recordBatch/compression.ts"

/** Those options as users give them. */
export interface SendOptions {
  readonly acks?: "all" | "leader"
  readonly idempotent?: boolean
  readonly compression?: Compression
  readonly partitioner?: Partitioner
  readonly deliveryTimeout?: Duration.DurationInput
  readonly requestTimeout?: Duration.DurationInput
  readonly maxBatchBytes?: number
  readonly maxRecordBytes?: number
  readonly maxQueued?: number
  readonly maxQueuedBytes?: number
  readonly closeTimeout?: Duration.DurationInput
  readonly metadataMaxAge?: Duration.DurationInput
  readonly logValues?: boolean
}

/** Those options with their defaults, checked; times in milliseconds. */
export interface SendSettings {
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
  readonly closeTimeoutMillis: number
  readonly metadataMaxAgeMillis: number
  readonly logValues: boolean
}

const MIB = 1024 * 1024

/** Loads what the compression needs; succeeds with what is wrong if that is not possible here. */
const unusable = (compression: Compression): Effect.Effect<string | undefined> =>
  Effect.tryPromise(() => prepareCodecs()).pipe(
    Effect.andThen(Effect.try(() => compress(compression, Buffer.alloc(1)))),
    Effect.match({
      onFailure: ({ error }) => (error instanceof Error ? error.message : String(error)),
      onSuccess: () => undefined
    })
  )

/** The compression among options that nobody has checked yet: what cannot be read is told by who checks them. */
const compressionOf = (options: { readonly compression?: Compression } | null | undefined): Compression | undefined => {
  try {
    return options?.compression
  } catch {
    return undefined
  }
}

/** Most bytes that a reader takes as one batch. A table's options may be the same object: then it is as they say. */
const readerLimit = (options: object): number => {
  const { fetch } = options as { readonly fetch?: { readonly maxBatchBytes?: unknown } }
  const asked = fetch?.maxBatchBytes
  return typeof asked === "number" && asked >= 1 ? asked : DEFAULT_MAX_BATCH_BYTES
}

/**
 * Loads the compression that is asked for, before the options are checked: succeeds with what is wrong with it, if
 * something is.
 */
export const prepareCompression = (options: SendOptions | null | undefined): Effect.Effect<string | undefined> => {
  const compression = compressionOf(options)
  return compression === undefined || compression === "none" || !codecs.includes(compression)
    ? Effect.succeed(undefined)
    : unusable(compression)
}

/**
 * Checks the options about sending. `problem` is what is wrong with the compression. What they contradict is told at
 * once; the rest when the returned function is called, so that a caller's own options have their place between.
 */
export const checkSendOptions = (
  check: OptionCheck,
  options: SendOptions,
  problem: string | undefined
): (() => SendSettings) => {
  const { compression } = options
  if (problem !== undefined) check.problem("compression", problem)
  if (options.partitioner !== undefined && typeof options.partitioner !== "function") {
    check.problem("partitioner", "must be a function of a key's bytes and the number of partitions")
  }
  // A record batch that no reader takes must not be written: readers with these options, or else with the defaults.
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
  return () => ({
    acks: acks === "all" ? -1 : 1,
    idempotent: check.boolean("idempotent", options.idempotent, acks === "all"),
    compression: check.oneOf("compression", compression, "none", codecs),
    partitioner: options.partitioner ?? murmur2,
    deliveryTimeoutMillis: check.millis("deliveryTimeout", options.deliveryTimeout, 30_000),
    // It is a whole number in the request.
    requestTimeoutMillis: Math.ceil(check.millis("requestTimeout", options.requestTimeout, 10_000)),
    maxBatchBytes: readable("maxBatchBytes", 1_000_000),
    maxRecordBytes: readable("maxRecordBytes", MIB),
    maxQueued: check.integer("maxQueued", options.maxQueued, 10_000, 1),
    maxQueuedBytes: check.integer("maxQueuedBytes", options.maxQueuedBytes, 32 * MIB, 1),
    closeTimeoutMillis: check.millis("closeTimeout", options.closeTimeout, 5_000),
    metadataMaxAgeMillis: check.millis("metadataMaxAge", options.metadataMaxAge, 60_000),
    logValues: check.boolean("logValues", options.logValues, false)
  })
}
