/** The options of a cluster in memory. */
import type { EmbeddedKafkaOptions, GroupOptions, TopicOptions, TransactionOptions } from "../../EmbeddedKafka.ts"
import type { OptionCheck } from "../options/check.ts"
import {
  asGiven,
  boolean,
  type Checked,
  group,
  integer,
  millis,
  type Millis,
  type Option,
  readSpec,
  type Spec
} from "../options/spec.ts"
import { Cluster, type Topic } from "./cluster.ts"
import { isRefused, type Refused } from "./codes.ts"
import { DEFAULTS, TRANSACTION_DEFAULTS } from "./groups/settings.ts"

const MAX_NODES = 1_000

/** What a topic is created with is refused by the cluster, where it is wrong. */
export const CLUSTER_TOPIC = {
  partitions: asGiven<number>(),
  replicationFactor: asGiven<number>(),
  configs: {
    read: (check, name, value) => check.object(name, value, "must be an object of strings")
  } as Option<Readonly<Record<string, string>>, Readonly<Record<string, string>>>
} satisfies Spec<TopicOptions>

type Topics = NonNullable<EmbeddedKafkaOptions["topics"]>

const topics: Option<Topics, ReadonlyArray<readonly [name: string, options: Checked<typeof CLUSTER_TOPIC>]>> = {
  read: (check, name, value) =>
    Object.entries(check.object(name, value, "must be an object of topics by their names")).map(
      ([topic, options]) => [topic, readSpec(check, CLUSTER_TOPIC, options, { within: `${name}.${topic}` })] as const
    )
}

/** A duration above zero that no timer has to hold. */
const longMillis = (fallback: number): Millis => ({
  isMillis: true,
  read: (check, name, value) => (value === undefined ? fallback : check.longMillis(name, value))
})

const GROUPS = {
  initialRebalanceDelay: millis(DEFAULTS.initialRebalanceDelayMillis),
  minSessionTimeout: millis(DEFAULTS.minSessionTimeoutMillis),
  maxSessionTimeout: millis(DEFAULTS.maxSessionTimeoutMillis),
  maxSize: integer(DEFAULTS.maxSize, 1),
  offsetsRetention: longMillis(DEFAULTS.offsetsRetentionMillis),
  consumerProtocol: boolean(DEFAULTS.consumerProtocol),
  sessionTimeout: millis(DEFAULTS.sessionTimeoutMillis),
  heartbeatInterval: millis(DEFAULTS.heartbeatIntervalMillis)
} satisfies Spec<GroupOptions>

/** The level of the feature `transaction.version`. */
const transactionVersion: Option<1 | 2, 1 | 2> = {
  read: (check, name, value) => {
    if (value !== undefined && value !== 1 && value !== 2) check.problem(name, "must be 1 or 2")
    return value ?? TRANSACTION_DEFAULTS.version
  }
}

const TRANSACTIONS = {
  version: transactionVersion,
  markerDelay: millis(TRANSACTION_DEFAULTS.markerDelayMillis),
  maxTimeout: millis(TRANSACTION_DEFAULTS.maxTimeoutMillis)
} satisfies Spec<TransactionOptions>

export const CLUSTER = {
  nodes: integer(1, 1, { value: MAX_NODES, text: String(MAX_NODES) }),
  topics,
  groups: group<GroupOptions, typeof GROUPS>(GROUPS),
  transactions: group<TransactionOptions, typeof TRANSACTIONS>(TRANSACTIONS)
} satisfies Spec<EmbeddedKafkaOptions>

/** Creates a topic as a cluster in memory does by default: one compacted partition with one replica. */
export const createTopic = (cluster: Cluster, name: string, options: TopicOptions): Topic | Refused =>
  cluster.createTopic(name, {
    partitions: options.partitions === undefined ? 1 : options.partitions,
    replicationFactor: options.replicationFactor === undefined ? 1 : options.replicationFactor,
    configs: { "cleanup.policy": "compact", ...options.configs }
  })

/** A cluster of these brokers and topics. */
export const makeCluster = (
  check: OptionCheck,
  { groups, nodes, topics, transactions }: Checked<typeof CLUSTER>
): Cluster => {
  const cluster = new Cluster(nodes <= MAX_NODES ? nodes : 1, groups, transactions)
  for (const [name, options] of topics) {
    const created = createTopic(cluster, name, options as TopicOptions)
    if (isRefused(created)) check.problem(`topics.${name}`, created.detail ?? `error code ${created.code}`)
  }
  return cluster
}
