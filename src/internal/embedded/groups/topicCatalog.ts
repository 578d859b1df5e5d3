/** What the coordinators know of a cluster's topics. */
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

export const isKnown = (
  { topics }: TopicCatalog,
  { partition, topic }: { readonly topic: { readonly name: string }; readonly partition: number }
): boolean => {
  const found = topics.get(topic.name)
  return found !== undefined && partition >= 0 && partition < found.partitions.length
}
