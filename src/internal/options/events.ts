/** The options of events: of streams, and of who publishes them. */
import type * as Effect from "effect/Effect"
import type { EventStream, StreamOptions } from "../../EventStream.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { KafkaEventsOptions } from "../../KafkaEvents.ts"
import type { KafkaProducerOptions } from "../../KafkaProducer.ts"
import { checkOptions, isTopicName, type OptionCheck, TOPIC_NAME } from "./check.ts"
import { asGiven, boolean, type Checked, integer, longMillis, type Option, readSpec, type Spec } from "./spec.ts"
import { type CheckedTopic, configs, TOPIC_SETTINGS } from "./topic.ts"

const DELETE = "delete"

const prefix: Option<string, string> = {
  read: (check, name, value = "") => {
    if (!/^[a-zA-Z0-9._-]{0,200}$/.test(value)) check.problem(name, "must have only characters of topic names")
    return value
  }
}

/** The table of the options of `KafkaEvents`. Streams are checked by who knows events, the producer's options by the producer. */
export const EVENTS = {
  topicPrefix: prefix,
  streams: asGiven<ReadonlyArray<EventStream.Any>>(),
  partitions: integer(-1, 1),
  ensureTopics: boolean(true),
  producer: asGiven<KafkaProducerOptions>()
} satisfies Spec<KafkaEventsOptions>

export type EventsConfig = Checked<typeof EVENTS>

export const readEventsOptions = (options: KafkaEventsOptions): Effect.Effect<EventsConfig, InvalidOptionsError> =>
  checkOptions("KafkaEvents", (check) => {
    const checked = readSpec(check, EVENTS, options)
    if (checked.streams !== undefined && !Array.isArray(checked.streams)) check.problem("streams", "must be a list")
    return checked
  })

/** The table of the options of a stream. */
export const STREAM = {
  partitions: TOPIC_SETTINGS.partitions,
  replicationFactor: TOPIC_SETTINGS.replicationFactor,
  retention: longMillis,
  configs: configs(DELETE)
} satisfies Spec<StreamOptions>

/** A stream's topic, as it is made: without a number of replicas, if the stream says none. */
export const readStream = (
  check: OptionCheck,
  { name, options }: EventStream.Any,
  { partitions, topicPrefix }: EventsConfig
): CheckedTopic => {
  const topic = `${topicPrefix}${name}`
  if (typeof name !== "string" || !isTopicName(topic)) check.problem("name", TOPIC_NAME)
  const checked = readSpec(check, STREAM, options)
  const { configs, retentionMillis } = checked
  if (retentionMillis !== undefined && options.configs?.["retention.ms"] !== undefined) {
    check.problem("retention", "and configs.retention.ms are the same: give one of them")
  }
  return {
    topic,
    partitions: checked.partitions === -1 ? partitions : checked.partitions,
    replicationFactor: checked.replicationFactor,
    configs: retentionMillis === undefined ? configs : { ...configs, "retention.ms": String(retentionMillis) },
    onPolicyMismatch: "warn"
  }
}
