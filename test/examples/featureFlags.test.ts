/** The example of feature flags, on a Kafka in memory and on a real one: it says the same. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { test } from "../support/live.ts"
import { start } from "./program.ts"

const tells = (args: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const program = yield* start("feature-flags.ts", args)
    assert.strictEqual(yield* program.ended, 0, program.output())
    assert.deepStrictEqual(
      program
        .output()
        .replace(/took \d+ ms/, "took")
        .split("\n"),
      [
        "new-checkout of nobody's making: on for 0 of 1000 users",
        `new-checkout {"enabled":true}: on for 1000 of 1000 users`,
        "new-checkout at 25 percent: on for 248 of 1000 users",
        "recommendations: started",
        "recommendations: stopped",
        "1000000 reads took",
        ""
      ]
    )
  })

test("examples/feature-flags.ts tells its story", () => tells())

realKafka("on a real Kafka", () => {
  test("examples/feature-flags.ts tells the same", () =>
    Effect.flatMap(sharedKafka, ({ brokers }) =>
      tells(["--brokers", brokers.join(","), "--topic", topicName("flags")])
    ))
})
