import { type AdminResponse, type Api, MIB, only } from "./api.ts"
import { TOPIC_RESOURCE } from "./describeConfigs.ts"
import { undivided } from "./parts.ts"

/**
 * Sets some settings of a topic, and leaves all others as they are (Kafka 2.3 and later). It has to go to the
 * controller, or in KRaft to any broker.
 *
 * @since 0.2.0
 * @category requests
 */
export interface IncrementalAlterConfigsRequest {
  /** The topic's name. */
  readonly topic: string
  /** The new values by name, as Kafka writes them. */
  readonly set: Readonly<Record<string, string>>
}

/** The operation that sets a value. */
const SET = 0

/** Sets some settings of one topic, and leaves all others as they are (Kafka 2.3 and later). */
export const incrementalAlterConfigs: Api<IncrementalAlterConfigsRequest, AdminResponse> = {
  key: 44,
  name: "IncrementalAlterConfigs",
  versions: { min: 0, max: 1 },
  flexible: (version) => version >= 1,
  maxAnswerBytes: 1 * MIB,
  // resources: [resource_type: int8, resource_name: string, configs: [name: string, config_operation: int8,
  //   value: nullable string]], validate_only: bool
  encode: (_version, request, writer) => {
    writer.array([request.topic], (topic) => {
      writer.int8(TOPIC_RESOURCE)
      writer.string(topic)
      writer.array(Object.entries(request.set), ([name, value]) => {
        writer.string(name)
        writer.int8(SET)
        writer.string(value)
        writer.tags()
      })
      writer.tags()
    })
    writer.boolean(false)
    writer.tags()
  },
  // throttle_time_ms: int32, responses: [error_code: int16, error_message: nullable string, resource_type: int8,
  //   resource_name: string]
  decode: (_version, reader, request) => {
    reader.int32()
    const answers = reader.array((): AdminResponse | undefined => {
      const errorCode = reader.int16()
      const errorMessage = reader.message()
      const type = reader.int8()
      const name = reader.string()
      reader.tags()
      return type === TOPIC_RESOURCE && name === request.topic ? { errorCode, errorMessage } : undefined
    })
    reader.tags()
    return only(answers, request.topic)
  },
  parts: undivided<IncrementalAlterConfigsRequest, AdminResponse>({
    topicOf: ({ topic }) => topic,
    refuse: (_request, errorCode) => ({ errorCode, errorMessage: undefined })
  })
}
