/**
 * A service registry in one terminal: `npm run demo`, or `npm run demo -- --brokers host:port`.
 *
 * Services register and send heartbeats, one writes something that is no service, one leaves. A watcher shows the live
 * table and each change; it ends by itself after some ten seconds.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Duration, Effect, Layer, Logger, LogLevel, Option, Schema, Stream } from "effect"
import { Codec, KafkaClient, KafkaTable, KafkaTableWriter, type TableChange } from "effect-ktables"
import { parseArgs } from "node:util"
import * as KafkaCluster from "../test/kafka/KafkaCluster.ts"

class Service extends Schema.Class<Service>("Service")({
  host: Schema.String,
  port: Schema.Int.pipe(Schema.between(1, 65535)),
  heartbeats: Schema.Int
}) {}

class Services extends KafkaTable.Tag("demo/Services")<Services, string, Service>() {}
class ServicesWriter extends KafkaTableWriter.Tag("demo/ServicesWriter")<ServicesWriter, string, Service>() {}
/** Who writes to the topic without our schema. */
class RawWriter extends KafkaTableWriter.Tag("demo/RawWriter")<RawWriter, string, string>() {}

const say = (text: string) => Console.log(text)
const headline = (text: string) => Console.log(`\n== ${text}`)

/** Registers, and then shows every half second that it is alive. Leaves the registry when it ends. */
const service = (name: string, port: number) =>
  Effect.gen(function* () {
    const writer = yield* ServicesWriter
    const beat = (heartbeats: number) => writer.set(name, new Service({ host: `${name}.internal`, port, heartbeats }))
    yield* beat(0)
    yield* Effect.iterate(1, {
      while: () => true,
      body: (n) => Effect.as(Effect.delay(beat(n), "500 millis"), n + 1)
    }).pipe(Effect.onInterrupt(() => Effect.ignore(writer.delete(name))))
  })

const describeChange = (change: TableChange.TableChange<string, Service>): string => {
  if (change._tag === "Delete") return `- ${change.key} left`
  return Option.match(change.previous, {
    onNone: () => `+ ${change.key} at ${change.value.host}:${change.value.port}`,
    onSome: () => `  ${change.key} heartbeat ${change.value.heartbeats} (offset ${change.offset})`
  })
}

/** The table as text, whenever it is asked for. */
const show = Effect.gen(function* () {
  const table = yield* Services
  const entries = [...table.unsafeSnapshot().entries()].sort((a, b) => a.key.localeCompare(b.key))
  const status = yield* table.status.get
  const { lag, staleMillis } = yield* table.freshness
  yield* say(
    [
      `   ${"service".padEnd(10)}${"address".padEnd(26)}${"heartbeats".padStart(10)}${"offset".padStart(8)}`,
      ...entries.map(
        ({ key, offset, value }) =>
          `   ${key.padEnd(10)}${`${value.host}:${value.port}`.padEnd(26)}${String(value.heartbeats).padStart(10)}${String(offset).padStart(8)}`
      ),
      `   ${entries.length} services, ${status._tag}, lag ${lag ?? "?"}, last answer ${staleMillis ?? "?"} ms ago`
    ].join("\n")
  )
})

const story = Effect.gen(function* () {
  const table = yield* Services
  const writer = yield* ServicesWriter
  const raw = yield* RawWriter

  yield* table.changes.pipe(
    Stream.runForEach((change) => say(describeChange(change))),
    Effect.fork
  )
  yield* table.poison.pipe(
    Stream.runForEach((poison) => say(`! ${poison.message}`)),
    Effect.fork
  )

  yield* headline("three services register, and send heartbeats")
  const billing = yield* Effect.fork(service("billing", 8080))
  const search = yield* Effect.fork(service("search", 9200))
  const mailer = yield* Effect.fork(service("mailer", 2525))
  yield* Effect.sleep("2 seconds")
  yield* show

  yield* headline("a write, and a read of it")
  const at = yield* writer.set("gateway", new Service({ host: "gateway.internal", port: 443, heartbeats: 0 }))
  const [waited] = yield* Effect.timed(table.awaitPosition(at))
  const gateway = yield* table.get("gateway")
  yield* say(
    `   acknowledged at ${at}, visible after ${Duration.toMillis(waited).toFixed(1)} ms: ` +
      Option.match(gateway, { onNone: () => "not there?", onSome: (s) => `${s.host}:${s.port}` })
  )

  yield* headline("search turns poisonous: the table keeps its last good value, and goes on")
  yield* raw.set("search", `{"host":"search.internal","port":"ninety-two hundred"}`)
  yield* Effect.sleep("1 second")
  yield* show

  yield* headline("mailer leaves")
  yield* mailer.interruptAsFork(mailer.id())
  yield* table.watch("mailer").pipe(Stream.takeUntil(Option.isNone), Stream.runDrain)
  yield* show

  yield* headline("the end")
  yield* billing.interruptAsFork(billing.id())
  yield* search.interruptAsFork(search.id())
  yield* writer.delete("gateway")
  yield* writer.flush
  yield* table.ref.changes.pipe(
    Stream.takeUntil((snapshot) => snapshot.size === 0),
    Stream.runDrain,
    Effect.timeout("5 seconds")
  )
  const { aborted, applied, keyErrors, keyless, tombstones, valueErrors } = yield* table.stats
  yield* say(`   ${JSON.stringify({ applied, tombstones, keyless, keyErrors, valueErrors, aborted })}`)
})

const { values } = parseArgs({ options: { brokers: { type: "string" } } })
const given = values.brokers ?? process.env["KAFKA_BROKERS"]

/** A broker that is there, or one that is started for the demo. */
const brokers =
  given === undefined
    ? say("starting an Apache Kafka for this demo (its jars are downloaded the first time)").pipe(
        Effect.andThen(KafkaCluster.make({})),
        Effect.map((cluster) => cluster.brokers)
      )
    : Effect.succeed(given.split(","))

const main = Effect.gen(function* () {
  const topic = `demo.registry.${process.pid}`
  const registry = { topic, value: Codec.json(Service) }
  const Kafka = KafkaClient.layer({ brokers: yield* brokers, clientId: "demo" })
  const Tables = Layer.mergeAll(
    KafkaTable.layer(Services, registry),
    KafkaTableWriter.layer(ServicesWriter, registry),
    KafkaTableWriter.layer(RawWriter, { topic, value: Codec.utf8 })
  )
  yield* story.pipe(Effect.provide(Tables.pipe(Layer.provide(Kafka))))
}).pipe(Effect.scoped, Logger.withMinimumLogLevel(LogLevel.Error))

NodeRuntime.runMain(Effect.timeout(main, "2 minutes"))
