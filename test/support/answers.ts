/**
 * Answers that a broker would not give by itself, for `FakeCluster.before`, about the topic that tests of tables and of
 * their source have. Without the public modules, which most of these tests do not need.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type {
  FetchedPartition,
  FetchRequest,
  FetchResponse,
  MetadataResponse,
  TopicMetadata
} from "../../src/KafkaProtocol.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { FakeCluster } from "./FakeCluster.ts"
import { turns } from "./turns.ts"

export const topic = "registry"

/** Lets the event loop go round once. */
export const turn = turns(1)

/** Lets all fibers run until they wait for time or for somebody. Time itself stands still. */
export const settle = turns(31)

/** The same where a shorter look is enough. */
export const settleBriefly = turns(7)

/** Is it still running, once all have run that can? */
export const isRunning = <A, E>(fiber: Fiber.Fiber<A, E>) => Effect.map(settle, () => !hasEnded(fiber))

export const withTopic = (partitions = 1, nodes = 1): FakeCluster => {
  const cluster = new FakeCluster(nodes)
  cluster.createTopic(topic, partitions)
  return cluster
}

export const fetchOf = (detail: unknown): FetchRequest => detail as FetchRequest

/** The same of all partitions that were asked for. */
export const fetched = (detail: unknown, answer: Partial<FetchedPartition>) =>
  Effect.sync((): FetchResponse => ({
    errorCode: 0,
    throttleMillis: 0,
    partitions: fetchOf(detail).partitions.map(({ partition, topic }) => ({
      topic,
      partition,
      errorCode: 0,
      highWatermark: -1,
      lastStableOffset: -1,
      logStartOffset: -1,
      abortedTransactions: [],
      diverging: undefined,
      records: Buffer.alloc(0),
      ...answer
    }))
  }))

export const refused = (detail: unknown, errorCode: number) => fetched(detail, { errorCode })

/** No records, from a log that ends at `end`. */
export const nothingNew = (detail: unknown, end: number) =>
  fetched(detail, { highWatermark: end, lastStableOffset: end, logStartOffset: 0 })

const metadata = (cluster: FakeCluster, found: TopicMetadata) =>
  Effect.sync((): MetadataResponse => ({
    brokers: cluster.cluster.nodes.map(({ id }) => cluster.cluster.brokerOf(id)),
    controllerId: 0,
    topics: [found]
  }))

export const topicRefused = (cluster: FakeCluster, errorCode: number) =>
  metadata(cluster, { errorCode, name: topic, id: undefined, partitions: [] })

export const topicMissing = (cluster: FakeCluster) => topicRefused(cluster, 3)

/** The topic as it is, but for what is given. */
export const described = (
  cluster: FakeCluster,
  other: { readonly id?: string; readonly leader?: number; readonly leaderEpoch?: number }
) => {
  const { id, partitions } = cluster.topic(topic)
  return metadata(cluster, {
    errorCode: 0,
    name: topic,
    id: other.id ?? id,
    partitions: partitions.map((p, partition) => ({
      errorCode: 0,
      partition,
      leader: other.leader ?? p.leader,
      leaderEpoch: other.leaderEpoch ?? p.leaderEpoch
    }))
  })
}
