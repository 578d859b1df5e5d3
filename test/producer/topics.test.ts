/** What a producer does with several topics at a time: requests, order, room, and topics that are not what they were. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { census } from "../support/effect/v4/fibers.ts"
import type { KafkaError, KafkaProtocol } from "../../src/index.ts"
import { Codec, KafkaProducer } from "../../src/index.ts"
import { it } from "../support/ManualClock.ts"
import {
  advance,
  append,
  appendThen,
  Brokers,
  bytes,
  countDescriptions,
  headersOf,
  isRunning,
  on,
  openProducer,
  requestsOf,
  settle,
  shown,
  slow,
  start,
  textsTo,
  twoTopics,
  within,
  writtenTo,
  type Behaviour
} from "./support.ts"

/** Refuses the batches of one topic, and appends the others. */
const refuseTopic =
  (name: string, errorCode: number): Behaviour =>
  (brokers, sent) =>
    Effect.sync(() => ({
      throttleMillis: 0,
      partitions: sent.request.partitions.map((p): KafkaProtocol.ProducedPartition =>
        p.topic.name === name
          ? { topic: p.topic, partition: p.partition, errorCode, baseOffset: -1, errorMessage: undefined }
          : brokers.cluster.produce(sent.node, { ...sent.request, partitions: [p] }).partitions[0]
      )
    }))

describe("one leader", () => {
  it.effect("gets the batches of all its topics in one request, what comes meanwhile in the next", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers)
      const orders = yield* textsTo(producer, "orders")
      const audit = yield* textsTo(producer, "audit")
      yield* orders.send("k", "0")
      yield* audit.send("k", "0")
      brokers.script.push(slow(100))
      const first = yield* start(orders.send("k", "1"))
      yield* settle
      const rest = yield* Effect.forEach(
        [orders.send("k", "2"), audit.send("k", "1"), orders.send("k", "3"), audit.send("k", "2")],
        start
      )
      const positions = yield* within(1_000, Fiber.joinAll([first, ...rest]))
      assert.deepStrictEqual(positions.map(shown), ["orders@0:1", "orders@0:2", "audit@0:1", "orders@0:3", "audit@0:2"])
      assert.deepStrictEqual(requestsOf(brokers), [["orders/0"], ["audit/0"], ["orders/0"], ["audit/0", "orders/0"]])
      assert.deepStrictEqual(writtenTo(brokers, "orders"), ["k=0", "k=1", "k=2", "k=3"])
      assert.deepStrictEqual(writtenTo(brokers, "audit"), ["k=0", "k=1", "k=2"])
      assert.deepInclude(yield* producer.stats, { records: 7, acknowledged: 7, requests: 4, queued: 0 })
    })
  )

  it.effect("answers of one topic are not taken for those of another with the same partition", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers)
      const orders = yield* textsTo(producer, "orders")
      const audit = yield* textsTo(producer, "audit")
      yield* Effect.all([orders.send("k", "0"), audit.send("k", "0")], { concurrency: 2 })
      brokers.script.push(slow(100), refuseTopic("audit", 10))
      yield* start(orders.send("k", "1"))
      yield* settle
      const ordered = yield* start(orders.send("k", "2"))
      const audited = yield* start(Effect.flip(audit.send("k", "1")))
      assert.strictEqual(shown(yield* within(1_000, Fiber.join(ordered))), "orders@0:2")
      assert.deepInclude(yield* Fiber.join(audited), { reason: "TooLarge", topic: "audit", partition: 0 })
      assert.deepStrictEqual(writtenTo(brokers, "audit"), ["k=0"])
    })
  )

  it.effect("a request has no more than 8 MiB of all topics together, and each has its turn", () =>
    Effect.gen(function* () {
      const MiB = 1024 * 1024
      const brokers = twoTopics()
      for (const topic of ["orders", "audit"]) {
        brokers.cluster.alterConfigs(topic, { "max.message.bytes": `${6 * MiB}` })
      }
      const producer = yield* openProducer(brokers, { maxRecordBytes: 6 * MiB, maxBatchBytes: 6 * MiB })
      const orders = yield* textsTo(producer, "orders")
      const audit = yield* textsTo(producer, "audit")
      yield* Effect.all([orders.send("k", "0"), audit.send("k", "0")], { concurrency: 2 })
      const before = brokers.sent.length
      brokers.script.push(slow(100))
      yield* start(orders.send("k", "1"))
      yield* settle
      const large = yield* Effect.forEach([orders, audit], (to) => start(to.send("k", "x".repeat(5 * MiB))))
      yield* within(1_000, Fiber.joinAll(large))
      assert.deepStrictEqual(
        requestsOf(brokers)
          .slice(before)
          .map((places) => places.length),
        [1, 1, 1]
      )
    })
  )
})

describe("order", () => {
  it.effect("of each key of each topic is that of the calls, by bytes and by codecs alike", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(1, 2)
      brokers.cluster.createTopic("orders", 3)
      brokers.cluster.createTopic("audit", 2)
      brokers.cluster.moveLeader("orders", 1, 1)
      brokers.cluster.moveLeader("audit", 1, 1)
      brokers.otherwise = (b, sent) => slow(1 + (b.sent.length % 3))(b, sent)
      const producer = yield* openProducer(brokers)
      const orders = yield* textsTo(producer, "orders")
      const keys = ["a", "b", "c", "d", "e"]
      const numbers = Array.from({ length: 200 }, (_, i) => i)
      const all = yield* Effect.forEach(numbers, (i) =>
        Effect.gen(function* () {
          const key = keys[i % keys.length]
          const record = { key: bytes(key), value: bytes(`${i}`) }
          const ordered = i % 2 === 0 ? orders.send(key, `${i}`) : producer.send({ topic: "orders", ...record })
          return [yield* start(ordered), yield* start(producer.send({ topic: "audit", ...record }))]
        })
      )
      yield* within(30_000, Fiber.joinAll(all.flat()))
      for (const [topic, partitions] of [
        ["orders", 3],
        ["audit", 2]
      ] as const) {
        const written = Array.from({ length: partitions }, (_, p) => writtenTo(brokers, topic, p))
        for (const key of keys) {
          const inIts = written.filter((log) => log.some((text) => text.startsWith(`${key}=`)))
          assert.lengthOf(inIts, 1, `${topic}: ${key} is in one partition`)
          assert.deepStrictEqual(
            inIts[0].filter((text) => text.startsWith(`${key}=`)),
            numbers.filter((i) => keys[i % keys.length] === key).map((i) => `${key}=${i}`)
          )
        }
      }
    })
  )

  it.effect(
    "a codec of Effects that is slow keeps the calls about its topic in order, and holds up no other topic",
    () =>
      Effect.gen(function* () {
        const brokers = twoTopics()
        const producer = yield* openProducer(brokers)
        const slowly = Codec.makeEffect<string, never, never>({
          encode: (text) => Effect.delay(Effect.succeed(bytes(text)), text === "slow" ? 1_000 : 10),
          decode: (encoded) => Effect.succeed(Buffer.from(encoded).toString())
        })
        const orders = yield* producer.to("orders", { value: slowly })
        const plain = yield* textsTo(producer, "orders")
        const audit = yield* textsTo(producer, "audit")
        const first = yield* start(orders.send("k", "slow"))
        const behind = yield* start(orders.send("k", "fast"))
        const bytesBehind = yield* start(producer.send({ topic: "orders", key: bytes("k"), value: bytes("bytes") }))
        const last = yield* start(plain.send("k", "plain"))
        const flushed = yield* start(producer.flush)
        yield* within(100, audit.send("k", "other"))
        assert.deepStrictEqual(writtenTo(brokers, "orders"), [])
        assert.isTrue(yield* isRunning(flushed))
        yield* within(2_000, Fiber.joinAll([first, behind, bytesBehind, last]))
        yield* within(0, Fiber.join(flushed))
        assert.deepStrictEqual(writtenTo(brokers, "orders"), ["k=slow", "k=fast", "k=bytes", "k=plain"])
      })
  )
})

describe("room in the queue", () => {
  it.effect("is for all topics together: records wait in the order of their calls, whatever their topics", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers, { maxQueued: 2 })
      const orders = yield* textsTo(producer, "orders")
      const audit = yield* textsTo(producer, "audit")
      yield* Effect.all([orders.send("k", "0"), audit.send("k", "0")], { concurrency: 2 })
      brokers.script.push(slow(100), slow(100), slow(100))
      const sent = yield* Effect.forEach(
        [orders.send("k", "1"), orders.send("k", "2"), audit.send("k", "1"), orders.send("k", "3")],
        start
      )
      const withdrawn = yield* start(audit.send("k", "withdrawn"))
      yield* settle
      assert.deepInclude(yield* producer.stats, { records: 7, acknowledged: 2, queued: 5 })
      yield* Fiber.interrupt(withdrawn)
      assert.deepInclude(yield* producer.stats, { records: 6, acknowledged: 2, queued: 4 })
      yield* within(1_000, Fiber.joinAll(sent))
      assert.deepStrictEqual(writtenTo(brokers, "orders"), ["k=0", "k=1", "k=2", "k=3"])
      assert.deepStrictEqual(writtenTo(brokers, "audit"), ["k=0", "k=1"])
    })
  )
})

describe("a topic that does not exist", () => {
  it.effect("fails its own records, and those of others go on; it is written once it is there", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers)
      const orders = yield* textsTo(producer, "orders")
      const missing = yield* textsTo(producer, "missing")
      const failing = yield* start(Effect.flip(missing.send("k", "1")))
      const bytesFailing = yield* start(Effect.flip(producer.send({ topic: "nowhere", value: bytes("1") })))
      yield* within(100, orders.send("k", "1"))
      yield* advance(1_500)
      assert.isTrue(yield* isRunning(failing))
      yield* within(100, orders.send("k", "2"))
      const error = yield* within(1_000, Fiber.join(failing))
      assert.deepInclude(error, { reason: "TopicNotFound", topic: "missing" })
      assert.deepInclude(error.cause, { _tag: "KafkaTopicError", reason: "NotFound", topic: "missing" })
      assert.deepInclude(yield* within(1_000, Fiber.join(bytesFailing)), { reason: "TopicNotFound", topic: "nowhere" })
      assert.deepInclude(yield* producer.stats, { records: 4, acknowledged: 2, failed: 2, queued: 0 })
      brokers.cluster.createTopic("missing")
      yield* within(1_000, missing.send("k", "2"))
      assert.deepStrictEqual(writtenTo(brokers, "missing"), ["k=2"])
      assert.deepInclude(yield* producer.stats, { records: 5, acknowledged: 3, failed: 2 })
    })
  )

  it.effect("is not asked for any more once its records have failed", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const asked = countDescriptions(brokers)
      const producer = yield* openProducer(brokers)
      const failing = yield* start(Effect.flip(producer.send({ topic: "missing", value: bytes("1") })))
      yield* within(3_000, Fiber.join(failing))
      const before = asked.get("missing") ?? 0
      assert.isAbove(before, 1)
      yield* advance(60_000, 1_000)
      assert.strictEqual(asked.get("missing"), before)
    })
  )
})

it.effect("names that are no topics leave nothing behind, and what was counted of them stays counted", () =>
  Effect.gen(function* () {
    const brokers = twoTopics()
    const fibers = yield* census
    const producer = yield* openProducer(brokers).pipe(fibers.of)
    yield* within(100, producer.send({ topic: "orders", key: bytes("k"), value: bytes("1") }))
    const begun = yield* fibers.count
    for (let round = 0; round < 3; round++) {
      const failing = yield* Effect.forEach(
        Array.from({ length: 6 }, (_, i) => `missing-${round}-${i}`),
        (topic) => start(Effect.flip(producer.send({ topic, value: bytes("1") })))
      )
      yield* settle
      assert.isAbove(yield* fibers.count, begun)
      const errors = yield* within(4_000, Fiber.joinAll(failing))
      assert.isTrue(errors.every(({ reason }) => reason === "TopicNotFound"))
    }
    yield* settle
    assert.strictEqual(yield* fibers.count, begun)
    assert.deepInclude(yield* producer.stats, { records: 19, acknowledged: 1, failed: 18, queued: 0 })
  })
)

describe("what is asked about topics", () => {
  it.effect("each is described when it is named first, and not again while nothing is sent to it", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const asked = countDescriptions(brokers)
      const producer = yield* openProducer(brokers, { metadataMaxAge: "10 seconds" })
      yield* settle
      assert.strictEqual(asked.size, 0)
      const orders = yield* textsTo(producer, "orders")
      yield* settle
      assert.deepStrictEqual([...asked], [["orders", 1]])
      yield* within(100, producer.send({ topic: "audit", key: bytes("k"), value: bytes("1") }))
      for (let i = 0; i < 60; i++) {
        yield* advance(1_000, 500)
        yield* within(100, orders.send("k", `${i}`))
      }
      assert.strictEqual(asked.get("audit"), 1)
      assert.isAtLeast(asked.get("orders") ?? 0, 6)
      assert.isAtMost(asked.get("orders") ?? 0, 14)
      const before = asked.get("orders")
      yield* advance(60_000, 1_000)
      assert.strictEqual(asked.get("orders"), before)
    })
  )

  it.effect("a lost leader is asked about by the topics that have records for it only", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const asked = countDescriptions(brokers)
      const producer = yield* openProducer(brokers)
      const orders = yield* textsTo(producer, "orders")
      yield* Effect.all([orders.send("k", "0"), producer.send({ topic: "audit", key: bytes("k"), value: null })])
      brokers.script.push(appendThen("Closed"))
      yield* within(1_000, orders.send("k", "1"))
      assert.deepStrictEqual(writtenTo(brokers, "orders"), ["k=0", "k=1"])
      assert.strictEqual(asked.get("orders"), 2)
      assert.strictEqual(asked.get("audit"), 1)
    })
  )

  it.effect("a leader that moves is followed for each topic by itself", () =>
    Effect.gen(function* () {
      const brokers = twoTopics(2)
      const producer = yield* openProducer(brokers)
      const orders = yield* textsTo(producer, "orders")
      const audit = yield* textsTo(producer, "audit")
      yield* Effect.all([orders.send("k", "0"), audit.send("k", "0")], { concurrency: 2 })
      brokers.cluster.moveLeader("orders", 1)
      yield* within(1_000, Effect.all([orders.send("k", "1"), audit.send("k", "1")], { concurrency: 2 }))
      assert.deepStrictEqual(writtenTo(brokers, "orders"), ["k=0", "k=1"])
      assert.deepStrictEqual(writtenTo(brokers, "audit"), ["k=0", "k=1"])
      assert.deepStrictEqual(new Set(brokers.sent.map(({ node }) => node)), new Set([0, 1]))
    })
  )
})

describe("a topic that was created again", () => {
  it.effect(
    "with fewer partitions: its records are assigned anew, or told; those of another topic are left alone",
    () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        brokers.cluster.createTopic("orders", 3)
        brokers.cluster.createTopic("audit", 3)
        const producer = yield* openProducer(brokers, { partitioner: (key, count) => key[0] % count })
        const orders = yield* textsTo(producer, "orders")
        const audit = yield* textsTo(producer, "audit")
        yield* Effect.forEach([orders, audit], (to) => to.sendMany(["a", "b", "c"].map((key) => [key, "0"] as const)))
        brokers.otherwise = refuseTopic("orders", 3)
        const waiting = yield* Effect.forEach(["a", "b", "c"], (key) => start(orders.send(key, "1")))
        const gone = yield* start(Effect.flip(orders.send("a", "gone", { partition: 2 })))
        yield* settle
        brokers.cluster.createTopic("orders", 2)
        // What is sent before the producer knows of it must not be taken.
        yield* advance(300)
        brokers.otherwise = append
        yield* within(3_000, Fiber.joinAll(waiting))
        const error: KafkaError.WriteError = yield* within(100, Fiber.join(gone))
        assert.deepInclude(error, { reason: "InvalidPartition", topic: "orders", partition: 2 })
        assert.strictEqual((error.cause as KafkaError.TopicError).reason, "Recreated")
        assert.deepStrictEqual(writtenTo(brokers, "orders", 0), ["b=1"])
        assert.sameMembers([...writtenTo(brokers, "orders", 1)], ["a=1", "c=1"])
        const position = yield* audit.send("b", "1", { partition: 2 })
        assert.strictEqual(shown(position), "audit@2:1")
      })
  )

  it.effect("gone for a while: its records fail, and those of another topic go on", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers)
      const orders = yield* textsTo(producer, "orders")
      const audit = yield* textsTo(producer, "audit")
      yield* Effect.all([orders.send("k", "0"), audit.send("k", "0")], { concurrency: 2 })
      brokers.cluster.deleteTopic("orders")
      const failing = yield* start(Effect.flip(orders.send("k", "1")))
      yield* within(200, audit.send("k", "1"))
      assert.deepInclude(yield* within(3_000, Fiber.join(failing)), { reason: "TopicNotFound", topic: "orders" })
      brokers.cluster.createTopic("orders")
      yield* within(3_000, orders.send("k", "2"))
      assert.deepStrictEqual(writtenTo(brokers, "orders"), ["k=2"])
      assert.deepStrictEqual(writtenTo(brokers, "audit"), ["k=0", "k=1"])
    })
  )
})

describe("the producer id", () => {
  it.effect("is one for all topics, with sequences for each partition of each of them", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers)
      for (const topic of ["orders", "audit", "orders", "audit", "orders"]) {
        yield* producer.send({ topic, key: bytes("k"), value: bytes("1") })
      }
      assert.strictEqual(brokers.producerIds, 1)
      assert.deepStrictEqual(headersOf(brokers), ["7000/0/0", "7000/0/0", "7000/0/1", "7000/0/1", "7000/0/2"])
    })
  )

  it.effect("has its next epoch in the partition whose outcome is not known, and nowhere else", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers, { deliveryTimeout: "2 seconds" })
      const orders = yield* textsTo(producer, "orders")
      const audit = yield* textsTo(producer, "audit")
      yield* Effect.all([orders.send("k", "0"), audit.send("k", "0")])
      brokers.otherwise = appendThen("Closed")
      const unknown = yield* start(Effect.flip(orders.send("k", "1")))
      assert.strictEqual((yield* within(3_000, Fiber.join(unknown))).reason, "UnknownOutcome")
      brokers.otherwise = append
      yield* within(1_000, orders.send("k", "2"))
      yield* within(1_000, audit.send("k", "1"))
      assert.deepStrictEqual(headersOf(brokers).slice(-2), ["7000/1/0", "7000/0/1"])
      assert.deepStrictEqual(writtenTo(brokers, "orders"), ["k=0", "k=1", "k=2"])
      assert.deepInclude(yield* producer.stats, { records: 5, acknowledged: 4, unknown: 1, queued: 0 })
    })
  )

  it.effect("is not asked for without idempotence: then acquiring asks for nothing", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers, { acks: "leader" })
      assert.lengthOf(brokers.cluster.requests, 0)
      yield* producer.send({ topic: "orders", key: bytes("k"), value: bytes("1") })
      assert.deepStrictEqual(headersOf(brokers), ["-1/-1/-1"])
    })
  )
})

it.effect("by a tag and a layer", () => {
  class Producer extends KafkaProducer.Tag("test/Producer")<Producer>() {}
  return Effect.gen(function* () {
    const brokers = twoTopics()
    const position = yield* Effect.flatMap(Producer, (producer) =>
      producer.send({ topic: "orders", key: bytes("k"), value: bytes("1") })
    ).pipe(Effect.provide(KafkaProducer.layer(Producer, { compression: "gzip" })), on(brokers))
    assert.strictEqual(shown(position), "orders@0:0")
    assert.deepStrictEqual(writtenTo(brokers, "orders"), ["k=1"])
  })
})
