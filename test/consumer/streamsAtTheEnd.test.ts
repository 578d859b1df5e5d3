/** What streams have given is waited for at the end, as the work of `runForEach` is: whoever took it may take their time. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { KafkaConsumer } from "../../src/index.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { numbers } from "../support/live.ts"
import { acquire, adjust, append, cluster, it, offsetsOf, protocols, quiet, type Record } from "./onEmbedded.ts"

type Consumer = KafkaConsumer.KafkaConsumer<string, string>

/** All records, by each of the streams. */
const faces = {
  records: ({ records }: Consumer) => records,
  chunks: ({ chunks }: Consumer) => Stream.flatMap(chunks, Stream.fromIterable),
  partitions: ({ partitions }: Consumer) =>
    Stream.flatMap(partitions, ({ records }) => records, { concurrency: "unbounded" })
}

/** A consumer whose records were handed out by a stream, to who works on them beside it. */
const handedOut = (face: (consumer: Consumer) => Stream.Stream<Record, unknown>, protocol: "classic" | "consumer") =>
  Effect.gen(function* () {
    const kafka = yield* cluster()
    yield* append(kafka, numbers(10))
    const consumer = yield* asTimeGoesOn(acquire(kafka, "one", { protocol }))
    const records: Array<Record> = []
    const taking = yield* Effect.forkChild(
      Stream.runForEach(face(consumer), (record) => Effect.sync(() => void records.push(record)))
    )
    yield* quiet
    assert.lengthOf(records, 10)
    return { kafka, consumer, records, taking }
  })

for (const protocol of protocols) {
  for (const [name, face] of Object.entries(faces)) {
    describe(`what ${name} has given: ${protocol}`, () => {
      it.effect("is waited for when all is drained, though the stream has ended", () =>
        Effect.gen(function* () {
          const { consumer, kafka, records, taking } = yield* handedOut(face, protocol)
          const drained = yield* Effect.forkChild(consumer.drain)
          yield* adjust("1 minute")
          yield* Fiber.join(taking)
          // One that is begun later ends at once, and changes nothing of that.
          yield* Stream.runDrain(face(consumer))
          yield* consumer.runForEach(() => Effect.void)
          for (const { done } of records.slice(0, 9)) done()
          yield* adjust("1 minute")
          assert.isFalse(hasEnded(drained))
          records[9].done()
          yield* quiet
          assert.isTrue(hasEnded(drained))
          assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 10]])
        })
      )

      it.effect("is not waited for once the stream was left", () =>
        Effect.gen(function* () {
          const { consumer, kafka, records, taking } = yield* handedOut(face, protocol)
          for (const { done } of records.slice(0, 5)) done()
          yield* Fiber.interrupt(taking)
          const drained = yield* Effect.forkChild(consumer.drain)
          yield* quiet
          assert.isTrue(hasEnded(drained))
          assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 5]])
        })
      )
    })
  }

  describe(`the stream of a partition: ${protocol}`, () => {
    it.effect("that was left while others run is not waited for", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        yield* append(kafka, numbers(10))
        const consumer = yield* asTimeGoesOn(acquire(kafka, "one", { protocol }))
        const some = Stream.mapEffect(consumer.partitions, ({ records }) => Stream.runCollect(Stream.take(records, 5)))
        yield* Effect.forkScoped(Stream.runDrain(some))
        yield* quiet
        const drained = yield* Effect.forkChild(consumer.drain)
        yield* quiet
        assert.isTrue(hasEnded(drained))
      })
    )
  })
}
