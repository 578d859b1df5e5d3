/**
 * Feature flags: read synchronously on every request, changed by anybody at any time, with defaults from the Schema.
 *
 *     npx tsx examples/feature-flags.ts                              a Kafka in memory
 *     npx tsx examples/feature-flags.ts --brokers localhost:9092     a real one (--topic names another topic)
 *
 * It shows a flag that is not there, one that another tool wrote with a single field, a roll-out to a share of the
 * users, a job that runs as long as its flag is on, and what a read costs. It prints
 *
 *     new-checkout of nobody's making: on for 0 of 1000 users
 *     new-checkout {"enabled":true}: on for 1000 of 1000 users
 *     new-checkout at 25 percent: on for 248 of 1000 users
 *     recommendations: started
 *     recommendations: stopped
 *     1000000 reads took 89 ms
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Context, Deferred, Duration, Effect, Hash, Layer, Option, References, Schema, Stream } from "effect"
import { Codec, KafkaClient, KafkaTable, type LiveTable, KafkaTableWriter } from "effect-ktables"
import { parseArgs } from "node:util"

// ---------------------------------------------------------------------------------------------------------------------
// what the application has
// ---------------------------------------------------------------------------------------------------------------------

const Percent = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))

class Flag extends Schema.Class<Flag>("Flag")({
  // what a record may leave out, and what the constructor may
  enabled: Schema.Boolean.pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed(false)),
    Schema.withConstructorDefault(Effect.succeed(false))
  ),
  percent: Percent.pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed(100)),
    Schema.withConstructorDefault(Effect.succeed(100))
  )
}) {
  /** What a flag is that nobody has set. */
  static readonly unset = new Flag({})

  isOnFor(subject: string): boolean {
    return this.enabled && Math.abs(Hash.string(subject)) % 100 < this.percent
  }
}

class FlagTable extends KafkaTable.Tag("examples/FlagTable")<FlagTable, string, Flag>() {}
class FlagWriter extends KafkaTableWriter.Tag("examples/FlagWriter")<FlagWriter, string, Flag>() {}

/** What the rest of the application sees: a plain function, as no request should wait for a flag. */
class Flags extends Context.Service<
  Flags,
  {
    readonly isOn: (flag: string, user: string) => boolean
    /**
     * Runs the effect whenever the flag is on, and interrupts it when it is not any more. Fails when flags are not
     * followed any more.
     */
    readonly whileOn: (flag: string, job: Effect.Effect<void>) => Effect.Effect<void, LiveTable.TableFailure>
  }
>()("examples/Flags") {
  static readonly layer = Layer.effect(
    Flags,
    Effect.map(FlagTable, (table) => ({
      isOn: (flag, user) => (table.unsafeSnapshot().getOrUndefined(flag) ?? Flag.unset).isOnFor(`${flag}:${user}`),
      whileOn: (flag, job) =>
        table.watch(flag).pipe(
          Stream.map(Option.exists(({ enabled }) => enabled)),
          Stream.changes,
          Stream.switchMap((isOn) => (isOn ? Stream.fromEffect(job) : Stream.empty)),
          Stream.runDrain
        )
    }))
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// what happens to the flags
// ---------------------------------------------------------------------------------------------------------------------

const users = Array.from({ length: 1000 }, (_, i) => `user-${i}`)

const program = Effect.gen(function* () {
  const flags = yield* Flags
  const table = yield* FlagTable
  const writer = yield* FlagWriter
  const count = (what: string) =>
    Console.log(
      `new-checkout ${what}: on for ${users.filter((user) => flags.isOn("new-checkout", user)).length} of 1000 users`
    )

  yield* count("of nobody's making")

  // Another tool writes to the same topic, without our schema: what it leaves out has its default.
  const otherTool = yield* KafkaTableWriter.make({ topic: table.topic, value: Codec.utf8 })
  yield* otherTool.set("new-checkout", `{"enabled":true}`).pipe(Effect.flatMap(table.awaitPosition))
  yield* count(`{"enabled":true}`)

  yield* writer.set("new-checkout", new Flag({ enabled: true, percent: 25 })).pipe(Effect.flatMap(table.awaitPosition))
  yield* count("at 25 percent")

  const started = yield* Deferred.make<void>()
  const stopped = yield* Deferred.make<void>()
  const job = Effect.acquireUseRelease(
    Console.log("recommendations: started"),
    () => Effect.andThen(Deferred.succeed(started, undefined), Effect.never),
    () => Effect.andThen(Console.log("recommendations: stopped"), Deferred.succeed(stopped, undefined))
  )
  yield* Effect.forkScoped(flags.whileOn("recommendations", job))
  yield* writer.set("recommendations", new Flag({ enabled: true }))
  yield* Deferred.await(started)
  yield* writer.set("recommendations", new Flag({ enabled: false }))
  yield* Deferred.await(stopped)

  const reads = Effect.sync(() => {
    for (let i = 0; i < 1000; i++) for (const user of users) flags.isOn("new-checkout", user)
  })
  const [took] = yield* Effect.timed(reads)
  yield* Console.log(`1000000 reads took ${Math.round(Duration.toMillis(took))} ms`)

  yield* writer.deleteMany(["new-checkout", "recommendations"])
}).pipe(Effect.scoped)

// ---------------------------------------------------------------------------------------------------------------------
// where
// ---------------------------------------------------------------------------------------------------------------------

const { values } = parseArgs({
  options: { brokers: { type: "string" }, topic: { type: "string", default: "examples.flags" } }
})
const Kafka =
  values.brokers === undefined ? KafkaClient.layerMemory() : KafkaClient.layer({ brokers: values.brokers.split(",") })

const options = { topic: values.topic, value: Codec.json(Flag) }
const Live = Flags.layer.pipe(
  Layer.provideMerge(Layer.merge(KafkaTable.layer(FlagTable, options), KafkaTableWriter.layer(FlagWriter, options))),
  Layer.provideMerge(Kafka)
)

NodeRuntime.runMain(program.pipe(Effect.provide(Live), Effect.provideService(References.MinimumLogLevel, "Warn")))
