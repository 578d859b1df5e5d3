/** Work that takes long, or never ends: what goes on beside it, and what health tells of it. */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { KafkaConsumer } from "../../src/index.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { numbers } from "../support/live.ts"
import { acquire, adjust, append, cluster, it, type Options, topic } from "./onEmbedded.ts"

const PARTITIONS = 4
const RECORDS = 4_000

type Consumer = KafkaConsumer.KafkaConsumer<string, string>

/** A consumer of four partitions with so many records each, of many keys. */
const withRecords = (options: Options = {}) =>
  Effect.gen(function* () {
    const kafka = yield* cluster({ topics: { [topic]: { partitions: PARTITIONS } } })
    for (const partition of numbers(PARTITIONS)) {
      const records = numbers(RECORDS).map((i) => ({ key: `${i % 40}`, value: `${partition}@${i}` }))
      yield* kafka.append(topic, records, { partition })
    }
    const consumer = yield* asTimeGoesOn(acquire(kafka, "one", options))
    return { kafka, consumer }
  })

/** Works on records, one of which takes until the test lets it end; returns what was done. */
const working = (consumer: Consumer, concurrency: number) =>
  Effect.gen(function* () {
    const go = yield* Deferred.make<void>()
    const done: Array<string> = []
    const work = ({ value }: { readonly value: string }) =>
      Effect.andThen(
        value === "0@0" ? Deferred.await(go) : Effect.void,
        Effect.sync(() => void done.push(value))
      )
    yield* Effect.forkScoped(consumer.runForEach(work, { concurrency }))
    return { go, done }
  })

const healthOf = (consumer: Consumer) => SubscriptionRef.get(consumer.health)

describe("a record whose work does not end", () => {
  it.effect("holds up no other partition, and tells where it is", () =>
    Effect.gen(function* () {
      const { consumer } = yield* withRecords({ maxUncommitted: 2_000 })
      const { done, go } = yield* working(consumer, 4)
      yield* adjust("1 minute")
      const others = done.filter((value) => !value.startsWith("0@"))
      // Records of its lane wait, so that each partition comes to the end of what may be unfinished.
      assert.isAbove(others.length, (PARTITIONS - 1) * 1_200)
      assert.deepInclude(yield* healthOf(consumer), { _tag: "Blocked", topic, partition: 0, offset: 0 })
      yield* Deferred.succeed(go, undefined)
      yield* adjust("1 minute")
      assert.strictEqual(done.length, PARTITIONS * RECORDS)
      assert.deepStrictEqual(yield* healthOf(consumer), { _tag: "Steady" })
    })
  )

  it.effect("in the only lane holds up all, which is told, too, within a minute", () =>
    Effect.gen(function* () {
      const { consumer } = yield* withRecords()
      const { done, go } = yield* working(consumer, 1)
      yield* adjust("20 seconds")
      const before = done.length
      assert.deepStrictEqual(yield* healthOf(consumer), { _tag: "Steady" })
      yield* adjust("40 seconds")
      assert.strictEqual(done.length, before)
      assert.deepInclude(yield* healthOf(consumer), { _tag: "Blocked", topic, partition: 0, offset: 0 })
      yield* Deferred.succeed(go, undefined)
      yield* adjust("1 minute")
      assert.strictEqual(done.length, PARTITIONS * RECORDS)
      assert.deepStrictEqual(yield* healthOf(consumer), { _tag: "Steady" })
    })
  )
})

describe("a record whose work does not end, of a topic that is created again", () => {
  it.effect("is still told of, as it holds up the others", () =>
    Effect.gen(function* () {
      const { consumer, kafka } = yield* withRecords()
      const { done, go } = yield* working(consumer, 1)
      yield* adjust("10 seconds")
      yield* kafka.deleteTopic(topic)
      yield* kafka.createTopic(topic, { partitions: PARTITIONS })
      yield* adjust("1 minute")
      yield* append(kafka, ["new"], 1)
      yield* adjust("1 minute")
      const health = yield* healthOf(consumer)
      assert.deepInclude(health, { _tag: "Blocked", topic, partition: 0, offset: 0 })
      assert.isNumber(health._tag === "Blocked" ? health.since : undefined)
      yield* Deferred.succeed(go, undefined)
      yield* adjust("1 minute")
      assert.strictEqual(done.at(-1), "new")
      assert.deepStrictEqual(yield* healthOf(consumer), { _tag: "Steady" })
    })
  )
})

describe("a partition that was blocked", () => {
  it.effect("is not any more, once another face has it", () =>
    Effect.gen(function* () {
      const { consumer } = yield* withRecords({ maxUncommitted: 10 })
      yield* asTimeGoesOn(Stream.runDrain(Stream.take(consumer.chunks, PARTITIONS)))
      assert.strictEqual((yield* healthOf(consumer))._tag, "Blocked")
      const fiber = yield* Effect.forkScoped(consumer.runForEach(() => Effect.void))
      yield* adjust("1 minute")
      assert.deepStrictEqual(yield* healthOf(consumer), { _tag: "Steady" })
      yield* Fiber.interrupt(fiber)
    })
  )

  for (const protocol of ["classic", "consumer"] as const) {
    it.effect(`is not any more, once its topic is another one, ${protocol}`, () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        yield* append(kafka, numbers(20))
        const consumer = yield* asTimeGoesOn(acquire(kafka, "one", { protocol, maxUncommitted: 10 }))
        const values: Array<string> = []
        const taking = Stream.runForEach(consumer.records, ({ value }) => Effect.sync(() => void values.push(value)))
        const fiber = yield* Effect.forkScoped(taking)
        yield* adjust("1 second")
        assert.strictEqual((yield* healthOf(consumer))._tag, "Blocked")
        yield* kafka.deleteTopic(topic)
        yield* kafka.createTopic(topic)
        yield* adjust("1 minute")
        assert.deepStrictEqual(yield* healthOf(consumer), { _tag: "Steady" })
        yield* append(kafka, ["new"])
        yield* adjust("1 second")
        assert.strictEqual(values.at(-1), "new")
        yield* Fiber.interrupt(fiber)
      })
    )
  }
})

describe("what decides the lane of a record", () => {
  for (const [name, by] of Object.entries({
    "no number": () => Number.NaN,
    "an endless number": () => Number.NEGATIVE_INFINITY,
    "a broken number": ({ offset }: { readonly offset: number }) => -offset / 3,
    "nothing at all, as types do not count at run time": () => undefined as unknown as string
  })) {
    it.effect(`may be ${name}`, () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        yield* append(kafka, numbers(20))
        const consumer = yield* asTimeGoesOn(acquire(kafka, "one"))
        const done: Array<number> = []
        const work = ({ offset }: { readonly offset: number }) => Effect.sync(() => void done.push(offset))
        yield* Effect.forkScoped(consumer.runForEach(work, { concurrency: 3, by }))
        yield* adjust("1 second")
        assert.deepStrictEqual(
          done.sort((a, b) => a - b),
          numbers(20)
        )
      })
    )
  }
})
