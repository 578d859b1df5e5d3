/** A producer on the cluster in memory of the writer's tests, with several topics. */
import * as Effect from "effect/Effect"
import type { KafkaProtocol, Position } from "../../src/index.ts"
import { Codec, KafkaProducer } from "../../src/index.ts"
import { readAll, type ReadRecord } from "../recordBatch/support.ts"
import { Brokers, on } from "../writer/support.ts"

export {
  advance,
  append,
  appendThen,
  Brokers,
  fail,
  frozen,
  headersOf,
  isRunning,
  on,
  refuse,
  settle,
  slow,
  start,
  within,
  type Behaviour
} from "../writer/support.ts"

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Two topics of one partition each, both led by node 0. */
export const twoTopics = (nodes = 1): Brokers => {
  const brokers = new Brokers(1, nodes)
  brokers.cluster.createTopic("orders")
  brokers.cluster.createTopic("audit")
  return brokers
}

export const openProducer = (brokers: Brokers, options: KafkaProducer.KafkaProducerOptions = {}) =>
  KafkaProducer.make(options).pipe(on(brokers))

/** A topic of texts. */
export const textsTo = (producer: KafkaProducer.KafkaProducer, topic: string) =>
  Effect.orDie(producer.to(topic, { value: Codec.utf8 }))

/** All records of a partition. */
export const logOf = (brokers: Brokers, topic: string, partition = 0): ReadonlyArray<ReadRecord> =>
  readAll(
    Buffer.concat(brokers.cluster.topic(topic).partitions[partition].log.batches.map((batch) => batch.bytes)),
    0
  ).batches.flatMap(({ records }) => records)

const textOf = (part: Uint8Array | null): string => (part === null ? "null" : Buffer.from(part).toString())

/** `key=value` of all records of a partition, in the order of the log. */
export const writtenTo = (brokers: Brokers, topic: string, partition = 0): ReadonlyArray<string> =>
  logOf(brokers, topic, partition).map(({ key, value }) => `${textOf(key)}=${textOf(value)}`)

/** `topic/partition` of the batches of each Produce request, sorted. */
export const requestsOf = (brokers: Brokers): ReadonlyArray<ReadonlyArray<string>> =>
  brokers.sent.map(({ request }) => placesOf(request))

const placesOf = ({ partitions }: KafkaProtocol.ProduceRequest): ReadonlyArray<string> =>
  partitions.map(({ partition, topic }) => `${topic.name}/${partition}`).sort()

/** Counts how often the cluster was asked to describe each topic. */
export const countDescriptions = (brokers: Brokers): ReadonlyMap<string, number> => {
  const asked = new Map<string, number>()
  brokers.cluster.listener = (name, _, detail) => {
    if (name !== "Metadata") return
    for (const topic of (detail as KafkaProtocol.MetadataRequest).topics ?? []) {
      asked.set(topic, (asked.get(topic) ?? 0) + 1)
    }
  }
  return asked
}

export const shown = (position: Position.Position): string => `${position}`
