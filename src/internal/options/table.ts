/** The options of a table. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Codec } from "../../Codec.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { ExpireAt, FetchSettings, HistorySettings, KafkaTableOptions } from "../../KafkaTable.ts"
import type { TableFailure } from "../../LiveTable.ts"
import { DEFAULT_MAX_BATCH_BYTES } from "../recordBatch/compression.ts"
import { checkOptions } from "./check.ts"
import * as codecs from "./codecs.ts"
import { SENDING } from "./sending.ts"
import {
  boolean,
  type Checked,
  group,
  integer,
  longMillis,
  MIB,
  millis,
  oneOf,
  type Option,
  optional,
  readSpec,
  type Spec,
  topic
} from "./spec.ts"
import { type CheckedTopic, checkedTopic, ENSURING } from "./topic.ts"

/** The most bytes to fetch, as a connection takes no answer that is much larger. */
const MOST = { value: 200 * MIB, text: "200 MiB" }

/** The table of the options of fetches. */
export const FETCH = {
  maxWait: millis(500),
  minBytes: integer(1, 1),
  maxBytes: integer(8 * MIB, 1, MOST),
  maxPartitionBytes: integer(4 * MIB, 1, MOST),
  maxBatchBytes: integer(DEFAULT_MAX_BATCH_BYTES, 1, MOST)
} satisfies Spec<FetchSettings>

/** The most versions of a table that are kept, as each holds what has changed since. */
const MAX_VERSIONS = 10_000

/** How much of a table's history is kept; `undefined` if nothing is. */
const history: Option<HistorySettings, { readonly versions: number; readonly millis: number } | undefined> = {
  read: (check, name, value) => {
    if (value === undefined) return undefined
    const { duration, versions } = check.known<{
      readonly versions?: number
      readonly duration?: Duration.Input
    }>(value, ["versions", "duration"], name)
    if ((versions === undefined) === (duration === undefined)) {
      check.problem(name, "must have either versions or duration")
    }
    if (versions !== undefined && versions > MAX_VERSIONS) {
      check.problem(`${name}.versions`, `must be at most ${MAX_VERSIONS}`)
    }
    return {
      versions: check.integer(`${name}.versions`, versions, MAX_VERSIONS, 1),
      millis: duration === undefined ? Number.POSITIVE_INFINITY : check.longMillis(`${name}.duration`, duration)
    }
  }
}

/** The table of the options of a `KafkaTable`. */
export const TABLE = {
  topic,
  key: codecs.key,
  value: codecs.value,
  ...ENSURING,
  catchUpTimeout: millis(30_000),
  onCatchUpTimeout: oneOf("degrade", "fail"),
  onPoison: oneOf("skip", "fail"),
  headers: boolean(false),
  expireAfter: longMillis,
  expireAt: optional<ExpireAt<never, never>>((value) => typeof value === "function", "must be a function"),
  history,
  isolation: oneOf("read_committed", "read_uncommitted"),
  fetch: group<FetchSettings, typeof FETCH>(FETCH),
  restart: optional<Schedule.Schedule<unknown, TableFailure>>(Schedule.isSchedule, "must be a Schedule"),
  waitTimeout: millis(30_000),
  metadataMaxAge: millis(30_000),
  progressInterval: millis(5_000),
  deniedRetryInterval: millis(30_000),
  checkCrcs: boolean(true),
  logValues: boolean(false)
} satisfies Spec<KafkaTableOptions<unknown, unknown>>

/** The options of a table, checked, and with their defaults. */
export type TableConfig<K, V> = Omit<Checked<typeof TABLE>, "key" | "value" | "expireAt" | keyof typeof ENSURING> & {
  readonly key: Codec<K>
  readonly value: Codec<V>
  readonly expireAt: ExpireAt<K, V> | undefined
  /** What to create and to check; `undefined` takes the topic as it is. */
  readonly ensure: CheckedTopic | undefined
}

export const readTableOptions = <K, V>(
  options: KafkaTableOptions<K, V>
): Effect.Effect<TableConfig<K, V>, InvalidOptionsError> =>
  checkOptions("KafkaTable", (check) => {
    // One object may describe a topic for both its table and its writer, so each of them knows the other's options.
    const checked = readSpec(check, TABLE, options, { ignored: [SENDING] })
    return { ...checked, expireAt: options.expireAt, ensure: checkedTopic(check, checked, options) }
  })
