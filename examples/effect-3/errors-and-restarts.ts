/**
 * What can go wrong, as types and as decisions. An application starts while Kafka is down, meets a record that it
 * cannot read, outlives its topic, and ends when its table has ended for good:
 *
 *     npx tsx examples/effect-3/errors-and-restarts.ts
 *
 * It runs on a Kafka in memory, which it breaks on purpose, and prints
 *
 *     started without a broker: Degraded, apple costs nobody knows
 *     the broker is up: CaughtUp, apple costs 120
 *     a price that is no number: KafkaPoisonRecordError at offset 1: CaughtUp, apple costs 120
 *     a table with onPoison "fail" is not even acquired: KafkaPoisonRecordError
 *     the topic was deleted: KafkaTopicError Deleted, healing: true, apple costs 120
 *     the topic was made again: CaughtUp, apple costs 99
 *     a corrupt batch: the application ends with KafkaCorruptBatchError, Checksum in partition 0
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Logger, LogLevel, Option, Schedule, Schema, Stream } from "effect"
import type { LiveTable } from "effect-ktables"
import { Codec, EmbeddedKafka, KafkaClient, KafkaTable } from "effect-ktables"

class Prices extends KafkaTable.Tag("examples/Prices")<Prices, string, number>() {}

const options = { topic: "examples.prices", value: Codec.json(Schema.NonNegativeInt) }

const PricesLayer = KafkaTable.layer(Prices, {
  ...options,
  // Started while Kafka is down, an application without prices is better than none. `fail` would end it here.
  catchUpTimeout: "1 second",
  onCatchUpTimeout: "degrade",
  // What cannot be read is reported, and the last good price stays. `fail` would end the table.
  onPoison: "skip",
  // A topic that is gone, or another one of its name, is tried again once a second. What else ends the reader, does.
  restart: Schedule.spaced("1 second").pipe(
    Schedule.whileInput((error: LiveTable.TableFailure) => error._tag === "KafkaTopicError")
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// the application: it never fails by itself
// ---------------------------------------------------------------------------------------------------------------------

const say = (what: string) =>
  Effect.gen(function* () {
    const prices = yield* Prices
    const apple = yield* prices.get("apple")
    yield* Console.log(`${what}, apple costs ${Option.getOrElse(apple, () => "nobody knows")}`)
  })

const sayStatus = (what: string) =>
  Effect.gen(function* () {
    const prices = yield* Prices
    const status = yield* prices.status
    yield* say(
      status._tag === "Failed"
        ? `${what}: ${status.error._tag} ${status.error.reason}, healing: ${status.healing}`
        : `${what}: ${status._tag}`
    )
  })

const application = Effect.gen(function* () {
  const kafka = yield* EmbeddedKafka.EmbeddedKafka
  const prices = yield* Prices

  yield* sayStatus("started without a broker")
  yield* kafka.startNode(0)
  yield* prices.awaitCaughtUp()
  yield* sayStatus("the broker is up")

  const [poison] = yield* Effect.all(
    [Stream.runHead(prices.poison), kafka.append(options.topic, [{ key: "apple", value: `"a hundred"` }])],
    { concurrency: "unbounded" }
  )
  const { _tag, offset } = yield* poison
  yield* sayStatus(`a price that is no number: ${_tag} at offset ${offset}`)

  const strict = yield* Effect.flip(KafkaTable.make({ ...options, onPoison: "fail" }))
  yield* Console.log(`a table with onPoison "fail" is not even acquired: ${strict._tag}`)

  yield* kafka.deleteTopic(options.topic)
  yield* Stream.runHead(Stream.filter(prices.status.changes, (status) => status._tag === "Failed"))
  yield* sayStatus("the topic was deleted")
  yield* kafka.createTopic(options.topic)
  yield* kafka.append(options.topic, [{ key: "apple", value: "99" }])
  yield* prices.awaitCaughtUp()
  yield* prices.barrier()
  yield* sayStatus("the topic was made again")

  yield* kafka.inject({ _tag: "Corrupt" }, { request: "Fetch" })
  yield* kafka.disconnect() // the fetch that waits has been asked before
  yield* kafka.append(options.topic, [{ key: "apple", value: "98" }])
  return yield* Effect.never
}).pipe(Effect.scoped)

// ---------------------------------------------------------------------------------------------------------------------
// what ends it
// ---------------------------------------------------------------------------------------------------------------------

const main = Effect.gen(function* () {
  const prices = yield* Prices
  // `failure` is silent while the table goes on: restarts, outages and missing rights included.
  yield* Effect.raceFirst(application, prices.failure)
}).pipe(
  Effect.catchTags({
    KafkaCorruptBatchError: ({ _tag, partition, reason }) =>
      Console.log(`a corrupt batch: the application ends with ${_tag}, ${reason} in partition ${partition}`)
  })
)

/** A Kafka with a price in it, and down. */
const Broken = Layer.effectDiscard(
  Effect.gen(function* () {
    const kafka = yield* EmbeddedKafka.EmbeddedKafka
    yield* kafka.createTopic(options.topic)
    yield* kafka.append(options.topic, [{ key: "apple", value: "120" }])
    yield* kafka.stopNode(0)
  })
).pipe(Layer.provideMerge(KafkaClient.layerMemory()))

NodeRuntime.runMain(
  main.pipe(Effect.provide(Layer.provideMerge(PricesLayer, Broken)), Logger.withMinimumLogLevel(LogLevel.None))
)
