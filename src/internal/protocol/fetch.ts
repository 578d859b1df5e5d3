import type { FetchedPartition, FetchRequest, FetchResponse } from "../../KafkaClient.ts"
import { type Api, Partitions, MIB } from "./api.ts"
import { CONSUMER_REPLICA_ID, isolationLevel } from "./listOffsets.ts"
import type { Reader } from "./wire.ts"

/** From this version on a topic is asked for by its id, which a caller has to know. */
export const FETCH_BY_ID = 13

const NO_SESSION_ID = 0
const NO_SESSION_EPOCH = -1
/** Only followers say where their log starts. */
const NO_LOG_START = -1
const NO_RACK = ""

const DIVERGING_EPOCH_TAG = 0

const noRecords = Buffer.alloc(0)

// partition_index: int32, error_code: int16, high_watermark: int64, last_stable_offset: int64, log_start_offset: int64,
// aborted_transactions: nullable [producer_id: int64, first_offset: int64], preferred_read_replica: int32 (v11+),
// records: nullable bytes; tagged (v12+): 0 diverging_epoch: epoch: int32, end_offset: int64; 1 current_leader;
// 2 snapshot_id
const readPartition = (version: number, reader: Reader): FetchedPartition => {
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
  // only brokers that were told our rack name a replica
  if (version >= 11) reader.int32()
  const records = reader.nullableBytes() ?? noRecords
  let diverging: FetchedPartition["diverging"]
  reader.tags((tag) => {
    if (tag !== DIVERGING_EPOCH_TAG) return false
    const epoch = reader.int32()
    const endOffset = reader.offset()
    reader.tags()
    // -1, the default, says as little as a field that is not there
    if (epoch >= 0) diverging = { epoch, endOffset }
    return true
  })
  return {
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
 * Record batches of one topic, outside of any fetch session. Fenced by leader epoch from version 9 (Kafka 2.1) on; tells
 * diverged logs from version 12 (Kafka 2.7) on; by topic id, so that a re-created topic is not read at the old one's
 * position, from version 13 (Kafka 3.1) on.
 */
export const fetch: Api<FetchRequest, FetchResponse> = {
  key: 1,
  name: "Fetch",
  versions: { min: 9, max: FETCH_BY_ID },
  flexible: (version) => version >= 12,
  maxAnswerBytes: 256 * MIB,
  // replica_id: int32, max_wait_ms: int32, min_bytes: int32, max_bytes: int32, isolation_level: int8, session_id: int32,
  // session_epoch: int32, topics: [topic: string (to v12), topic_id: uuid (v13), partitions: [partition: int32,
  //   current_leader_epoch: int32, fetch_offset: int64, last_fetched_epoch: int32 (v12+), log_start_offset: int64,
  //   partition_max_bytes: int32]],
  // forgotten_topics_data: [...], rack_id: string (v11+)
  encode: (version, request, writer) => {
    if (version >= FETCH_BY_ID && request.topic.id === undefined) {
      throw new Error(`Fetch v${version} of topic "${request.topic.name}" without its id`)
    }
    writer.int32(CONSUMER_REPLICA_ID)
    writer.int32(request.maxWaitMillis)
    writer.int32(request.minBytes)
    writer.int32(request.maxBytes)
    writer.int8(isolationLevel(request.isolation))
    writer.int32(NO_SESSION_ID)
    writer.int32(NO_SESSION_EPOCH)
    writer.array([request.topic], (topic) => {
      if (version >= FETCH_BY_ID) writer.uuid(topic.id)
      else writer.string(topic.name)
      writer.array(request.partitions, (p) => {
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
      const asked = version >= FETCH_BY_ID ? reader.uuid() === request.topic.id : reader.string() === request.topic.name
      const answers = reader.array(() => readPartition(version, reader))
      reader.tags()
      if (asked) partitions.add(answers)
    })
    reader.tags()
    return { errorCode, throttleMillis, partitions: partitions.all }
  }
}
