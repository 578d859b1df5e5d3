/**
 * Feature flags with a live page: an HTTP API over a table and its writer, and a page of plain HTML that shows what the
 * flags are, as they change, and changes them. A page that was cut off is told what it missed.
 *
 *     npx tsx examples/effect-3/feature-flags-page.ts                              a Kafka in memory
 *     npx tsx examples/effect-3/feature-flags-page.ts --brokers localhost:9092     a real one (--topic names another topic)
 *
 * serves until it is ended (Ctrl-C, SIGTERM), on port 8080 or on that of --port, and prints
 *
 *     flags: http://127.0.0.1:8080
 *
 * Open that in two windows, or
 *
 *     curl -X PUT -d '{"enabled":true}' -H 'content-type: application/json' localhost:8080/flags/new-checkout
 *     curl -N localhost:8080/flags/events
 */
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Layer, Logger, LogLevel, Schema, Stream } from "effect"
import { Codec, KafkaClient, KafkaTable, KafkaTableWriter, TableFeed } from "effect-ktables"
import { createServer } from "node:http"
import { parseArgs } from "node:util"
import { page } from "./feature-flags-page/page.ts"

const { values } = parseArgs({
  options: {
    brokers: { type: "string" },
    port: { type: "string", default: "8080" },
    topic: { type: "string", default: "examples.page-flags" }
  }
})

class Flag extends Schema.Class<Flag>("Flag")({ enabled: Schema.Boolean }) {}

class FlagTable extends KafkaTable.Tag("examples/PageFlagTable")<FlagTable, string, Flag>() {}
class FlagWriter extends KafkaTableWriter.Tag("examples/PageFlagWriter")<FlagWriter, string, Flag>() {}

/** One feed for all pages: tokens are of one feed. */
class FlagFeed extends Context.Tag("examples/PageFlagFeed")<FlagFeed, TableFeed.TableFeed<string, Flag>>() {
  static readonly layer = Layer.scoped(
    FlagFeed,
    // Pages may come back to another replica of this service. (Topics of Kafkas in memory have the same ids in every process.)
    Effect.flatMap(FlagTable, (table) => TableFeed.make(table, { acrossProcesses: values.brokers !== undefined }))
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// the service
// ---------------------------------------------------------------------------------------------------------------------

const flag = Effect.map(HttpRouter.schemaPathParams(Schema.Struct({ flag: Schema.String })), (_) => _.flag)

const put = Effect.gen(function* () {
  const writer = yield* FlagWriter
  yield* writer.set(yield* flag, yield* HttpServerRequest.schemaBodyJson(Flag))
  return HttpServerResponse.empty()
})

const remove = Effect.gen(function* () {
  const writer = yield* FlagWriter
  yield* writer.delete(yield* flag)
  return HttpServerResponse.empty()
})

const list = Effect.gen(function* () {
  const table = yield* FlagTable
  return yield* HttpServerResponse.json(Object.fromEntries(table.unsafeSnapshot()))
})

const events = Effect.gen(function* () {
  const feed = yield* FlagFeed
  // A browser that was cut off sends the id that it got last.
  const after = (yield* HttpServerRequest.HttpServerRequest).headers["last-event-id"]
  const body = feed
    .stream({ after })
    .pipe(TableFeed.toServerSentEvents({ key: Schema.String, value: Flag }), Stream.encodeText)
  return HttpServerResponse.stream(body, { contentType: "text/event-stream", headers: { "cache-control": "no-store" } })
})

const unavailable = (error: { readonly _tag: string; readonly message: string }) =>
  HttpServerResponse.json({ error: error._tag, message: error.message }, { status: 503 })

const router = HttpRouter.empty.pipe(
  HttpRouter.get("/", HttpServerResponse.html(page)),
  HttpRouter.get("/flags", list),
  HttpRouter.get("/flags/events", events),
  HttpRouter.put("/flags/:flag", put),
  HttpRouter.del("/flags/:flag", remove),
  HttpRouter.catchTags({ KafkaWriteError: unavailable })
)

// ---------------------------------------------------------------------------------------------------------------------
// where
// ---------------------------------------------------------------------------------------------------------------------

const Kafka =
  values.brokers === undefined ? KafkaClient.layerMemory() : KafkaClient.layer({ brokers: values.brokers.split(",") })

const options = { topic: values.topic, value: Codec.json(Flag) }
const Flags = FlagFeed.layer.pipe(
  Layer.provideMerge(Layer.merge(KafkaTable.layer(FlagTable, options), KafkaTableWriter.layer(FlagWriter, options)))
)

const service = router.pipe(
  HttpServer.serve(),
  Layer.provide(Flags),
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: Number(values.port), host: "127.0.0.1" })),
  Layer.provide(Kafka)
)

const main = Effect.gen(function* () {
  const { address } = Context.get(yield* Layer.build(service), HttpServer.HttpServer)
  yield* Console.log(`flags: ${HttpServer.formatAddress(address)}`)
  return yield* Effect.never
}).pipe(Effect.scoped, Logger.withMinimumLogLevel(LogLevel.Warning))

NodeRuntime.runMain(main)
