/** The example of errors and restarts: each line is a promise of the library. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { test } from "../support/live.ts"
import { start } from "./program.ts"

test("examples/errors-and-restarts.ts tells its story", () =>
  Effect.gen(function* () {
    const program = yield* start("errors-and-restarts.ts")
    assert.strictEqual(yield* program.ended, 0, program.output())
    assert.deepStrictEqual(program.output().split("\n"), [
      "started without a broker: Degraded, apple costs nobody knows",
      "the broker is up: CaughtUp, apple costs 120",
      "a price that is no number: KafkaPoisonRecordError at offset 1: CaughtUp, apple costs 120",
      `a table with onPoison "fail" is not even acquired: KafkaPoisonRecordError`,
      "the topic was deleted: KafkaTopicError Deleted, healing: true, apple costs 120",
      "the topic was made again: CaughtUp, apple costs 99",
      "a corrupt batch: the application ends with KafkaCorruptBatchError, Checksum in partition 0",
      ""
    ])
  }))
