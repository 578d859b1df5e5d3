/** Apache Kafka, by its own Java clients. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { KafkaClient, Position } from "../../src/index.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import type { Compression } from "../kafka/records.ts"
import { brokerJars, kafkaTool } from "../kafka/java.ts"
import type { KafkaCluster } from "../kafka/KafkaCluster.ts"
import type { TestKafkaError } from "../kafka/TestKafkaError.ts"
import { releases } from "../kafka/versions.ts"
import { sockets } from "../support/leftovers.ts"
import { Refused, type Backend, type Transaction } from "./Backend.ts"

/** Above what any test sends at once. */
const producerConfig = { "max.request.size": "20000000" }

/** From `org.apache.kafka.common.errors.InvalidRecordException` to `INVALID_RECORD`. */
const codeName = (exception: string): string =>
  exception
    .replace(/^.*\./, "")
    .replace(/Exception$/, "")
    .replace(/(?<=[a-z])(?=[A-Z])/g, "_")
    .toUpperCase()

/** What is Java's answer, and what is the test's own trouble. */
const answered = <A, R>(effect: Effect.Effect<A, JavaClient.JavaError | TestKafkaError, R>) =>
  effect.pipe(
    Effect.catchTag("JavaError", ({ exception, message }) =>
      Effect.fail(new Refused({ codeName: codeName(exception), message }))
    ),
    Effect.catchTag("TestKafkaError", (error) => Effect.die(error))
  )

const positions = (topic: string, sent: ReadonlyArray<JavaClient.Position>) =>
  sent.map(({ offset, partition }) => Position.make({ topic, partition, offset }))

/** What is known of a cluster. Of one that is not ours it is where it listens, and nothing is taken to be missing in it. */
export type RealCluster = Pick<KafkaCluster, "brokers" | "adminBrokers"> &
  Partial<Pick<KafkaCluster, "version" | "zooKeeper">>

/** By the tool of the cluster's own version, which writes to ZooKeeper: brokers before 2.3 do not know what Java's client asks. */
const byZooKeeper =
  ({
    version,
    zooKeeper
  }: Pick<KafkaCluster, "version"> & { readonly zooKeeper: string }): JavaClient.Service["alterTopicConfigs"] =>
  (topic, { set = {}, unset = [] }) => {
    // Kafka 2.3 brought it, too.
    const { "max.compaction.lag.ms": _, ...known } = set
    const configs = Object.entries(known).map(([name, value]) => `${name}=${value}`)
    return Effect.flatMap(brokerJars(version), (jars) =>
      kafkaTool(
        "configs",
        [
          ...["--zookeeper", zooKeeper, "--alter", "--entity-type", "topics", "--entity-name", topic],
          ...(configs.length === 0 ? [] : ["--add-config", configs.join(",")]),
          ...(unset.length === 0 ? [] : ["--delete-config", unset.join(",")])
        ],
        { jars }
      )
    )
  }

export const realBackend = <E>(
  cluster: Effect.Effect<RealCluster, E, Scope.Scope>
): Effect.Effect<Backend, E | TestKafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const { adminBrokers, brokers, version, zooKeeper } = yield* cluster
    const lacks = version === undefined ? {} : releases[version].lacks
    const java = yield* JavaClient.make(
      adminBrokers,
      version !== undefined && zooKeeper !== undefined && "IncrementalAlterConfigs" in lacks
        ? { alterTopicConfigs: byZooKeeper({ version, zooKeeper }) }
        : {}
    )
    const scope = yield* Effect.scope

    /** Producers are slow to start: those that have ended their transaction begin the next one. */
    const idle = new Map<Compression, Array<JavaClient.Transaction>>()
    const begin = (compression: Compression): Effect.Effect<Transaction, Refused> =>
      Effect.gen(function* () {
        const producer =
          idle.get(compression)?.pop() ?? (yield* Scope.provide(java.transaction({ compression }), scope))
        yield* producer.begin
        let isOpen = true
        const end = (how: JavaClient.Call<void>) =>
          Effect.suspend(() => {
            if (!isOpen) return Effect.void
            isOpen = false
            return Effect.andThen(
              how,
              Effect.sync(() => idle.set(compression, [...(idle.get(compression) ?? []), producer]))
            )
          })
        return {
          append: (topic, records) =>
            answered(Effect.map(producer.send(topic, records), (sent) => positions(topic, sent))),
          commit: answered(end(producer.commit)),
          abort: answered(end(producer.abort))
        } satisfies Transaction
      }).pipe(answered)

    return {
      client: KafkaClient.make({ brokers }),
      connections: Effect.sync(sockets),
      createTopic: (topic, { configs, partitions = 1 } = {}) =>
        answered(
          java.createTopic(topic, {
            partitions,
            ...("defaults of new topics" in lacks ? { replicationFactor: 1 } : {}),
            configs: { "cleanup.policy": "compact", ...configs }
          })
        ),
      deleteTopic: (topic) => answered(java.deleteTopic(topic)),
      describeTopic: (topic) =>
        answered(
          Effect.all([java.describeTopic(topic), java.topicConfigs(topic)], { concurrency: 2 }).pipe(
            Effect.map(([{ id, partitions }, configs]) => ({ id, partitions: partitions.length, configs }))
          )
        ).pipe(
          Effect.catchIf(
            (error) => error.codeName === "UNKNOWN_TOPIC_OR_PARTITION",
            () => Effect.succeed(undefined)
          )
        ),
      addPartitions: (topic, count) => answered(java.createPartitions(topic, count)),
      deleteRecords: (topic, partition, offset) => answered(java.deleteRecords(topic, [{ partition, offset }])),
      clean: (topic, options) => answered(java.compact(topic, options)),
      append: (topic, records, { compression } = {}) =>
        answered(
          java.produce(topic, records, {
            ...(compression === undefined ? {} : { compression }),
            config: producerConfig
          })
        ).pipe(Effect.map((sent) => positions(topic, sent))),
      transaction: ({ compression = "none" } = {}) =>
        Effect.acquireRelease(begin(compression), ({ abort }) => Effect.orDie(abort)),
      log: (topic, options) => answered(java.dump(topic, options)),
      ends: (topic) =>
        answered(java.listOffsets(topic)).pipe(Effect.map((offsets) => offsets.map(({ offset }) => offset)))
    }
  })
