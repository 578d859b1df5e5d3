/** One object may describe a topic for both its table and its writer, so each of them knows the other's options. */

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
  "checkCrcs"
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
  "metadataMaxAge"
] as const
