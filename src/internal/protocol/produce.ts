import { type Api, byTopic, MIB, Partitions, type TopicPartition, type TopicRef } from "./api.ts"
import { ofPartitions } from "./parts.ts"
import type { Reader } from "./wire.ts"

/**
 * Appends record batches. It has to go to the partitions' leader.
 *
 * @since 0.1.0
 * @category requests
 */
export interface ProduceRequest {
  /** Who has to have the records before the broker answers: all in-sync replicas (-1), or the leader alone (1). */
  readonly acks: -1 | 1
  /** How long the leader may wait for its replicas, in milliseconds. */
  readonly timeoutMillis: number
  /** Whose transaction the batches are part of, where they say that they are part of one. Default: none. */
  readonly transactionalId?: string
  readonly partitions: ReadonlyArray<ProducePartition>
}

/**
 * What is appended to one partition.
 *
 * @since 0.2.0
 * @category requests
 */
export interface ProducePartition extends TopicPartition {
  /** One encoded record batch (magic 2), whose base offset is 0. */
  readonly records: Uint8Array
}

/**
 * The answer to a produce request.
 *
 * @since 0.1.0
 * @category answers
 */
export interface ProduceResponse {
  /** How long the broker wants no other request because of a quota, in milliseconds; a minute at most. */
  readonly throttleMillis: number
  /** The partitions of which the broker told something. */
  readonly partitions: ReadonlyArray<ProducedPartition>
}

/**
 * What came of a batch for one partition.
 *
 * @since 0.2.0
 * @category answers
 */
export interface ProducedPartition extends TopicPartition {
  /** Kafka's error code, 0 if the batch is in the log. */
  readonly errorCode: number
  /** Offset of the batch's first record; -1 if it was refused. */
  readonly baseOffset: number
  /** What the broker said of the error, in one line; `undefined` if it said nothing. */
  readonly errorMessage: string | undefined
  /** The records for which the batch was refused, where the broker names them (Kafka 2.4 and later). */
  readonly recordErrors?: ReadonlyArray<RecordError>
}

/**
 * A record of a batch that a broker refused.
 *
 * @since 0.2.0
 * @category answers
 */
export interface RecordError {
  /** The record's place in its batch, from 0. */
  readonly batchIndex: number
  /** What the broker said of the record, in one line; `undefined` if it said nothing. */
  readonly message: string | undefined
}

// index: int32, error_code: int16, base_offset: int64, log_append_time_ms: int64, log_start_offset: int64,
// record_errors (v8+): [batch_index: int32, batch_index_error_message: nullable string],
// error_message: nullable string (v8+)
const readPartition = (version: number, reader: Reader, topic: TopicRef): ProducedPartition => {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const baseOffset = reader.offset()
  reader.skip(16)
  let errorMessage: string | undefined
  let recordErrors: ReadonlyArray<RecordError> = []
  if (version >= 8) {
    recordErrors = reader.array(() => {
      const batchIndex = reader.int32()
      const message = reader.message()
      reader.tags()
      return { batchIndex, message }
    })
    // The batch's own message sums up the messages of its records.
    errorMessage = reader.message() ?? recordErrors.find(({ message }) => message !== undefined)?.message
  }
  reader.tags()
  const answer = { topic, partition, errorCode, baseOffset, errorMessage }
  return recordErrors.length === 0 ? answer : { ...answer, recordErrors }
}

/** Appends record batches (magic 2). */
export const produce: Api<ProduceRequest, ProduceResponse> = {
  key: 0,
  name: "Produce",
  // Version 7 (Kafka 2.1) allows zstd. What came after 9 is about transactions, hints at leaders, and topic ids.
  versions: { min: 7, max: 9 },
  flexible: (version) => version >= 9,
  waitMillis: ({ timeoutMillis }) => timeoutMillis,
  maxAnswerBytes: 16 * MIB,
  // transactional_id: nullable string, acks: int16, timeout_ms: int32,
  // topic_data: [name: string, partition_data: [index: int32, records: bytes]]
  encode: (_version, request, writer) => {
    writer.nullableString(request.transactionalId)
    writer.int16(request.acks)
    writer.int32(request.timeoutMillis)
    writer.array(byTopic(request.partitions), ({ partitions, topic }) => {
      writer.string(topic.name)
      writer.array(partitions, (p) => {
        writer.int32(p.partition)
        writer.bytes(p.records)
        writer.tags()
      })
      writer.tags()
    })
    writer.tags()
  },
  // responses: [name: string, partition_responses: [partition]], throttle_time_ms: int32
  decode: (version, reader, request) => {
    const partitions = new Partitions<ProducedPartition>(request.partitions)
    reader.array(() => {
      const name = reader.string()
      partitions.take(
        (topic) => topic.name === name,
        (topic) => reader.array(() => readPartition(version, reader, topic))
      )
      reader.tags()
    })
    const throttleMillis = reader.throttle()
    reader.tags()
    return { throttleMillis, partitions: partitions.all }
  },
  parts: ofPartitions<ProducePartition, ProduceRequest, ProduceResponse>({
    of: (request, partitions) => ({ ...request, partitions }),
    refuse: ({ partitions }, errorCode) => ({
      throttleMillis: 0,
      partitions: partitions.map(({ partition, topic }) => ({
        topic,
        partition,
        errorCode,
        baseOffset: -1,
        errorMessage: undefined
      }))
    })
  })
}
