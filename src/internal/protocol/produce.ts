import type { ProduceRequest, ProduceResponse, RecordError } from "../../KafkaClient.ts"
import { type Api, MIB, Partitions } from "./api.ts"
import type { Reader } from "./wire.ts"

type Answer = ProduceResponse["partitions"][number]

// index: int32, error_code: int16, base_offset: int64, log_append_time_ms: int64, log_start_offset: int64,
// record_errors (v8+): [batch_index: int32, batch_index_error_message: nullable string],
// error_message: nullable string (v8+)
const readPartition = (version: number, reader: Reader): Answer => {
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
    // the batch's own message is the summary of its records' messages
    errorMessage = reader.message() ?? recordErrors.find(({ message }) => message !== undefined)?.message
  }
  reader.tags()
  const answer = { partition, errorCode, baseOffset, errorMessage }
  return recordErrors.length === 0 ? answer : { ...answer, recordErrors }
}

/** Appends record batches (magic 2) to partitions of one topic, outside of transactions. */
export const produce: Api<ProduceRequest, ProduceResponse> = {
  key: 0,
  name: "Produce",
  // 7 (Kafka 2.1) allows zstd; what comes after 9 is about transactions, leader hints and topic ids
  versions: { min: 7, max: 9 },
  flexible: (version) => version >= 9,
  maxAnswerBytes: 16 * MIB,
  // transactional_id: nullable string, acks: int16, timeout_ms: int32,
  // topic_data: [name: string, partition_data: [index: int32, records: bytes]]
  encode: (_version, request, writer) => {
    writer.nullString()
    writer.int16(request.acks)
    writer.int32(request.timeoutMillis)
    writer.array([request.topic.name], (topic) => {
      writer.string(topic)
      writer.array(request.partitions, (p) => {
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
    const partitions = new Partitions<Answer>(request.partitions)
    reader.array(() => {
      const topic = reader.string()
      const answers = reader.array(() => readPartition(version, reader))
      reader.tags()
      if (topic === request.topic.name) partitions.add(answers)
    })
    const throttleMillis = reader.throttle()
    reader.tags()
    return { throttleMillis, partitions: partitions.all }
  }
}
