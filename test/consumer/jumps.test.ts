/** Jumps to other offsets while something else is under way: an answer, the decoding of records, a transaction. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { Codec } from "../../src/index.ts"
import { errorOf } from "../support/exits.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { numbers } from "../support/live.ts"
import {
  acquire,
  adjust,
  append,
  begin,
  cluster,
  it,
  offsetsOf,
  open,
  type Options,
  protocols,
  quiet,
  type Record,
  tagsOf,
  topic
} from "./onEmbedded.ts"

const place = { topic, partition: 0 }

/** A consumer, and what it hands out until the test ends. */
const taking = (options: Options, count = 10) =>
  Effect.gen(function* () {
    const kafka = yield* cluster()
    yield* append(kafka, numbers(count))
    const consumer = yield* asTimeGoesOn(acquire(kafka, "one", options))
    const records: Array<Record> = []
    const take = Stream.runForEach(consumer.records, (record) => Effect.sync(() => void records.push(record)))
    return { kafka, consumer, records, take }
  })

for (const protocol of protocols) {
  describe(`a jump, ${protocol}`, () => {
    it.effect("to where an open transaction holds back what is read: nothing is missing of the log", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        yield* append(kafka, numbers(3))
        const transaction = yield* kafka.transaction
        yield* transaction.append(topic, [{ key: "k", value: "3" }], { partition: 0 })
        yield* append(kafka, [4, 5, 6])
        const member = yield* open(kafka, "one", { protocol, commitInterval: "manual" })
        yield* member.consumer.seek({ ...place, offset: 5 })
        yield* asTimeGoesOn(member.consumer.commit())
        yield* member.close
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 5]])
        const next = yield* open(kafka, "next", { protocol, from: "fail" })
        yield* adjust("1 minute")
        assert.deepStrictEqual(next.done, [])
        yield* transaction.commit
        yield* adjust("1 minute")
        assert.deepStrictEqual(next.done, ["5", "6"])
        assert.notInclude([...tagsOf(member), ...tagsOf(next)], "LogTruncated")
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 8]])
      })
    )

    it.effect("back to what is known to be committed is committed, where the answer to a later commit was lost", () =>
      Effect.gen(function* () {
        const { consumer, kafka, records, take } = yield* taking({ protocol, commitInterval: "manual" })
        yield* Effect.forkScoped(take)
        yield* quiet
        for (const { done } of records) done()
        yield* kafka.inject({ _tag: "Disconnect", applied: true }, { request: "OffsetCommit", times: 1 })
        const lost = yield* Effect.forkChild(Effect.exit(consumer.commit()))
        yield* quiet
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 10]])
        yield* consumer.seek({ ...place, offset: 0 })
        assert.deepInclude(errorOf(yield* Fiber.join(lost)), { _tag: "KafkaCommitError", reason: "Lost" })
        yield* asTimeGoesOn(consumer.commit())
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 0]])
      })
    )

    it.effect("counts, though it is being asked where the log goes on whose head is gone", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        const member = yield* begin(kafka, "one", { protocol, from: "latest" })
        yield* kafka.inject({ _tag: "Disconnect" }, { request: "Fetch", times: 1 })
        yield* kafka.disconnect()
        yield* append(kafka, numbers(10))
        yield* kafka.deleteRecords(topic, 0, 5)
        let asked = 0
        // The third one is where the log ends, as the first two are how the position fits it.
        yield* kafka.intercept("ListOffsets", (_, answer) => (++asked === 3 ? Effect.delay(answer, 1_000) : answer))
        for (let i = 0; i < 100 && asked < 3; i++) yield* adjust(50)
        assert.strictEqual(asked, 3)
        yield* member.consumer.seek({ ...place, offset: 7 })
        yield* adjust("1 minute")
        assert.deepStrictEqual(member.done, ["7", "8", "9"])
      })
    )
  })

  describe(`what is being decoded, ${protocol}`, () => {
    const options = {
      protocol,
      value: Codec.makeEffect({
        decode: (bytes) => Effect.as(Effect.sleep(10), new TextDecoder().decode(bytes)),
        encode: (text: string) => Effect.succeed(new TextEncoder().encode(text))
      })
    }

    it.effect("is not handed out while its partition is paused, and is once it goes on", () =>
      Effect.gen(function* () {
        const { consumer, records, take } = yield* taking(options)
        yield* Effect.forkScoped(take)
        yield* adjust(50)
        yield* consumer.pause([place])
        yield* adjust("1 minute")
        assert.deepStrictEqual(records, [])
        yield* consumer.resume([place])
        yield* adjust("1 minute")
        assert.deepStrictEqual(
          records.map(({ offset }) => offset),
          numbers(10)
        )
      })
    )

    it.effect("is not handed out once all is drained", () =>
      Effect.gen(function* () {
        const { consumer, records, take } = yield* taking(options)
        const face = yield* Effect.forkScoped(take)
        yield* adjust(50)
        yield* consumer.drain
        yield* adjust("1 minute")
        yield* Fiber.join(face)
        assert.deepStrictEqual(records, [])
      })
    )
  })
}
