/** What the contract's tests are written with. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { Codec, KafkaClient, KafkaTable, KafkaTableWriter, type KafkaError, type Position } from "../../src/index.ts"
import type { RecordToSend } from "../kafka/records.ts"
import type { Lacks } from "../kafka/versions.ts"
import type { Backend, Refused, TopicOptions } from "./Backend.ts"

export type Table = KafkaTable.KafkaTable<string, string>
export type Writer = KafkaTableWriter.KafkaTableWriter<string, string>

/** A cluster, and what most tests begin with. */
export interface Kafka extends Backend {
  readonly lacks: Lacks
  /** A topic that no other test has. */
  readonly topic: (options?: TopicOptions) => Effect.Effect<string, Refused>
  /** Of a topic that there is. */
  readonly idOf: (topic: string) => Effect.Effect<string, Refused>
  /** Several appends one after the other, each of up to `size` records. */
  readonly appendInBatches: (
    topic: string,
    records: ReadonlyArray<RecordToSend>,
    size: number
  ) => Effect.Effect<ReadonlyArray<Position.Position>, Refused>
  /** With a client of its own. */
  readonly withClient: <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | KafkaError.InvalidOptionsError, Exclude<R, KafkaClient.KafkaClient> | Scope.Scope>
  /** A table of texts, with a client of its own. */
  readonly table: (
    topic: string,
    settings?: KafkaTable.TableSettings
  ) => Effect.Effect<Table, KafkaTable.AcquireError, Scope.Scope>
  /** A writer of texts, with a client of its own. */
  readonly writer: (
    topic: string,
    settings?: KafkaTableWriter.WriterSettings
  ) => Effect.Effect<Writer, KafkaTableWriter.AcquireError, Scope.Scope>
}

/** A test of the contract, with a scope of its own, by the real clock. */
export type Suite = <A, E>(name: string, body: (kafka: Kafka) => Effect.Effect<A, E, Scope.Scope>) => void

export const newName = (): string => `test-${randomBytes(5).toString("hex")}`

/**
 * Whether the error of a wait says of all that is behind how far it is, and has to come. A wait that a test keeps short may be over on
 * a busy machine before brokers have told that.
 */
export const isInformed = (error: KafkaError.KafkaError): boolean =>
  error._tag !== "KafkaWaitTimeoutError" ||
  (error.behind.length > 0 &&
    error.behind.every(({ position, target }) => position !== undefined && target !== undefined))

/** For a reader that gets a record batch an answer, so that few of them are on their way to it when it is held up. */
export const batchAnAnswer = { fetch: { maxPartitionBytes: 1, maxBytes: 1 } } as const

/** A table of texts on this client. */
export const tableOn = (client: KafkaClient.KafkaClient, topic: string, settings: KafkaTable.TableSettings = {}) =>
  KafkaTable.make<string, string>({ topic, value: Codec.utf8, ...settings }).pipe(
    Effect.provideService(KafkaClient.KafkaClient, client)
  )

/** A writer of texts on this client. */
export const writerOn = (
  client: KafkaClient.KafkaClient,
  topic: string,
  settings: KafkaTableWriter.WriterSettings = {}
) =>
  KafkaTableWriter.make<string, string>({ topic, value: Codec.utf8, ...settings }).pipe(
    Effect.provideService(KafkaClient.KafkaClient, client)
  )

/** What makes sure of its topic by itself: a table, and a writer. */
export const openers = (kafka: Kafka) => [
  (topic: string, settings: KafkaTable.TableSettings) => Effect.asVoid(kafka.table(topic, settings)),
  (topic: string, settings: KafkaTableWriter.WriterSettings) => Effect.asVoid(kafka.writer(topic, settings))
]

export const kafkaOn = (backend: Backend, lacks: Lacks): Kafka => ({
  ...backend,
  lacks,
  topic: (options) =>
    Effect.suspend(() => {
      const topic = newName()
      return Effect.as(backend.createTopic(topic, options), topic)
    }),
  idOf: (topic) =>
    Effect.flatMap(backend.describeTopic(topic), (found) =>
      found === undefined ? Effect.die(new Error(`no topic ${topic}`)) : Effect.succeed(found.id)
    ),
  appendInBatches: (topic, records, size) =>
    Effect.suspend(() => {
      const batches: Array<ReadonlyArray<RecordToSend>> = []
      for (let from = 0; from < records.length; from += size) batches.push(records.slice(from, from + size))
      return Effect.map(
        Effect.forEach(batches, (batch) => backend.append(topic, batch)),
        (positions) => positions.flat()
      )
    }),
  withClient: (effect) =>
    Effect.flatMap(backend.client, (client) => Effect.provideService(effect, KafkaClient.KafkaClient, client)),
  table: (topic, settings) => Effect.flatMap(backend.client, (client) => tableOn(client, topic, settings)),
  writer: (topic, settings) => Effect.flatMap(backend.client, (client) => writerOn(client, topic, settings))
})
