import type * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Codec } from "../../../Codec.ts"
import type { Isolation } from "../../../KafkaProtocol.ts"
import type { InvalidOptionsError } from "../../../KafkaError.ts"
import type { KafkaTableOptions } from "../../../KafkaTable.ts"
import type { TableFailure } from "../../../LiveTable.ts"
import { utf8 } from "../../codec/codec.ts"
import { FETCH_OPTIONS, TABLE_OPTIONS, WRITER_OPTIONS } from "../../optionNames.ts"
import { checkOptions } from "../../options.ts"
import { DEFAULT_MAX_BATCH_BYTES } from "../../recordBatch/compression.ts"
import { readTopicSettings, type CheckedTopic } from "../../topic.ts"

/** The options of a table with their defaults, checked; times in milliseconds. */
export interface TableConfig<K, V> {
  readonly topic: string
  readonly key: Codec<K>
  readonly value: Codec<V>
  /** `undefined`: the topic is taken as it is. */
  readonly ensure: CheckedTopic | undefined
  readonly catchUpTimeoutMillis: number
  readonly onCatchUpTimeout: "degrade" | "fail"
  readonly onPoison: "skip" | "fail"
  readonly keepHeaders: boolean
  readonly isolation: Isolation
  readonly fetch: {
    readonly maxWaitMillis: number
    readonly minBytes: number
    readonly maxBytes: number
    readonly maxPartitionBytes: number
    readonly maxBatchBytes: number
  }
  readonly restart: Schedule.Schedule<unknown, TableFailure> | undefined
  readonly waitTimeoutMillis: number
  readonly metadataMaxAgeMillis: number
  readonly progressIntervalMillis: number
  readonly deniedRetryMillis: number
  readonly checkCrcs: boolean
  readonly logValues: boolean
}

const MIB = 1024 * 1024

/** Below what a connection takes for an answer at all. */
const MAX_ANSWER_BYTES = 200 * MIB

export const readOptions = <K, V>(
  options: KafkaTableOptions<K, V>
): Effect.Effect<TableConfig<K, V>, InvalidOptionsError> =>
  checkOptions("KafkaTable", (check): TableConfig<K, V> => {
    check.known(options, TABLE_OPTIONS, undefined, WRITER_OPTIONS)
    check.topic(options.topic)
    const fetch = check.known(options.fetch, FETCH_OPTIONS, "fetch")
    const answerBytes = (name: "maxBytes" | "maxPartitionBytes" | "maxBatchBytes", fallback: number): number => {
      const bytes = check.integer(`fetch.${name}`, fetch[name], fallback, 1)
      if (bytes > MAX_ANSWER_BYTES) check.problem(`fetch.${name}`, "must be at most 200 MiB")
      return bytes
    }
    check.codec("value", options.value, "Codec.json(schema)")
    if (options.key !== undefined) check.codec("key", options.key, "Codec.utf8")
    if (options.restart !== undefined && !Schedule.isSchedule(options.restart))
      check.problem("restart", "must be a Schedule")
    return {
      topic: options.topic,
      // without a key codec, K is string: the type of the options says so
      key: options.key ?? (utf8 as unknown as Codec<K>),
      value: options.value,
      ensure: readTopicSettings(check, options),
      catchUpTimeoutMillis: check.millis("catchUpTimeout", options.catchUpTimeout, 30_000),
      onCatchUpTimeout: check.oneOf("onCatchUpTimeout", options.onCatchUpTimeout, "degrade", ["degrade", "fail"]),
      onPoison: check.oneOf("onPoison", options.onPoison, "skip", ["skip", "fail"]),
      keepHeaders: check.boolean("headers", options.headers, false),
      isolation: check.oneOf("isolation", options.isolation, "read_committed", ["read_committed", "read_uncommitted"]),
      fetch: {
        maxWaitMillis: check.millis("fetch.maxWait", fetch.maxWait, 500),
        minBytes: check.integer("fetch.minBytes", fetch.minBytes, 1, 1),
        maxBytes: answerBytes("maxBytes", 8 * MIB),
        maxPartitionBytes: answerBytes("maxPartitionBytes", 4 * MIB),
        maxBatchBytes: answerBytes("maxBatchBytes", DEFAULT_MAX_BATCH_BYTES)
      },
      restart: options.restart,
      waitTimeoutMillis: check.millis("waitTimeout", options.waitTimeout, 30_000),
      metadataMaxAgeMillis: check.millis("metadataMaxAge", options.metadataMaxAge, 30_000),
      progressIntervalMillis: check.millis("progressInterval", options.progressInterval, 5_000),
      deniedRetryMillis: check.millis("deniedRetryInterval", options.deniedRetryInterval, 30_000),
      checkCrcs: check.boolean("checkCrcs", options.checkCrcs, true),
      logValues: check.boolean("logValues", options.logValues, false)
    }
  })
