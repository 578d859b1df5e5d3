/** The versions of Kafka that tests start, and what some of them do not have. */

export type Version = "2.1.1" | "2.8.2" | "3.9.1" | "4.1.0" | "4.2.0"

/** What Kafka did not have from its beginning. */
export type Feature = "topic ids" | "IncrementalAlterConfigs" | "defaults of new topics"

export interface Release {
  readonly scala: "2.12" | "2.13"
  /** Where a cluster's metadata is kept. Before 3.3, KRaft was not meant for use. */
  readonly metadata: "ZooKeeper" | "KRaft"
  /** Each with the reason, in a sentence. */
  readonly lacks: Readonly<Partial<Record<Feature, string>>>
}

export const releases: Readonly<Record<Version, Release>> = {
  "2.1.1": {
    scala: "2.12",
    metadata: "ZooKeeper",
    lacks: {
      "topic ids": "Topics have ids since Kafka 2.8.",
      IncrementalAlterConfigs: "There is IncrementalAlterConfigs since Kafka 2.3.",
      "defaults of new topics": "CreateTopics takes the broker's defaults since Kafka 2.4."
    }
  },
  "2.8.2": { scala: "2.13", metadata: "ZooKeeper", lacks: {} },
  "3.9.1": { scala: "2.13", metadata: "KRaft", lacks: {} },
  "4.1.0": { scala: "2.13", metadata: "KRaft", lacks: {} },
  "4.2.0": { scala: "2.13", metadata: "KRaft", lacks: {} }
}

/** What a cluster is, unless a test says otherwise; also that of Kafka's clients and tools. */
export const usual: Version = "4.1.0"
