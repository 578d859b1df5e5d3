/** librdkafka, by way of the `confluent-kafka` package of Python, whose wheels bring it along. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { DOWNLOAD_MILLIS, PATIENCE_MILLIS } from "../support/patience.ts"
import { cached, ownFile } from "./cache.ts"
import { run } from "./process.ts"
import { fromWire, toWire, Wire, type Compression, type ReadRecord, type RecordToSend } from "./records.ts"
import { TestKafkaError } from "./TestKafkaError.ts"

const confluentKafka = "confluent-kafka==2.16.1"

export const installPython = "install Python 3.9 or newer with pip (Debian, Ubuntu: `apt install python3 python3-pip`)"

/** Whether there is a Python with pip. */
export const hasPython = (): boolean =>
  spawnSync("python3", ["-c", "import sys, pip; sys.exit(sys.version_info < (3, 9))"]).status === 0

/** The directory of a Python package and what it needs, installed once. */
export const packagesOf = (requirement: string): Effect.Effect<string, TestKafkaError> =>
  Effect.gen(function* () {
    // The wheels are made for one version of Python and one machine.
    const { stdout } = yield* run(
      "python3",
      ["-c", "import sys, sysconfig; print(sys.implementation.cache_tag + '-' + sysconfig.get_platform())"],
      { install: installPython }
    )
    return yield* cached(`${requirement.replace("==", "-")}-${stdout.toString().trim()}`, (fresh) =>
      run("python3", ["-m", "pip", "install", "--quiet", "--only-binary=:all:", "--target", fresh, requirement], {
        timeout: DOWNLOAD_MILLIS,
        install: installPython
      }).pipe(
        Effect.mapError(
          (error) =>
            new TestKafkaError({
              ...error,
              reason: "download",
              message: `installing ${requirement}: ${error.message}\n(${installPython})`
            })
        )
      )
    )
  })

export const packages: Effect.Effect<string, TestKafkaError> = packagesOf(confluentKafka)

const Positions = Schema.fromJsonString(
  Schema.Array(Schema.Struct({ partition: Schema.Number, offset: Schema.Number }))
)

const Records = Schema.fromJsonString(Schema.Array(Wire))

const work = <A>(schema: Schema.Codec<A, string>, job: object): Effect.Effect<A, TestKafkaError> =>
  Effect.gen(function* () {
    const directory = yield* packages
    const { stdout } = yield* run("python3", [ownFile("librdkafka.py")], {
      env: { PYTHONPATH: directory, PYTHONDONTWRITEBYTECODE: "1" },
      stdin: JSON.stringify(job),
      install: installPython
    })
    return yield* Effect.mapError(
      Schema.decodeEffect(schema)(stdout.toString()),
      (cause) => new TestKafkaError({ reason: "process", message: "odd answer of librdkafka.py", cause })
    )
  })

export interface Options {
  readonly brokers: ReadonlyArray<string>
  readonly topic: string
  /** Settings of librdkafka, such as `security.protocol`, `sasl.username`, `ssl.ca.pem`. */
  readonly config?: Readonly<Record<string, string | number | boolean>>
}

/** Partitions as Java chooses them, unless `config.partitioner` says otherwise. */
export const produce = (
  options: Options & {
    readonly records: ReadonlyArray<RecordToSend>
    readonly compression?: Compression
    readonly acks?: "all" | "1" | "0"
  }
): Effect.Effect<ReadonlyArray<{ readonly partition: number; readonly offset: number }>, TestKafkaError> =>
  work(Positions, {
    op: "produce",
    topic: options.topic,
    records: options.records.map(toWire),
    config: {
      "bootstrap.servers": options.brokers.join(","),
      "compression.type": options.compression ?? "none",
      acks: options.acks ?? "all",
      ...options.config
    }
  })

/** All records from the beginning up to the present end, without those of open and aborted transactions by default. */
export const consume = (
  options: Options & { readonly committed?: boolean }
): Effect.Effect<ReadonlyArray<ReadRecord>, TestKafkaError> =>
  work(Records, {
    op: "consume",
    topic: options.topic,
    committed: options.committed ?? true,
    timeoutSeconds: PATIENCE_MILLIS / 1_000,
    config: { "bootstrap.servers": options.brokers.join(","), ...options.config }
  }).pipe(Effect.map((records) => records.map(fromWire)))

/** A member of a group, with one assignor, until it is interrupted: then it is gone without a word. */
export const member = (
  options: Options & { readonly group: string; readonly assignor: "range" | "roundrobin" | "cooperative-sticky" }
): Effect.Effect<void, TestKafkaError> =>
  work(Schema.fromJsonString(Schema.Null), {
    op: "member",
    topic: options.topic,
    config: {
      "bootstrap.servers": options.brokers.join(","),
      "group.id": options.group,
      "partition.assignment.strategy": options.assignor,
      "client.id": "librdkafka",
      ...options.config
    }
  }).pipe(Effect.asVoid)
