/** Kafka's own clients as a service: what they write and read is what tests compare with. See JavaClient.java. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { createInterface } from "node:readline"
import { HUNG_MILLIS, PATIENCE_MILLIS } from "../support/patience.ts"
import { compiled, logSettings, quickStart } from "./java.ts"
import { awaitExit, lastLines } from "./process.ts"
import {
  base64,
  fromWire,
  toWire,
  Wire,
  type Bytes,
  type Compression,
  type ReadRecord,
  type RecordToSend
} from "./records.ts"
import { TestKafkaError } from "./TestKafkaError.ts"

/** A call that failed; `exception` is the Java class, such as "org.apache.kafka.common.errors.TopicExistsException". */
export class JavaError extends Data.TaggedError("JavaError")<{
  readonly op: string
  readonly exception: string
  readonly message: string
}> {}

const Position = Schema.Struct({ partition: Schema.Number, offset: Schema.Number, timestamp: Schema.Number })
export type Position = typeof Position.Type

const PartitionOffset = Schema.Struct({ partition: Schema.Number, offset: Schema.Number })
export type PartitionOffset = typeof PartitionOffset.Type

const GroupOffset = Schema.Struct({ topic: Schema.String, partition: Schema.Number, offset: Schema.Number })
export type GroupOffset = typeof GroupOffset.Type

const TopicDescription = Schema.Struct({
  id: Schema.String,
  partitions: Schema.Array(
    Schema.Struct({
      partition: Schema.Number,
      /** -1 if there is none. */
      leader: Schema.Number,
      replicas: Schema.Array(Schema.Number),
      isr: Schema.Array(Schema.Number)
    })
  )
})
export type TopicDescription = typeof TopicDescription.Type

const ClusterDescription = Schema.Struct({
  id: Schema.String,
  controller: Schema.Number,
  nodes: Schema.Array(Schema.Number)
})
export type ClusterDescription = typeof ClusterDescription.Type

const WireLogged = Schema.Struct({ ...Wire.fields, timestampType: Schema.String })

export interface LoggedRecord extends ReadRecord {
  /** "CreateTime" or "LogAppendTime" */
  readonly timestampType: string
}

export interface Acl {
  readonly user: string
  readonly resource: "topic" | "group" | "cluster" | "transactional_id"
  /** "kafka-cluster" for the cluster, "*" for all. */
  readonly name: string
  readonly pattern?: "literal" | "prefixed"
  /** "read", "write", "describe", "create", "alter_configs", "describe_configs", "all"… */
  readonly operation: string
  /** "allow" by default. */
  readonly permission?: "allow" | "deny"
}

export interface ProducerOptions {
  readonly compression?: Compression
  /** "all" by default, which is idempotent too. */
  readonly acks?: "all" | "1" | "0"
  readonly config?: Readonly<Record<string, string>>
}

export type ScramMechanism = "SCRAM-SHA-256" | "SCRAM-SHA-512"

/** A transactional producer, for any number of transactions, one after the other. */
export interface Transaction {
  readonly transactionalId: string
  readonly begin: Call<void>
  readonly send: (topic: string, records: ReadonlyArray<RecordToSend>) => Call<ReadonlyArray<Position>>
  readonly commit: Call<void>
  readonly abort: Call<void>
  /** Drops the producer; its transaction stays open until the broker's timeout. So does the end of the scope. */
  readonly abandon: Call<void>
}

export type Call<A> = Effect.Effect<A, JavaError | TestKafkaError>

export interface Service {
  /** Returns the topic's id, once every broker knows it. */
  readonly createTopic: (
    topic: string,
    options?: {
      readonly partitions?: number
      readonly replicationFactor?: number
      /** Replicas per partition, the preferred leader first; instead of the two above. */
      readonly assignments?: ReadonlyArray<ReadonlyArray<number>>
      readonly configs?: Readonly<Record<string, string>>
    }
  ) => Call<string>
  readonly deleteTopic: (topic: string) => Call<void>
  /** Grows a topic to `count` partitions. */
  readonly createPartitions: (topic: string, count: number) => Call<void>
  readonly describeTopic: (topic: string) => Call<TopicDescription>
  readonly describeCluster: Call<ClusterDescription>
  readonly listTopics: Call<ReadonlyArray<string>>
  /** Moves the log's start; an offset of -1 is the end. Returns the new starts. */
  readonly deleteRecords: (
    topic: string,
    before: ReadonlyArray<PartitionOffset>
  ) => Call<ReadonlyArray<PartitionOffset>>
  readonly alterTopicConfigs: (
    topic: string,
    change: { readonly set?: Readonly<Record<string, string>>; readonly unset?: ReadonlyArray<string> }
  ) => Call<void>
  /** What members of the consumer protocol are told in a group. */
  readonly alterGroupConfigs: (
    group: string,
    change: { readonly set?: Readonly<Record<string, string>>; readonly unset?: ReadonlyArray<string> }
  ) => Call<void>
  readonly topicConfigs: (topic: string) => Call<Readonly<Record<string, string | null>>>
  /** The preferred leaders, by default, once they are in sync; returns when they are known. */
  readonly electLeaders: (
    topic: string,
    partitions: ReadonlyArray<number>,
    options?: { readonly unclean?: boolean }
  ) => Call<void>
  /** Moves partitions to other replicas, and waits until they are there. */
  readonly reassign: (
    topic: string,
    moves: ReadonlyArray<{ readonly partition: number; readonly replicas: ReadonlyArray<number> }>
  ) => Call<void>
  /** Waits until the broker goes by them. */
  readonly addAcls: (acls: ReadonlyArray<Acl>) => Call<void>
  /** Waits until the broker does not go by them any more, and returns how many were there. */
  readonly removeAcls: (acls: ReadonlyArray<Acl>) => Call<number>
  readonly upsertScram: (user: string, mechanism: ScramMechanism, password: string) => Call<void>
  readonly deleteScram: (user: string, mechanism: ScramMechanism) => Call<void>
  /** As in `{ "client-id": "x" }, { consumer_byte_rate: 1000 }`; null is the default entity, or removes a quota. */
  readonly alterQuota: (
    entity: Readonly<Record<string, string | null>>,
    quota: Readonly<Record<string, number | null>>
  ) => Call<void>
  /** In order of partitions. `at` is "latest" by default, or a timestamp; -1 where there is no such record. */
  readonly listOffsets: (
    topic: string,
    options?: { readonly at?: "earliest" | "latest" | number; readonly committed?: boolean }
  ) => Call<ReadonlyArray<PartitionOffset>>
  readonly groupOffsets: (group: string) => Call<ReadonlyArray<GroupOffset>>
  /** Returns when all are acknowledged. Records of one call share batches. */
  readonly produce: (
    topic: string,
    records: ReadonlyArray<RecordToSend>,
    options?: ProducerOptions
  ) => Call<ReadonlyArray<Position>>
  /**
   * Many records, made in the JVM: keys "key-0000000" counting from `from` modulo `keys`, values
   * `{"n":0,"pad":"xxx"}` of `valueBytes` bytes (100 by default).
   */
  readonly seed: (
    topic: string,
    options: ProducerOptions & {
      readonly count: number
      readonly from?: number
      readonly keys?: number
      readonly valueBytes?: number
    }
  ) => Call<void>
  readonly transaction: (options?: {
    readonly transactionalId?: string
    readonly compression?: ProducerOptions["compression"]
    readonly config?: Readonly<Record<string, string>>
  }) => Effect.Effect<Transaction, JavaError | TestKafkaError, Scope.Scope>
  /** All records from the beginning up to the present end, of aborted and open transactions too unless `committed`. */
  readonly dump: (
    topic: string,
    options?: { readonly committed?: boolean; readonly partition?: number }
  ) => Call<ReadonlyArray<LoggedRecord>>
  /**
   * Has the broker compact all that is in the topic now. Appends tombstones of the key `nudgeKey` (by default
   * "compaction-nudge"), changes the topic's settings for good (`segment.ms`, and what decides when to compact), and
   * returns when each key is there once, with `dropTombstones` when no tombstone is.
   */
  readonly compact: (
    topic: string,
    options?: { readonly nudgeKey?: Bytes; readonly dropTombstones?: boolean; readonly timeoutMillis?: number }
  ) => Call<void>
  /** Where Java's default partitioner puts a key. */
  readonly partitionFor: (key: Bytes, partitions: number) => Call<number>
}

export class JavaClient extends Context.Service<JavaClient, Service>()("test/JavaClient") {}

const Line = Schema.fromJsonString(
  Schema.Struct({
    id: Schema.Number,
    ok: Schema.optional(Schema.Unknown),
    part: Schema.optional(Schema.Array(WireLogged)),
    error: Schema.optional(Schema.Struct({ exception: Schema.String, message: Schema.String }))
  })
)
const decodeLine = Schema.decodeSync(Line)

const producerConfig = (options: ProducerOptions = {}): Record<string, string> => ({
  ...(options.compression === undefined ? {} : { "compression.type": options.compression }),
  ...(options.acks === undefined ? {} : { acks: options.acks, "enable.idempotence": String(options.acks === "all") }),
  ...options.config
})

interface Pending {
  readonly part: (records: ReadonlyArray<LoggedRecord>) => void
  readonly end: (result: Effect.Effect<unknown, JavaError | TestKafkaError>) => void
}

export interface Options {
  /** Settings of all clients, such as `security.protocol`. */
  readonly config?: Readonly<Record<string, string>>
  /** Instead of IncrementalAlterConfigs, which brokers do not know before 2.3. */
  readonly alterTopicConfigs?: Service["alterTopicConfigs"]
}

/** Of a topic that the cleaner is to compact as soon as there is anything to compact. */
const eagerlyCompacted = {
  "cleanup.policy": "compact",
  "segment.ms": "1",
  "min.cleanable.dirty.ratio": "0.001",
  "min.compaction.lag.ms": "0",
  "max.compaction.lag.ms": "1"
}

/** Starts the JVM; it ends with the scope, or with this process. */
export const make = (
  brokers: ReadonlyArray<string>,
  options: Options = {}
): Effect.Effect<Service, TestKafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const classes = yield* compiled("JavaClient.java")
    const pending = new Map<number, Pending>()
    let lastId = 0
    let errors = ""

    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const settings = Object.entries(options.config ?? {}).map(([key, value]) => `${key}=${value}`)
        const started = spawn(
          "java",
          [
            "-Xmx1g",
            ...quickStart,
            ...logSettings("stderr"),
            "-cp",
            classes,
            "JavaClient",
            brokers.join(","),
            ...settings
          ],
          { stdio: ["pipe", "pipe", "pipe"] }
        )
        started.stdin.on("error", () => {})
        started.stderr.on("data", (chunk: Buffer) => {
          errors = (errors + chunk.toString()).slice(-20_000)
        })
        const gone = (why: string) => {
          for (const one of pending.values()) {
            one.end(
              new TestKafkaError({ reason: "process", message: `the Java client ${why}\n${lastLines(errors, 30)}` })
            )
          }
          pending.clear()
        }
        started.on("error", (cause) => gone(`did not start: ${cause.message}`))
        started.on("close", (code, signal) => gone(`ended: ${code ?? signal}`))
        createInterface({ input: started.stdout }).on("line", (text) => {
          const line = decodeLine(text)
          const call = pending.get(line.id)
          if (line.part !== undefined) {
            call?.part(line.part.map((record) => ({ ...fromWire(record), timestampType: record.timestampType })))
            return
          }
          pending.delete(line.id)
          call?.end(line.error === undefined ? Effect.succeed(line.ok) : new JavaError({ op: "", ...line.error }))
        })
        return started
      }),
      (child) =>
        Effect.suspend(() => {
          child.stdin.end()
          return awaitExit(child, "3 seconds").pipe(
            Effect.flatMap((gone) => (gone ? Effect.void : Effect.sync(() => child.kill("SIGKILL"))))
          )
        })
    )

    const call = (
      op: string,
      request: object,
      part: Pending["part"] = () => {},
      patience = PATIENCE_MILLIS
    ): Call<unknown> =>
      Effect.callback<unknown, JavaError | TestKafkaError>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
          return resume(
            new TestKafkaError({ reason: "process", message: `the Java client is gone\n${lastLines(errors, 30)}` })
          )
        }
        const id = ++lastId
        const timer = setTimeout(() => {
          pending.delete(id)
          resume(
            new TestKafkaError({
              reason: "timeout",
              message: `Java client: no answer to ${op}\n${lastLines(errors, 30)}`
            })
          )
        }, patience)
        pending.set(id, {
          part,
          end: (result) => {
            clearTimeout(timer)
            resume(
              Effect.catchTag(result, "JavaError", ({ exception, message }) =>
                Effect.fail(new JavaError({ op, exception, message }))
              )
            )
          }
        })
        child.stdin.write(`${JSON.stringify({ ...request, id, op })}\n`)
        return Effect.sync(() => {
          clearTimeout(timer)
          pending.delete(id)
        })
      })

    const ask = <A, I>(schema: Schema.Codec<A, I>, op: string, request: object): Call<A> =>
      Effect.flatMap(call(op, request), (answer) =>
        Effect.mapError(
          Schema.decodeUnknownEffect(schema)(answer),
          (cause) => new TestKafkaError({ reason: "process", message: `Java client: odd answer to ${op}`, cause })
        )
      )
    const tell = (op: string, request: object): Call<void> => Effect.asVoid(call(op, request))

    const alterConfigs =
      (type: "TOPIC" | "GROUP"): Service["alterTopicConfigs"] =>
      (name, change) =>
        tell("alterConfigs", { type, name, ...change })
    const alterTopicConfigs = options.alterTopicConfigs ?? alterConfigs("TOPIC")

    return JavaClient.of({
      createTopic: (topic, settings) => ask(Schema.String, "createTopic", { topic, ...settings }),
      deleteTopic: (topic) => tell("deleteTopic", { topic }),
      createPartitions: (topic, count) => tell("createPartitions", { topic, count }),
      describeTopic: (topic) => ask(TopicDescription, "describeTopic", { topic }),
      describeCluster: ask(ClusterDescription, "describeCluster", {}),
      listTopics: ask(Schema.Array(Schema.String), "listTopics", {}),
      deleteRecords: (topic, before) => ask(Schema.Array(PartitionOffset), "deleteRecords", { topic, before }),
      alterTopicConfigs,
      alterGroupConfigs: alterConfigs("GROUP"),
      topicConfigs: (topic) =>
        ask(Schema.Record(Schema.String, Schema.NullOr(Schema.String)), "describeConfigs", {
          type: "TOPIC",
          name: topic
        }),
      electLeaders: (topic, partitions, settings) => tell("electLeaders", { topic, partitions, ...settings }),
      reassign: (topic, moves) => tell("reassign", { topic, moves }),
      addAcls: (acls) => tell("addAcls", { acls }),
      removeAcls: (acls) => ask(Schema.Number, "removeAcls", { acls }),
      upsertScram: (user, mechanism, password) => tell("upsertScram", { user, mechanism, password }),
      deleteScram: (user, mechanism) => tell("deleteScram", { user, mechanism }),
      alterQuota: (entity, quota) => tell("alterQuota", { entity, quota }),
      listOffsets: (topic, settings) => ask(Schema.Array(PartitionOffset), "listOffsets", { topic, ...settings }),
      groupOffsets: (group) => ask(Schema.Array(GroupOffset), "groupOffsets", { group }),
      produce: (topic, records, settings) =>
        ask(Schema.Array(Position), "produce", {
          topic,
          records: records.map(toWire),
          config: producerConfig(settings)
        }),
      seed: (topic, { count, from, keys, valueBytes, ...settings }) =>
        Effect.asVoid(
          call(
            "seed",
            { topic, count, from, keys, valueBytes, config: producerConfig(settings) },
            undefined,
            HUNG_MILLIS
          )
        ),
      transaction: (settings = {}) => {
        const transactionalId = settings.transactionalId ?? `test-${randomBytes(6).toString("hex")}`
        const abandon = tell("txnClose", { transactionalId })
        return Effect.acquireRelease(
          tell("txnOpen", {
            transactionalId,
            config: producerConfig({
              ...(settings.compression === undefined ? {} : { compression: settings.compression }),
              ...(settings.config === undefined ? {} : { config: settings.config })
            })
          }),
          () => Effect.ignore(abandon)
        ).pipe(
          Effect.as({
            transactionalId,
            begin: tell("txnBegin", { transactionalId }),
            send: (topic, records) =>
              ask(Schema.Array(Position), "txnSend", { transactionalId, topic, records: records.map(toWire) }),
            commit: tell("txnCommit", { transactionalId }),
            abort: tell("txnAbort", { transactionalId }),
            abandon
          })
        )
      },
      dump: (topic, settings) =>
        Effect.suspend(() => {
          const all: Array<LoggedRecord> = []
          return call(
            "dump",
            { topic, ...settings },
            (records) => {
              for (const record of records) all.push(record)
            },
            HUNG_MILLIS
          ).pipe(Effect.as(all))
        }),
      compact: (
        topic,
        { dropTombstones = false, nudgeKey = "compaction-nudge", timeoutMillis = PATIENCE_MILLIS / 2 } = {}
      ) =>
        Effect.andThen(
          alterTopicConfigs(topic, {
            set: { ...eagerlyCompacted, ...(dropTombstones ? { "delete.retention.ms": "0" } : {}) }
          }),
          tell("compact", { topic, nudgeKey: base64(nudgeKey), dropTombstones, timeout: timeoutMillis })
        ),
      partitionFor: (key, partitions) => ask(Schema.Number, "partitionFor", { key: base64(key), partitions })
    })
  })

/** Use the addresses of the admin listener, `adminBrokers`, where there is one. */
export const layer = (brokers: ReadonlyArray<string>, options?: Options): Layer.Layer<JavaClient, TestKafkaError> =>
  Layer.effect(JavaClient, make(brokers, options))
