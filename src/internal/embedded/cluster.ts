/**
 * Brokers, topics and partitions: what a cluster knows, and what administration changes. It is plain synchronous code.
 * Every change that may interest a waiting reader notifies the topic's signal.
 */
import type { Broker } from "../../KafkaProtocol.ts"
import { Signal } from "../signal.ts"
import {
  BROKER_ID_NOT_REGISTERED,
  ELIGIBLE_LEADERS_NOT_AVAILABLE,
  INVALID_PARTITIONS,
  INVALID_REPLICATION_FACTOR,
  INVALID_TOPIC_EXCEPTION,
  isRefused,
  LEADER_NOT_AVAILABLE,
  OFFSET_OUT_OF_RANGE,
  POLICY_VIOLATION,
  Refused,
  TOPIC_ALREADY_EXISTS,
  UNKNOWN_TOPIC_OR_PARTITION
} from "./codes.ts"
import { compact } from "./cleaner.ts"
import { Groups } from "./groups/groups.ts"
import { DEFAULTS, type GroupSettings, TRANSACTION_DEFAULTS } from "./groups/settings.ts"
import type { TransactionSettings } from "./groups/transactionCoordinator.ts"
import { Transactions } from "./groups/transactions.ts"
import { PartitionLog } from "./log.ts"
import { mark } from "./marking.ts"
import { checkConfigs, configOf, listOf, numberOf } from "./topicConfigs.ts"

const HOST = "embedded"
const FIRST_PORT = 9092

/** The most partitions of a topic: more than real brokers take, and what a process has the memory for. */
const MAX_PARTITIONS = 100_000

const refusePartitions = (count: number): Refused | undefined =>
  Number.isInteger(count) && count <= MAX_PARTITIONS
    ? undefined
    : new Refused(INVALID_PARTITIONS, `The number of partitions must be whole, and not above ${MAX_PARTITIONS}.`)

export interface Node {
  readonly id: number
  isRunning: boolean
}

export class Partition {
  readonly topic: Topic
  readonly number: number
  readonly log = new PartitionLog()
  /** The node ids of the replicas. All that run are in sync, as nothing is ever under way between them. */
  replicas: ReadonlyArray<number>
  /** The node id of the leader; -1 if there is none. */
  leader: number
  leaderEpoch = 0

  constructor(topic: Topic, number: number, replicas: ReadonlyArray<number>, leader: number) {
    this.topic = topic
    this.number = number
    this.replicas = replicas
    this.leader = leader
    if (leader !== -1) this.log.beginEpoch(0)
  }
}

export class Topic {
  readonly name: string
  readonly id: string
  configs: Readonly<Record<string, string>>
  readonly partitions: Array<Partition> = []
  readonly changed = new Signal()

  constructor(name: string, id: string, configs: Readonly<Record<string, string>>) {
    this.name = name
    this.id = id
    this.configs = configs
  }

  get policies(): ReadonlyArray<string> {
    return listOf(configOf(this.configs, "cleanup.policy"))
  }
}

export class Cluster {
  readonly nodes: ReadonlyArray<Node>
  readonly topics = new Map<string, Topic>()
  readonly groups: Groups
  readonly transactions: Transactions
  /** How often topics have come, gone or grown. */
  version = 0
  /** The version in which the last topic came. */
  lastCreation = 0
  private readonly topicsById = new Map<string, Topic>()
  private topicsCreated = 0
  private producersCreated = 0n

  constructor(
    nodes: number,
    groups: GroupSettings = DEFAULTS,
    readonly transactionSettings: TransactionSettings = TRANSACTION_DEFAULTS
  ) {
    this.nodes = Array.from({ length: nodes }, (_, id) => ({ id, isRunning: true }))
    this.groups = new Groups(this, nodes, groups)
    this.transactions = new Transactions({
      catalog: this,
      nodes,
      settings: transactionSettings,
      newProducerId: () => this.newProducerId(),
      mark: (ending, now) => mark(this, ending, now)
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // brokers
  // -------------------------------------------------------------------------------------------------------------------

  brokerOf(id: number): Broker {
    return { nodeId: id, host: HOST, port: FIRST_PORT + id }
  }

  /** The node at an address; `undefined` if nobody is there. */
  nodeAt(address: Pick<Broker, "host" | "port">): Node | undefined {
    return address.host === HOST ? this.nodes[address.port - FIRST_PORT] : undefined
  }

  get running(): ReadonlyArray<Node> {
    return this.nodes.filter((node) => node.isRunning)
  }

  private isRunning(id: number): boolean {
    return this.nodes[id]?.isRunning === true
  }

  /** Stops a node. Other replicas lead what it led, where any of them runs, and others coordinate its groups. */
  stopNode(id: number, now: number): Refused | undefined {
    const node = this.nodes[id]
    if (node === undefined) return this.unknownNode(id)
    node.isRunning = false
    for (const topic of this.topics.values()) {
      const led = topic.partitions.filter((partition) => partition.leader === id)
      for (const partition of led) this.lead(partition, partition.replicas.find((r) => this.isRunning(r)) ?? -1)
      if (led.length > 0) topic.changed.notify()
    }
    this.transactions.leads.stopped(id, (other) => this.isRunning(other))
    this.groups.nodeStopped(id, (other) => this.isRunning(other), now)
    return undefined
  }

  /** Starts a node, which leads those of its partitions that nobody leads, and coordinates groups that nobody does. */
  startNode(id: number, now: number): Refused | undefined {
    const node = this.nodes[id]
    if (node === undefined) return this.unknownNode(id)
    node.isRunning = true
    for (const topic of this.topics.values()) {
      for (const partition of topic.partitions) {
        if (!partition.replicas.includes(id)) continue
        if (partition.leader === -1) this.lead(partition, id)
        this.advanceHighWatermark(partition)
      }
      topic.changed.notify()
    }
    this.transactions.leads.started(id)
    this.groups.nodeStarted(id, now)
    return undefined
  }

  moveLeader(partition: Partition, id: number): Refused | undefined {
    if (id !== -1) {
      if (this.nodes[id] === undefined) return this.unknownNode(id)
      if (!this.isRunning(id)) return new Refused(ELIGIBLE_LEADERS_NOT_AVAILABLE, `Broker ${id} is not running.`)
      // A node without a replica gets that of the leader, or of the one that would lead.
      if (!partition.replicas.includes(id)) {
        const left = partition.leader === -1 ? partition.replicas[0] : partition.leader
        partition.replicas = partition.replicas.map((replica) => (replica === left ? id : replica))
      }
    }
    this.lead(partition, id)
    this.advanceHighWatermark(partition)
    partition.topic.changed.notify()
    return undefined
  }

  private lead(partition: Partition, id: number): void {
    partition.leader = id
    partition.leaderEpoch++
    if (id !== -1) partition.log.beginEpoch(partition.leaderEpoch)
  }

  private unknownNode(id: number): Refused {
    return new Refused(BROKER_ID_NOT_REGISTERED, `There is no broker ${id}: they are 0 to ${this.nodes.length - 1}.`)
  }

  /** Lets another node coordinate a group, which knows what there is from `loadedAt` on. */
  moveCoordinator(group: string, id: number, loadedAt: number): Refused | undefined {
    if (this.nodes[id] === undefined) return this.unknownNode(id)
    if (!this.isRunning(id)) return new Refused(ELIGIBLE_LEADERS_NOT_AVAILABLE, `Broker ${id} is not running.`)
    this.groups.move(group, id, loadedAt)
    return undefined
  }

  newProducerId(): bigint {
    return this.producersCreated++
  }

  // -------------------------------------------------------------------------------------------------------------------
  // topics
  // -------------------------------------------------------------------------------------------------------------------

  topicById(id: string): Topic | undefined {
    return this.topicsById.get(id)
  }

  topicNamed(name: string): Topic | Refused {
    return this.topics.get(name) ?? new Refused(UNKNOWN_TOPIC_OR_PARTITION, `The topic '${name}' does not exist.`)
  }

  partitionOf(name: string, number: number): Partition | Refused {
    const topic = this.topicNamed(name)
    if (isRefused(topic)) return topic
    return (
      topic.partitions[number] ??
      new Refused(UNKNOWN_TOPIC_OR_PARTITION, `The topic '${name}' has ${topic.partitions.length} partition(s).`)
    )
  }

  /** A partition that has a leader: without one nobody could write to it. */
  ledPartitionOf(name: string, number: number): Partition | Refused {
    const partition = this.partitionOf(name, number)
    return isRefused(partition) || partition.leader !== -1
      ? partition
      : new Refused(LEADER_NOT_AVAILABLE, `Nobody leads partition ${number}.`)
  }

  createTopic(
    name: string,
    options: {
      readonly partitions: number
      readonly replicationFactor: number
      readonly configs: Readonly<Record<string, string>>
    }
  ): Topic | Refused {
    const problem = topicNameProblem(name)
    if (problem !== undefined) return new Refused(INVALID_TOPIC_EXCEPTION, `Topic name is invalid: ${problem}`)
    if (this.topics.has(name)) return new Refused(TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`)
    const twin = [...this.topics.keys()].find((other) => metricName(other) === metricName(name))
    if (twin !== undefined) {
      return new Refused(INVALID_TOPIC_EXCEPTION, `Topic '${name}' collides with existing topic: ${twin}`)
    }
    const { partitions, replicationFactor } = options
    const unfit = refusePartitions(partitions)
    if (unfit !== undefined) return unfit
    if (partitions < 1) {
      return new Refused(INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.")
    }
    if (!Number.isInteger(replicationFactor) || replicationFactor < 1) {
      const detail = "Replication factor must be larger than 0, or -1 to use the default value."
      return new Refused(INVALID_REPLICATION_FACTOR, detail)
    }
    if (replicationFactor > this.nodes.length) {
      return new Refused(
        INVALID_REPLICATION_FACTOR,
        `Unable to replicate the partition ${replicationFactor} time(s): The target replication factor of ` +
          `${replicationFactor} cannot be reached because only ${this.nodes.length} broker(s) are registered.`
      )
    }
    const configs = checkConfigs(options.configs)
    if (isRefused(configs)) return configs
    const topic = new Topic(name, topicId(++this.topicsCreated), configs)
    this.grow(topic, partitions, replicationFactor)
    this.topics.set(name, topic)
    this.topicsById.set(topic.id, topic)
    this.lastCreation = this.version
    return topic
  }

  /** Adds partitions up to this number. Each further one is led by the next node. */
  private grow(topic: Topic, partitions: number, replicationFactor: number): void {
    this.version++
    for (let number = topic.partitions.length; number < partitions; number++) {
      const replicas = Array.from({ length: replicationFactor }, (_, i) => (number + i) % this.nodes.length)
      const leader = replicas.find((replica) => this.isRunning(replica)) ?? -1
      topic.partitions.push(new Partition(topic, number, replicas, leader))
    }
  }

  deleteTopic(name: string): Refused | undefined {
    const topic = this.topicNamed(name)
    if (isRefused(topic)) return topic
    this.topics.delete(name)
    this.topicsById.delete(topic.id)
    this.version++
    this.groups.store.topicDeleted(name)
    topic.changed.notify()
    return undefined
  }

  addPartitions(name: string, count: number): Refused | undefined {
    const topic = this.topicNamed(name)
    if (isRefused(topic)) return topic
    const before = topic.partitions.length
    const unfit = refusePartitions(count)
    if (unfit !== undefined) return unfit
    if (count === before) return new Refused(INVALID_PARTITIONS, `Topic already has ${before} partition(s).`)
    if (count < before) {
      return new Refused(
        INVALID_PARTITIONS,
        `The topic ${name} currently has ${before} partition(s); ${count} would not be an increase.`
      )
    }
    this.grow(topic, count, topic.partitions[0].replicas.length)
    topic.changed.notify()
    return undefined
  }

  alterConfigs(name: string, changes: Readonly<Record<string, string | undefined>>): Refused | undefined {
    const topic = this.topicNamed(name)
    if (isRefused(topic)) return topic
    const configs = checkConfigs(
      Object.fromEntries(
        Object.entries({ ...topic.configs, ...changes }).filter(
          (entry): entry is [string, string] => entry[1] !== undefined
        )
      )
    )
    if (isRefused(configs)) return configs
    topic.configs = configs
    for (const partition of topic.partitions) this.advanceHighWatermark(partition)
    topic.changed.notify()
    return undefined
  }

  // -------------------------------------------------------------------------------------------------------------------
  // logs
  // -------------------------------------------------------------------------------------------------------------------

  /** How many replicas have to be in sync, and how many are. */
  insync(partition: Partition): { readonly needed: number; readonly there: number } {
    return {
      needed: Math.min(numberOf(partition.topic.configs, "min.insync.replicas"), partition.replicas.length),
      there: partition.replicas.filter((replica) => this.isRunning(replica)).length
    }
  }

  /** Lets all be read that is in enough replicas. */
  advanceHighWatermark(partition: Partition): void {
    const { needed, there } = this.insync(partition)
    if (there >= needed) partition.log.highWatermark = partition.log.endOffset
  }

  /** Shows readers what was appended. */
  appended(partition: Partition): void {
    this.advanceHighWatermark(partition)
    partition.topic.changed.notify()
  }

  deleteRecords(partition: Partition, offset: number): Refused | undefined {
    const { log, topic } = partition
    const name = `${topic.name}-${partition.number}`
    if (!topic.policies.includes("delete")) {
      return new Refused(
        POLICY_VIOLATION,
        `Records of partition ${name} can not be deleted due to the configured policy (cleanup.policy)`
      )
    }
    const to = offset === -1 ? log.highWatermark : offset
    if (to < 0) return new Refused(OFFSET_OUT_OF_RANGE, `The offset ${to} for partition ${name} is not valid`)
    if (to > log.highWatermark) {
      return new Refused(
        OFFSET_OUT_OF_RANGE,
        `Cannot increment the log start offset to ${to} of partition ${name} since it is larger than the high watermark ` +
          `${log.highWatermark}`
      )
    }
    log.deleteBefore(to)
    topic.changed.notify()
    return undefined
  }

  /** Does at once what the cleaner and the retention of a broker do from time to time. */
  clean(topic: Topic, now: number): void {
    const { configs, policies } = topic
    for (const { log } of topic.partitions) {
      if (policies.includes("delete")) {
        const retention = numberOf(configs, "retention.ms")
        const young = log.batches.find((batch) => batch.maxTimestamp >= now - retention)
        if (retention >= 0) log.deleteBefore(Math.min(log.highWatermark, young?.baseOffset ?? log.endOffset))
      }
      if (policies.includes("compact")) {
        compact(log, {
          now,
          deleteRetentionMillis: numberOf(configs, "delete.retention.ms"),
          minLagMillis: numberOf(configs, "min.compaction.lag.ms")
        })
      }
    }
    topic.changed.notify()
  }
}

/** What is wrong with the name of a topic, in a broker's words; `undefined` if nothing is. */
export const topicNameProblem = (name: string): string | undefined => {
  if (name === "") return "the empty string is not allowed"
  if (name === "." || name === "..") return `'${name}' is not allowed`
  if (name.length > 249) return `the length of '${name}' is longer than the max allowed length 249`
  return /^[a-zA-Z0-9._-]+$/.test(name)
    ? undefined
    : `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
}

/** The name of a topic in Kafka's metrics, which have no dots: two topics must not have the same one. */
const metricName = (name: string): string => name.replaceAll(".", "_")

/** The id of the `n`th topic, as Kafka prints it. It is the same in every run, as a test may look at it. */
const topicId = (n: number): string => {
  const bytes = Buffer.alloc(16)
  bytes.write("embedded", "latin1")
  bytes.writeUInt32BE(n, 12)
  return bytes.toString("base64url")
}
