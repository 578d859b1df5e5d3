/** Who waits for a commit hears of it as soon as it may be, whatever is done first, and however often commits are sent else. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { errorOf } from "../support/exits.ts"
import { numbers } from "../support/live.ts"
import {
  acquire,
  adjust,
  append,
  cluster,
  it,
  offsetsOf,
  type Options,
  protocols,
  quiet,
  type Record,
  topic
} from "./onEmbedded.ts"

/** A consumer whose commits are sent when somebody waits for them only, and the records that it was handed out. */
const handedOut = (options: Options) =>
  Effect.gen(function* () {
    const kafka = yield* cluster()
    yield* append(kafka, numbers(10))
    const consumer = yield* asTimeGoesOn(acquire(kafka, "one", { ...options, commitInterval: "manual" }))
    const records: Array<Record> = []
    const face = yield* Effect.forkScoped(
      Stream.runForEach(consumer.records, (record) => Effect.sync(() => void records.push(record)))
    )
    yield* quiet
    assert.lengthOf(records, 10)
    return { kafka, consumer, records, face }
  })

for (const protocol of protocols) {
  describe(`a wait for a commit: ${protocol}`, () => {
    it.effect("ends once records before it are done, too", () =>
      Effect.gen(function* () {
        const { kafka, records } = yield* handedOut({ protocol })
        const fiber = yield* Effect.forkChild(records[4].commit)
        yield* quiet
        assert.isFalse(hasEnded(fiber))
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 0]])
        for (const record of records.slice(0, 4)) record.done()
        yield* quiet
        assert.isTrue(hasEnded(fiber))
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 5]])
      })
    )

    it.effect("ends after a jump back, too, once it is where the group is already", () =>
      Effect.gen(function* () {
        const { consumer, kafka, records } = yield* handedOut({ protocol })
        for (const record of records) record.done()
        yield* asTimeGoesOn(consumer.commit())
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 10]])
        yield* consumer.seek({ topic, partition: 0, offset: 0 })
        yield* adjust("1 second")
        const again = records.splice(10)
        assert.lengthOf(again, 10)
        for (const record of again.slice(0, 9)) record.done()
        const fiber = yield* Effect.forkChild(consumer.commit())
        // The last one is done before the committer had its turn.
        yield* Effect.yieldNow
        again[9].done()
        yield* quiet
        assert.isTrue(hasEnded(fiber))
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 10]])
      })
    )

    it.effect("ends once another face begins, which hands out again what it waits for", () =>
      Effect.gen(function* () {
        const { consumer, face, kafka, records } = yield* handedOut({ protocol })
        const fiber = yield* Effect.forkChild(Effect.exit(records[4].commit))
        yield* quiet
        yield* Fiber.interrupt(face)
        yield* quiet
        assert.isFalse(hasEnded(fiber))
        yield* Effect.forkScoped(Stream.runDrain(consumer.chunks))
        yield* quiet
        assert.isTrue(hasEnded(fiber))
        assert.deepInclude(errorOf(yield* Fiber.join(fiber)), { _tag: "KafkaCommitError", reason: "Lost" })
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 0]])
      })
    )

    it.effect("ends where the consumer has failed before what it waits for was done", () =>
      Effect.gen(function* () {
        const { kafka, records } = yield* handedOut({ protocol, onPoison: "fail" })
        records[0].done()
        const fiber = yield* Effect.forkChild(Effect.exit(records[4].commit))
        yield* quiet
        assert.isFalse(hasEnded(fiber))
        yield* kafka.append(topic, [{ key: "k", value: null }], { partition: 0 })
        yield* adjust("10 seconds")
        assert.isTrue(hasEnded(fiber))
        assert.deepInclude(errorOf(yield* Fiber.join(fiber)), { _tag: "KafkaCommitError", reason: "Closed" })
      })
    )
  })
}
