import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { Codec, KafkaTable, KafkaTableWriter, KafkaTopic, type KafkaError } from "../../src/index.ts"
import { eventually } from "../support/live.ts"
import type { Suite } from "./suite.ts"

const named = (error: { readonly _tag: string }): ReadonlyArray<string> => {
  assert.strictEqual(error._tag, "KafkaInvalidOptionsError")
  return (error as KafkaError.InvalidOptionsError).problems.map(({ option }) => option)
}

export const options = (test: Suite): void => {
  test("options that cannot work are named, all of them at once, and nothing is sent", (kafka) =>
    Effect.gen(function* () {
      yield* eventually(kafka.connections, (count) => count === 0)
      const value = Codec.utf8
      const table = yield* Effect.flip(
        kafka.withClient(
          KafkaTable.make<string, string>({
            topic: "",
            value,
            catchUpTimeout: -1,
            fetch: { maxBytes: 0 },
            ensureTopic: false,
            topicSettings: { partitions: 0 }
          })
        )
      )
      assert.includeMembers(
        [...named(table)],
        ["topic", "catchUpTimeout", "fetch.maxBytes", "topicSettings", "topicSettings.partitions"]
      )
      const writer = yield* Effect.flip(
        kafka.withClient(
          KafkaTableWriter.make<string, string>({
            topic: "a/b",
            value,
            acks: "leader",
            idempotent: true,
            deliveryTimeout: 0,
            maxQueued: 0
          })
        )
      )
      assert.includeMembers([...named(writer)], ["topic", "idempotent", "deliveryTimeout", "maxQueued"])
      const topic = yield* Effect.flip(
        kafka.withClient(KafkaTopic.ensure({ topic: "x".repeat(250), partitions: -1, replicationFactor: 0 }))
      )
      assert.includeMembers([...named(topic)], ["topic", "partitions", "replicationFactor"])
      assert.strictEqual(yield* kafka.connections, 0)
    }))
}
