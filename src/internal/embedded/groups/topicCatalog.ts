/** What the coordinators know of a cluster's topics. */
export interface KnownTopic {
  readonly name: string
  readonly id: string
  /** One for each of its partitions. */
  readonly partitions: { readonly length: number }
}

export interface TopicCatalog {
  readonly topics: ReadonlyMap<string, KnownTopic>
  readonly topicById: (id: string) => KnownTopic | undefined
}
