import type { Isolation, ListOffsetsRequest, ListOffsetsResponse } from "../../KafkaClient.ts"
import { type Api, Partitions, MIB } from "./api.ts"
import type { Reader } from "./wire.ts"

type Answer = ListOffsetsResponse["partitions"][number]

/** Of a consumer; brokers have their own. */
export const CONSUMER_REPLICA_ID = -1

export const isolationLevel = (isolation: Isolation): number => (isolation === "read_committed" ? 1 : 0)

// partition_index: int32, error_code: int16, timestamp: int64, offset: int64, leader_epoch: int32
const readPartition = (reader: Reader): Answer => {
  const partition = reader.int32()
  const errorCode = reader.int16()
  reader.skip(8)
  const offset = reader.offset()
  const leaderEpoch = reader.int32()
  reader.tags()
  return { partition, errorCode, offset, leaderEpoch }
}

/** Where the logs of one topic begin or end. Fenced by leader epoch from version 4 (Kafka 2.1) on. */
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
    writer.array([request.topic], (topic) => {
      writer.string(topic)
      writer.array(request.partitions, (p) => {
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
    const partitions = new Partitions<Answer>(request.partitions)
    reader.array(() => {
      const topic = reader.string()
      const answers = reader.array(() => readPartition(reader))
      reader.tags()
      if (topic === request.topic) partitions.add(answers)
    })
    reader.tags()
    return { partitions: partitions.all }
  }
}
