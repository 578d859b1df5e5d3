import { type Api, byTopic, MIB, Partitions, type TopicPartition, type TopicRef } from "./api.ts"
import { ofPartitions } from "./parts.ts"
import type { Reader } from "./wire.ts"

/**
 * Which records count: with `read_committed` those before the last stable offset whose transaction was not aborted,
 * with `read_uncommitted` all before the high watermark.
 *
 * @since 0.1.0
 * @category models
 */
export type Isolation = "read_committed" | "read_uncommitted"

/**
 * Asks where partitions begin or end, or where a time is in them. It has to go to the partitions' leader.
 *
 * @since 0.1.0
 * @category requests
 */
export interface ListOffsetsRequest {
  readonly isolation: Isolation
  readonly partitions: ReadonlyArray<ListOffsetsPartition>
}

/**
 * A partition of which an offset is asked for.
 *
 * @since 0.2.0
 * @category requests
 */
export interface ListOffsetsPartition extends TopicPartition {
  /** The leader epoch that the caller knows, by which a deposed leader refuses; -1 if it knows none. */
  readonly leaderEpoch: number
  /**
   * What is asked for: the log's start (-2), its end by the isolation (-1), or the first record at or after this time,
   * in milliseconds since the epoch.
   */
  readonly timestamp: number
}

/**
 * The answer to a request for offsets.
 *
 * @since 0.1.0
 * @category answers
 */
export interface ListOffsetsResponse {
  /** The partitions of which the broker told something. */
  readonly partitions: ReadonlyArray<ListedPartition>
}

/**
 * The offset of one partition.
 *
 * @since 0.2.0
 * @category answers
 */
export interface ListedPartition extends TopicPartition {
  /** Kafka's error code, 0 if there is no error. */
  readonly errorCode: number
  /** The offset; -1 if there is none. */
  readonly offset: number
  /** Leader epoch of the record at that offset; -1 if the broker does not say. */
  readonly leaderEpoch: number
}

/** What a consumer sends in place of a broker's node id. */
export const CONSUMER_REPLICA_ID = -1

export const isolationLevel = (isolation: Isolation): number => (isolation === "read_committed" ? 1 : 0)

// partition_index: int32, error_code: int16, timestamp: int64, offset: int64, leader_epoch: int32
const readPartition = (reader: Reader, topic: TopicRef): ListedPartition => {
  const partition = reader.int32()
  const errorCode = reader.int16()
  reader.skip(8)
  const offset = reader.offset()
  const leaderEpoch = reader.int32()
  reader.tags()
  return { topic, partition, errorCode, offset, leaderEpoch }
}

/** Asks where logs begin or end. A deposed leader refuses by the leader epoch from version 4 (Kafka 2.1) on. */
export const listOffsets: Api<ListOffsetsRequest, ListOffsetsResponse> = {
  key: 2,
  name: "ListOffsets",
  versions: { min: 4, max: 7 },
  flexible: (version) => version >= 6,
  maxAnswerBytes: 16 * MIB,
  // replica_id: int32, isolation_level: int8,
  // topics: [name: string, partitions: [partition_index: int32, current_leader_epoch: int32, timestamp: int64]]
  encode: (_version, request, writer) => {
    writer.int32(CONSUMER_REPLICA_ID)
    writer.int8(isolationLevel(request.isolation))
    writer.array(byTopic(request.partitions), ({ partitions, topic }) => {
      writer.string(topic.name)
      writer.array(partitions, (p) => {
        writer.int32(p.partition)
        writer.int32(p.leaderEpoch)
        writer.int64(p.timestamp)
        writer.tags()
      })
      writer.tags()
    })
    writer.tags()
  },
  // throttle_time_ms: int32, topics: [name: string, partitions: [partition]]
  decode: (_version, reader, request) => {
    reader.int32()
    const partitions = new Partitions<ListedPartition>(request.partitions)
    reader.array(() => {
      const name = reader.string()
      partitions.take(
        (topic) => topic.name === name,
        (topic) => reader.array(() => readPartition(reader, topic))
      )
      reader.tags()
    })
    reader.tags()
    return { partitions: partitions.all }
  },
  parts: ofPartitions<ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse>({
    of: (request, partitions) => ({ ...request, partitions }),
    refuse: ({ partitions }, errorCode) => ({
      partitions: partitions.map(({ partition, topic }) => ({
        topic,
        partition,
        errorCode,
        offset: -1,
        leaderEpoch: -1
      }))
    })
  })
}
