/** Topics, filled by librdkafka: independent of all who are measured. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { fileURLToPath } from "node:url"
import * as Librdkafka from "../test/kafka/Librdkafka.ts"
import { run } from "../test/kafka/process.ts"
import { TestKafkaError } from "../test/kafka/TestKafkaError.ts"
import type { Workload } from "./workloads.ts"

/** What a topic holds, and what a right table on it does. */
export const Loaded = Schema.fromJsonString(
  Schema.Struct({
    records: Schema.Number,
    logChecksum: Schema.Number,
    keys: Schema.Number,
    checksum: Schema.Number
  })
)
export type Loaded = typeof Loaded.Type

const program = fileURLToPath(new URL("loader.py", import.meta.url))

const loader = <A>(
  answer: Schema.Codec<A, string>,
  job: Readonly<Record<string, string | number>>
): Effect.Effect<A, TestKafkaError> =>
  Effect.gen(function* () {
    const packages = yield* Librdkafka.packages
    const args = Object.entries(job).map(([name, value]) => `${name}=${value}`)
    const { stdout } = yield* run("python3", [program, ...args], {
      env: { PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: "1" },
      timeout: "15 minutes",
      install: Librdkafka.installPython
    })
    return yield* Effect.mapError(
      Schema.decodeEffect(answer)(stdout.toString()),
      (cause) => new TestKafkaError({ reason: "process", message: "odd answer of loader.py", cause })
    )
  })

/** Creates a topic and fills it. */
export const load = (
  brokers: string,
  topic: string,
  { topic: { compression, keys, partitions, records, value } }: Workload
) => loader(Loaded, { op: "load", brokers, topic, records, keys, partitions, compression, value })

/** All that are in a topic's log. */
export const recordsIn = (brokers: string, topic: string) =>
  Effect.map(
    loader(Schema.fromJsonString(Schema.Struct({ records: Schema.Number })), { op: "end", brokers, topic }),
    ({ records }) => records
  )

/** What a group has committed of each partition, 0 where it has nothing, and where the partitions end. */
export const committedBy = (brokers: string, topic: string, group: string) =>
  loader(
    Schema.fromJsonString(Schema.Struct({ committed: Schema.Array(Schema.Number), ends: Schema.Array(Schema.Number) })),
    { op: "committed", brokers, topic, group }
  )

/** Writes one record to each partition every so many milliseconds, until there is the file `stop`. */
export const writeSteadily = (job: Readonly<Record<string, string | number>>) =>
  loader(Schema.fromJsonString(Schema.Struct({ written: Schema.Number })), { op: "steady", ...job })

/**
 * Writes at a steady rate from the moment the file `ready` is there; gives how many records it wrote, and how many of them
 * a reader counts.
 */
export const writeLive = (job: Readonly<Record<string, string | number>>) =>
  loader(Schema.fromJsonString(Schema.Struct({ written: Schema.Number, counted: Schema.Number })), {
    op: "live",
    ...job
  })
