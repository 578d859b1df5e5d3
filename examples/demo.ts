/**
 * A service registry in one terminal: `npm run demo`, or `npm run demo -- --help`.
 *
 * Read on in `demo/registry.ts` (what an application has) and `demo/story.ts` (what happens to it).
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Clock, Console, Data, Effect, Layer, Random } from "effect"
import { Codec, DerivedTable, KafkaTable, KafkaTableWriter, KafkaTopic } from "effect-ktables"
import { parseArgs } from "node:util"
import { Cluster, embedded, real } from "./demo/cluster.ts"
import { makeNarrator, Narrator } from "./demo/narrator.ts"
import { quietly } from "./demo/quiet.ts"
import { Racks, registry, registryTable, Services, ServicesWriter, workersByRack } from "./demo/registry.ts"
import { chapters, RawWriter, story } from "./demo/story.ts"
import { show } from "./demo/view.ts"

const usage = `usage: npm run demo -- [options]

A service registry on a Kafka topic, told in half a minute. Needs no Kafka: it brings one, in this process.

  --brokers host:port,...   on your own cluster instead (no TLS, no SASL), in a topic of its own that is deleted at the
                            end; without the chapter in which the broker goes down, as yours is not ours to stop
  --effect 3                on Effect 3 instead of 4
  --fast                    without pauses to read
  --help                    this`

class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

const options = Effect.try({
  try: () =>
    parseArgs({
      options: {
        brokers: { type: "string" },
        fast: { type: "boolean", default: false },
        help: { type: "boolean", default: false }
      }
    }).values,
  catch: (cause) => new UsageError({ message: `${cause instanceof Error ? cause.message : String(cause)}\n\n${usage}` })
})

/** The tables and writers of the story on a topic of its own, and the story shown while it goes on. */
const demo = (topic: string, pace: number) =>
  Effect.gen(function* () {
    const cluster = yield* Cluster
    const { end, narrator, told } = yield* makeNarrator(pace)

    yield* Effect.acquireRelease(Effect.provide(KafkaTopic.ensure({ topic, partitions: 1 }), cluster.client), () =>
      cluster.removeTopic(topic)
    )
    const Tables = Layer.mergeAll(
      DerivedTable.layer(Racks, workersByRack).pipe(
        Layer.provideMerge(KafkaTable.layer(Services, registryTable(topic)))
      ),
      KafkaTableWriter.layer(ServicesWriter, {
        ...registry(topic),
        deliveryTimeout: "2 minutes",
        closeTimeout: "500 millis"
      }),
      KafkaTableWriter.layer(RawWriter, { topic, value: Codec.utf8 })
    ).pipe(Layer.provide(cluster.client))

    const shown = Effect.gen(function* () {
      const startedAt = yield* Clock.currentTimeMillis
      const heading = { topic, cluster: cluster.description, chapters, startedAt }
      yield* Effect.all([Effect.ensuring(story, end), show(heading, told)], { concurrency: "unbounded", discard: true })
    })
    yield* shown.pipe(Effect.scoped, Effect.provide(Tables), Effect.provideService(Narrator, narrator))
  }).pipe(Effect.scoped)

const main = Effect.gen(function* () {
  const { brokers, fast, help } = yield* options
  if (help) return yield* Console.log(usage)
  const pace = fast ? 0.1 : 1
  if (brokers === undefined) {
    yield* Effect.provide(demo("demo.registry", pace), embedded)
  } else {
    const unique = (yield* Random.nextIntBetween(0, 2 ** 40)).toString(36)
    yield* Effect.provide(demo(`demo.registry.${unique}`, pace), real(brokers.split(",")))
  }
  yield* Console.log("\nHow this was written: examples/demo/registry.ts and story.ts. To write your own: README.md")
})

// Who reads may go away (`| head`). Then writing fails, and there is nobody to tell a story to.
process.stdout.on("error", () => {})

const program = main.pipe(
  Effect.catchTag("NobodyReads", () => Effect.void),
  Effect.tapError((error) => Console.error(`\n${error.message}`)),
  quietly
)

NodeRuntime.runMain(program, { disableErrorReporting: true })
