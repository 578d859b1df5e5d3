/**
 * Remote procedures over a table: clients set prices, read their own writes from any replica, and hold a copy of all.
 * The position of a write goes to the client as text, and comes back with its next call; errors of the table and of the
 * writer arrive as errors of the procedure, with types.
 *
 *     npx tsx examples/prices-rpc.ts                               a Kafka in memory
 *     npx tsx examples/prices-rpc.ts --brokers localhost:9092      a real one (--topic names another topic)
 *
 * starts two replicas, each with a client of its own, and prints
 *
 *     SetPrice apple, 100 cents: written to examples.prices-rpc@0:0
 *     GetPrice apple of replica 2, with that position: 100 cents
 *     WatchPrices of replica 2: a snapshot of 1
 *     WatchPrices of replica 2, back again: pear costs 200 cents
 *     WatchPrices of replica 2, back again: plum costs 300 cents
 *     The client's copy: apple 100, pear 200, plum 300
 *     GetPrice of a write that does not come: NotYet, try again
 *     GetPrice with a position of another topic: Unavailable, KafkaInvalidOptionsError
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Fiber, Layer, Option, References, Schema, Stream } from "effect"
import { FetchHttpClient, HttpRouter, HttpServer } from "effect/http"
import { Codec, FeedEvent, KafkaClient, KafkaTable, KafkaTableWriter, Position, TableFeed } from "effect-ktables"
import { Rpc, RpcClient, RpcGroup, RpcSerialization, RpcServer } from "effect/rpc"
import { createServer } from "node:http"
import { parseArgs } from "node:util"

// ---------------------------------------------------------------------------------------------------------------------
// what server and clients share
// ---------------------------------------------------------------------------------------------------------------------

class Price extends Schema.Class<Price>("Price")({ cents: Schema.Natural }) {}

/** This replica has not seen the write yet: the same call may succeed later, or at another replica. */
class NotYet extends Schema.TaggedError<NotYet>()("NotYet", { message: Schema.String }) {}

/** The table or the writer cannot do it: which of the library's errors says so, and whether trying again may help. */
class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {
  error: Schema.String,
  message: Schema.String,
  retriable: Schema.Boolean
}) {}

class PricesRpc extends RpcGroup.make(
  Rpc.make("SetPrice", {
    payload: { product: Schema.String, price: Price },
    success: Position.FromString,
    error: Unavailable
  }),
  Rpc.make("GetPrice", {
    payload: { product: Schema.String, writtenUpTo: Schema.optional(Position.FromString) },
    success: Schema.Option(Price),
    error: Schema.Union([NotYet, Unavailable])
  }),
  // All prices first, and then what changes; a client that was cut off says with `after` how far it is.
  Rpc.make("WatchPrices", {
    payload: { after: Schema.optional(Schema.String) },
    success: FeedEvent.schema(Schema.String, Price),
    error: Unavailable,
    stream: true
  })
) {}

// ---------------------------------------------------------------------------------------------------------------------
// the server
// ---------------------------------------------------------------------------------------------------------------------

class Prices extends KafkaTable.Tag("examples/RpcPrices")<Prices, string, Price>() {}
class PricesWriter extends KafkaTableWriter.Tag("examples/RpcPricesWriter")<PricesWriter, string, Price>() {}

const unavailable = (error: { readonly _tag: string; readonly message: string; readonly retriable: boolean }) =>
  new Unavailable({ error: error._tag, message: error.message, retriable: error.retriable })

const Handlers = PricesRpc.toLayer(
  Effect.gen(function* () {
    const prices = yield* Prices
    const writer = yield* PricesWriter
    const feed = yield* TableFeed.make(prices)
    return {
      SetPrice: ({ price, product }) => Effect.mapError(writer.set(product, price), unavailable),

      GetPrice: ({ product, writtenUpTo = [] }) =>
        prices.awaitPosition(writtenUpTo, { timeout: "1 second" }).pipe(
          Effect.mapError((error) =>
            error._tag === "KafkaWaitTimeoutError" ? new NotYet({ message: error.message }) : unavailable(error)
          ),
          Effect.andThen(prices.get(product))
        ),

      // A client that is slow gets the latest change of each product: that is what a feed does.
      WatchPrices: ({ after }) => Stream.mapError(feed.stream({ after }), unavailable)
    }
  })
)

const { values } = parseArgs({
  options: { brokers: { type: "string" }, topic: { type: "string", default: "examples.prices-rpc" } }
})
const Kafka =
  values.brokers === undefined ? KafkaClient.layerMemory() : KafkaClient.layer({ brokers: values.brokers.split(",") })

const options = { topic: values.topic, value: Codec.json(Price) }
const Tables = Layer.merge(
  // Ten answers of the broker a second at most: cheap on a busy topic, and a replica may be that far behind.
  KafkaTable.layer(Prices, { ...options, fetch: { minBytes: 100_000, maxWait: "100 millis" } }),
  KafkaTableWriter.layer(PricesWriter, options)
)

const replica = HttpRouter.serve(RpcServer.layerHttp({ group: PricesRpc, path: "/rpc", protocol: "http" })).pipe(
  Layer.provide(Handlers),
  Layer.provide(Tables),
  Layer.provide(RpcSerialization.layerNdjson),
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
)

// ---------------------------------------------------------------------------------------------------------------------
// clients of two replicas
// ---------------------------------------------------------------------------------------------------------------------

/** Starts a replica; gives a client of it, which knows nothing but its address. */
const startReplica = Effect.gen(function* () {
  const { address } = Context.get(yield* Layer.build(replica), HttpServer.HttpServer)
  const protocol = RpcClient.layerProtocolHttp({ url: `${HttpServer.formatAddress(address)}/rpc` }).pipe(
    Layer.provide(Layer.merge(FetchHttpClient.layer, RpcSerialization.layerNdjson))
  )
  return yield* Effect.provide(RpcClient.make(PricesRpc), yield* Layer.build(protocol))
})

/** What an event tells: a line for each change. */
const textsOf = (event: FeedEvent.FeedEvent<string, Price>): ReadonlyArray<string> => {
  if (event._tag === "Reset") return [`a snapshot of ${event.size}`]
  if (event._tag !== "Changes") return []
  return event.changes.map((change) =>
    change._tag === "Upsert" ? `${change.key} costs ${change.value.cents} cents` : `${change.key} is gone`
  )
}

const story = Effect.gen(function* () {
  const one = yield* startReplica
  const two = yield* startReplica
  const set = (product: string, cents: number) => one.SetPrice({ product, price: new Price({ cents }) })

  const position = yield* set("apple", 100)
  yield* Console.log(`SetPrice apple, 100 cents: written to ${position}`)
  const price = yield* two.GetPrice({ product: "apple", writtenUpTo: position })
  const cents = Option.match(price, { onNone: () => "none", onSome: (_) => `${_.cents} cents` })
  yield* Console.log(`GetPrice apple of replica 2, with that position: ${cents}`)

  // A client has a copy of all prices. It is cut off once it has the first of them, and goes on where it was.
  const copy = FeedEvent.makeCopy<string, Price>()
  const watchUntil = (last: string, when: string) =>
    Stream.suspend(() => two.WatchPrices({ after: copy.token })).pipe(
      Stream.tap((event) =>
        Effect.forEach(textsOf(event), (text) => Console.log(`WatchPrices of replica 2${when}: ${text}`))
      ),
      Stream.takeUntil((event) => copy.apply(event) && copy.has(last)),
      Stream.runDrain
    )
  yield* watchUntil("apple", "")
  yield* set("pear", 200)
  const watcher = yield* Effect.forkScoped(watchUntil("plum", ", back again"))
  yield* set("plum", 300)
  yield* Fiber.join(watcher)
  yield* Console.log(`The client's copy: ${[...copy].map(([name, { cents }]) => `${name} ${cents}`).join(", ")}`)

  const tooEarly = Position.make({ topic: values.topic, partition: 0, offset: 1_000_000 })
  yield* two
    .GetPrice({ product: "apple", writtenUpTo: tooEarly })
    .pipe(Effect.catchTag("NotYet", () => Console.log("GetPrice of a write that does not come: NotYet, try again")))
  const elsewhere = Position.make({ topic: "another.topic", partition: 0, offset: 0 })
  yield* two
    .GetPrice({ product: "apple", writtenUpTo: elsewhere })
    .pipe(
      Effect.catchTag("Unavailable", ({ error }) =>
        Console.log(`GetPrice with a position of another topic: Unavailable, ${error}`)
      )
    )
}).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "Warn"))

NodeRuntime.runMain(Effect.provide(story, Kafka))
