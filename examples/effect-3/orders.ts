/**
 * Orders and their bills, by typed events: one process publishes `OrderCreated`, any number of others bill the orders, each
 * order by one of them. On any Kafka:
 *
 *     npx tsx examples/orders.ts bill anna --brokers localhost:9092
 *     npx tsx examples/orders.ts bill ben --brokers localhost:9092
 *     npx tsx examples/orders.ts order 1000 --brokers localhost:9092
 *
 * `order` publishes so many orders. `bill` bills them, and publishes an `OrderBilled` for each, until it is ended (Ctrl-C,
 * SIGTERM): it finishes the bill that it is at, tells its group what is done, and leaves. So its processes can be replaced one
 * after the other while orders come in, and no order is billed twice.
 *
 *     anna bills o-1: 12.50 EUR
 *     anna tries o-2 again: the bank is not there
 *     anna bills o-2: 3.00 EUR
 *     anna leaves
 *
 * `--prefix` comes before the names of the topics, `examples.` by default. `python/bills.py` reads the bills in Python.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Data, Effect, Layer, Schedule, Schema } from "effect"
import { EventStream, KafkaClient, KafkaEvent, KafkaEvents } from "effect-ktables"
import { parseArgs } from "node:util"

// ---------------------------------------------------------------------------------------------------------------------
// what happens
// ---------------------------------------------------------------------------------------------------------------------

const First = KafkaEvent.make("OrderCreated", Schema.Struct({ id: Schema.String, cents: Schema.Int }))

const Second = KafkaEvent.make(
  "OrderCreated",
  Schema.Struct({ id: Schema.String, cents: Schema.Int, currency: Schema.String }),
  { version: 2, key: (order) => order.id }
)

/** Orders of the first version, which may still be in the topic, were in euros. */
const OrderCreated = KafkaEvent.evolve(First, Second, (order) => ({ ...order, currency: "EUR" }))

const OrderBilled = KafkaEvent.make(
  "OrderBilled",
  Schema.Struct({ order: Schema.String, text: Schema.String, by: Schema.String }),
  { key: (bill) => bill.order }
)

const Orders = EventStream.make("orders", OrderCreated, { partitions: 6, retention: "30 days" })
const Bills = EventStream.make("bills", OrderBilled, { partitions: 6 })

class Billing extends KafkaEvents.Subscription<Billing>()("examples.billing", Orders, {
  heartbeatInterval: "500 millis"
}) {}

// ---------------------------------------------------------------------------------------------------------------------
// who orders
// ---------------------------------------------------------------------------------------------------------------------

const order = (count: number) =>
  Effect.gen(function* () {
    const events = yield* KafkaEvents.KafkaEvents
    // Events on their way share requests: to publish one after the other would wait for each acknowledgement.
    yield* Effect.forEach(
      Array.from({ length: count }, (_, i) => ({ id: `o-${i + 1}`, cents: 100 + ((i * 37) % 5_000), currency: "EUR" })),
      (order) => events.publish(Orders, order, { headers: { source: "examples/orders.ts" } }),
      { concurrency: 256 }
    )
    yield* Console.log(`${count} orders are published`)
  })

// ---------------------------------------------------------------------------------------------------------------------
// who bills
// ---------------------------------------------------------------------------------------------------------------------

class BankIsAway extends Data.TaggedError("BankIsAway")<{ readonly order: string }> {}

/** Every seventh order fails at first. */
const makeBank = () => {
  const failed = new Set<string>()
  return (order: { readonly id: string; readonly cents: number }) =>
    Effect.suspend(() => {
      if (order.cents % 7 !== 0 || failed.has(order.id)) return Effect.sleep("2 millis")
      failed.add(order.id)
      return Effect.fail(new BankIsAway({ order: order.id }))
    })
}

const bill = (name: string) =>
  Effect.gen(function* () {
    const events = yield* KafkaEvents.KafkaEvents
    const orders = yield* Billing
    const charge = makeBank()
    yield* Console.log(`${name} is there`)
    yield* orders.runForEach(
      ({ value: { data } }) =>
        Effect.gen(function* () {
          yield* charge(data).pipe(
            Effect.tapError((error) => Console.log(`${name} tries ${error.order} again: the bank is not there`)),
            // What fails for longer than that ends the process: the order, and all after it in its partition, are not done.
            Effect.retry({ schedule: Schedule.exponential("20 millis"), times: 8 })
          )
          const text = `${(data.cents / 100).toFixed(2)} ${data.currency}`
          // It carries the headers of the order on, and is done with it: both are acknowledged, or the order comes again.
          yield* events.publish(Bills, { order: data.id, text, by: name })
          yield* Console.log(`${name} bills ${data.id}: ${text}`)
        }),
      { concurrency: 16, onInterrupt: "finish" }
    )
  }).pipe(Effect.onInterrupt(() => Console.log(`${name} leaves`)))

// ---------------------------------------------------------------------------------------------------------------------
// which of both
// ---------------------------------------------------------------------------------------------------------------------

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    brokers: { type: "string", default: "localhost:9092" },
    prefix: { type: "string", default: "examples." }
  }
})

const Events = KafkaEvents.layer({ topicPrefix: values.prefix, streams: [Orders, Bills] }).pipe(
  Layer.provide(KafkaClient.layer({ brokers: values.brokers.split(","), clientId: "orders" }))
)

const Command = Schema.Union(
  Schema.Tuple(Schema.Literal("order"), Schema.NumberFromString),
  Schema.Tuple(Schema.Literal("bill"), Schema.NonEmptyString)
)

const main = Effect.gen(function* () {
  const command = yield* Schema.decodeUnknown(Command)(positionals)
  yield* command[0] === "order"
    ? order(command[1])
    : Effect.provide(bill(command[1]), Billing.layerWith({ group: `${values.prefix}billing` }))
})

NodeRuntime.runMain(main.pipe(Effect.provide(Events)))
