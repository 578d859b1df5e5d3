/** What an operator sees of a table: metrics, spans, and how far a long replay has come. */
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { allSeries } from "../support/effect/v4/metrics.ts"
import { loggingTo } from "../support/effect/v4/logs.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { Codec, KafkaTable, LiveTable } from "../../src/index.ts"
import { connectionError } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import { tracing } from "../support/tracing.ts"
import { advance, capturing, fetchOf, on, open, settle, topic, until, withTopic } from "./support.ts"

/** The metrics of the topic, by name and kind. */
const metrics = Effect.map(allSeries, (series) => {
  const found = new Map<string, number>()
  for (const { kind, labels, name, value } of series) {
    if (labels.get("topic") !== topic || kind === "Histogram") continue
    const of = labels.get("kind")
    found.set(name + (of === undefined ? "" : `/${of}`), value)
  }
  return (name: string): number => found.get(name) ?? 0
})

type Said = readonly [message: string, annotations: Readonly<Record<string, unknown>>]

/** Some line begins so, and all that do have these annotations. */
const assertSaid = (lines: ReadonlyArray<Said>, begins: string, annotations: Readonly<Record<string, unknown>>) => {
  const found = lines.filter(([message]) => message.startsWith(begins))
  assert.isAtLeast(found.length, 1, `${begins} of ${lines.map(([message]) => message).join("; ")}`)
  for (const [, has] of found) assert.deepInclude(has, annotations)
}

describe("what an operator sees", () => {
  it.effect("metrics: records by what became of them, entries, lag, catch-up, reconnects", () =>
    Effect.gen(function* () {
      const before = yield* metrics
      const cluster = withTopic()
      // a compacted topic takes no record without a key
      cluster.alterConfigs(topic, { "cleanup.policy": "delete" })
      cluster.append(topic, [
        { key: "a", value: "1" },
        { key: "b", value: "1" },
        { key: null, value: "no key" },
        { key: "b", value: null }
      ])
      const table = yield* open(cluster)
      cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
      yield* advance(1_000)
      cluster.before = () => undefined
      cluster.append(topic, [{ key: "c", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("c"))
      const after = yield* metrics
      const more = (name: string) => after(name) - before(name)
      assert.strictEqual(more("kafka_table_records_applied_total"), 3)
      assert.strictEqual(more("kafka_table_tombstones_total"), 1)
      assert.strictEqual(more("kafka_table_poison_total/keyless"), 1)
      assert.strictEqual(more("kafka_table_reconnects_total"), 1)
      assert.strictEqual(after("kafka_table_entries"), 2)
      assert.strictEqual(after("kafka_table_lag"), 0)
    })
  )

  it.effect("metrics: seconds to catch-up, and the lag of partitions that are read", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.append(topic, [{ key: "a", value: "1" }])
      cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
      const acquiring = yield* Effect.forkChild(open(cluster, { catchUpTimeout: "10 seconds" }))
      yield* advance(3_000)
      cluster.before = () => undefined
      yield* until(() => hasEnded(acquiring))
      const table = yield* Fiber.join(acquiring)
      const caughtUp = (yield* metrics)("kafka_table_catch_up_seconds")
      assert.isAtLeast(caughtUp, 3)
      assert.isAtMost(caughtUp, 4)
      assert.strictEqual((yield* table.stats).catchUpMillis, caughtUp * 1000)
      // A subscriber that takes nothing holds the reader up: what is told of the log's end grows meanwhile.
      yield* table.subscribe({ strategy: LiveTable.backPressure(1) })
      for (let i = 0; i < 4; i++) {
        cluster.append(topic, [{ key: `b${i}`, value: "1" }])
        yield* advance(600)
      }
      const lag = (yield* metrics)("kafka_table_lag")
      assert.isAtLeast(lag, 0)
      assert.isAtMost(lag, 4)
    })
  )

  it.effect("the lag: what the leaders have, and the table has not applied", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      const table = yield* open(cluster, { fetch: { maxPartitionBytes: 1 } })
      yield* advance(600)
      // one batch an answer, of which the third one is held back
      cluster.before = (request, _, detail) =>
        request === "Fetch" && fetchOf(detail).partitions.some(({ fetchOffset }) => fetchOffset >= 2)
          ? Effect.never
          : undefined
      for (let i = 0; i < 5; i++) cluster.append(topic, [{ key: `k${i}`, value: "1" }])
      yield* until(() => table.unsafeSnapshot().size === 2)
      assert.strictEqual((yield* metrics)("kafka_table_lag"), 3)
      assert.strictEqual((yield* table.freshness).lag, 3)
    })
  )

  it.effect("log lines with the module, the topic, and the broker or partition that they are about", () => {
    const lines: Array<Said> = []
    return Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      yield* advance(600)
      cluster.append(topic, [{ key: "a", value: "1" }])
      const { bytes } = cluster.log(topic).batches[0]
      bytes[bytes.length - 2] ^= 1
      cluster.before = (request) => {
        if (request === "connect") bytes[bytes.length - 2] ^= 1
        return undefined
      }
      yield* until(() => table.unsafeSnapshot().has("a"))
      cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
      yield* advance(1_000)
      cluster.append(topic, [{ key: "b", value: "1" }])
      cluster.truncateHead(topic, 2)
      cluster.append(topic, [{ key: "c", value: "1" }])
      cluster.before = () => undefined
      yield* until(() => table.unsafeSnapshot().has("c"))
      const of = { package: "effect-ktables", module: "KafkaTable", topic }
      for (const [begins, annotations] of [
        ["caught up", of],
        ["corrupt batch", { ...of, partition: 0 }],
        ["lost broker", { ...of, broker: "embedded:9092" }],
        ["broker embedded:9092 is back", { ...of, broker: "embedded:9092" }],
        ["Log truncated", { ...of, partition: 0 }],
        ["rebuilt 1 partition(s)", of]
      ] as const) {
        assertSaid(lines, begins, annotations)
      }
    }).pipe(loggingTo(({ annotations, message }) => lines.push([message, annotations])))
  })

  it.effect("log lines about records with the place of these, as far as it is one", () => {
    const lines: Array<Said> = []
    return Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.alterConfigs(topic, { "cleanup.policy": "delete" })
      cluster.append(topic, [{ key: "a", value: "1" }], 1)
      const table = yield* KafkaTable.make<string, number>({
        topic,
        value: Codec.json(Schema.Number),
        ensureTopic: false
      }).pipe(on(cluster))
      cluster.append(
        topic,
        [
          { key: null, value: "2" },
          { key: "b", value: "3" }
        ],
        1
      )
      cluster.append(topic, [{ key: "c", value: "no number" }], 1)
      cluster.append(topic, [{ key: "d", value: "5" }], 1)
      yield* until(() => table.unsafeSnapshot().has("d"))
      cluster.truncateHead(topic, 4, 1)
      yield* until(() => table.unsafeSnapshot().size === 1)
      const of = { package: "effect-ktables", module: "KafkaTable", topic, partition: 1 }
      assertSaid(lines, "1 record(s) without a key", { ...of, offset: 1 })
      assertSaid(lines, "Value not decodable", { ...of, offset: 3 })
      assertSaid(lines, "evicted", of)
    }).pipe(loggingTo(({ annotations, message }) => lines.push([message, annotations])))
  })

  it.effect("spans at the doors, named and with the topic", () =>
    Effect.gen(function* () {
      const { spans, tracer } = tracing()
      yield* Effect.gen(function* () {
        const table = yield* open(withTopic())
        yield* table.barrier()
        yield* table.awaitCaughtUp()
        yield* table.awaitPosition([])
      }).pipe(Effect.withTracer(tracer))
      assert.deepStrictEqual(
        spans.map(({ attributes, name }) => `${name} ${String(attributes.get("messaging.destination.name"))}`),
        ["make", "barrier", "awaitCaughtUp", "awaitPosition"].map((name) => `KafkaTable.${name} ${topic}`)
      )
    })
  )

  it.effect("a long replay: percent and rate in the log once per interval, and in the status", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic()
      for (let i = 0; i < 10; i++) cluster.append(topic, [{ key: `k${i}`, value: "1" }])
      // one batch a second
      let slow = false
      cluster.before = (request) => {
        if (request !== "Fetch") return undefined
        slow = !slow
        return slow ? Effect.delay(Effect.fail(connectionError("Closed")), 900) : undefined
      }
      const acquiring = yield* Effect.forkChild(
        open(cluster, { catchUpTimeout: 1_000, progressInterval: 2_000, fetch: { maxPartitionBytes: 1 } })
      )
      yield* advance(1_000)
      const table = yield* Fiber.join(acquiring)
      const percents: Array<number> = []
      yield* Effect.forkChild(
        Stream.runForEach(SubscriptionRef.changes(table.status), (status: LiveTable.TableStatus) =>
          Effect.sync(() => {
            if (status._tag === "Degraded") percents.push(status.progress.percent)
          })
        )
      )
      yield* settle
      yield* until(() => table.unsafeSnapshot().size === 10)
      assert.isAbove(percents.length, 3)
      assert.deepStrictEqual(
        percents,
        [...percents].sort((a, b) => a - b)
      )
      const progress = lines.filter((line) => line.startsWith("replaying: "))
      assert.isAtLeast(progress.length, 2)
      for (const line of progress) assert.match(line, /^replaying: \d+ % \(\d+ of 10 offsets\), \d+ records\/s$/)
      assert.strictEqual(lines.filter((line) => line.startsWith("caught up: 10 entries of 10 records")).length, 1)
    }).pipe(capturing(lines))
  })

  for (const ensureTopic of [true, false]) {
    it.effect(`no broker at the start, ensureTopic ${ensureTopic}: said at once, and once`, () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const cluster = withTopic()
        cluster.before = (request) => (request === "connect" ? Effect.fail(connectionError("Unreachable")) : undefined)
        const acquiring = yield* Effect.forkChild(open(cluster, { ensureTopic, catchUpTimeout: "5 seconds" }))
        yield* settle
        assert.lengthOf(lines, 1)
        assert.match(lines[0], /^cannot begin yet, tried again for 5000 ms: .*Unreachable/)
        yield* advance(5_000)
        yield* Fiber.join(acquiring)
        assert.lengthOf(lines, 2)
        assert.match(lines[1], /^DEGRADED/)
        // who has begun, and loses the broker, is told so in other words
        cluster.before = () => undefined
        yield* until(() => lines.length === 3)
        assert.match(lines[2], /^caught up/)
        cluster.before = () => Effect.fail(connectionError("Closed"))
        yield* advance(5_000)
        assert.lengthOf(
          lines.filter((line) => line.startsWith("cannot begin")),
          1
        )
      }).pipe(capturing(lines))
    })
  }
})
