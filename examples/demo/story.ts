/** The story: what the library is for, a chapter each. `registry.ts` has what it is about. */
import { Array, Duration, Effect, Fiber, Number, Option, Schedule, Stream } from "effect"
import { Codec, KafkaTable, KafkaTableWriter, type KafkaError, type TableSnapshot } from "effect-ktables"
import { Cluster } from "./cluster.ts"
import { Narrator, type Chapter } from "./narrator.ts"
import { Racks, register, registryTable, Service, Services, ServicesWriter } from "./registry.ts"
import { count, duration, plural } from "./text.ts"

/** A writer to the same topic that knows nothing of the schema. */
export class RawWriter extends KafkaTableWriter.Tag("demo/RawWriter")<RawWriter, string, string>() {}

// ---------------------------------------------------------------------------------------------------------------------
// chapters: each ends with what came out of it
// ---------------------------------------------------------------------------------------------------------------------

const servicesRegister = {
  title: "Services register",
  text: "Each is a record in a Kafka topic, written again twice a second. The table is that topic as a live, typed map, read without asking the broker.",
  play: Effect.gen(function* () {
    const { pause } = yield* Narrator
    const services = yield* Services
    yield* pause(1)
    yield* register("billing", 8080)
    yield* pause(0.3)
    yield* register("search", 9200)
    yield* pause(0.3)
    yield* services.awaitPosition(yield* register("mailer", 2525))
    yield* pause(2)
    const { applied, entries } = yield* services.stats
    return `${plural(entries, "service")}, ${plural(applied, "record")} so far`
  })
}

const readYourOwnWrite = {
  title: "Read your own write",
  text: "gateway changes its port 100 times. Each time it awaits the position that the broker acknowledged its write with, and reads the port back.",
  play: Effect.gen(function* () {
    const { pause, tell } = yield* Narrator
    yield* pause(1)
    const writes = yield* Effect.forEach(
      Array.makeBy(100, (i) => 8001 + i),
      writeAndRead
    )
    const [first] = writes
    yield* tell(".", `set: acknowledged as ${first.position} after ${duration(first.acknowledged)}`)
    yield* tell(".", `awaitPosition: the table was there ${duration(first.awaited)} later`)
    yield* tell(".", `get: ${addressOf(first.seen)}, in ${duration(first.read)}, without asking the broker`)
    const seen = writes.filter((write) => Option.exists(write.seen, ({ port }) => port === write.port)).length
    const medianOf = (step: "acknowledged" | "awaited" | "read") => duration(median(writes.map((write) => write[step])))
    const medians = `set ${medianOf("acknowledged")}, awaitPosition ${medianOf("awaited")}, get ${medianOf("read")}`
    yield* tell("=", `${seen} of ${writes.length} reads saw their own write; medians: ${medians}`)
    yield* register("gateway", 443)
    yield* pause(2)
    return `${seen} of ${writes.length} reads saw it, ${medianOf("awaited")} after the set`
  })
}

/** What one write took until it was read again, in milliseconds. */
const writeAndRead = (port: number) =>
  Effect.gen(function* () {
    const services = yield* Services
    const writer = yield* ServicesWriter
    const gateway = new Service({ host: "gateway.internal", port, heartbeats: 0 })
    const [acknowledged, position] = yield* timed(writer.set("gateway", gateway))
    const [awaited] = yield* timed(services.awaitPosition(position))
    const [read, seen] = yield* timed(services.get("gateway"))
    return { port, position, seen, acknowledged, awaited, read }
  })

const nonsense = [
  `{"host":"search.internal","port":"ninety-two hundred","heartbeats":1}`,
  `{"host":"search.internal","port":920000,"heartbeats":2}`,
  `<service>search</service>`
]

const poisonRecords = {
  title: "Poison records",
  text: "A broken release of search writes what is no service. The table reports the record with its typed error, keeps the last good value, and goes on.",
  play: Effect.gen(function* () {
    const { pause, tell } = yield* Narrator
    const services = yield* Services
    const raw = yield* RawWriter
    const reports = yield* services.poison.pipe(
      Stream.take(nonsense.length),
      Stream.runForEach((error) => tell("!", describePoison(error))),
      Effect.forkChild
    )
    yield* pause(0.7)
    for (const value of nonsense) {
      yield* raw.set("search", value)
      yield* pause(0.5)
    }
    yield* Fiber.join(reports)
    const search = yield* services.get("search")
    yield* tell("=", `get("search"): still ${addressOf(search)}, its good heartbeats go on`)
    yield* pause(1.5)
    const { valueErrors } = yield* services.stats
    return `${valueErrors} reported and skipped, the good value kept`
  })
}

const serviceLeaves = {
  title: "A service leaves",
  text: "backup is a job, registered for as long as its scope is open. The end of the scope deletes the record, and whoever watches that key knows at once.",
  play: Effect.gen(function* () {
    const { pause, tell } = yield* Narrator
    const services = yield* Services
    const watcher = yield* services
      .watch("backup")
      .pipe(Stream.dropWhile(Option.isNone), Stream.takeUntil(Option.isNone), Stream.runDrain, Effect.forkChild)
    yield* pause(0.7)
    yield* Effect.scoped(Effect.andThen(register("backup", 873), pause(1.8)))
    const [known] = yield* timed(Fiber.join(watcher))
    yield* tell("=", `watch("backup"): gone, known ${duration(known)} after its delete was acknowledged`)
    yield* pause(1)
    return `its watcher knew ${duration(known)} later`
  })
}

const brokerOutage = {
  title: "A broker outage",
  text: "The broker goes down, and comes back. The table serves its last state, and says how stale that may be. Heartbeats wait in the writer.",
  play: Effect.gen(function* () {
    const { broker } = yield* Cluster
    const { pause, tell } = yield* Narrator
    const services = yield* Services
    const writer = yield* ServicesWriter
    yield* pause(1)
    if (broker === undefined) return "left out: your broker is not ours to stop"

    yield* broker.stop
    yield* tell("!", "the broker is stopped")
    yield* connected(false)
    const { lastFailure } = yield* services.freshness
    if (lastFailure !== undefined) yield* tell("!", `freshness: ${lastFailure._tag}, ${lastFailure.reason}`)
    for (let n = 0; n < 3; n++) {
      yield* Effect.sleep("1 second")
      const { staleMillis = 0 } = yield* services.freshness
      const billing = addressOf(yield* services.get("billing"))
      const { queued } = yield* writer.stats
      yield* tell(
        ".",
        `get("billing"): ${billing}, up to ${duration(staleMillis)} stale; ${plural(queued, "heartbeat")} waiting`
      )
    }
    const { staleMillis = 0 } = yield* services.freshness
    yield* broker.start
    yield* tell(".", "the broker is started again")
    const everythingThere = connected(true).pipe(Effect.andThen(writer.flush), Effect.andThen(services.barrier()))
    const [recovered] = yield* timed(everythingThere)
    const { failed, unknown } = yield* writer.stats
    yield* tell(
      "=",
      `current again ${duration(recovered)} later, waiting heartbeats included; ${failed + unknown} writes lost`
    )
    yield* pause(1.5)
    return `${duration(staleMillis)} stale, current again in ${duration(recovered)}`
  })
}

const connected = (wanted: boolean) =>
  Effect.flatMap(Services, ({ freshness }) =>
    freshness.pipe(Effect.repeat({ until: (now) => now.connected === wanted, schedule: Schedule.spaced("10 millis") }))
  )

const workers = Array.makeBy(20_000, (i) => `worker-${String(i + 1).padStart(5, "0")}`)

const rackOf = (worker: number): string => `rack-${(worker % 16) + 1}.internal`

const lateReplica = {
  title: "A late replica catches up",
  text: `${count(workers.length)} workers register at once. Then a second table starts, as in another process, and replays the topic from its beginning.`,
  play: Effect.gen(function* () {
    const { client } = yield* Cluster
    const { pause } = yield* Narrator
    const writer = yield* ServicesWriter
    yield* pause(1)
    const worker = (n: number) => new Service({ host: rackOf(n), port: 7000, heartbeats: 0 })
    const [registered] = yield* timed(writer.setMany(workers.map((name, n) => [name, worker(n)])))
    yield* tellWorkers(registered)
    yield* pause(1.2)
    return yield* replica.pipe(Effect.scoped, Effect.provide(client))
  })
}

const tellWorkers = (millis: number) =>
  Effect.flatMap(Narrator, ({ tell }) =>
    tell("+", `${plural(workers.length, "worker")} registered, acknowledged after ${duration(millis)}`)
  )

/** The same topic once more, as a table of its own. */
const replica = Effect.gen(function* () {
  const { pause, tell } = yield* Narrator
  const services = yield* Services
  const other = yield* KafkaTable.make(registryTable(services.topic))
  const { catchUpMillis = 0, replayed } = yield* other.stats
  yield* tell("+", `a replica has replayed ${plural(replayed, "record")} in ${duration(catchUpMillis)}`)
  yield* Effect.all([services.barrier(), other.barrier()])
  const same = haveSameAddresses(services.unsafeSnapshot(), other.unsafeSnapshot())
  yield* tell("=", `${same ? "the same" : "NOT the same"} ${plural(yield* other.size, "service")} in both tables`)
  yield* pause(2)
  return `${plural(replayed, "record")} in ${duration(catchUpMillis)}${same ? "" : ", NOT THE SAME"}`
})

const rackGoesDown = {
  title: "A rack goes down",
  text: "An index finds the workers of rack-7, and they leave. A derived table counts the workers of each rack: it shows every change in the same step as the table.",
  play: Effect.gen(function* () {
    const { pause, tell } = yield* Narrator
    const services = yield* Services
    const racks = yield* Racks
    const writer = yield* ServicesWriter
    const rack = rackOf(6)
    yield* pause(1)
    const [found, lost] = yield* timed(services.by("host").get(rack))
    yield* tell(
      ".",
      `by("host").get("${rack}"): ${plural(lost.length, "worker")} of ${plural(yield* services.size, "service")}, in ${duration(found)}`
    )
    // ends with the row: a group without workers is none
    const told = yield* racks.watch(rack).pipe(
      Stream.takeUntil(Option.isNone),
      Stream.runForEach(
        Option.match({
          onNone: () => tell("-", `racks: ${rack} is gone`),
          onSome: ({ workers }) => tell(".", `racks: ${rack} has ${plural(workers, "worker")}`)
        })
      ),
      Effect.forkChild
    )
    for (const some of Array.chunksOf(lost, 500)) {
      yield* pause(0.7)
      yield* racks.awaitPosition(yield* writer.deleteMany(some.map(({ key }) => key)))
    }
    yield* Fiber.join(told)
    const counts = (yield* racks.values).map(({ workers }) => workers)
    const inRacks = plural(Number.sumAll(counts), "worker")
    yield* tell(
      "=",
      `${inRacks} in ${plural(counts.length, "rack")}, ${count(yield* services.count({ prefix: "worker-" }))} in the table`
    )
    yield* pause(2)
    return `${plural(lost.length, "worker")} found in ${duration(found)}, their rack gone with the last one`
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// the story
// ---------------------------------------------------------------------------------------------------------------------

const all = [servicesRegister, readYourOwnWrite, poisonRecords, serviceLeaves, brokerOutage, lateReplica, rackGoesDown]

type Play = (typeof all)[number]["play"]
type ErrorOf<P> = P extends Effect.Effect<string, infer E, infer _R> ? E : never
type NeedsOf<P> = P extends Effect.Effect<string, infer _E, infer R> ? R : never

export const chapters: ReadonlyArray<Chapter & { readonly play: Effect.Effect<string, ErrorOf<Play>, NeedsOf<Play>> }> =
  all

export const story = Effect.gen(function* () {
  const { chapter } = yield* Narrator
  yield* Effect.forkScoped(comingsAndGoings)
  yield* Effect.forEach(chapters, (one) => chapter(one, one.play), { discard: true })
})

/** Heartbeats are seen in the table, and the workers are too many to tell of each. */
const comingsAndGoings = Effect.gen(function* () {
  const { tell } = yield* Narrator
  const services = yield* Services
  yield* services.changes.pipe(
    Stream.filter(({ key }) => !key.startsWith("worker-")),
    Stream.runForEach((change) => {
      if (change._tag === "Delete") return tell("-", `${change.key} left (tombstone at offset ${change.offset})`)
      if (Option.isSome(change.previous)) return Effect.void
      return tell("+", `${change.key} registered at ${addressOf(change.value)} (offset ${change.offset})`)
    })
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// helpers
// ---------------------------------------------------------------------------------------------------------------------

/** The result, and the milliseconds that it took. */
const timed = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<readonly [millis: number, result: A], E, R> =>
  Effect.map(Effect.timed(self), ([time, result]) => [Duration.toMillis(time), result])

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

const addressOf = (service: Service | Option.Option<Service>): string =>
  Option.isOption(service)
    ? Option.match(service, { onNone: () => "not there", onSome: addressOf })
    : `${service.host}:${service.port}`

type Snapshot = TableSnapshot.RecordSnapshot<string, Service>

const haveSameAddresses = (a: Snapshot, b: Snapshot): boolean =>
  a.size === b.size && [...a.keys()].every((key) => addressOf(a.get(key)) === addressOf(b.get(key)))

/** Which field, and why: the schema knows. The message alone would not quote what the record holds. */
const describePoison = (error: KafkaError.PoisonRecordError): string =>
  `${error._tag}, ${error.reason} at offset ${error.offset}: ${Codec.explain(error.cause)}`
