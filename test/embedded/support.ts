/** Requests as a client makes them, on the embedded cluster. */
import { Effect } from "effect"
import { EmbeddedKafka, type KafkaError, type KafkaProtocol } from "../../src/index.ts"
import { Cluster, type Topic } from "../../src/internal/embedded/cluster.ts"
import { Refused } from "../../src/internal/embedded/codes.ts"
import type { StoredBatch } from "../../src/internal/embedded/log.ts"
import { encodeBatch, type EncodableBatch } from "../../src/internal/recordBatch/encode.ts"
import { readAll, record } from "../recordBatch/support.ts"

export const topic = "registry"

/** What is there, for a test that knows so. */
export const granted = <A>(value: A | Refused): A => {
  if (value instanceof Refused) throw value.toError("test")
  return value
}

export const refusedWith = (value: unknown): number | undefined => (value instanceof Refused ? value.code : undefined)

export const created = (
  cluster: Cluster,
  options: {
    readonly partitions?: number
    readonly replicationFactor?: number
    readonly configs?: Readonly<Record<string, string>>
  } = {}
): Topic => granted(cluster.createTopic(topic, { partitions: 1, replicationFactor: 1, configs: {}, ...options }))

/** A batch as a client sends it, of `key=value` or, for a tombstone, of `key` alone; at time 0, as a test's clock has it. */
export const sent = (texts: ReadonlyArray<string>, rest: Partial<EncodableBatch> = {}): Buffer =>
  encodeBatch({
    records: texts.map((text) => {
      const at = text.indexOf("=")
      const [key, value] = at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)]
      return record(key, value, { timestamp: 0 })
    }),
    codec: "none",
    producerId: -1n,
    producerEpoch: -1,
    baseSequence: -1,
    ...rest
  })

/** What a reader sees of some batches: `offset:key=value`, or `offset:key` for a tombstone. */
export const seen = (records: Buffer, offset = 0): ReadonlyArray<string> =>
  readAll(records, offset).batches.flatMap(({ records: ofBatch }) =>
    ofBatch.map(({ key, offset: at, value }) => {
      const text = key === null ? "" : Buffer.from(key).toString()
      return `${at}:${text}${value === null ? "" : `=${Buffer.from(value).toString()}`}`
    })
  )

export const bytesOf = (batches: ReadonlyArray<StoredBatch>): Buffer => Buffer.concat(batches.map(({ bytes }) => bytes))

// ---------------------------------------------------------------------------------------------------------------------
// on connections
// ---------------------------------------------------------------------------------------------------------------------

export const withTopic = (
  options: EmbeddedKafka.TopicOptions = {},
  nodes = 1
): Effect.Effect<EmbeddedKafka.EmbeddedKafka, KafkaError.InvalidOptionsError> =>
  EmbeddedKafka.make({ nodes, topics: { [topic]: options } })

export const brokerAt = (node: number): KafkaProtocol.Broker => new Cluster(node + 1).brokerOf(node)

/** A connection of a client of its own. */
export const connected = (
  kafka: EmbeddedKafka.EmbeddedKafka,
  { node = 0, ...options }: EmbeddedKafka.ClientOptions & { readonly node?: number } = {}
) => Effect.flatMap(kafka.client(options), (client) => client.connect(brokerAt(node)))

/** The topic by its name alone. */
export const ref: KafkaProtocol.TopicRef = { name: topic, id: undefined }

export const fetchOf = (
  partition: Partial<KafkaProtocol.FetchPartition> = {},
  request: Partial<KafkaProtocol.FetchRequest> = {}
): KafkaProtocol.FetchRequest => ({
  isolation: "read_committed",
  maxWaitMillis: 500,
  minBytes: 1,
  maxBytes: 1_000_000,
  partitions: [
    {
      topic: ref,
      partition: 0,
      leaderEpoch: -1,
      fetchOffset: 0,
      lastFetchedEpoch: -1,
      maxBytes: 1_000_000,
      ...partition
    }
  ],
  ...request
})

export const produceOf = (
  records: Uint8Array,
  rest: Partial<KafkaProtocol.ProduceRequest> = {}
): KafkaProtocol.ProduceRequest => ({
  acks: -1,
  timeoutMillis: 1_000,
  partitions: [{ topic: ref, partition: 0, records }],
  ...rest
})
