/** Tables and writers that are made, used and closed where nothing may be interrupted, as in an acquisition. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { Codec, KafkaClient, KafkaTable, KafkaTableWriter } from "../../src/index.ts"
import { failureOf } from "../support/exits.ts"
import { it } from "../support/ManualClock.ts"

const options = { topic: "services", value: Codec.utf8 }

describe("where nothing may be interrupted", () => {
  it.effect("a table and a writer are made, used, and closed", () =>
    Effect.gen(function* () {
      const table = yield* KafkaTable.make(options)
      const writer = yield* KafkaTableWriter.make(options)
      yield* table.awaitPosition(yield* writer.set("billing", "b1"))
      yield* table.barrier()
      assert.strictEqual(table.unsafeSnapshot().getOrUndefined("billing"), "b1")
    }).pipe(Effect.scoped, Effect.uninterruptible, Effect.provide(KafkaClient.layerMemory()))
  )

  it.live("a wait ends when its time is up", () =>
    Effect.gen(function* () {
      const table = yield* KafkaTable.make(options)
      const writer = yield* KafkaTableWriter.make(options)
      const at = yield* writer.set("billing", "b1")
      const never = { ...at, offset: at.offset + 10 }
      const exit = yield* Effect.exit(table.awaitPosition(never, { timeout: "50 millis" }))
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(failureOf(exit)._tag, "KafkaWaitTimeoutError")
    }).pipe(Effect.scoped, Effect.uninterruptible, Effect.provide(KafkaClient.layerMemory()))
  )
})
