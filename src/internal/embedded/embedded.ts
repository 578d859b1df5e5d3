import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type {
  ClientOptions,
  EmbeddedKafka,
  EmbeddedKafkaOptions,
  PartitionView,
  TopicView,
  Transaction
} from "../../EmbeddedKafka.ts"
import type { KafkaClient } from "../../KafkaClient.ts"
import type { BrokerError, InvalidOptionsError } from "../../KafkaError.ts"
import * as Client from "../client/client.ts"
import { checkOptions } from "../options/check.ts"
import { CLIENT } from "../options/client.ts"
import { type Checked, readSpec } from "../options/spec.ts"
import { prepareCodecs } from "../recordBatch/compression.ts"
import { viewOf } from "../bytes.ts"
import { appendRecords, endTransaction, TransactionalProducer } from "./appending.ts"
import type { Cluster, Partition, Topic } from "./cluster.ts"
import { groupHandles } from "./groupHandles.ts"
import { makeMember } from "./members/member.ts"
import { CLUSTER, createTopic, makeCluster } from "./clusterOptions.ts"
import { INVALID_TXN_STATE, isRefused, Refused } from "./codes.ts"
import { Network, type Interceptor } from "./network.ts"
import { recordsOf } from "./storedRecords.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/EmbeddedKafka")

export const tag: Context.Service<EmbeddedKafka, EmbeddedKafka> =
  Context.Service<EmbeddedKafka>("effect-ktables/EmbeddedKafka")

// ---------------------------------------------------------------------------------------------------------------------
// the cluster
// ---------------------------------------------------------------------------------------------------------------------

/** Where Node itself has no zstd. Without it, its batches are refused. */
const loadCodecs = Effect.ignore(Effect.tryPromise(prepareCodecs))

export const make = (options: EmbeddedKafkaOptions = {}): Effect.Effect<EmbeddedKafka, InvalidOptionsError> =>
  Effect.gen(function* () {
    const cluster = yield* checkOptions("EmbeddedKafka", (check) =>
      makeCluster(check, readSpec(check, CLUSTER, options))
    )
    yield* loadCodecs
    return makeService(new Network(cluster))
  })

export const layer = (options?: EmbeddedKafkaOptions): Layer.Layer<EmbeddedKafka, InvalidOptionsError> =>
  Layer.effect(tag, make(options))

export const layerMemory = (
  options: EmbeddedKafkaOptions & ClientOptions = {}
): Layer.Layer<KafkaClient | EmbeddedKafka, InvalidOptionsError> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { cluster, settings } = yield* checkOptions("KafkaClient", (check) => {
        const settings = readSpec(check, { ...CLUSTER, ...CLIENT }, options)
        return { cluster: makeCluster(check, settings), settings }
      })
      yield* loadCodecs
      const network = new Network(cluster)
      const client = yield* makeClient(network, settings)
      return Context.make(tag, makeService(network)).pipe(Context.add(Client.tag, client))
    })
  )

// ---------------------------------------------------------------------------------------------------------------------
// clients
// ---------------------------------------------------------------------------------------------------------------------

const makeClient = (
  network: Network,
  { backoff, ...connection }: Checked<typeof CLIENT>
): Effect.Effect<KafkaClient, never, Scope.Scope> =>
  Client.make({
    bootstrap: network.cluster.nodes.map(({ id }) => network.cluster.brokerOf(id)),
    backoff,
    connect: (broker) => network.connect(connection, broker)
  })

// ---------------------------------------------------------------------------------------------------------------------
// the service
// ---------------------------------------------------------------------------------------------------------------------

const viewOfPartition = ({ leader, leaderEpoch, log, number }: Partition): PartitionView => ({
  partition: number,
  leader,
  leaderEpoch,
  logStartOffset: log.startOffset,
  lastStableOffset: log.lastStableOffset,
  highWatermark: log.highWatermark,
  bytes: log.size
})

const viewOfTopic = ({ configs, id, name, partitions }: Topic): TopicView => ({
  name,
  id,
  configs: { ...configs },
  partitions: partitions.map(viewOfPartition)
})

/** Runs something synchronous on the cluster that may be refused. `request`: as Kafka names what asks for the same. */
const attemptOn =
  (cluster: Cluster) =>
  <A>(
    request: string,
    where: { readonly topic?: string; readonly partition?: number },
    run: (now: number) => A | Refused
  ): Effect.Effect<A, BrokerError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      cluster.transactions.coordinator.run(now)
      const outcome = run(now)
      return isRefused(outcome) ? Effect.fail(outcome.toError(request, where)) : Effect.succeed(outcome)
    })

const makeService = (network: Network): EmbeddedKafka => {
  const { cluster } = network
  const attempt = attemptOn(cluster)

  const client = (options: ClientOptions = {}) =>
    Effect.flatMap(
      checkOptions("EmbeddedKafka", (check) => readSpec(check, CLIENT, options)),
      (settings) => makeClient(network, settings)
    )

  return {
    [TypeId]: TypeId,
    client,
    layerClient: (options) => Layer.effect(Client.tag, client(options)),

    topics: Effect.map(Clock.currentTimeMillis, (now) => {
      cluster.transactions.coordinator.run(now)
      const byName = [...cluster.topics.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
      return new Map(byName.map((topic) => [topic.name, viewOfTopic(topic)]))
    }),
    createTopic: (topic, options = {}) =>
      attempt("CreateTopics", { topic }, () => {
        const created = createTopic(cluster, topic, options)
        return isRefused(created) ? created : viewOfTopic(created)
      }),
    deleteTopic: (topic) => attempt("DeleteTopics", { topic }, () => cluster.deleteTopic(topic)),
    addPartitions: (topic, count) => attempt("CreatePartitions", { topic }, () => cluster.addPartitions(topic, count)),
    alterConfigs: (topic, configs) =>
      attempt("IncrementalAlterConfigs", { topic }, () => cluster.alterConfigs(topic, configs)),
    deleteRecords: (topic, partition, offset) =>
      attempt("DeleteRecords", { topic, partition }, () => {
        const found = cluster.ledPartitionOf(topic, partition)
        return isRefused(found) ? found : cluster.deleteRecords(found, offset)
      }),
    clean: (topic) =>
      attempt("clean", { topic }, (now) => {
        const found = cluster.topicNamed(topic)
        return isRefused(found) ? found : cluster.clean(found, now)
      }),

    append: (topic, records, options) =>
      attempt("Produce", { topic }, (now) => appendRecords(cluster, topic, records, { ...options, now })),
    appendRaw: (topic, partition, batch, options) =>
      attempt("Produce", { topic, partition }, () => {
        const found = cluster.ledPartitionOf(topic, partition)
        if (isRefused(found)) return found
        found.log.appendRaw(Buffer.from(viewOf(batch)), options?.offsets ?? 1)
        return cluster.appended(found)
      }),
    transaction: Effect.sync(() => makeTransaction(cluster)),

    ...groupHandles(cluster),
    member: (group, options) =>
      Effect.flatMap(client({ clientId: options.clientId ?? "foreign" }), (client) =>
        makeMember(group, options, {
          client,
          newMemberId: () => cluster.groups.store.newMemberId(),
          isSettled: (memberId) => isSettled(cluster, group, memberId),
          changed: cluster.groups.signalOf(group)
        })
      ),

    log: (topic) =>
      attempt("Fetch", { topic }, () => {
        const found = cluster.topicNamed(topic)
        return isRefused(found) ? found : found.partitions.flatMap(({ log, number }) => recordsOf(log, number))
      }),

    moveLeader: (topic, partition, node) =>
      attempt("ElectLeaders", { topic, partition }, () => {
        const found = cluster.partitionOf(topic, partition)
        return isRefused(found) ? found : cluster.moveLeader(found, node)
      }),
    stopNode: (node) =>
      attempt("stopNode", {}, (now) => {
        const refused = cluster.stopNode(node, now)
        if (refused === undefined) network.reset({ node })
        return refused
      }),
    startNode: (node) => attempt("startNode", {}, (now) => cluster.startNode(node, now)),
    disconnect: (target) => Effect.sync(() => network.reset(target)),
    connections: Effect.sync(() => [...network.connections].map((connection) => connection.view)),

    inject: (fault, target = {}) =>
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => network.faults.add(fault, target)),
          (injected) => Effect.sync(() => network.faults.remove(injected))
        ),
        (injected) => ({ hits: Effect.sync(() => injected.hits) })
      ),
    intercept: (name, handler) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => {
            const interceptor: Interceptor<typeof name> = { name, handler }
            network.addInterceptor(interceptor)
            return interceptor
          }),
          (interceptor) => Effect.sync(() => network.removeInterceptor(interceptor))
        )
      )
  }
}

/** Whether a group has come to rest, and a member is in it. */
const isSettled = (cluster: Cluster, group: string, memberId: string): boolean => {
  const found = cluster.groups.store.entries.get(group)?.group
  return found?.state === "Stable" && found.members.get(memberId) !== undefined
}

const makeTransaction = (cluster: Cluster): Transaction => {
  const attempt = attemptOn(cluster)
  const producer = new TransactionalProducer(cluster.newProducerId())
  let isOver = false
  const end = (type: "commit" | "abort") =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      if (isOver) return
      isOver = true
      endTransaction(cluster, producer, type, now)
    })
  return {
    append: (topic, records, options) =>
      attempt("Produce", { topic }, (now) =>
        isOver
          ? new Refused(INVALID_TXN_STATE, "The transaction has ended.")
          : appendRecords(cluster, topic, records, { ...options, now, producer })
      ),
    commit: end("commit"),
    abort: end("abort")
  }
}
