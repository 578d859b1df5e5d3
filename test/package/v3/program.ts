/**
 * A program as a user of the package writes one: a table and its writer, once in each compression, on the brokers that
 * are its arguments or on an embedded Kafka. Prints what came of it as JSON.
 */
import { Effect, Layer, Logger, LogLevel, Option, Schema } from "effect"
import { Codec, KafkaClient, KafkaTable, KafkaTableWriter, Position, TableDefinition } from "effect-ktables"

export class Service extends Schema.Class<Service>("Service")({ host: Schema.String, port: Schema.Int }) {}

export class Services extends KafkaTable.Tag("app/Services")<Services, string, Service>() {}
export class ServicesWriter extends KafkaTableWriter.Tag("app/ServicesWriter")<ServicesWriter, string, Service>() {}

/** All of it in one definition, with what is not text as its keys, and indexes. */
export class Routes extends TableDefinition.Service<Routes>()("app/Routes", {
  topic: "routes",
  key: Codec.tuple({ host: Codec.utf8, path: Codec.utf8 }),
  value: Codec.json(Service),
  indexes: (index) => ({
    host: index.unique((service) => service.host),
    port: index.sorted((service) => service.port)
  })
}) {}

export const routes = Layer.mergeAll(Routes.layer, Routes.Writer.layerWith({ topic: "other.routes" }))

export const onPort = (port: number) => Effect.flatMap(Routes, (table) => table.by("port").get(port))

/** An answer that tells where a write is. */
export class Written extends Schema.Class<Written>("Written")({ at: Position.ManyFromString }) {}
export const WrittenOnce = Schema.Struct({ at: Position.FromString })

type Compression = NonNullable<KafkaTableWriter.WriterSettings["compression"]>

const compressions = ["none", "gzip", "snappy", "lz4", "zstd"] satisfies ReadonlyArray<Compression>

const prefix = `services-${Math.random().toString(36).slice(2)}`

export const registry = (compression: Compression) => ({
  topic: `${prefix}-${compression}`,
  value: Codec.json(Service),
  compression
})

export const tables = (compression: Compression) =>
  Layer.mergeAll(
    KafkaTable.layer(Services, registry(compression)),
    KafkaTableWriter.layer(ServicesWriter, registry(compression))
  )

/** The number of the codec in the topic's first record batch: the lowest bits of its attributes. */
export const codecInLog = Effect.fn("codecInLog")(function* (name: string) {
  const client = yield* KafkaClient.KafkaClient
  const { brokers, partitions, topic } = yield* client.describeTopic(name)
  const leader = yield* Option.fromNullable(brokers.get(partitions[0]?.leader ?? -1))
  const connection = yield* client.connect(leader)
  const answer = yield* connection.request("Fetch", {
    isolation: "read_uncommitted",
    maxWaitMillis: 100,
    minBytes: 1,
    maxBytes: 1_000_000,
    partitions: [{ topic, partition: 0, leaderEpoch: -1, fetchOffset: 0, lastFetchedEpoch: -1, maxBytes: 1_000_000 }]
  })
  const fetched = yield* Option.fromNullable(answer.partitions[0])
  return fetched.records.readInt16BE(21) & 7
}, Effect.scoped)

/** What was read, and how it is in the log. */
export const roundTrip = (compression: Compression) =>
  Effect.gen(function* () {
    const services = yield* Services
    const writer = yield* ServicesWriter
    const at = yield* writer.set("billing", new Service({ host: "b".repeat(1_000), port: 8080 }))
    yield* services.awaitPosition(at)
    const billing = yield* services.get("billing")
    return {
      read: Option.exists(billing, ({ host, port }) => host === "b".repeat(1_000) && port === 8080),
      codec: yield* codecInLog(registry(compression).topic)
    }
  }).pipe(
    Effect.provide(tables(compression)),
    Effect.catchTag("KafkaInvalidOptionsError", (error) => Effect.succeed({ refused: error.message }))
  )

/** How it looks when nobody listens: the sockets' side, whatever the rest runs on. */
export const unreachable = Effect.gen(function* () {
  const client = yield* KafkaClient.make({ brokers: ["127.0.0.1:1"] })
  const error = yield* Effect.flip(client.connect({ nodeId: 0, host: "127.0.0.1", port: 1 }))
  return `${error._tag} ${error.reason}`
}).pipe(Effect.scoped)

const brokers = process.argv.slice(2)

export const Kafka = brokers.length === 0 ? KafkaClient.layerMemory() : KafkaClient.layer({ brokers })

export const program = Effect.gen(function* () {
  const outcomes: Record<string, unknown> = {}
  for (const compression of compressions) outcomes[compression] = yield* roundTrip(compression)
  return { ...outcomes, unreachable: yield* unreachable }
}).pipe(Effect.provide(Kafka), Effect.provide(Logger.minimumLogLevel(LogLevel.Warning)))

void Effect.runPromise(program).then((outcome) => {
  console.log(JSON.stringify(outcome))
  // Fires only where something keeps the process alive that should not.
  setTimeout(() => {
    console.error("kept alive by", process.getActiveResourcesInfo())
    process.exit(1)
  }, 10_000).unref()
})
