import {
  type Api,
  byTopic,
  haveIds,
  MIB,
  Partitions,
  readTopic,
  type TopicPartition,
  type TopicRef,
  writeTopic
} from "./api.ts"
import { CONSUMER_REPLICA_ID, type Isolation, isolationLevel } from "./listOffsets.ts"
import { ofPartitions } from "./parts.ts"
import type { Reader } from "./wire.ts"

/**
 * Asks for record batches of any partitions of any topics, as soon as there are any, or after `maxWaitMillis`. It has
 * to go to the partitions' leader.
 *
 * @since 0.1.0
 * @category requests
 */
export interface FetchRequest {
  readonly isolation: Isolation
  /** How long the broker may wait for `minBytes`, in milliseconds. */
  readonly maxWaitMillis: number
  /** The broker answers as soon as it has this many bytes of record batches. */
  readonly minBytes: number
  /** The most bytes of record batches in the whole answer, but for the first batch, which always comes whole. */
  readonly maxBytes: number
  /** The partitions, in the order in which the broker fills the answer; it takes those of one topic together. */
  readonly partitions: ReadonlyArray<FetchPartition>
}

/**
 * A partition that a fetch asks for.
 *
 * @since 0.2.0
 * @category requests
 */
export interface FetchPartition extends TopicPartition {
  /** The leader epoch that the caller knows, by which a deposed leader refuses; -1 if it knows none. */
  readonly leaderEpoch: number
  /** Offset of the first record that is wanted. */
  readonly fetchOffset: number
  /** Leader epoch of the last record batch that was read, by which a diverged log is found out; -1 if there is none. */
  readonly lastFetchedEpoch: number
  /** The most bytes of record batches of this partition; a batch that does not fit is cut off. */
  readonly maxBytes: number
}

/**
 * A transaction whose records of one partition do not count, from its first one on.
 *
 * @since 0.1.0
 * @category answers
 */
export interface AbortedTransaction {
  /** Id of the producer whose transaction it is. */
  readonly producerId: bigint
  /** Offset of the transaction's first record. */
  readonly firstOffset: number
}

/**
 * What a fetch gives of one partition.
 *
 * @since 0.1.0
 * @category answers
 */
export interface FetchedPartition extends TopicPartition {
  /** Kafka's error code, 0 if there is no error. */
  readonly errorCode: number
  /** Offset behind the last record that all in-sync replicas have; -1 if the broker does not say. */
  readonly highWatermark: number
  /**
   * Offset of the first record of the oldest transaction that is still open, or the high watermark; -1 if the broker
   * does not say.
   */
  readonly lastStableOffset: number
  /** Offset of the first record in the log; -1 if the broker does not say. */
  readonly logStartOffset: number
  /** The transactions whose records in `records` do not count. Empty with `read_uncommitted`. */
  readonly abortedTransactions: ReadonlyArray<AbortedTransaction>
  /**
   * Set when the log that the caller has read is not the leader's: both agree up to `endOffset`, of the leader epoch
   * `epoch`.
   */
  readonly diverging: { readonly epoch: number; readonly endOffset: number } | undefined
  /**
   * Record batches, of which the last one may be cut off. They are a part of the answer's memory, to which a driver
   * must not write any more, as a table may keep it as it is.
   */
  readonly records: Buffer
}

/**
 * The answer to a fetch.
 *
 * @since 0.1.0
 * @category answers
 */
export interface FetchResponse {
  /** Kafka's error code about the whole request, 0 if there is no error. */
  readonly errorCode: number
  /** How long the broker wants no other request because of a quota, in milliseconds; a minute at most. */
  readonly throttleMillis: number
  /** The partitions of which the broker told something. */
  readonly partitions: ReadonlyArray<FetchedPartition>
}

/** From this version on, a topic is asked for by its id, which a caller has to know. */
export const FETCH_BY_ID = 13

const NO_SESSION_ID = 0
const NO_SESSION_EPOCH = -1
/** Only followers say where their log starts, so a consumer sends this. */
const NO_LOG_START = -1
const NO_RACK = ""

const DIVERGING_EPOCH_TAG = 0

const noRecords = Buffer.alloc(0)

// partition_index: int32, error_code: int16, high_watermark: int64, last_stable_offset: int64, log_start_offset: int64,
// aborted_transactions: nullable [producer_id: int64, first_offset: int64], preferred_read_replica: int32 (v11+),
// records: nullable bytes; tagged (v12+): 0 diverging_epoch: epoch: int32, end_offset: int64; 1 current_leader;
// 2 snapshot_id
const readPartition = (version: number, reader: Reader, topic: TopicRef): FetchedPartition => {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const highWatermark = reader.offset()
  const lastStableOffset = reader.offset()
  const logStartOffset = reader.offset()
  const abortedTransactions =
    reader.nullableArray(() => {
      const producerId = reader.bigint64()
      const firstOffset = reader.offset()
      reader.tags()
      return { producerId, firstOffset }
    }) ?? []
  // This is the preferred replica, which a broker names only to clients that tell their rack.
  if (version >= 11) reader.int32()
  const records = reader.nullableBytes() ?? noRecords
  let diverging: FetchedPartition["diverging"]
  reader.tags((tag) => {
    if (tag !== DIVERGING_EPOCH_TAG) return false
    const epoch = reader.int32()
    const endOffset = reader.offset()
    reader.tags()
    // The default of -1 says as little as a field that is not there.
    if (epoch >= 0) diverging = { epoch, endOffset }
    return true
  })
  return {
    topic,
    partition,
    errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    abortedTransactions,
    diverging,
    records
  }
}

/**
 * Fetches record batches, outside of any fetch session. A deposed leader refuses by the leader epoch from version 9
 * (Kafka 2.1) on. Diverged logs are told from version 12 (Kafka 2.7) on. Topics are asked for by id from version 13
 * (Kafka 3.1) on, so that a topic that was created again is not read at the old one's position.
 */
export const fetch: Api<FetchRequest, FetchResponse> = {
  key: 1,
  name: "Fetch",
  versions: { min: 9, max: FETCH_BY_ID },
  // Topics are asked for by id where all of them have one.
  maxVersion: ({ partitions }) => (haveIds(partitions) ? FETCH_BY_ID : FETCH_BY_ID - 1),
  flexible: (version) => version >= 12,
  waitMillis: ({ maxWaitMillis }) => maxWaitMillis,
  maxAnswerBytes: 256 * MIB,
  // replica_id: int32, max_wait_ms: int32, min_bytes: int32, max_bytes: int32, isolation_level: int8, session_id:
  // int32, session_epoch: int32, topics: [topic: string (to v12), topic_id: uuid (v13), partitions: [partition: int32,
  //   current_leader_epoch: int32, fetch_offset: int64, last_fetched_epoch: int32 (v12+), log_start_offset: int64,
  //   partition_max_bytes: int32]],
  // forgotten_topics_data: [...], rack_id: string (v11+)
  encode: (version, request, writer) => {
    writer.int32(CONSUMER_REPLICA_ID)
    writer.int32(request.maxWaitMillis)
    writer.int32(request.minBytes)
    writer.int32(request.maxBytes)
    writer.int8(isolationLevel(request.isolation))
    writer.int32(NO_SESSION_ID)
    writer.int32(NO_SESSION_EPOCH)
    writer.array(byTopic(request.partitions), ({ partitions, topic }) => {
      writeTopic(writer, topic, version >= FETCH_BY_ID)
      writer.array(partitions, (p) => {
        writer.int32(p.partition)
        writer.int32(p.leaderEpoch)
        writer.int64(p.fetchOffset)
        if (version >= 12) writer.int32(p.lastFetchedEpoch)
        writer.int64(NO_LOG_START)
        writer.int32(p.maxBytes)
        writer.tags()
      })
      writer.tags()
    })
    writer.array([], () => {})
    if (version >= 11) writer.string(NO_RACK)
    writer.tags()
  },
  // throttle_time_ms: int32, error_code: int16, session_id: int32,
  // responses: [topic: string (to v12), topic_id: uuid (v13), partitions: [partition]]
  decode: (version, reader, request) => {
    const throttleMillis = reader.throttle()
    const errorCode = reader.int16()
    reader.int32()
    const partitions = new Partitions<FetchedPartition>(request.partitions)
    reader.array(() => {
      partitions.take(readTopic(reader, version >= FETCH_BY_ID), (topic) =>
        reader.array(() => readPartition(version, reader, topic))
      )
      reader.tags()
    })
    reader.tags()
    return { errorCode, throttleMillis, partitions: partitions.all }
  },
  parts: ofPartitions<FetchPartition, FetchRequest, FetchResponse>({
    // An answer that has an error in it does not wait for records.
    of: (request, partitions) => ({ ...request, maxWaitMillis: 0, partitions }),
    refuse: ({ partitions }, errorCode) => ({
      errorCode: 0,
      throttleMillis: 0,
      partitions: partitions.map(({ partition, topic }) => unread({ topic, partition }, errorCode))
    })
  })
}

/** What is answered of a partition that was not read. */
export const unread = ({ partition, topic }: TopicPartition, errorCode: number): FetchedPartition => ({
  topic,
  partition,
  errorCode,
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  abortedTransactions: [],
  diverging: undefined,
  records: noRecords
})
