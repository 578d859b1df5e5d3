/** Streams of partitions that are left before their partitions are. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { KafkaConsumer } from "../../src/index.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { numbers } from "../support/live.ts"
import { acquire, adjust, append, cluster, it, offsetsOf } from "./onEmbedded.ts"

describe("the stream of a partition", () => {
  it.effect("that is left early, and run again, has what is not done: nothing is skipped", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      yield* append(kafka, numbers(10))
      const consumer = yield* asTimeGoesOn(acquire(kafka, "one"))
      const offsets: Array<number> = []
      const some = (from: KafkaConsumer.PartitionStream<string, string>, count: number) =>
        Stream.runForEach(Stream.take(from.records, count), ({ done, offset }) =>
          Effect.sync(() => {
            offsets.push(offset)
            done()
          })
        )
      const working = Stream.runForEach(consumer.partitions, (partition) =>
        Effect.forEach([4, 2, 4], (count) => some(partition, count))
      )
      yield* Effect.forkScoped(working)
      yield* adjust("10 seconds")
      assert.deepStrictEqual(offsets, numbers(10))
      assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 10]])
    })
  )
})
