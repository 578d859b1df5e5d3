/**
 * The embedded cluster with its insides in reach, and all of it at once: for tests that do to a log what no
 * administrator could, and that answer requests in a broker's place.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EmbeddedKafka, KafkaProtocol } from "../../src/index.ts"
import type { KafkaClient } from "../../src/KafkaClient.ts"
import type { ProduceRequest, ProduceResponse } from "../../src/KafkaProtocol.ts"
import { fromDriver } from "../../src/KafkaClient.ts"
import { ConnectionError } from "../../src/KafkaError.ts"
import { appendRecords, endTransaction, TransactionalProducer } from "../../src/internal/embedded/appending.ts"
import { Cluster, type Partition, type Topic } from "../../src/internal/embedded/cluster.ts"
import { Refused } from "../../src/internal/embedded/codes.ts"
import type { PartitionLog } from "../../src/internal/embedded/log.ts"
import { Network, type Handler } from "../../src/internal/embedded/network.ts"
import * as requests from "../../src/internal/embedded/requests.ts"
import { apis } from "../../src/internal/protocol/apis.ts"

export interface FakeRecord {
  readonly key: string | null
  readonly value: string | null
  readonly timestamp?: number
}

export type Request = EmbeddedKafka.CallName

const REQUESTS: ReadonlyArray<Request> = ["connect", ...(Object.keys(apis) as Array<KafkaProtocol.ApiName>)]

/** For what a test knows to be there. */
const granted = <A>(value: A | Refused): A => {
  if (value instanceof Refused) throw value.toError("test")
  return value
}

export class FakeCluster {
  readonly cluster: Cluster
  readonly requests: Array<{ readonly request: Request; readonly node: number }> = []
  /** What a request does instead, if it returns something: fail, answer otherwise, never answer. */
  before: (request: Request, node: number, detail: unknown) => Effect.Effect<unknown, ConnectionError> | undefined =
    () => undefined
  /** Is told of each request before it is answered. */
  listener: (request: Request, node: number, detail: unknown) => void = () => {}
  private readonly network: Network

  constructor(nodes = 1) {
    this.cluster = new Cluster(nodes)
    this.network = new Network(this.cluster)
    const handler: Handler<Request> = (call, answer) => {
      this.requests.push({ request: call.name, node: call.node })
      this.listener(call.name, call.node, call.request)
      const instead = this.before(call.name, call.node, call.request)
      return (instead as typeof answer | undefined) ?? answer
    }
    for (const name of REQUESTS) this.network.addInterceptor({ name, handler })
  }

  /** Connections that are open. */
  get open(): number {
    return this.network.connections.size
  }

  /** A client that is not tired of waiting before a test is. */
  get client(): Effect.Effect<KafkaClient, never, Scope.Scope> {
    return fromDriver({
      bootstrap: [this.cluster.brokerOf(0)],
      backoff: { initialMillis: 10, maxMillis: 100 },
      connect: (broker) => this.network.connect({ clientId: "test", requestTimeoutMillis: 86_400_000 }, broker)
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // topics
  // -------------------------------------------------------------------------------------------------------------------

  get topics(): ReadonlyMap<string, Topic> {
    return this.cluster.topics
  }

  topic(name: string): Topic {
    return granted(this.cluster.topicNamed(name))
  }

  partition(topic: string, partition = 0): Partition {
    return granted(this.cluster.partitionOf(topic, partition))
  }

  log(topic: string, partition = 0): PartitionLog {
    return this.partition(topic, partition).log
  }

  /** Another life of it, if it is there already. All partitions are led by node 0. */
  createTopic(name: string, partitions = 1, configs: Readonly<Record<string, string>> = {}): Topic {
    if (this.topics.has(name)) this.deleteTopic(name)
    const topic = granted(
      this.cluster.createTopic(name, {
        partitions,
        replicationFactor: 1,
        configs: { "cleanup.policy": "compact", ...configs }
      })
    )
    for (const { leader, number } of topic.partitions) if (leader !== 0) this.moveLeader(name, 0, number)
    return topic
  }

  deleteTopic(name: string): void {
    granted(this.cluster.deleteTopic(name))
  }

  addPartition(topic: string, leader = 0): void {
    const { length } = this.topic(topic).partitions
    granted(this.cluster.addPartitions(topic, length + 1))
    if (this.partition(topic, length).leader !== leader) this.moveLeader(topic, leader, length)
  }

  alterConfigs(topic: string, configs: Readonly<Record<string, string>>): void {
    granted(this.cluster.alterConfigs(topic, configs))
  }

  moveLeader(topic: string, leader: number, partition = 0): void {
    granted(this.cluster.moveLeader(this.partition(topic, partition), leader))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // logs
  // -------------------------------------------------------------------------------------------------------------------

  /** Appends one batch. Returns the offset of its first record. */
  append(topic: string, records: ReadonlyArray<FakeRecord>, partition = 0, producer?: TransactionalProducer): number {
    const { endOffset } = this.log(topic, partition)
    const stamped = records.map((record, i) => ({ timestamp: 1000 + endOffset + i, ...record }))
    const options = { partition, now: 0, ...(producer === undefined ? {} : { producer }) }
    granted(appendRecords(this.cluster, topic, stamped, options))
    return endOffset
  }

  /** Appends one batch within a transaction, which stays open until the returned function is called. */
  appendOpen(topic: string, records: ReadonlyArray<FakeRecord>, partition = 0): (type: "commit" | "abort") => void {
    const producer = new TransactionalProducer(this.cluster.newProducerId())
    this.append(topic, records, partition, producer)
    return (type) => endTransaction(this.cluster, producer, type, 0)
  }

  /** As a client does it, all at once. */
  produce(node: number, request: ProduceRequest): ProduceResponse {
    return requests.produce(this.cluster, node, request, 0)
  }

  /** Cleans as the cleaner would at this time. */
  clean(topic: string, now: number): void {
    this.cluster.clean(this.topic(topic), now)
  }

  /** Deletes what is below `offset`, as retention does. */
  truncateHead(topic: string, offset: number, partition = 0): void {
    this.log(topic, partition).deleteBefore(offset)
  }

  /** Loses what is from `offset` on, as an election of a replica that lagged behind does. */
  truncateTail(topic: string, offset: number, partition = 0): void {
    const p = this.partition(topic, partition)
    p.log.truncateTo(offset)
    granted(this.cluster.moveLeader(p, p.leader))
  }
}

/** A connection error, as the driver would raise it. */
export const connectionError = (reason: ConnectionError["reason"]): ConnectionError =>
  new ConnectionError({ reason, broker: "fake:1", request: "fake" })
