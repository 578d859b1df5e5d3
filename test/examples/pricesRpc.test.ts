/** The example of remote procedures, on a Kafka in memory and on a real one: it says the same. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { test } from "../support/live.ts"
import { start } from "./program.ts"

const tells = (topic: string, args: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const program = yield* start("prices-rpc.ts", args)
    assert.strictEqual(yield* program.ended, 0, program.output())
    assert.deepStrictEqual(program.output().split("\n"), [
      `SetPrice apple, 100 cents: written to ${topic}@0:0`,
      "GetPrice apple of replica 2, with that position: 100 cents",
      "WatchPrices of replica 2: a snapshot of 1",
      "WatchPrices of replica 2, back again: pear costs 200 cents",
      "WatchPrices of replica 2, back again: plum costs 300 cents",
      "The client's copy: apple 100, pear 200, plum 300",
      "GetPrice of a write that does not come: NotYet, try again",
      "GetPrice with a position of another topic: Unavailable, KafkaInvalidOptionsError",
      ""
    ])
  })

test("examples/prices-rpc.ts: two replicas, each with a client", () => tells("examples.prices-rpc"))

realKafka("on a real Kafka", () => {
  test("examples/prices-rpc.ts: two replicas, each with a client", () =>
    Effect.gen(function* () {
      const { brokers } = yield* sharedKafka
      const topic = topicName("prices-rpc")
      yield* tells(topic, ["--brokers", brokers.join(","), "--topic", topic])
    }))
})
