/** Streams of partitions that are left before their partitions are. */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { KafkaConsumer } from "../../src/index.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { numbers } from "../support/live.ts"
import { acquire, adjust, append, cluster, group, it, offsetsOf, protocols, topic } from "./onEmbedded.ts"

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

  for (const protocol of protocols) {
    /** A consumer of two partitions, each of which is worked on like this, and one that comes and is to have one of them. */
    const givingUp = (
      work: (
        partition: KafkaConsumer.PartitionStream<string, string>
      ) => Effect.Effect<unknown, KafkaConsumer.ConsumerFailure>
    ) =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ topics: { [topic]: { partitions: 2 } } })
        for (const partition of [0, 1]) yield* append(kafka, numbers(10), partition)
        const consumer = yield* asTimeGoesOn(acquire(kafka, "one", { protocol }))
        const working = Stream.runForEach(consumer.partitions, (one) => Effect.forkScoped(work(one)))
        yield* Effect.forkScoped(working)
        yield* adjust("10 seconds")
        const other = yield* kafka.member(group, { topics: [topic], protocol })
        yield* adjust("10 seconds")
        return { kafka, taken: Effect.map(other.assigned, ({ length }) => length) }
      })

    it.effect(`that is left early, and not run again, holds up no revocation: ${protocol}`, () =>
      Effect.gen(function* () {
        const { kafka, taken } = yield* givingUp(({ records }) =>
          Stream.runForEach(Stream.take(records, 3), ({ done }) => Effect.sync(done))
        )
        assert.strictEqual(yield* taken, 1)
        assert.sameDeepMembers(yield* offsetsOf(kafka), [
          [0, 3],
          [1, 3]
        ])
      })
    )

    it.effect(`that ends as its partition is given up is waited for, however it is worked on: ${protocol}`, () =>
      Effect.gen(function* () {
        const go = yield* Deferred.make<void>()
        const { kafka, taken } = yield* givingUp(({ records }) =>
          records.pipe(
            Stream.mapEffect((record) => Effect.as(Deferred.await(go), record), { concurrency: 4 }),
            Stream.runForEach(({ done }) => Effect.sync(done))
          )
        )
        assert.strictEqual(yield* taken, 0)
        yield* Deferred.succeed(go, undefined)
        yield* adjust("10 seconds")
        assert.strictEqual(yield* taken, 1)
        assert.sameDeepMembers(yield* offsetsOf(kafka), [
          [0, 10],
          [1, 10]
        ])
      })
    )
  }
})
