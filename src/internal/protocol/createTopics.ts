import { type AdminResponse, type Api, MIB, only } from "./api.ts"
import { undivided } from "./parts.ts"
import type { Reader } from "./wire.ts"

/**
 * Creates one topic. It has to go to the controller, or in KRaft to any broker.
 *
 * @since 0.2.0
 * @category requests
 */
export interface CreateTopicsRequest {
  /** The topic's name. */
  readonly topic: string
  /** How many partitions it gets; -1 stands for the broker's default. */
  readonly partitions: number
  /** How many replicas each partition gets; -1 stands for the broker's default. */
  readonly replicationFactor: number
  /** Settings of the topic by name, as Kafka writes them. All others are the broker's defaults. */
  readonly configs: Readonly<Record<string, string>>
  /** How long the controller may wait for the topic to be there, in milliseconds. */
  readonly timeoutMillis: number
}

// (v5+) name: string, value: nullable string, read_only: bool, config_source: int8, is_sensitive: bool
const skipConfig = (reader: Reader): void => {
  reader.string()
  reader.nullableString()
  reader.skip(3)
  reader.tags()
}

/**
 * Creates one topic. Up to version 3 (before Kafka 2.4) the broker refuses -1 as the number of partitions or replicas.
 */
export const createTopics: Api<CreateTopicsRequest, AdminResponse> = {
  key: 19,
  name: "CreateTopics",
  // From version 6 on, a broker refuses because of a quota, where it delays before.
  versions: { min: 2, max: 5 },
  flexible: (version) => version >= 5,
  waitMillis: ({ timeoutMillis }) => timeoutMillis,
  maxAnswerBytes: 4 * MIB,
  // topics: [name: string, num_partitions: int32, replication_factor: int16,
  //   assignments: [partition_index: int32, broker_ids: [int32]], configs: [name: string, value: nullable string]],
  // timeout_ms: int32, validate_only: bool
  encode: (_version, request, writer) => {
    writer.array([request.topic], (topic) => {
      writer.string(topic)
      writer.int32(request.partitions)
      writer.int16(request.replicationFactor)
      writer.array([], () => {})
      writer.array(Object.entries(request.configs), ([name, value]) => {
        writer.string(name)
        writer.string(value)
        writer.tags()
      })
      writer.tags()
    })
    writer.int32(request.timeoutMillis)
    writer.boolean(false)
    writer.tags()
  },
  // throttle_time_ms: int32, topics: [name: string, error_code: int16, error_message: nullable string,
  //   num_partitions: int32 (v5+), replication_factor: int16 (v5+), configs: nullable [config] (v5+)]
  decode: (version, reader, request) => {
    reader.int32()
    const answers = reader.array((): AdminResponse | undefined => {
      const name = reader.string()
      const errorCode = reader.int16()
      const errorMessage = reader.message()
      if (version >= 5) {
        reader.skip(6)
        reader.nullableArray(() => skipConfig(reader))
      }
      reader.tags()
      return name === request.topic ? { errorCode, errorMessage } : undefined
    })
    reader.tags()
    return only(answers, request.topic)
  },
  parts: undivided<CreateTopicsRequest, AdminResponse>({
    topicOf: ({ topic }) => topic,
    refuse: (_request, errorCode) => ({ errorCode, errorMessage: undefined })
  })
}
