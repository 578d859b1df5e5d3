/** The embedded Kafka. */
import * as Effect from "effect/Effect"
import { EmbeddedKafka, type KafkaError } from "../../src/index.ts"
import type { ReadRecord, RecordToSend } from "../kafka/records.ts"
import { Refused, type Backend } from "./Backend.ts"

const answered = <A>(effect: Effect.Effect<A, KafkaError.BrokerError>): Effect.Effect<A, Refused> =>
  Effect.mapError(effect, ({ codeName, message }) => new Refused({ codeName, message }))

const toEmbedded = ({ headers, key, timestamp, value }: RecordToSend): EmbeddedKafka.EmbeddedRecord => ({
  key: key ?? null,
  value: value ?? null,
  ...(timestamp === undefined ? {} : { timestamp }),
  ...(headers === undefined ? {} : { headers })
})

/** Records by the partition that they name; those that name none come by themselves, in their order. */
const append = <A>(
  records: ReadonlyArray<RecordToSend>,
  appendTo: (
    records: ReadonlyArray<EmbeddedKafka.EmbeddedRecord>,
    options: EmbeddedKafka.AppendOptions
  ) => Effect.Effect<ReadonlyArray<A>, KafkaError.BrokerError>
): Effect.Effect<ReadonlyArray<A>, Refused> => {
  const partitions = new Set(records.map(({ partition }) => partition))
  return Effect.forEach(partitions, (partition) => {
    const indexes = [...records.keys()].filter((i) => records[i].partition === partition)
    return Effect.map(
      appendTo(
        indexes.map((i) => toEmbedded(records[i])),
        partition === undefined ? {} : { partition }
      ),
      (positions) => positions.map((position, n) => [indexes[n], position] as const)
    )
  }).pipe(
    Effect.map((parts) =>
      parts
        .flat()
        .sort(([a], [b]) => a - b)
        .map(([, position]) => position)
    ),
    answered
  )
}

const buffer = (bytes: Uint8Array | null): Buffer | null => (bytes === null ? null : Buffer.from(bytes))

const toRead = ({ headers, key, offset, partition, timestamp, value }: EmbeddedKafka.LoggedRecord): ReadRecord => ({
  partition,
  offset,
  timestamp,
  key: buffer(key),
  value: buffer(value),
  headers: headers.map(([key, value]) => ({ key, value: buffer(value) }))
})

export const embeddedBackend: Effect.Effect<Backend, KafkaError.InvalidOptionsError> = Effect.map(
  EmbeddedKafka.make({
    // as the shared broker has it
    groups: { minSessionTimeout: "500 millis", sessionTimeout: "8 seconds", heartbeatInterval: "500 millis" }
  }),
  (kafka) => {
    const topicOf = (topic: string) => Effect.map(kafka.topics, (topics) => topics.get(topic))
    return {
      client: kafka.client(),
      connections: Effect.map(kafka.connections, (connections) => connections.length),
      createTopic: (topic, options) => answered(Effect.map(kafka.createTopic(topic, options), ({ id }) => id)),
      deleteTopic: (topic) => answered(kafka.deleteTopic(topic)),
      describeTopic: (topic) =>
        Effect.map(topicOf(topic), (found) => found && { ...found, partitions: found.partitions.length }),
      addPartitions: (topic, count) => answered(kafka.addPartitions(topic, count)),
      deleteRecords: (topic, partition, offset) => answered(kafka.deleteRecords(topic, partition, offset)),
      clean: (topic, { dropTombstones = false } = {}) =>
        dropTombstones
          ? kafka.alterConfigs(topic, { "delete.retention.ms": "0" }).pipe(
              // tombstones stay the first time that they are met
              Effect.andThen(kafka.clean(topic)),
              Effect.andThen(kafka.clean(topic)),
              answered
            )
          : answered(kafka.clean(topic)),
      append: (topic, records, options) =>
        append(records, (some, where) => kafka.append(topic, some, { ...options, ...where })),
      transaction: (options) =>
        Effect.acquireRelease(
          Effect.map(kafka.transaction, (transaction) => ({
            append: (topic: string, records: ReadonlyArray<RecordToSend>) =>
              append(records, (some, where) => transaction.append(topic, some, { ...options, ...where })),
            commit: transaction.commit,
            abort: transaction.abort
          })),
          ({ abort }) => abort
        ),
      log: (topic, { committed = false } = {}) =>
        answered(
          Effect.map(Effect.zip(kafka.log(topic), topicOf(topic)), ([log, found]) =>
            log
              .filter(({ kind, offset, partition }) =>
                committed
                  ? (kind === "Data" || kind === "Committed") && offset < found!.partitions[partition].lastStableOffset
                  : kind !== "Marker"
              )
              .map(toRead)
          )
        ),
      ends: (topic) =>
        Effect.map(topicOf(topic), (found) => (found?.partitions ?? []).map(({ highWatermark }) => highWatermark))
    }
  }
)
