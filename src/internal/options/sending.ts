/** The options about sending, which a producer and a table's writer have in common. */
import * as Effect from "effect/Effect"
import type { KafkaProducerOptions } from "../../KafkaProducer.ts"
import type { Partitioner } from "../../Partitioner.ts"
import { murmur2 } from "../partitioner.ts"
import {
  codecs,
  type Codec as Compression,
  compress,
  DEFAULT_MAX_BATCH_BYTES,
  plainBytesWithin,
  prepareCodecs
} from "../recordBatch/compression.ts"
import type { OptionCheck } from "./check.ts"
import { boolean, type Checked, integer, MIB, millis, oneOf, type Option, optional, type Spec } from "./spec.ts"

/** The options as users give them. */
export type SendOptions = KafkaProducerOptions

/** Loads what a compression needs. Succeeds with what is wrong, if it cannot be used here. */
const unusable = (compression: Compression): Effect.Effect<string | undefined> =>
  Effect.tryPromise(() => prepareCodecs()).pipe(
    Effect.andThen(Effect.try(() => compress(compression, Buffer.alloc(1)))),
    Effect.match({
      onFailure: ({ cause: error }) => (error instanceof Error ? error.message : String(error)),
      onSuccess: () => undefined
    })
  )

/** The compression among options that are not checked yet. What cannot be read is told when they are. */
const compressionOf = (options: SendOptions | null | undefined): Compression | undefined => {
  try {
    return options?.compression
  } catch {
    return undefined
  }
}

/**
 * The most bytes that readers take as one batch: what the options say, if they are also those of a table, or the
 * default.
 */
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

/** A limit in bytes below which readers take what is written, with these options or else with the defaults. */
const readable = (fallback: number): Option<number, number> => ({
  read: (check, name, value, all) => {
    const readerBytes = readerLimit(all)
    const mostBytes = Math.max(1, plainBytesWithin(compressionOf(all) ?? "none", readerBytes))
    const bytes = check.integer(name, value, Math.min(fallback, mostBytes), 1)
    if (bytes > mostBytes)
      check.problem(name, `must be at most ${mostBytes}, as readers take record batches of ${readerBytes} bytes`)
    return bytes
  }
})

/** The table of the options about sending. */
export const SENDING = {
  acks: oneOf("all", "leader"),
  idempotent: boolean(undefined),
  compression: oneOf(...codecs),
  partitioner: optional<Partitioner>(
    (value) => typeof value === "function",
    "must be a function of a key's bytes and the number of partitions"
  ),
  deliveryTimeout: millis(30_000),
  requestTimeout: millis(10_000),
  maxBatchBytes: readable(1_000_000),
  maxRecordBytes: readable(MIB),
  maxQueued: integer(10_000, 1),
  maxQueuedBytes: integer(32 * MIB, 1),
  closeTimeout: millis(5_000),
  metadataMaxAge: millis(60_000),
  logValues: boolean(false)
} satisfies Spec<SendOptions>

/** The options about sending, checked, and with their defaults. `acks` is as the protocol has it. */
export type SendSettings = Omit<Checked<typeof SENDING>, "acks" | "idempotent" | "partitioner"> & {
  readonly acks: -1 | 1
  readonly idempotent: boolean
  readonly partitioner: Partitioner
}

/**
 * Makes the settings of what the options say together. `problem` is what is wrong with the compression, if anything.
 */
export const sendSettings = (
  check: OptionCheck,
  checked: Checked<typeof SENDING>,
  problem: string | undefined
): SendSettings => {
  if (problem !== undefined) check.problem("compression", problem)
  if (checked.acks === "leader" && checked.idempotent === true) {
    check.problem("idempotent", 'contradicts acks: "leader", as only all replicas together can tell a repetition')
  }
  const { acks, idempotent = acks === "all", partitioner = murmur2, requestTimeoutMillis } = checked
  return {
    ...checked,
    acks: acks === "all" ? -1 : 1,
    idempotent,
    partitioner,
    // It is a whole number in the request.
    requestTimeoutMillis: Math.ceil(requestTimeoutMillis)
  }
}
