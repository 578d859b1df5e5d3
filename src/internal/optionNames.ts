/** The names of all options: what is not among them is a mistake, and is said to be one. */

export const CLIENT_OPTIONS = [
  "brokers",
  "clientId",
  "tls",
  "sasl",
  "connectTimeout",
  "requestTimeout",
  "backoff"
] as const

export const TLS_OPTIONS = ["ca", "cert", "key", "passphrase", "serverName"] as const

export const BACKOFF_OPTIONS = ["initial", "max"] as const

export const TOPIC_SETTINGS = ["partitions", "replicationFactor", "configs", "onPolicyMismatch"] as const

export const FETCH_OPTIONS = ["maxWait", "minBytes", "maxBytes", "maxPartitionBytes", "maxBatchBytes"] as const

// One object may describe a topic for both its table and its writer, so each of them knows the other's options.

export const TABLE_OPTIONS = [
  "topic",
  "key",
  "value",
  "ensureTopic",
  "topicSettings",
  "catchUpTimeout",
  "onCatchUpTimeout",
  "onPoison",
  "headers",
  "isolation",
  "fetch",
  "restart",
  "waitTimeout",
  "metadataMaxAge",
  "progressInterval",
  "deniedRetryInterval",
  "checkCrcs",
  "logValues"
] as const

export const WRITER_OPTIONS = [
  "topic",
  "key",
  "value",
  "ensureTopic",
  "topicSettings",
  "acks",
  "idempotent",
  "compression",
  "partitioner",
  "deliveryTimeout",
  "requestTimeout",
  "maxBatchBytes",
  "maxRecordBytes",
  "maxQueued",
  "maxQueuedBytes",
  "closeTimeout",
  "metadataMaxAge",
  "logValues"
] as const

export const PRODUCER_OPTIONS = [
  "acks",
  "idempotent",
  "compression",
  "partitioner",
  "deliveryTimeout",
  "requestTimeout",
  "maxBatchBytes",
  "maxRecordBytes",
  "maxQueued",
  "maxQueuedBytes",
  "closeTimeout",
  "metadataMaxAge",
  "logValues"
] as const

export const TOPIC_CODECS = ["key", "value"] as const

export const CLUSTER_OPTIONS = ["nodes", "topics"] as const

export const CLUSTER_TOPIC_OPTIONS = ["partitions", "replicationFactor", "configs"] as const

export const EMBEDDED_CLIENT_OPTIONS = ["clientId", "requestTimeout", "backoff"] as const
