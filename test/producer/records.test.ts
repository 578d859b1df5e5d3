/** What a record of a producer may be, what is said of one that cannot be, and how a producer ends. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { allSeries, withLabel } from "../support/effect/v4/metrics.ts"
import { withoutJson } from "../support/effect/v4/schemas.ts"
import type { KafkaError } from "../../src/index.ts"
import { Codec, KafkaClient, KafkaProducer } from "../../src/index.ts"
import { connectionError } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import { recordLogs } from "../support/live.ts"
import {
  advance,
  Brokers,
  bytes,
  isRunning,
  logOf,
  on,
  openProducer,
  settle,
  slow,
  start,
  textsTo,
  twoTopics,
  within,
  writtenTo
} from "./support.ts"

/** As a caller without types would send it. */
const sendAnything = (producer: KafkaProducer.KafkaProducer, record: object) =>
  producer.send(record as KafkaProducer.ProducerRecord)

describe("a record of bytes", () => {
  it.effect("has headers, a time and a partition, and a key or value that is null", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.cluster.createTopic("events", 2, { "cleanup.policy": "delete" })
      const producer = yield* openProducer(brokers)
      yield* producer.send({
        topic: "events",
        key: bytes("k"),
        value: null,
        headers: [
          { key: "h", value: "1" },
          { key: "h", value: null }
        ],
        timestamp: 1_234,
        partition: 1
      })
      yield* producer.send({ topic: "events", value: bytes("1"), partition: 1 })
      yield* producer.send({ topic: "events", key: null, value: new Uint8Array(0), partition: 1 })
      assert.deepStrictEqual(writtenTo(brokers, "events", 1), ["k=null", "null=1", "null="])
      const [first] = logOf(brokers, "events", 1)
      assert.strictEqual(first.timestamp, 1_234)
      assert.deepStrictEqual(
        first.headers.map(({ key, value }) => [key, value === null ? null : Buffer.from(value).toString()]),
        [
          ["h", "1"],
          ["h", null]
        ]
      )
    })
  )

  it.effect("is as it was at the call", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers)
      const key = bytes("k")
      const value = bytes("1")
      const sent = yield* start(producer.send({ topic: "orders", key, value }))
      key.fill(0)
      value.fill(0)
      yield* within(100, Fiber.join(sent))
      assert.deepStrictEqual(writtenTo(brokers, "orders"), ["k=1"])
    })
  )

  it.effect("without a key goes to each partition that has a leader in turn, and joins what waits for one", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.cluster.createTopic("events", 4, { "cleanup.policy": "delete" })
      brokers.cluster.moveLeader("events", -1, 2)
      const producer = yield* openProducer(brokers)
      const event = (text: string) => producer.send({ topic: "events", value: bytes(text) })
      const partitions: Array<number> = []
      for (let i = 0; i < 6; i++) partitions.push((yield* event(`${i}`)).partition)
      assert.deepStrictEqual(new Set(partitions), new Set([0, 1, 3]))
      assert.deepStrictEqual(partitions.slice(0, 3), partitions.slice(3))
      brokers.script.push(slow(100))
      const first = yield* start(event("first"))
      yield* settle
      const together = yield* Effect.forEach(["a", "b", "c"], (text) => start(event(text)))
      const large = yield* Effect.forEach(["d", "e"], (text) => start(event(text.repeat(16 * 1024))))
      const after = yield* start(event("after"))
      const all = yield* within(1_000, Fiber.joinAll([first, ...together, ...large, after]))
      const turn = [0, 1, 3]
      const nextOf = (partition: number) => turn[(turn.indexOf(partition) + 1) % turn.length]
      const begun = all[0].partition
      const followed = nextOf(begun)
      assert.deepStrictEqual(
        all.map(({ partition }) => partition),
        [begun, begun, begun, begun, begun, followed, nextOf(followed)]
      )
    })
  )

  for (const [name, record, message] of [
    ["no topic", { value: bytes("1") }, "topic: must be a legal topic name"],
    ["a topic with a space", { topic: "or ders", value: bytes("1") }, "topic: must be a legal topic name"],
    ["a value that is text", { topic: "orders", key: bytes("k"), value: "1" }, "value: Expected a Uint8Array"],
    ["no value", { topic: "orders", key: bytes("k") }, "value: Expected a Uint8Array"],
    ["a key that is text", { topic: "orders", key: "k", value: bytes("1") }, "key: Expected a Uint8Array"],
    [
      "a time that is none",
      { topic: "orders", key: bytes("k"), value: bytes("1"), timestamp: 1.5 },
      "options: timestamp"
    ],
    [
      "headers that are none",
      { topic: "orders", key: bytes("k"), value: bytes("1"), headers: { h: 1 } },
      "options: headers"
    ]
  ] as const) {
    it.effect(`with ${name}: Encode, nothing is sent, and the producer goes on`, () =>
      Effect.gen(function* () {
        const brokers = twoTopics()
        const producer = yield* openProducer(brokers)
        const error: KafkaError.WriteError = yield* within(100, Effect.flip(sendAnything(producer, record)))
        assert.strictEqual(error.reason, "Encode")
        assert.include(error.message, message)
        yield* producer.send({ topic: "orders", key: bytes("k"), value: bytes("2") })
        assert.deepStrictEqual(writtenTo(brokers, "orders"), ["k=2"])
        assert.deepInclude(yield* producer.stats, { records: 2, acknowledged: 1, failed: 1, unknown: 0, queued: 0 })
      })
    )
  }

  it.effect("above maxRecordBytes: TooLarge, and nothing is sent", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers, { maxRecordBytes: 200 })
      const error = yield* Effect.flip(producer.send({ topic: "orders", key: bytes("k"), value: new Uint8Array(200) }))
      assert.deepInclude(error, { reason: "TooLarge", topic: "orders" })
      assert.lengthOf(brokers.sent, 0)
    })
  )

  it.effect("whose caller is interrupted while it waits for room is never written", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers, { maxQueued: 1 })
      brokers.script.push(slow(100))
      const first = yield* start(producer.send({ topic: "orders", key: bytes("k"), value: bytes("1") }))
      const waiting = yield* start(producer.send({ topic: "audit", key: bytes("k"), value: bytes("2") }))
      yield* settle
      yield* Fiber.interrupt(waiting)
      yield* within(1_000, Fiber.join(first))
      yield* within(1_000, producer.flush)
      assert.deepStrictEqual(writtenTo(brokers, "audit"), [])
      assert.deepInclude(yield* producer.stats, { records: 1, acknowledged: 1, queued: 0 })
    })
  )
})

describe("a topic with codecs", () => {
  class Order extends Schema.Class<Order>("Order")({ item: Schema.String, count: Schema.Int }) {}

  it.effect("is written by them, with tombstones, and with records without a key", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.cluster.createTopic("orders", 1, { "cleanup.policy": "delete" })
      const producer = yield* openProducer(brokers)
      const orders = yield* producer.to("orders", { key: Codec.json(Schema.Int), value: Codec.json(Order) })
      assert.strictEqual(orders.topic, "orders")
      yield* orders.send(7, new Order({ item: "tea", count: 2 }))
      yield* orders.tombstone(7, { headers: { by: "test" } })
      yield* orders.send(null, new Order({ item: "milk", count: 1 }))
      const positions = yield* orders.sendMany([
        [8, new Order({ item: "a", count: 1 })],
        [9, new Order({ item: "b", count: 1 }), { timestamp: 5 }],
        [null, new Order({ item: "c", count: 1 })]
      ])
      assert.deepStrictEqual(
        positions.map(({ offset }) => offset),
        [3, 4, 5]
      )
      assert.deepStrictEqual(writtenTo(brokers, "orders"), [
        '7={"item":"tea","count":2}',
        "7=null",
        'null={"item":"milk","count":1}',
        '8={"item":"a","count":1}',
        '9={"item":"b","count":1}',
        'null={"item":"c","count":1}'
      ])
      assert.strictEqual(logOf(brokers, "orders")[4].timestamp, 5)
    })
  )

  it.effect("many at once, of which the giving throws: Encode, and none is written", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers)
      const orders = yield* producer.to("orders", { value: Codec.utf8 })
      const loud = yield* Effect.flatMap(openProducer(brokers, { logValues: true }), (producer) =>
        producer.to("orders", { value: Codec.utf8 })
      )
      const broken = function* (): Iterable<readonly [string, string]> {
        yield ["a", "1"]
        throw new Error("the file ends here")
      }
      const given = [broken(), [["a", "1"], undefined], undefined] as unknown as ReadonlyArray<never>
      for (const records of given) {
        const error = yield* Effect.flip(orders.sendMany(records))
        assert.deepInclude(error, { reason: "Encode", topic: "orders" })
        assert.match(error.message, /\(records: what gives them threw (an? )?(Type)?Error\b/)
      }
      // What it says may quote what it has read.
      assert.include((yield* Effect.flip(loud.sendMany(broken()))).message, "the file ends here")
      yield* orders.send("k", "v")
      assert.deepStrictEqual(writtenTo(brokers, "orders"), ["k=v"])
    })
  )

  it.effect("that do not encode: Encode, which quotes the value only where logValues says so", () =>
    Effect.gen(function* () {
      for (const logValues of [false, true]) {
        const brokers = twoTopics()
        const producer = yield* openProducer(brokers, { logValues })
        const orders = yield* producer.to("orders", { value: Codec.json(Schema.Struct({ count: Schema.Int })) })
        const error = yield* Effect.flip(orders.send("k", { count: 4711.5 }))
        assert.deepInclude(error, { reason: "Encode", topic: "orders" })
        assert.match(error.message, /\(value: .*count/)
        assert.strictEqual(error.message.includes("4711.5"), logValues)
        yield* orders.send("k", { count: 1 })
        assert.deepStrictEqual(writtenTo(brokers, "orders"), ['k={"count":1}'])
      }
    })
  )

  it.effect("that are Effects which fail, die, or never end: typed, and the producer goes on", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers, { deliveryTimeout: "2 seconds" })
      const fragile = yield* producer.to("orders", {
        value: Codec.makeEffect<string, never, string>({
          encode: (text) =>
            text === "fails"
              ? Effect.fail("no")
              : text === "dies"
                ? Effect.die(new Error("no"))
                : text === "hangs"
                  ? Effect.never
                  : Effect.succeed(bytes(text)),
          decode: (encoded) => Effect.succeed(Buffer.from(encoded).toString())
        })
      })
      const writes = yield* Effect.forEach(["fails", "dies", "hangs"], (text) =>
        start(Effect.flip(fragile.send("k", text)))
      )
      const last = yield* start(fragile.send("k", "fine"))
      const errors = yield* within(3_000, Fiber.joinAll(writes))
      assert.deepStrictEqual(
        errors.map(({ reason, topic }) => [reason, topic]),
        [
          ["Encode", "orders"],
          ["Encode", "orders"],
          ["Timeout", "orders"]
        ]
      )
      yield* within(1_000, Fiber.join(last))
      assert.deepStrictEqual(writtenTo(brokers, "orders"), ["k=fine"])
      assert.deepInclude(yield* producer.stats, { records: 4, acknowledged: 1, failed: 3, queued: 0 })
    })
  )

  it.effect("that cannot work at all, or for a name that no topic has: InvalidOptions, before anything is asked", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* openProducer(brokers)
      const problems = (topic: string, codecs: object) =>
        Effect.map(Effect.flip(producer.to(topic, codecs as KafkaProducer.TopicCodecs<string, string>)), (error) => {
          assert.strictEqual(error.module, "KafkaProducer")
          return error.problems.map(({ option }) => option)
        })
      assert.deepStrictEqual(yield* problems("or ders", { value: Codec.utf8 }), ["topic"])
      assert.deepStrictEqual(yield* problems("orders", { value: "utf8", key: "utf8" }), ["key", "value"])
      assert.deepStrictEqual(yield* problems("orders", { value: Codec.json(withoutJson) }), ["value"])
      assert.deepStrictEqual(yield* problems("orders", { value: Codec.utf8, values: Codec.utf8 }), ["values"])
      yield* settle
      assert.isFalse(brokers.cluster.requests.some(({ request }) => request === "Metadata"))
    })
  )
})

describe("acquiring a producer", () => {
  it.effect("all problems of its options are named at once", () =>
    Effect.gen(function* () {
      const options: object = { topic: "orders", acks: "none", maxQueued: 0, closeTimeout: "never", compression: "br" }
      const error = yield* Effect.flip(openProducer(new Brokers(), options as KafkaProducer.KafkaProducerOptions))
      if (error._tag !== "KafkaInvalidOptionsError") return assert.fail(error.message)
      assert.strictEqual(error.module, "KafkaProducer")
      assert.deepStrictEqual(
        error.problems.map(({ option }) => option),
        ["topic", "acks", "compression", "maxQueued", "closeTimeout"]
      )
    })
  )

  it.effect("with brokers that answer nothing: a typed timeout, and one line of the log while it waits", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const brokers = twoTopics()
      brokers.initProducerId = Effect.fail(connectionError("Closed"))
      const opening = yield* start(Effect.flip(openProducer(brokers, { deliveryTimeout: "3 seconds" })))
      const error = yield* within(3_500, Fiber.join(opening))
      assert.deepInclude(error, { _tag: "KafkaConnectionError", reason: "Closed" })
      assert.lengthOf(lines, 1)
      assert.include(lines[0], "cannot begin yet")
      assert.include(lines[0], "module=KafkaProducer")
    }).pipe(recordLogs(lines))
  })
})

describe("closing", () => {
  it.effect("waits for what was accepted, of all topics, and refuses what comes then", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const scope = yield* Scope.make()
      const producer = yield* Scope.provide(openProducer(brokers), scope)
      const orders = yield* textsTo(producer, "orders")
      const audit = yield* textsTo(producer, "audit")
      brokers.otherwise = slow(200)
      const sent = yield* Effect.forEach([orders.send("k", "1"), audit.send("k", "1"), orders.send("k", "2")], start)
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* settle
      const late = yield* Effect.flip(audit.send("k", "2"))
      assert.deepInclude(late, { reason: "Closed", topic: "audit" })
      assert.isTrue(yield* isRunning(closing))
      yield* within(2_000, Fiber.joinAll(sent))
      yield* within(100, Fiber.join(closing))
      assert.deepStrictEqual(writtenTo(brokers, "orders"), ["k=1", "k=2"])
      assert.deepStrictEqual(writtenTo(brokers, "audit"), ["k=1"])
      assert.strictEqual(brokers.cluster.open, 0)
    })
  )

  it.effect("no longer than closeTimeout: what may be in the log is unknown, what is not is Closed", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const scope = yield* Scope.make()
      const producer = yield* Scope.provide(openProducer(brokers, { closeTimeout: "1 second" }), scope)
      const orders = yield* textsTo(producer, "orders")
      yield* orders.send("k", "0")
      brokers.otherwise = slow(60_000)
      const sent = yield* start(Effect.flip(orders.send("k", "1")))
      yield* settle
      const behind = yield* start(Effect.flip(producer.send({ topic: "audit", key: bytes("k"), value: bytes("1") })))
      const parked = yield* start(Effect.flip(producer.send({ topic: "missing", value: bytes("1") })))
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* within(1_200, Fiber.join(closing))
      assert.strictEqual((yield* Fiber.join(sent)).reason, "UnknownOutcome")
      for (const fiber of [behind, parked]) {
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error.reason, "Closed")
        assert.include(error.message, "the producer was closed, and closeTimeout passed")
      }
      assert.deepInclude(yield* producer.stats, { records: 4, acknowledged: 1, failed: 2, unknown: 1, queued: 0 })
    })
  )

  it.effect("one that was closed refuses all records, those of new topics, too, and asks for nothing", () =>
    Effect.gen(function* () {
      const brokers = twoTopics()
      const producer = yield* Effect.scoped(openProducer(brokers))
      const { length } = brokers.cluster.requests
      const errors = yield* Effect.forEach(["orders", "never-seen"], (topic) =>
        Effect.flip(producer.send({ topic, key: bytes("k"), value: bytes("1") }))
      )
      const audit = yield* textsTo(producer, "audit")
      errors.push(yield* Effect.flip(audit.send("k", "1")))
      errors.push(yield* Effect.flip(audit.sendMany([["k", "1"]])))
      assert.deepStrictEqual(
        errors.map(({ reason, topic }) => `${topic} ${reason}`),
        ["orders Closed", "never-seen Closed", "audit Closed", "audit Closed"]
      )
      yield* producer.flush
      yield* advance(5_000, 1_000)
      assert.lengthOf(brokers.cluster.requests, length)
      assert.deepInclude(yield* producer.stats, { records: 4, failed: 4, queued: 0 })
    })
  )

  it.effect("a driver that dies: told in the log, and by every record", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const brokers = twoTopics()
      const client = yield* brokers.client
      const producer = yield* KafkaProducer.make().pipe(
        Effect.provideService(KafkaClient.KafkaClient, {
          ...client,
          connect: () => Effect.die(new Error("a driver's bug"))
        })
      )
      const error = yield* within(
        1_000,
        Effect.flip(producer.send({ topic: "orders", key: bytes("k"), value: bytes("1") }))
      )
      assert.deepInclude(error, { reason: "Closed", detail: "the producer died of a bug" })
      const next = yield* Effect.flip(producer.send({ topic: "audit", key: bytes("k"), value: bytes("1") }))
      assert.deepInclude(next, { reason: "Closed", topic: "audit", detail: "the producer died of a bug" })
      assert.lengthOf(lines, 1)
      for (const part of ["level=ERROR", "module=KafkaProducer", "a driver's bug"]) assert.include(lines[0], part)
    }).pipe(recordLogs(lines))
  })
})

it.effect("metrics are counted by topic and outcome", () =>
  Effect.gen(function* () {
    const brokers = new Brokers()
    for (const topic of ["counted-a", "counted-b"]) brokers.cluster.createTopic(topic)
    const producer = yield* KafkaProducer.make().pipe(on(brokers), withLabel("service", "test"))
    const record = { key: bytes("k"), value: bytes("1") }
    brokers.script.push(slow(100))
    yield* within(
      1_000,
      Effect.all(
        ["counted-a", "counted-a", "counted-b"].map((topic) => producer.send({ topic, ...record })),
        { concurrency: 3 }
      )
    )
    yield* within(3_000, Effect.flip(producer.send({ topic: "counted-missing", ...record })))
    const counts = new Map<string, number>()
    for (const { kind, labels, name, value } of yield* allSeries) {
      const topic = labels.get("topic") ?? ""
      if (!topic.startsWith("counted-") || kind !== "Counter") continue
      assert.strictEqual(labels.get("service"), "test")
      counts.set(`${topic} ${labels.get("outcome") ?? name}`, value)
    }
    const { requests } = yield* producer.stats
    assert.strictEqual(counts.get("counted-a acknowledged"), 2)
    assert.strictEqual(counts.get("counted-b acknowledged"), 1)
    assert.strictEqual(counts.get("counted-missing failed"), 1)
    assert.isAtLeast(counts.get("counted-a kafka_producer_requests_total") ?? 0, 1)
    assert.isAtMost(counts.get("counted-a kafka_producer_requests_total") ?? 0, requests)
    assert.isAbove(counts.get("counted-b kafka_producer_bytes_total") ?? 0, 60)
  })
)
