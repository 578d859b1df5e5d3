import { quotedForeignText } from "../foreignText.ts"
import { type Api, MIB } from "./api.ts"
import { isHost } from "./host.ts"
import { ProtocolViolation, type Reader } from "./wire.ts"

/** No cluster has more brokers, and no topic more partitions: an answer that names more is not taken. */
const MAX_BROKERS = 10_000
const MAX_PARTITIONS = 100_000

/**
 * Asks any broker for the cluster's brokers, and for some topics, or all. It never creates a topic.
 *
 * @since 0.2.0
 * @category requests
 */
export interface MetadataRequest {
  /** The topics' names, or all that there are. An empty list asks for the brokers only. */
  readonly topics: ReadonlyArray<string> | "all"
}

/**
 * A broker, as the cluster's metadata names it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Broker {
  /** The broker's id in its cluster. */
  readonly nodeId: number
  /** A name of the DNS or an IP address, without brackets. */
  readonly host: string
  /** From 1 to 65,535. */
  readonly port: number
}

/**
 * What the cluster's metadata says of a partition.
 *
 * @since 0.1.0
 * @category answers
 */
export interface PartitionMetadata {
  /** Kafka's error code, 0 if there is no error. */
  readonly errorCode: number
  /** The partition's number, from 0. */
  readonly partition: number
  /** Node id of the leader; -1 if there is none. */
  readonly leader: number
  /** The leader's epoch, which grows with each election; -1 if the broker does not say. */
  readonly leaderEpoch: number
}

/**
 * What the cluster's metadata says of a topic.
 *
 * @since 0.1.0
 * @category answers
 */
export interface TopicMetadata {
  /** Kafka's error code, 0 if there is no error. */
  readonly errorCode: number
  readonly name: string
  /** 22 characters of base64url, as Kafka prints it; `undefined` where the cluster has none (before Kafka 2.8). */
  readonly id: string | undefined
  /** All partitions, in the order of their numbers. */
  readonly partitions: ReadonlyArray<PartitionMetadata>
}

/**
 * The answer to a request for metadata.
 *
 * @since 0.1.0
 * @category answers
 */
export interface MetadataResponse {
  /** The brokers that are there at this moment. */
  readonly brokers: ReadonlyArray<Broker>
  /** Node id of the controller; -1 if it is not known. */
  readonly controllerId: number
  /** The topics that were asked for, as far as the broker told of them. */
  readonly topics: ReadonlyArray<TopicMetadata>
}

// node_id: int32, host: string, port: int32, rack: nullable string
const readBroker = (reader: Reader): Broker => {
  const nodeId = reader.int32()
  const host = reader.string()
  const port = reader.int32()
  reader.nullableString()
  reader.tags()
  if (!isHost(host) || port < 1 || port > 65_535) {
    throw new ProtocolViolation(`broker ${nodeId} at ${quotedForeignText(`${host}:${port}`)}`)
  }
  return { nodeId, host, port }
}

// error_code: int16, partition_index: int32, leader_id: int32, leader_epoch: int32,
// replica_nodes: [int32], isr_nodes: [int32], offline_replicas: [int32]
const readPartition = (reader: Reader): PartitionMetadata => {
  const errorCode = reader.int16()
  const partition = reader.int32()
  const leader = reader.int32()
  const leaderEpoch = reader.int32()
  for (let i = 0; i < 3; i++) reader.skipInt32s()
  reader.tags()
  return { errorCode, partition, leader, leaderEpoch }
}

// error_code: int16, name: string (nullable v12+), topic_id: uuid (v10+), is_internal: bool, partitions: [partition],
// topic_authorized_operations: int32 (v8+)
const readTopic = (version: number, reader: Reader): Omit<TopicMetadata, "name"> & { name: string | undefined } => {
  const errorCode = reader.int16()
  const name = version >= 12 ? reader.nullableString() : reader.string()
  const id = version >= 10 ? reader.uuid() : undefined
  reader.boolean()
  const partitions = reader.array(() => readPartition(reader), MAX_PARTITIONS).sort((a, b) => a.partition - b.partition)
  if (version >= 8) reader.int32()
  reader.tags()
  partitions.forEach((p, i) => {
    if (p.partition === partitions[i - 1]?.partition) throw new ProtocolViolation(`partition ${p.partition} twice`)
    // A topic has all numbers from 0 on. Believing a large number alone would take all memory for those below it.
    if (p.partition !== i) throw new ProtocolViolation(`partition ${p.partition} among ${partitions.length}`)
  })
  return { errorCode, name, id, partitions }
}

/**
 * Asks for brokers, and for the partitions and leaders of topics by name. Answers have leader epochs from version 7
 * (Kafka 2.1) on, and topic ids from version 10 (Kafka 2.8) on.
 */
export const metadata: Api<MetadataRequest, MetadataResponse> = {
  key: 3,
  name: "Metadata",
  versions: { min: 7, max: 12 },
  flexible: (version) => version >= 9,
  maxAnswerBytes: 16 * MIB,
  // topics: nullable [topic_id: uuid (v10+), name: string (nullable v10+)], allow_auto_topic_creation: bool,
  // include_cluster_authorized_operations: bool (v8 to v10), include_topic_authorized_operations: bool (v8+)
  encode: (version, { topics }, writer) => {
    writer.nullableArray(topics === "all" ? undefined : topics, (name) => {
      if (version >= 10) writer.uuid(undefined)
      writer.string(name)
      writer.tags()
    })
    writer.boolean(false)
    if (version >= 8 && version <= 10) writer.boolean(false)
    if (version >= 8) writer.boolean(false)
    writer.tags()
  },
  // throttle_time_ms: int32, brokers: [broker], cluster_id: nullable string, controller_id: int32, topics: [topic],
  // cluster_authorized_operations: int32 (v8 to v10)
  decode: (version, reader, request) => {
    reader.int32()
    const brokers = reader.array(() => readBroker(reader), MAX_BROKERS)
    reader.nullableString()
    const controllerId = reader.int32()
    const found = reader.array(() => readTopic(version, reader))
    if (version >= 8 && version <= 10) reader.int32()
    reader.tags()
    const topics = new Map<string, TopicMetadata>()
    for (const topic of found) {
      const { name } = topic
      if (name === undefined || !(request.topics === "all" || request.topics.includes(name))) continue
      if (topics.has(name)) throw new ProtocolViolation(`topic "${name}" twice`)
      topics.set(name, { ...topic, name })
    }
    return { brokers, controllerId, topics: [...topics.values()] }
  },
  parts: {
    placesOf: (request) => named(request).map((topic) => ({ topic, partition: undefined })),
    // The rest asks for the brokers, even if it is about no topic.
    split: (request, isMeant) => ({
      meant: { topics: named(request).filter((topic) => isMeant({ topic, partition: undefined })) },
      rest: { topics: named(request).filter((topic) => !isMeant({ topic, partition: undefined })) }
    }),
    refuse: (request, errorCode) => ({
      brokers: [],
      controllerId: -1,
      topics: named(request).map((name) => ({ errorCode, name, id: undefined, partitions: [] }))
    }),
    merge: (refused, rest) => ({ ...rest, topics: [...refused.topics, ...rest.topics] })
  }
}

/** The topics that a request names. One for all topics is about no topic by its name, and so no topic of it is refused. */
const named = ({ topics }: MetadataRequest): ReadonlyArray<string> => (topics === "all" ? [] : topics)
