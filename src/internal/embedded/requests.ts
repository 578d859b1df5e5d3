/** What a broker answers to each request. Plain and synchronous: waiting is for whoever asks. */
import type {
  AdminResponse,
  CreateTopicsRequest,
  DescribeConfigsRequest,
  DescribeConfigsResponse,
  FetchedPartition,
  FetchPartition,
  FetchRequest,
  FetchResponse,
  FindCoordinatorRequest,
  FindCoordinatorResponse,
  IncrementalAlterConfigsRequest,
  ListOffsetsRequest,
  ListOffsetsResponse,
  MetadataRequest,
  MetadataResponse,
  ProducePartition,
  ProduceRequest,
  ProduceResponse,
  TopicMetadata,
  TopicRef
} from "../../KafkaProtocol.ts"
import { unread } from "../protocol/fetch.ts"
import { viewOf } from "../bytes.ts"
import { appendProduced } from "./appending.ts"
import type { Cluster, Partition, Topic } from "./cluster.ts"
import { topicNameProblem } from "./cluster.ts"
import {
  COORDINATOR_NOT_AVAILABLE,
  FENCED_LEADER_EPOCH,
  INVALID_REQUIRED_ACKS,
  INVALID_TOPIC_EXCEPTION,
  isRefused,
  LEADER_NOT_AVAILABLE,
  NOT_LEADER_OR_FOLLOWER,
  OFFSET_OUT_OF_RANGE,
  RecordsRefused,
  Refused,
  UNKNOWN_LEADER_EPOCH,
  UNKNOWN_TOPIC_ID,
  UNKNOWN_TOPIC_OR_PARTITION
} from "./codes.ts"
import { offsetAt } from "./storedRecords.ts"
import { configNames, configOf } from "./topicConfigs.ts"
import { verifyTransaction } from "./verifying.ts"

const NO_EPOCH = -1
const EARLIEST = -2
const LATEST = -1

// ---------------------------------------------------------------------------------------------------------------------
// who may be asked
// ---------------------------------------------------------------------------------------------------------------------

/** A caller with older news than this broker, or newer, has to look again. */
const checkEpoch = (partition: Partition, known: number): Refused | undefined => {
  if (known === NO_EPOCH || known === partition.leaderEpoch) return undefined
  return new Refused(known < partition.leaderEpoch ? FENCED_LEADER_EPOCH : UNKNOWN_LEADER_EPOCH)
}

/** The partition as this broker has it. Only leaders write and list; any replica may be read from. */
const localPartition = (
  topic: Topic | undefined,
  number: number,
  node: number,
  options: { readonly leaderEpoch: number; readonly onlyLeader: boolean }
): Partition | Refused => {
  const partition = topic?.partitions[number]
  if (partition === undefined) return new Refused(UNKNOWN_TOPIC_OR_PARTITION)
  if (!partition.replicas.includes(node)) return new Refused(NOT_LEADER_OR_FOLLOWER)
  const fenced = checkEpoch(partition, options.leaderEpoch)
  if (fenced !== undefined) return fenced
  return options.onlyLeader && partition.leader !== node ? new Refused(NOT_LEADER_OR_FOLLOWER) : partition
}

// ---------------------------------------------------------------------------------------------------------------------
// reading
// ---------------------------------------------------------------------------------------------------------------------

const describe = (cluster: Cluster, name: string): TopicMetadata => {
  const topic = cluster.topics.get(name)
  if (topic === undefined) {
    const errorCode = topicNameProblem(name) === undefined ? UNKNOWN_TOPIC_OR_PARTITION : INVALID_TOPIC_EXCEPTION
    return { errorCode, name, id: undefined, partitions: [] }
  }
  return {
    errorCode: 0,
    name,
    id: topic.id,
    partitions: topic.partitions.map(({ leader, leaderEpoch, number }) => ({
      errorCode: leader === -1 ? LEADER_NOT_AVAILABLE : 0,
      partition: number,
      leader,
      leaderEpoch
    }))
  }
}

export const metadata = (cluster: Cluster, { topics }: MetadataRequest): MetadataResponse => {
  const running = cluster.running
  return {
    brokers: running.map((node) => cluster.brokerOf(node.id)),
    controllerId: running[0]?.id ?? -1,
    topics: (topics === "all" ? [...cluster.topics.keys()] : topics).map((name) => describe(cluster, name))
  }
}

export const findCoordinator = (cluster: Cluster, { key, type }: FindCoordinatorRequest): FindCoordinatorResponse => {
  const leader = (type === "group" ? cluster.groups : cluster.transactions).leads.of(key)
  return leader === -1
    ? { errorCode: COORDINATOR_NOT_AVAILABLE, errorMessage: undefined, coordinator: undefined }
    : { errorCode: 0, errorMessage: undefined, coordinator: cluster.brokerOf(leader) }
}

export const listOffsets = (cluster: Cluster, node: number, request: ListOffsetsRequest): ListOffsetsResponse => ({
  partitions: request.partitions.map(({ leaderEpoch, partition: number, timestamp, topic }) => {
    const partition = localPartition(cluster.topics.get(topic.name), number, node, { leaderEpoch, onlyLeader: true })
    const asked = { topic, partition: number }
    if (isRefused(partition)) return { ...asked, errorCode: partition.code, offset: -1, leaderEpoch: -1 }
    const { log } = partition
    const end = log.readableEnd(request.isolation)
    const offset = timestamp === EARLIEST ? log.startOffset : timestamp === LATEST ? end : offsetAt(log, timestamp, end)
    const epoch = timestamp === LATEST ? partition.leaderEpoch : offset === -1 ? -1 : log.epochAt(offset)
    return { ...asked, errorCode: 0, offset, leaderEpoch: epoch }
  })
})

/** The topic that is meant: by its id, where the caller knows one. */
const topicOf = (cluster: Cluster, ref: TopicRef): Topic | undefined =>
  ref.id === undefined ? cluster.topics.get(ref.name) : cluster.topicById(ref.id)

/** Those that there are, of all that a fetch asks for. */
export const topicsOf = (cluster: Cluster, request: FetchRequest): ReadonlyArray<Topic> => {
  const topics = new Set<Topic>()
  for (const asked of request.partitions) {
    const topic = topicOf(cluster, asked.topic)
    if (topic !== undefined) topics.add(topic)
  }
  return [...topics]
}

const fetchable = (cluster: Cluster, node: number, asked: FetchPartition): Partition | Refused => {
  const topic = topicOf(cluster, asked.topic)
  if (topic === undefined && asked.topic.id !== undefined) return new Refused(UNKNOWN_TOPIC_ID)
  return localPartition(topic, asked.partition, node, { leaderEpoch: asked.leaderEpoch, onlyLeader: false })
}

/** Where a caller's log and this one part; `undefined` if they do not. */
const divergence = (partition: Partition, asked: FetchPartition): FetchedPartition["diverging"] | Refused => {
  if (asked.lastFetchedEpoch === NO_EPOCH) return undefined
  const end = partition.log.endOfEpoch(asked.lastFetchedEpoch)
  if (end === undefined || asked.fetchOffset < partition.log.startOffset) return new Refused(OFFSET_OUT_OF_RANGE)
  return end.epoch < asked.lastFetchedEpoch || end.endOffset < asked.fetchOffset ? end : undefined
}

/** Is there something to answer, or is the caller to wait? */
export const isFetchable = (cluster: Cluster, node: number, request: FetchRequest): boolean => {
  if (request.partitions.length === 0) return true
  let missing = request.minBytes
  for (const asked of request.partitions) {
    const partition = fetchable(cluster, node, asked)
    if (isRefused(partition) || divergence(partition, asked) !== undefined) return true
    const { log } = partition
    const end = log.readableEnd(request.isolation)
    if (asked.fetchOffset < log.startOffset || asked.fetchOffset > log.endOffset) return true
    if (missing > 0 && asked.fetchOffset < end) {
      missing -= log.available(asked.fetchOffset, end, Math.min(missing, Math.max(1, asked.maxBytes)))
    }
  }
  return missing <= 0
}

export const fetch = (cluster: Cluster, node: number, request: FetchRequest): FetchResponse => {
  let left = request.maxBytes
  // At least one whole batch comes, of the first partition that has any, whatever its size.
  let whole = true
  const read = (asked: FetchPartition): FetchedPartition => {
    const partition = fetchable(cluster, node, asked)
    if (isRefused(partition)) return unread(asked, partition.code)
    const { log } = partition
    const diverging = divergence(partition, asked)
    if (isRefused(diverging)) return unread(asked, diverging.code)
    const { endOffset, highWatermark, lastStableOffset, startOffset: logStartOffset } = log
    const answer = { ...unread(asked, 0), highWatermark, lastStableOffset, logStartOffset }
    if (diverging !== undefined) return { ...answer, diverging }
    if (asked.fetchOffset < logStartOffset || asked.fetchOffset > endOffset) {
      return unread(asked, OFFSET_OUT_OF_RANGE)
    }
    const end = log.readableEnd(request.isolation)
    const { nextOffset, records } = log.read(asked.fetchOffset, end, Math.min(asked.maxBytes, left), whole)
    if (records.length === 0) return answer
    whole = false
    left = Math.max(0, left - records.length)
    return {
      ...answer,
      records,
      abortedTransactions:
        request.isolation === "read_committed" ? log.abortedBetween(asked.fetchOffset, nextOffset) : []
    }
  }
  return { errorCode: 0, throttleMillis: 0, partitions: request.partitions.map(read) }
}

// ---------------------------------------------------------------------------------------------------------------------
// writing
// ---------------------------------------------------------------------------------------------------------------------

export const produce = (cluster: Cluster, node: number, request: ProduceRequest, now: number): ProduceResponse => {
  const append = ({ partition: number, records, topic }: ProducePartition): number | Refused => {
    if (request.acks !== -1 && request.acks !== 1) return new Refused(INVALID_REQUIRED_ACKS)
    const options = { leaderEpoch: NO_EPOCH, onlyLeader: true }
    const partition = localPartition(cluster.topics.get(topic.name), number, node, options)
    if (isRefused(partition)) return partition
    return appendProduced(cluster, partition, viewOf(records), {
      now,
      acks: request.acks,
      verify: (header) => verifyTransaction(cluster, partition, header, request, now)
    })
  }
  return {
    throttleMillis: 0,
    partitions: request.partitions.map((asked) => {
      const appended = append(asked)
      const place = { topic: asked.topic, partition: asked.partition }
      if (!isRefused(appended)) return { ...place, errorCode: 0, baseOffset: appended, errorMessage: undefined }
      const refused = { ...place, errorCode: appended.code, baseOffset: -1 }
      return appended instanceof RecordsRefused
        ? { ...refused, errorMessage: appended.detail, recordErrors: appended.recordErrors }
        : { ...refused, errorMessage: undefined }
    })
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// administration
// ---------------------------------------------------------------------------------------------------------------------

const BROKERS_DEFAULT = -1

const adminAnswer = (refused: Refused | undefined): AdminResponse => ({
  errorCode: refused?.code ?? 0,
  errorMessage: refused?.detail
})

export const createTopics = (cluster: Cluster, request: CreateTopicsRequest): AdminResponse => {
  const created = cluster.createTopic(request.topic, {
    partitions: request.partitions === BROKERS_DEFAULT ? 1 : request.partitions,
    replicationFactor: request.replicationFactor === BROKERS_DEFAULT ? 1 : request.replicationFactor,
    configs: request.configs
  })
  return adminAnswer(isRefused(created) ? created : undefined)
}

export const describeConfigs = (cluster: Cluster, { topic: name }: DescribeConfigsRequest): DescribeConfigsResponse => {
  const topic = cluster.topics.get(name)
  if (topic === undefined) {
    const problem = topicNameProblem(name)
    return problem === undefined
      ? { errorCode: UNKNOWN_TOPIC_OR_PARTITION, errorMessage: undefined, configs: [] }
      : { errorCode: INVALID_TOPIC_EXCEPTION, errorMessage: `Topic name is invalid: ${problem}`, configs: [] }
  }
  const configs = configNames.map((config) => ({
    name: config,
    value: configOf(topic.configs, config),
    explicit: topic.configs[config] !== undefined
  }))
  return { errorCode: 0, errorMessage: undefined, configs }
}

export const alterConfigs = (cluster: Cluster, { set, topic }: IncrementalAlterConfigsRequest): AdminResponse =>
  adminAnswer(cluster.alterConfigs(topic, set))
