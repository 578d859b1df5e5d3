/** What an operator sees of a writer: spans, metrics, and whose a line of the log is. */
import { assert, describe } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Fiber from "effect/Fiber"
import { allSeries } from "../support/effect/v4/metrics.ts"
import { Codec, KafkaTableWriter } from "../../src/index.ts"
import { it } from "../support/ManualClock.ts"
import { recordLogs } from "../support/live.ts"
import { tracing } from "../support/tracing.ts"
import { advance, Brokers, on, open, openOtherwise, refuse, settle, slow, start, topic, within } from "./support.ts"

describe("spans", () => {
  it.effect("one for acquiring and one for each call of many, named, with the topic; none for each write", () => {
    const { spans, tracer } = tracing()
    return Effect.gen(function* () {
      const writer = yield* open(new Brokers())
      yield* writer.set("a", "1")
      yield* writer.setMany([["a", "2"]])
      yield* writer.deleteMany(["a"])
      yield* writer.delete("a")
      yield* writer.flush
      assert.deepStrictEqual(
        spans.map(({ attributes, kind, name }) => [name, kind, Object.fromEntries(attributes)]),
        [
          ["KafkaTableWriter.make", "internal", { "messaging.destination.name": topic }],
          ...["setMany", "deleteMany"].map((name) => [
            `KafkaTableWriter.${name}`,
            "producer",
            { "messaging.system": "kafka", "messaging.destination.name": topic }
          ])
        ]
      )
    }).pipe(Effect.withTracer(tracer))
  })

  it.effect(
    "of a call of many cost no look at the stack: what failed in one shows no line of this library for it",
    () =>
      Effect.gen(function* () {
        const brokers = new Brokers()
        brokers.otherwise = refuse(29)
        const writer = yield* open(brokers)
        const exit = yield* Effect.exit(writer.setMany([["a", "1"]]))
        const shown = Exit.isFailure(exit) ? Cause.pretty(exit.cause) : assert.fail("it succeeded")
        assert.match(shown, /at KafkaTableWriter\.setMany/)
        assert.notMatch(shown, /at KafkaTableWriter\.setMany \(/)
      })
  )
})

describe("the log", () => {
  it.effect("a line about a bug says that it is of a writer, and of which topic", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const writer = yield* openOtherwise(new Brokers(), () => ({
        connect: () => Effect.die(new Error("a driver's bug"))
      }))
      yield* within(1_000, Effect.flip(writer.set("a", "1")))
      assert.lengthOf(lines, 1)
      for (const part of ["level=ERROR", "package=effect-ktables", "module=KafkaTableWriter", `topic=${topic}`]) {
        assert.include(lines[0], part)
      }
    }).pipe(recordLogs(lines))
  })
})

describe("metrics", () => {
  /** Of one topic: each test has its own, as metrics outlive their writers. */
  const metricsOf = (named: string) =>
    Effect.map(allSeries, (series) => {
      const counts: Record<string, number> = {}
      const latencies: Array<readonly [count: number, sum: number]> = []
      for (const { kind, labels, name, sum, value } of series) {
        if (labels.get("topic") !== named) continue
        if (kind === "Counter") counts[labels.get("outcome") ?? name] = value
        else if (kind === "Histogram") latencies.push([value, sum])
      }
      return { counts, latencies }
    })

  const openNamed = (brokers: Brokers, named: string, settings: KafkaTableWriter.WriterSettings = {}) => {
    brokers.cluster.createTopic(named)
    return KafkaTableWriter.make<string, string>({
      topic: named,
      value: Codec.utf8,
      ensureTopic: false,
      ...settings
    }).pipe(on(brokers))
  }

  it.effect("the time to the acknowledgement, once for each batch, from when its oldest write was accepted", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("20 minutes")
      const brokers = new Brokers()
      brokers.otherwise = (b, sent) => slow(200)(b, sent)
      const writer = yield* openNamed(brokers, "timed")
      yield* within(1_000, writer.set("a", "1"))
      assert.deepStrictEqual((yield* metricsOf("timed")).latencies, [[1, 200]])
      const first = yield* start(writer.set("a", "2"))
      yield* advance(100)
      yield* within(
        1_000,
        writer.setMany([
          ["a", "3"],
          ["b", "3"]
        ])
      )
      yield* Fiber.join(first)
      // waited for the one before, too
      assert.deepStrictEqual((yield* metricsOf("timed")).latencies, [[3, 200 + 200 + 300]])
    })
  )

  it.effect("what ended before it was sent counts as failed", () =>
    Effect.gen(function* () {
      const writer = yield* openNamed(new Brokers(), "refusing", { maxRecordBytes: 200 })
      yield* Effect.flip(writer.set("a", "x".repeat(200)))
      yield* Effect.flip(writer.set("a", "1", { timestamp: -1 }))
      yield* writer.set("a", "1")
      assert.deepInclude((yield* metricsOf("refusing")).counts, { acknowledged: 1, failed: 2 })
      assert.deepInclude(yield* writer.stats, { writes: 3, acknowledged: 1, failed: 2, unknown: 0, queued: 0 })
    })
  )

  it.effect("nothing is counted twice: of what was told at its deadline, a late answer changes no number", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(8_000))
      const writer = yield* openNamed(brokers, "late", { deliveryTimeout: "5 seconds" })
      const error = yield* within(5_100, Effect.flip(writer.set("a", "1")))
      assert.strictEqual(error.reason, "UnknownOutcome")
      yield* advance(4_000)
      yield* writer.set("a", "2")
      const stats = yield* writer.stats
      assert.deepInclude(stats, { writes: 2, acknowledged: 1, failed: 0, unknown: 1, queued: 0, requests: 2 })
      const { counts, latencies } = yield* metricsOf("late")
      assert.deepInclude(counts, { acknowledged: 1, unknown: 1 })
      assert.notProperty(counts, "failed")
      assert.deepStrictEqual(latencies, [[1, 0]])
    })
  )

  it.effect("nor of what was told when the writer died of a bug, while a request was under way", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2, 2)
      brokers.cluster.moveLeader(topic, 1, 1)
      brokers.script.push(slow(2_000))
      const scope = yield* Scope.make()
      const writer = yield* Scope.provide(
        openOtherwise(brokers, (client) => ({
          connect: (broker) => (broker.nodeId === 1 ? Effect.die(new Error("a driver's bug")) : client.connect(broker))
        })),
        scope
      )
      const sent = yield* start(Effect.flip(writer.set("a", "1", { partition: 0 })))
      yield* settle
      const behind = yield* start(Effect.flip(writer.set("a", "2", { partition: 0 })))
      const other = yield* within(1_000, Effect.flip(writer.set("a", "3", { partition: 1 })))
      assert.deepInclude(other, { reason: "Closed", partition: 1, detail: "the writer died of a bug" })
      assert.strictEqual((yield* Fiber.join(sent)).reason, "UnknownOutcome")
      assert.strictEqual((yield* Fiber.join(behind)).reason, "Closed")
      yield* advance(3_000)
      assert.deepStrictEqual(brokers.written(), ["a=1"])
      assert.deepInclude(yield* writer.stats, { writes: 3, acknowledged: 0, failed: 2, unknown: 1, queued: 0 })
      // it says why it takes no more, after it was closed as well
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Effect.flip(writer.set("a", "4"))).detail, "the writer died of a bug")
    }).pipe(recordLogs([]))
  )
})
