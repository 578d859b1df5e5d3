/**
 * Read your own writes over HTTP, whichever replica answers: a write's answer says where its record is
 * (`kafka-position`), the client sends that with its next request, and the replica that gets it waits until its own
 * table is that far. No session, no sticky routing, no round trip to Kafka.
 *
 *     npx tsx examples/read-your-writes-http.ts                               a Kafka in memory
 *     npx tsx examples/read-your-writes-http.ts --brokers localhost:9092      a real one (--topic names another topic)
 *
 * starts two replicas and a client, and prints
 *
 *     PUT /prices/apple to replica 1: 204, kafka-position: examples.prices@0:0
 *     20 writes to replica 1, each read from replica 2: 20 stale without the header, 0 with it
 *     GET of a write that does not come: 504 KafkaWaitTimeoutError
 *     GET with kafka-position: nonsense: 400
 *
 * With `--port` it is one replica, until it is ended (Ctrl-C, SIGTERM):
 *
 *     npx tsx examples/read-your-writes-http.ts --brokers localhost:9092 --port 8080
 *     curl -i -X PUT -d '{"cents":120}' localhost:8080/prices/apple
 *     curl -i -H 'kafka-position: examples.prices@0:0' localhost:8080/prices/apple
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Layer, Option, References, Schema } from "effect"
import {
  FetchHttpClient,
  HttpClient,
  HttpClientRequest,
  HttpClientResponse,
  HttpRouter,
  HttpServer,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { Codec, KafkaClient, KafkaTable, KafkaTableWriter, Position } from "effect-ktables"
import { createServer } from "node:http"
import { parseArgs } from "node:util"

class Price extends Schema.Class<Price>("Price")({ cents: Schema.Natural }) {}

class Prices extends KafkaTable.Tag("examples/Prices")<Prices, string, Price>() {}
class PricesWriter extends KafkaTableWriter.Tag("examples/PricesWriter")<PricesWriter, string, Price>() {}

// ---------------------------------------------------------------------------------------------------------------------
// the service
// ---------------------------------------------------------------------------------------------------------------------

const POSITION = "kafka-position"

const product = Effect.map(HttpRouter.schemaPathParams(Schema.Struct({ product: Schema.String })), (_) => _.product)

const writtenUpTo = HttpServerRequest.schemaHeaders(
  Schema.Struct({ [POSITION]: Position.ManyFromString.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed([]))) })
)

const put = Effect.gen(function* () {
  const writer = yield* PricesWriter
  const price = yield* HttpServerRequest.schemaBodyJson(Price)
  const position = yield* writer.set(yield* product, price)
  return HttpServerResponse.empty({ headers: { [POSITION]: `${position}` } })
})

const get = Effect.gen(function* () {
  const prices = yield* Prices
  const { [POSITION]: positions } = yield* writtenUpTo
  yield* prices.awaitPosition(positions, { timeout: "1 second" })
  return yield* Option.match(yield* prices.get(yield* product), {
    onNone: () => Effect.succeed(HttpServerResponse.empty({ status: 404 })),
    onSome: HttpServerResponse.schemaJson(Price)
  })
})

const answer = (status: number) => (error: { readonly _tag: string; readonly message: string }) =>
  HttpServerResponse.json({ error: error._tag, message: error.message }, { status })

// A body, a path or a position that does not decode is a 400 already: that is what the router does with a SchemaError.
const Routes = Layer.mergeAll(
  HttpRouter.add("PUT", "/prices/:product", Effect.catchTag(put, "KafkaWriteError", answer(503))),
  HttpRouter.add(
    "GET",
    "/prices/:product",
    Effect.catchTags(get, {
      KafkaWaitTimeoutError: answer(504),
      KafkaInvalidOptionsError: answer(400) // a position of another topic
    })
  )
)

// ---------------------------------------------------------------------------------------------------------------------
// its layers
// ---------------------------------------------------------------------------------------------------------------------

const { values } = parseArgs({
  options: {
    brokers: { type: "string" },
    port: { type: "string" },
    topic: { type: "string", default: "examples.prices" }
  }
})
const Kafka =
  values.brokers === undefined ? KafkaClient.layerMemory() : KafkaClient.layer({ brokers: values.brokers.split(",") })

const options = { topic: values.topic, value: Codec.json(Price) }
const Tables = Layer.merge(
  // Ten answers of the broker a second at most: cheap on a busy topic, and here it makes stale reads easy to see.
  KafkaTable.layer(Prices, { ...options, fetch: { minBytes: 100_000, maxWait: "100 millis" } }),
  KafkaTableWriter.layer(PricesWriter, options)
)

const replica = (port: number) =>
  HttpRouter.serve(Routes).pipe(
    Layer.provide(Tables),
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port, host: "127.0.0.1" }))
  )

// ---------------------------------------------------------------------------------------------------------------------
// a client of two replicas
// ---------------------------------------------------------------------------------------------------------------------

const startReplica = Effect.map(Layer.build(replica(0)), (context) =>
  HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
)

const story = Effect.gen(function* () {
  const http = yield* HttpClient.HttpClient
  const one = yield* startReplica
  const two = yield* startReplica

  const write = (cents: number) =>
    HttpClientRequest.put(`${one}/prices/apple`).pipe(HttpClientRequest.bodyJsonUnsafe({ cents }), http.execute)
  const read = (headers: Record<string, string | undefined> = {}) => http.get(`${two}/prices/apple`, { headers })
  const isStale = (response: HttpClientResponse.HttpClientResponse, cents: number) =>
    Effect.map(response.text, (body) => body !== JSON.stringify({ cents }))

  const { headers, status } = yield* write(0)
  yield* Console.log(`PUT /prices/apple to replica 1: ${status}, ${POSITION}: ${headers[POSITION]}`)

  let without = 0
  let withHeader = 0
  for (let cents = 1; cents <= 20; cents++) {
    const written = yield* write(cents)
    if (yield* isStale(yield* read(), cents)) without++
    if (yield* isStale(yield* read({ [POSITION]: written.headers[POSITION] }), cents)) withHeader++
  }
  yield* Console.log(
    `20 writes to replica 1, each read from replica 2: ${without} stale without the header, ${withHeader} with it`
  )

  const tooEarly = yield* read({ [POSITION]: `${values.topic}@0:1000000` })
  const { error } = yield* HttpClientResponse.schemaBodyJson(Schema.Struct({ error: Schema.String }))(tooEarly)
  yield* Console.log(`GET of a write that does not come: ${tooEarly.status} ${error}`)
  const malformed = yield* read({ [POSITION]: "nonsense" })
  yield* Console.log(`GET with ${POSITION}: nonsense: ${malformed.status}`)
}).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer), Effect.provideService(References.MinimumLogLevel, "Warn"))

const main = values.port === undefined ? story : Layer.launch(replica(Number(values.port)))

NodeRuntime.runMain(Effect.provide(main, Kafka))
