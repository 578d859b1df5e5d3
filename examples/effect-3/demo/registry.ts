/** What an application has: a schema, a table and a writer of it, what is made of that, and services that register themselves. */
import { Effect, Schedule, Schema, Stream } from "effect"
import { Aggregate, Codec, DerivedTable, KafkaTable, KafkaTableWriter } from "effect-ktables"

export class Service extends Schema.Class<Service>("Service")({
  host: Schema.String,
  port: Schema.Int.pipe(Schema.between(1, 65_535)),
  heartbeats: Schema.Int
}) {}

export class Services extends KafkaTable.Tag("demo/Services")<Services, string, Service>().withIndexes((index) => ({
  host: index.hash((service) => service.host)
})) {}
export class ServicesWriter extends KafkaTableWriter.Tag("demo/ServicesWriter")<ServicesWriter, string, Service>() {}

/** What the table and its writer have in common. */
export const registry = (topic: string) => ({ topic, value: Codec.json(Service) })

/** A table of it, complete from the beginning: on a slow machine, or on a cluster far away, that may take a while. */
export const registryTable = (topic: string) =>
  ({ ...registry(topic), catchUpTimeout: "2 minutes", onCatchUpTimeout: "fail", waitTimeout: "2 minutes" }) as const

/** How many workers a rack has, always in step with the services. */
export class Racks extends DerivedTable.Tag("demo/Racks")<Racks, string, { readonly workers: number }>() {}

export const workersByRack = DerivedTable.from(Services).pipe(
  DerivedTable.filter((_, name) => name.startsWith("worker-")),
  DerivedTable.groupBy((worker) => worker.host, { workers: Aggregate.count })
)

/**
 * Registers a service for as long as the scope is open, with a heartbeat every half second. Returns where its
 * registration is in the log.
 */
export const register = (name: string, port: number) =>
  Effect.gen(function* () {
    const writer = yield* ServicesWriter
    const write = (heartbeats: number) => writer.set(name, new Service({ host: `${name}.internal`, port, heartbeats }))
    // A broker that is down holds up nobody who leaves: what a writer accepted is flushed when the writer is closed.
    const leave = writer.delete(name).pipe(Effect.interruptible, Effect.timeout("200 millis"), Effect.ignore)

    const position = yield* Effect.acquireRelease(write(0), () => leave)
    yield* Stream.fromSchedule(Schedule.spaced("500 millis")).pipe(
      Stream.runForEach((n) => Effect.catchAll(write(n + 1), (error) => Effect.logWarning(error.message))),
      Effect.forkScoped
    )
    return position
  })
