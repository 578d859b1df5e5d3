/** Logs that do not hold any more where a consumer is: their beginning has moved past it, or they end before it. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { Codec, KafkaClient, KafkaConsumer } from "../../src/index.ts"
import { FakeCluster } from "../support/FakeCluster.ts"
import { facts, numbers } from "../support/live.ts"
import { adjust, group, it, topic } from "./onEmbedded.ts"

/** A consumer of a cluster whose logs the test cuts off, which has done ten records. */
const begun = (from: "earliest" | "latest" | "fail") =>
  Effect.gen(function* () {
    const cluster = new FakeCluster()
    cluster.createTopic(topic, 1, { "cleanup.policy": "delete" })
    const write = (count: number, value: number) =>
      cluster.append(
        topic,
        numbers(count, value).map((i) => ({ key: "k", value: String(i) }))
      )
    write(10, 0)
    const client = yield* cluster.client
    const acquire = (options: Partial<KafkaConsumer.ConsumerOptions<string, string>>) =>
      KafkaConsumer.make<string>({ group, subscribe: topic, value: Codec.utf8, ...options }).pipe(
        Effect.provideService(KafkaClient.KafkaClient, client)
      )
    // The group has an offset, so that one that fails without one can begin.
    yield* Effect.scoped(acquire({}))
    const consumer = yield* acquire({ from })
    const done: Array<number> = []
    const events: Array<KafkaConsumer.GroupEvent> = []
    yield* Effect.forkScoped(Stream.runForEach(consumer.events, (event) => Effect.sync(() => void events.push(event))))
    yield* Effect.forkScoped(consumer.runForEach(({ value }) => Effect.sync(() => void done.push(Number(value)))))
    yield* adjust("10 seconds")
    assert.deepStrictEqual(done, numbers(10))
    const committed = Effect.map(
      client.askCoordinator(group, "group", "OffsetFetch", {
        groupId: group,
        member: undefined,
        requireStable: true,
        partitions: undefined
      }),
      ({ partitions }) => partitions.map(({ offset }) => offset)
    )
    assert.deepStrictEqual(yield* committed, [10])
    const told = () =>
      events.flatMap((event) =>
        event._tag === "LogTruncated" ? [{ reason: event.error.reason, offset: event.offset }] : []
      )
    return { cluster, committed, consumer, done, told, write }
  })

describe("a log that ends before what was read of it", () => {
  for (const from of ["earliest", "latest"] as const) {
    it.effect(`is gone on with at its end, from ${from}: what is written there is done, and committed`, () =>
      Effect.gen(function* () {
        const { cluster, committed, done, told, write } = yield* begun(from)
        cluster.truncateTail(topic, 6)
        // Within a second: no interval of commits has passed.
        yield* adjust("1 second")
        assert.deepStrictEqual(told(), [{ reason: "Tail", offset: 6 }])
        assert.deepStrictEqual(yield* committed, [6])
        write(3, 100)
        yield* adjust("10 seconds")
        assert.deepStrictEqual(done, [...numbers(10), 100, 101, 102])
        assert.deepStrictEqual(yield* committed, [9])
      })
    )
  }
})

describe("a log that begins after where a consumer is", () => {
  for (const from of ["earliest", "latest"] as const) {
    it.effect(`is gone on with at its beginning, or its end, from ${from}`, () =>
      Effect.gen(function* () {
        const { cluster, committed, done, told, write } = yield* begun(from)
        // Both happen before a fetch that waits is answered.
        write(10, 10)
        cluster.truncateHead(topic, 15)
        yield* adjust("10 seconds")
        const offset = from === "earliest" ? 15 : 20
        assert.deepStrictEqual(told(), [{ reason: "Head", offset }])
        write(2, 20)
        yield* adjust("10 seconds")
        assert.deepStrictEqual(done, [...numbers(10), ...numbers(22 - offset, offset)])
        assert.deepStrictEqual(yield* committed, [22])
      })
    )
  }
})

describe("a log that is no continuation, where that is to fail", () => {
  it.effect("ends the consumer, typed, and commits nothing of it", () =>
    Effect.gen(function* () {
      const { cluster, committed, consumer, write } = yield* begun("fail")
      cluster.truncateTail(topic, 6)
      write(1, 100)
      yield* adjust("10 seconds")
      const health = yield* SubscriptionRef.get(consumer.health)
      assert.strictEqual(health._tag, "Failed")
      if (health._tag !== "Failed") return
      assert.deepInclude(facts(health.error), {
        _tag: "KafkaGroupError",
        reason: "NoOffset",
        group,
        topic,
        partition: 0
      })
      assert.deepStrictEqual(yield* committed, [10])
    })
  )
})
