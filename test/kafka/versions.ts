/** The versions of Kafka that tests start, and what some of them do not have. */

export type Version = "2.1.1" | "2.8.2" | "3.9.1" | "4.1.0" | "4.2.0"

/** What Kafka did not have from its beginning, and some tests are about. */
export type Feature =
  | "topic ids"
  | "IncrementalAlterConfigs"
  | "defaults of new topics"
  | "refused records"
  | "limits of timestamps"
  | "static members"
  | "the consumer protocol"
  | "offsets by topic ids"
  | "coordinators as they are now"
  | "coordinators of Kafka 4.1"

/** Each with the reason, in a sentence. */
export type Lacks = Readonly<Partial<Record<Feature, string>>>

export interface Release {
  readonly scala: "2.12" | "2.13"
  /** Where a cluster's metadata is kept. Before 3.3, KRaft was not meant for use. */
  readonly metadata: "ZooKeeper" | "KRaft"
  readonly lacks: Lacks
}

const limitsOfTimestamps = {
  "limits of timestamps": "Limits of timestamps are set for the past and the future apart since Kafka 3.6."
}

const consumerProtocol = {
  "the consumer protocol": "Members speak the consumer protocol (KIP-848) with brokers since Kafka 4.0."
}

const oldCoordinators = {
  "coordinators as they are now":
    "Coordinators of groups and transactions do not have all of the requests before Kafka 4.0, and tell some things by other codes."
}

const coordinatorsOf41 = {
  "coordinators of Kafka 4.1":
    "Kafka 4.2 takes a heartbeat without partitions in the epoch before, and takes topics back with the expression that they matched."
}

const offsetsByTopicIds = {
  "offsets by topic ids": "Offsets are committed and asked for by the ids of topics since Kafka 4.2."
}

export const releases: Readonly<Record<Version, Release>> = {
  "2.1.1": {
    scala: "2.12",
    metadata: "ZooKeeper",
    lacks: {
      "topic ids": "Topics have ids since Kafka 2.8.",
      IncrementalAlterConfigs: "There is IncrementalAlterConfigs since Kafka 2.3.",
      "defaults of new topics": "CreateTopics takes the broker's defaults since Kafka 2.4.",
      "refused records":
        "Brokers tell which records of a batch they refuse, and refuse one without a key by INVALID_RECORD, since Kafka 2.4.",
      "static members": "Members of groups are static since Kafka 2.3.",
      ...limitsOfTimestamps,
      ...consumerProtocol,
      ...oldCoordinators,
      ...offsetsByTopicIds
    }
  },
  "2.8.2": {
    scala: "2.13",
    metadata: "ZooKeeper",
    lacks: { ...limitsOfTimestamps, ...consumerProtocol, ...oldCoordinators, ...offsetsByTopicIds }
  },
  "3.9.1": {
    scala: "2.13",
    metadata: "KRaft",
    lacks: { ...consumerProtocol, ...oldCoordinators, ...offsetsByTopicIds }
  },
  "4.1.0": { scala: "2.13", metadata: "KRaft", lacks: offsetsByTopicIds },
  "4.2.0": { scala: "2.13", metadata: "KRaft", lacks: coordinatorsOf41 }
}

/** What a cluster is, unless a test says otherwise; also that of Kafka's clients and tools. */
export const usual: Version = "4.1.0"
