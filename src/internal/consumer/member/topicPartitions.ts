/** Partitions of any topics, found by the topic's name and the partition's number. */
import type { TopicPartition } from "../../../KafkaConsumer.ts"

/** The key of a partition in a map. No topic's name has a colon. */
export const keyOf = ({ partition, topic }: TopicPartition): string => `${topic}:${partition}`

/** Those of `all` that are not among `others`. */
export const without = <P extends TopicPartition>(
  all: Iterable<P>,
  others: Iterable<TopicPartition>
): ReadonlyArray<P> => {
  const keys = new Set([...others].map(keyOf))
  return [...all].filter((p) => !keys.has(keyOf(p)))
}

/** Numbers of partitions by their topics, in the order in which they come. */
export const byTopicName = (all: Iterable<TopicPartition>): ReadonlyMap<string, ReadonlyArray<number>> => {
  const topics = new Map<string, Array<number>>()
  for (const { partition, topic } of all) {
    const others = topics.get(topic)
    if (others === undefined) topics.set(topic, [partition])
    else others.push(partition)
  }
  return topics
}
