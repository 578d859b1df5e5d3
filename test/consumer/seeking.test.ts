/** Going on elsewhere: at any moment, and what it means for records that were handed out before, and for commits. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { KafkaConsumer } from "../../src/index.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { numbers } from "../support/live.ts"
import { acquire, adjust, append, cluster, during, it, offsetsOf, open, protocols, quiet, topic } from "./onEmbedded.ts"

const place = { topic, partition: 0 }

/** Works on records until the test ends: their offsets. */
const offsetsOfWork = (
  consumer: KafkaConsumer.KafkaConsumer<string, string>,
  after: (offset: number) => Effect.Effect<void> = () => Effect.void
) =>
  Effect.gen(function* () {
    const done: Array<number> = []
    const work = ({ offset }: { readonly offset: number }) =>
      Effect.andThen(
        Effect.sync(() => void done.push(offset)),
        Effect.suspend(() => after(offset))
      )
    yield* Effect.forkScoped(consumer.runForEach(work))
    return done
  })

for (const protocol of protocols) {
  describe(`a jump to another offset: ${protocol}`, () => {
    for (const [from, offset] of [
      ["earliest", 7],
      ["latest", 2],
      ["fail", 7]
    ] as const) {
      it.effect(`counts as soon as a partition is assigned, wherever it would begin: from ${from}`, () =>
        Effect.gen(function* () {
          const kafka = yield* cluster()
          yield* append(kafka, numbers(10))
          const other = yield* open(kafka, "other", { protocol }, { work: () => Effect.never })
          const consumer = yield* asTimeGoesOn(acquire(kafka, "one", { protocol, from }))
          const seek = Stream.runForEach(consumer.events, (event) =>
            event._tag === "Assigned"
              ? Effect.forEach(event.partitions, (one) => consumer.seek({ ...one, offset }), { discard: true })
              : Effect.void
          )
          yield* Effect.forkScoped(seek)
          const done = yield* offsetsOfWork(consumer)
          yield* other.kill
          yield* adjust("1 minute")
          assert.deepStrictEqual(done, numbers(10).slice(offset))
          assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 10]])
        })
      )
    }

    it.effect("by a time counts as soon as a partition is assigned", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        yield* append(kafka, numbers(10))
        const other = yield* open(kafka, "other", { protocol }, { work: () => Effect.never })
        const consumer = yield* asTimeGoesOn(acquire(kafka, "one", { protocol }))
        const seek = Stream.runForEach(consumer.events, (event) =>
          event._tag === "Assigned" ? consumer.seekToTime(1e15, event.partitions) : Effect.void
        )
        yield* Effect.forkScoped(seek)
        const done = yield* offsetsOfWork(consumer)
        yield* other.kill
        yield* adjust("1 minute")
        assert.deepStrictEqual(done, [])
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 10]])
      })
    )

    it.effect("by a time counts before anything else is handed out, however long it takes to find that", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        yield* append(kafka, numbers(10))
        const consumer = yield* asTimeGoesOn(acquire(kafka, "one", { protocol }))
        const before = yield* during(kafka.inject({ _tag: "Delay", millis: 2_000 }, { request: "ListOffsets" }))
        const seeking = yield* Effect.forkChild(consumer.seekToTime(1e15))
        yield* quiet
        const done = yield* offsetsOfWork(consumer)
        yield* adjust("3 seconds")
        assert.deepStrictEqual(done, [])
        yield* adjust("20 seconds")
        yield* Fiber.join(seeking)
        yield* append(kafka, ["later"])
        yield* adjust("1 second")
        assert.deepStrictEqual(done, [10])
        // One that fails is over, too.
        yield* before
        yield* during(kafka.inject({ _tag: "ErrorCode", code: 29 }, { request: "ListOffsets" }))
        const exit = yield* Effect.exit(asTimeGoesOn(consumer.seekToTime(0)))
        assert.isTrue(Exit.isFailure(exit))
        yield* append(kafka, ["last"])
        yield* adjust("1 second")
        assert.deepStrictEqual(done, [10, 11])
      })
    )

    it.effect("counts, too, while it is asked where the log begins", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        yield* append(kafka, numbers(10))
        yield* kafka.inject({ _tag: "Hang" }, { request: "ListOffsets", times: 1 })
        const consumer = yield* asTimeGoesOn(acquire(kafka, "one", { protocol, startTimeout: 100 }))
        const done = yield* offsetsOfWork(consumer)
        assert.deepStrictEqual(done, [])
        yield* consumer.seek({ ...place, offset: 7 })
        yield* adjust("1 minute")
        assert.deepStrictEqual(done, [7, 8, 9])
      })
    )

    it.effect("is where the work goes on: what was handed out before, and has not begun, is left", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        yield* append(kafka, numbers(20))
        const consumer = yield* asTimeGoesOn(acquire(kafka, "one", { protocol }))
        let isOver = false
        const done = yield* offsetsOfWork(consumer, (offset) => {
          if (isOver || offset !== 3) return Effect.void
          isOver = true
          return consumer.seek({ ...place, offset: 17 })
        })
        yield* adjust("10 seconds")
        assert.deepStrictEqual(done, [0, 1, 2, 3, 17, 18, 19])
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 20]])
      })
    )

    it.effect("back is committed where somebody waits for that, though the group was further", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        yield* append(kafka, numbers(10))
        const consumer = yield* asTimeGoesOn(acquire(kafka, "one", { protocol, commitInterval: "manual" }))
        const take = (count: number) => asTimeGoesOn(Stream.runCollect(Stream.take(consumer.records, count)))
        for (const { done } of yield* take(10)) done()
        yield* asTimeGoesOn(consumer.commit())
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 10]])
        yield* consumer.seek({ ...place, offset: 3 })
        yield* asTimeGoesOn(consumer.commit())
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 3]])
        const [first, second] = yield* take(2)
        yield* asTimeGoesOn(first.commit)
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 4]])
        yield* asTimeGoesOn(second.commit)
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 5]])
      })
    )
  })
}
