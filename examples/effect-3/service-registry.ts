/**
 * A service registry: each service keeps its own key in a compacted topic, and every watcher has the whole registry in
 * memory, live. Two kinds of processes, on any Kafka:
 *
 *     npx tsx examples/effect-3/service-registry.ts watch --brokers localhost:9092
 *     npx tsx examples/effect-3/service-registry.ts register billing 8080 --brokers localhost:9092
 *
 * `register` sends a heartbeat every two seconds, and takes its key away when it is ended (Ctrl-C, SIGTERM). `watch`
 * prints the registry, then what changes, until it is ended:
 *
 *     1 service
 *       search@b2:9200   2 s ago
 *     + billing@b1:8080
 *     ? search@b2:9200 is silent       killed: it could not take its key away
 *     - billing@b1:8080
 *
 * `--topic` names another topic than `examples.services`.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Duration, Effect, Option, Schedule, Schema, Stream } from "effect"
import { Codec, KafkaClient, TableDefinition, type TableSnapshot } from "effect-ktables"
import { hostname } from "node:os"
import { parseArgs } from "node:util"

const Port = Schema.Int.pipe(Schema.between(1, 65535))

class Service extends Schema.Class<Service>("Service")({
  name: Schema.NonEmptyString,
  host: Schema.String,
  port: Port
}) {
  /** One key per instance: two of a service do not overwrite each other. */
  get key(): string {
    return `${this.name}@${this.host}:${this.port}`
  }
}

const TOPIC = "examples.services"

class Services extends TableDefinition.Service<Services>()("examples/Services", {
  topic: TOPIC,
  value: Codec.json(Service)
}) {}

const HEARTBEAT = Duration.seconds(2)
const SILENT = Duration.times(HEARTBEAT, 3)

// ---------------------------------------------------------------------------------------------------------------------
// a service
// ---------------------------------------------------------------------------------------------------------------------

const register = (service: Service) =>
  Effect.gen(function* () {
    const writer = yield* Services.Writer
    // Written again and again, and deleted at the end of the scope. A heartbeat that fails is logged, and followed by the
    // next one: the registry knows by its age that one is missing.
    yield* writer.announce(service.key, service, { every: HEARTBEAT })
    yield* Console.log(`${service.key} is registered`)
    yield* Effect.addFinalizer(() => Console.log(`${service.key} leaves`))
    yield* Effect.never
  }).pipe(Effect.scoped)

// ---------------------------------------------------------------------------------------------------------------------
// a watcher
// ---------------------------------------------------------------------------------------------------------------------

type Registry = TableSnapshot.RecordSnapshot<string, Service>

const show = (registry: Registry) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    yield* Console.log(`${registry.size} service${registry.size === 1 ? "" : "s"}`)
    for (const { key, timestamp } of registry.entries()) {
      yield* Console.log(`  ${key}   ${Math.round((now - timestamp) / 1000)} s ago`)
    }
  })

/** Whose last heartbeat, the record's own timestamp, is too old. */
const silent = (registry: Registry) =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    Array.from(registry.entries())
      .filter(({ timestamp }) => now - timestamp > Duration.toMillis(SILENT))
      .map(({ key }) => key)
  )

const watch = Effect.gen(function* () {
  const services = yield* Services
  const { changes, snapshot } = yield* services.subscribe()
  yield* show(snapshot)

  const comingAndGoing = Stream.filterMap(
    changes,
    (change) =>
      change._tag === "Delete"
        ? Option.some(`- ${change.key}`)
        : Option.isNone(change.previous)
          ? Option.some(`+ ${change.key}`)
          : Option.none() // a heartbeat
  )
  const fallingSilent = Stream.fromSchedule(Schedule.spaced("1 second")).pipe(
    Stream.mapEffect(() => Effect.flatMap(services.snapshot, silent)),
    Stream.mapAccum(new Set<string>(), (before, now) => [
      new Set(now),
      now.filter((key) => !before.has(key)).map((key) => `? ${key} is silent`)
    ]),
    Stream.flattenIterables
  )
  yield* Stream.merge(comingAndGoing, fallingSilent).pipe(
    Stream.runForEach(Console.log),
    Effect.raceFirst(services.failure)
  )
}).pipe(Effect.scoped)

// ---------------------------------------------------------------------------------------------------------------------
// which of both
// ---------------------------------------------------------------------------------------------------------------------

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    brokers: { type: "string", default: "localhost:9092" },
    topic: { type: "string", default: TOPIC }
  }
})

const { topic } = values
// What cannot be delivered in five seconds is no heartbeat any more; and a process that ends must not hang for longer.
const Writer = Services.Writer.layerWith({ topic, deliveryTimeout: "5 seconds" })
const Table = Services.layerWith({ topic })
const Kafka = KafkaClient.layer({ brokers: values.brokers.split(","), clientId: "service-registry" })

const Command = Schema.Union(
  Schema.Tuple(Schema.Literal("watch")),
  Schema.Tuple(Schema.Literal("register"), Schema.NonEmptyString, Schema.compose(Schema.NumberFromString, Port))
)

const main = Effect.gen(function* () {
  const [command, name, port] = yield* Schema.decodeUnknown(Command)(positionals)
  yield* command === "watch"
    ? Effect.provide(watch, Table)
    : Effect.provide(register(new Service({ name, host: hostname(), port })), Writer)
})

NodeRuntime.runMain(main.pipe(Effect.provide(Kafka)))
