import { type AdminResponse, type Api, MIB, only } from "./api.ts"
import { undivided } from "./parts.ts"
import type { Reader } from "./wire.ts"

/**
 * Asks for all settings of a topic, the broker's defaults among them. Any broker answers it.
 *
 * @since 0.2.0
 * @category requests
 */
export interface DescribeConfigsRequest {
  /** The topic's name. */
  readonly topic: string
}

/**
 * A setting of a topic.
 *
 * @since 0.1.0
 * @category answers
 */
export interface ConfigEntry {
  readonly name: string
  /** The value as Kafka writes it; `undefined` if the broker does not show it. */
  readonly value: string | undefined
  /** Whether it is set on this topic itself, rather than inherited from the broker's defaults. */
  readonly explicit: boolean
}

/**
 * The settings of a topic.
 *
 * @since 0.1.0
 * @category answers
 */
export interface DescribeConfigsResponse extends AdminResponse {
  /** All settings, explicit ones and inherited ones. */
  readonly configs: ReadonlyArray<ConfigEntry>
}

export const TOPIC_RESOURCE = 2

/**
 * The source of settings that are set on the topic. Others are set on the broker or on all brokers, or are built in.
 */
const TOPIC_CONFIG_SOURCE = 1

// name: string, value: nullable string, read_only: bool, config_source: int8, is_sensitive: bool,
// synonyms: [name: string, value: nullable string, source: int8], config_type: int8 (v3+),
// documentation: nullable string (v3+)
const readConfig = (version: number, reader: Reader): ConfigEntry => {
  const name = reader.string()
  const value = reader.nullableString()
  reader.boolean()
  const source = reader.int8()
  reader.boolean()
  reader.array(() => {
    reader.string()
    reader.nullableString()
    reader.int8()
    reader.tags()
  })
  if (version >= 3) {
    reader.int8()
    reader.nullableString()
  }
  reader.tags()
  return { name, value, explicit: source === TOPIC_CONFIG_SOURCE }
}

/** Asks for all settings of one topic. */
export const describeConfigs: Api<DescribeConfigsRequest, DescribeConfigsResponse> = {
  key: 32,
  name: "DescribeConfigs",
  // Version 0 does not tell where a setting comes from.
  versions: { min: 1, max: 4 },
  flexible: (version) => version >= 4,
  maxAnswerBytes: 4 * MIB,
  // resources: [resource_type: int8, resource_name: string, configuration_keys: nullable [string]],
  // include_synonyms: bool, include_documentation: bool (v3+)
  encode: (version, request, writer) => {
    writer.array([request.topic], (topic) => {
      writer.int8(TOPIC_RESOURCE)
      writer.string(topic)
      writer.nullArray()
      writer.tags()
    })
    writer.boolean(false)
    if (version >= 3) writer.boolean(false)
    writer.tags()
  },
  // throttle_time_ms: int32, results: [error_code: int16, error_message: nullable string, resource_type: int8,
  //   resource_name: string, configs: [config]]
  decode: (version, reader, request) => {
    reader.int32()
    const answers = reader.array((): DescribeConfigsResponse | undefined => {
      const errorCode = reader.int16()
      const errorMessage = reader.message()
      const type = reader.int8()
      const name = reader.string()
      const configs = reader.array(() => readConfig(version, reader))
      reader.tags()
      return type === TOPIC_RESOURCE && name === request.topic ? { errorCode, errorMessage, configs } : undefined
    })
    reader.tags()
    return only(answers, request.topic)
  },
  parts: undivided<DescribeConfigsRequest, DescribeConfigsResponse>({
    topicOf: ({ topic }) => topic,
    refuse: (_request, errorCode) => ({ errorCode, errorMessage: undefined, configs: [] })
  })
}
