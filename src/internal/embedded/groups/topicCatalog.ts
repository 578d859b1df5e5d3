/** What the coordinators know of a cluster's topics. */
import type { TopicPartition } from "../../../KafkaProtocol.ts"
import { NONE, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION } from "../../protocol/codes.ts"

export interface KnownTopic {
  readonly name: string
  readonly id: string
  /** One for each of its partitions. */
  readonly partitions: { readonly length: number }
}

export interface TopicCatalog {
  readonly topics: ReadonlyMap<string, KnownTopic>
  topicById(id: string): KnownTopic | undefined
  /** How often topics have come, gone or grown. */
  readonly version: number
  /** The version in which the last topic came. */
  readonly lastCreation: number
}

export const isKnown = ({ topics }: TopicCatalog, { partition, topic }: TopicPartition): boolean =>
  has(topics.get(topic.name), partition)

const has = (topic: KnownTopic | undefined, partition: number): boolean =>
  topic !== undefined && partition >= 0 && partition < topic.partitions.length

/** The code for a partition that is named by its topic's id, where the caller knows one; that of no error if there is one. */
export const codeOf = (catalog: TopicCatalog, asked: TopicPartition): number => {
  const { id } = asked.topic
  if (id === undefined) return isKnown(catalog, asked) ? NONE : UNKNOWN_TOPIC_OR_PARTITION
  const found = catalog.topicById(id)
  if (found === undefined) return UNKNOWN_TOPIC_ID
  return has(found, asked.partition) ? NONE : UNKNOWN_TOPIC_OR_PARTITION
}
