import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { allSeries, withLabel } from "../support/effect/v4/metrics.ts"
import { Codec, KafkaTableWriter } from "../../src/index.ts"
import { connectionError } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import { facts, recordLogs } from "../support/live.ts"
import { advance, Brokers, isRunning, on, open, openOtherwise, start, topic, within } from "./support.ts"

const COORDINATOR_LOAD_IN_PROGRESS = 14

const problemsOf = (options: object) =>
  Effect.gen(function* () {
    const make = KafkaTableWriter.make as (options: object) => ReturnType<typeof KafkaTableWriter.make<string, string>>
    const error = yield* Effect.flip(make({ topic, value: Codec.utf8, ...options }).pipe(on(new Brokers())))
    if (error._tag !== "KafkaInvalidOptionsError") return assert.fail(error.message)
    // each in words
    assert.isTrue(error.problems.every(({ problem }) => /\w+ \w+/.test(problem)))
    return error.problems.map(({ option }) => option)
  })

describe("a producer id", () => {
  for (const [name, producerId, producerEpoch] of [
    ["that is none", -1n, 0],
    ["that is negative", -(2n ** 63n), 0],
    ["with an epoch that is none", 7n, -1]
  ] as const) {
    it.effect(`${name} is asked for again: without one, a repetition would be in the log twice`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        const { initProducerId } = brokers
        let asked = 0
        brokers.initProducerId = Effect.suspend(() =>
          ++asked < 3 ? Effect.succeed({ errorCode: 0, producerId, producerEpoch }) : initProducerId
        )
        const opening = yield* start(open(brokers))
        const writer = yield* within(5_000, Fiber.join(opening))
        yield* writer.set("a", "1")
        assert.strictEqual(asked, 3)
        assert.strictEqual(brokers.sent[0].batches[0].header.producerId, 7000n)
      })
    )
  }
})

describe("options", () => {
  it.effect("all problems are named at once", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* problemsOf({
          topic: "no spaces",
          value: undefined,
          key: "utf8",
          colour: "red",
          acks: "none",
          compression: "brotli",
          partitioner: "murmur2",
          deliveryTimeout: 0,
          requestTimeout: "30 days",
          maxBatchBytes: 0,
          maxQueued: 1.5,
          closeTimeout: -1,
          topicSettings: { partitions: 0, replicationFactor: 40_000, shards: 3, onPolicyMismatch: "raise" }
        }),
        [
          "colour",
          "topic",
          "key",
          "value",
          "topicSettings.shards",
          "topicSettings.partitions",
          "topicSettings.replicationFactor",
          "topicSettings.onPolicyMismatch",
          "acks",
          "compression",
          "partitioner",
          "deliveryTimeout",
          "requestTimeout",
          "maxBatchBytes",
          "maxQueued",
          "closeTimeout"
        ]
      )
    })
  )

  it.effect("no more bytes in a batch than readers take: by default, or by the fetch options in the same object", () =>
    Effect.gen(function* () {
      const MiB = 1024 * 1024
      assert.deepStrictEqual(yield* problemsOf({ maxBatchBytes: 128 * MiB + 1, maxRecordBytes: 200 * MiB }), [
        "maxBatchBytes",
        "maxRecordBytes"
      ])
      // what does not compress grows a little
      assert.deepStrictEqual(yield* problemsOf({ compression: "lz4", maxRecordBytes: 128 * MiB }), ["maxRecordBytes"])
      assert.deepStrictEqual(
        yield* problemsOf({ fetch: { maxBatchBytes: 2_000 }, maxBatchBytes: 2_001, maxRecordBytes: 2_001 }),
        ["maxBatchBytes", "maxRecordBytes"]
      )
      for (const options of [
        { maxBatchBytes: 128 * MiB, maxRecordBytes: 128 * MiB },
        { compression: "zstd", maxBatchBytes: 127 * MiB, maxRecordBytes: 127 * MiB },
        { fetch: { maxBatchBytes: 2_000 }, maxBatchBytes: 2_000, maxRecordBytes: 2_000 },
        { fetch: { maxBatchBytes: 200 * MiB }, maxRecordBytes: 200 * MiB },
        { fetch: {} }
      ] as const) {
        yield* open(new Brokers(), options)
      }
    })
  )

  it.effect("shared options whose readers take small batches: the writer's are as small", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const options: KafkaTableWriter.WriterSettings & object = Object.assign({}, { fetch: { maxBatchBytes: 300 } })
      const writer = yield* open(brokers, options)
      yield* writer.setMany(Array.from({ length: 9 }, (_, i) => [`k${i}`, "x".repeat(50)] as const))
      assert.strictEqual(brokers.written().length, 9)
      assert.isAtMost(Math.max(...brokers.sent.map(({ batches }) => batches[0].bytes.length)), 300)
      const error = yield* Effect.flip(writer.set("k", "x".repeat(300)))
      assert.strictEqual(error.reason, "TooLarge")
    })
  )

  it.effect("shared options whose fetch options no reader would take: the writer's are as by default", () =>
    Effect.gen(function* () {
      for (const maxBatchBytes of [0, -1, NaN, "300", null]) {
        const brokers = new Brokers()
        const options: KafkaTableWriter.WriterSettings & object = Object.assign({}, { fetch: { maxBatchBytes } })
        const writer = yield* open(brokers, options)
        yield* writer.set("k", "x".repeat(300))
        assert.strictEqual(brokers.written().length, 1)
      }
      // the least that one would
      const options: KafkaTableWriter.WriterSettings & object = Object.assign({}, { fetch: { maxBatchBytes: 1 } })
      const writer = yield* open(new Brokers(), options)
      assert.strictEqual((yield* Effect.flip(writer.set("k", "1"))).reason, "TooLarge")
    })
  )

  it.effect("contradictions", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf({ acks: "leader", idempotent: true }), ["idempotent"])
      assert.deepStrictEqual(
        yield* problemsOf({ ensureTopic: false, topicSettings: { onPolicyMismatch: "reconcile" } }),
        ["topicSettings"]
      )
    })
  )

  it("a key codec is asked for where keys are no strings", () => {
    const options = { topic, value: Codec.utf8 }
    // @ts-expect-error: no key codec
    KafkaTableWriter.make<bigint, string>(options)
    KafkaTableWriter.make<bigint, string>({ ...options, key: Codec.int64 })
    KafkaTableWriter.make<string, string>(options)
  })
})

describe("acquiring", () => {
  it.effect("creates the topic, compacted, and writes nothing", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.cluster.deleteTopic(topic)
      const writer = yield* open(brokers, { ensureTopic: true, topicSettings: { partitions: 3 } })
      assert.strictEqual(brokers.cluster.topics.get(topic)?.partitions.length, 3)
      assert.strictEqual(brokers.sent.length, 0)
      yield* writer.set("a", "1")
    })
  )

  it.effect("without ensureTopic, a missing topic is an error after a short grace", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.cluster.deleteTopic(topic)
      const error = yield* within(3_000, Effect.flip(open(brokers)))
      assert.strictEqual(error._tag, "KafkaTopicError")
      assert.strictEqual(error.reason, "NotFound")
      assert.isFalse(brokers.cluster.topics.has(topic))
    })
  )

  it.effect("with no broker: tries until deliveryTimeout, and says why", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.cluster.before = () => Effect.fail(connectionError("Unreachable"))
      const acquiring = yield* start(Effect.flip(open(brokers, { deliveryTimeout: "10 seconds" })))
      yield* advance(9_900)
      assert.isTrue(yield* isRunning(acquiring))
      const error = yield* within(200, Fiber.join(acquiring))
      assert.strictEqual(error._tag, "KafkaConnectionError")
      assert.strictEqual(error.reason, "Unreachable")
      assert.strictEqual(brokers.cluster.open, 0)
    })
  )

  for (const ensureTopic of [true, false]) {
    it.effect(`with no broker, ensureTopic ${ensureTopic}: said at once, and once`, () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const brokers = new Brokers()
        brokers.cluster.before = () => Effect.fail(connectionError("Unreachable"))
        const acquiring = yield* start(Effect.flip(open(brokers, { ensureTopic, deliveryTimeout: "10 seconds" })))
        yield* advance(1)
        assert.lengthOf(lines, 1)
        assert.match(
          lines[0],
          /level=WARN .*"cannot begin yet, tried again for 10000 ms: .*Unreachable.*KafkaTableWriter/
        )
        yield* within(10_000, Fiber.join(acquiring))
        assert.lengthOf(lines, 1)
      }).pipe(recordLogs(lines))
    })
  }

  it.effect("a broker that is not ready yet is waited for without a word", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const brokers = new Brokers()
      const { initProducerId } = brokers
      let left = 3
      brokers.initProducerId = Effect.suspend(() =>
        left-- > 0
          ? Effect.succeed({ errorCode: COORDINATOR_LOAD_IN_PROGRESS, producerId: -1n, producerEpoch: -1 })
          : initProducerId
      )
      yield* within(5_000, open(brokers))
      assert.strictEqual(left, -1)
      assert.deepStrictEqual(lines, [])
    }).pipe(recordLogs(lines))
  })

  it.effect("with brokers that answer nothing: a typed timeout", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.cluster.before = () => Effect.never
      const error = yield* within(6_000, Effect.flip(open(brokers, { deliveryTimeout: "5 seconds" })))
      assert.deepInclude(facts(error), {
        _tag: "KafkaConnectionError",
        reason: "Timeout",
        request: "Metadata",
        broker: "embedded:9092"
      })
    })
  )

  it.effect("what comes back in time is waited for", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const { before } = brokers.cluster
      let left = 5
      brokers.cluster.before = (request, node, detail) =>
        left-- > 0 ? Effect.fail(connectionError("Unreachable")) : before(request, node, detail)
      const writer = yield* within(5_000, open(brokers))
      yield* writer.set("a", "1")
    })
  )

  it.effect("refused credentials fail at once", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.cluster.before = () => Effect.fail(connectionError("Authentication"))
      const error = yield* Effect.flip(open(brokers))
      assert.strictEqual(error.reason, "Authentication")
    })
  )

  it.effect("no right to a producer id: says how to do without", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.initProducerId = Effect.succeed({ errorCode: 31, producerId: -1n, producerEpoch: -1 })
      const error = yield* Effect.flip(open(brokers))
      assert.strictEqual(error.reason, "Unauthorized")
      assert.include(error.message, "idempotent: false")
      const writer = yield* open(brokers, { idempotent: false })
      yield* writer.set("a", "1")
    })
  )

  it.effect("a producer id that is refused for another reason: the broker's code, and no such advice", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.initProducerId = Effect.succeed({ errorCode: 53, producerId: -1n, producerEpoch: -1 })
      const error = yield* Effect.flip(open(brokers))
      assert.deepInclude(facts(error), { _tag: "KafkaBrokerError", code: 53, request: "InitProducerId" })
      assert.notInclude(error.message, "idempotent: false")
    })
  )

  it.effect("a client that interrupts itself for ever: typed, after deliveryTimeout", () =>
    Effect.gen(function* () {
      const acquiring = openOtherwise(new Brokers(), () => ({ describeTopic: () => Effect.interrupt }), {
        deliveryTimeout: "5 seconds"
      })
      const error = yield* within(5_100, Effect.flip(acquiring))
      assert.deepInclude(facts(error), {
        _tag: "KafkaConnectionError",
        reason: "Closed",
        request: "start",
        broker: "embedded:9092"
      })
    })
  )
})

describe("metrics", () => {
  /** The acknowledged writes to a topic, by the region that the label says. */
  const acknowledged = (named: string) =>
    Effect.map(
      allSeries,
      (series) =>
        new Map(
          series
            .filter(({ labels }) => labels.get("topic") === named && labels.get("outcome") === "acknowledged")
            .map(({ labels, value }) => [labels.get("region"), value] as const)
        )
    )

  const openOn = (named: string) => {
    const brokers = new Brokers()
    brokers.cluster.createTopic(named)
    return KafkaTableWriter.make<string, string>({ topic: named, value: Codec.utf8, ensureTopic: false }).pipe(
      on(brokers)
    )
  }

  it.effect("are counted by topic and outcome, when the write ends", () =>
    Effect.gen(function* () {
      const writer = yield* openOn("metered")
      yield* writer.setMany([
        ["a", "1"],
        ["b", "1"]
      ])
      assert.deepStrictEqual([...(yield* acknowledged("metered"))], [[undefined, 2]])
      yield* writer.set("a", "2")
      assert.deepStrictEqual([...(yield* acknowledged("metered"))], [[undefined, 3]])
    })
  )

  it.effect("have the labels of who acquired the writer", () =>
    Effect.gen(function* () {
      const writer = yield* withLabel("region", "north")(openOn("labelled"))
      yield* writer.set("a", "1")
      assert.deepStrictEqual([...(yield* acknowledged("labelled"))], [["north", 1]])
    })
  )
})
