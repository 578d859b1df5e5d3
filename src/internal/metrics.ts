/** All metrics of this library, tagged by topic. Updated once per publication or request, never per record. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import type { Counters } from "./table/counters.ts"

const applied = Metric.counter("kafka_table_records_applied_total", {
  description: "Records applied to a table",
  incremental: true
})
const tombstones = Metric.counter("kafka_table_tombstones_total", {
  description: "Tombstones read by a table",
  incremental: true
})
const poison = Metric.counter("kafka_table_poison_total", {
  description: "Records that a table skipped, by kind: key, value, keyless",
  incremental: true
})
const reconnects = Metric.counter("kafka_table_reconnects_total", {
  description: "Brokers that a table lost and found again",
  incremental: true
})
const entries = Metric.gauge("kafka_table_entries", { description: "Keys in a table" })
const lag = Metric.gauge("kafka_table_lag", {
  description: "Offsets up to the high watermark that are not applied yet"
})
const catchUp = Metric.gauge("kafka_table_catch_up_seconds", { description: "From acquisition to catch-up" })

const ofTopic =
  (topic: string) =>
  <Type, In, Out>(metric: Metric.Metric<Type, In, Out>) =>
    Metric.tagged(metric, "topic", topic)

/** Counters that are fed with running totals: what came since the last time is added. */
const differences = <Name extends string>(counters: Readonly<Record<Name, Metric.Metric.Counter<number>>>) => {
  const last = new Map<string, number>()
  return (totals: Readonly<Record<Name, number>>): Effect.Effect<void> =>
    Effect.suspend(() => {
      const updates: Array<Effect.Effect<void>> = []
      for (const name in counters) {
        const more = totals[name] - (last.get(name) ?? 0)
        if (more === 0) continue
        last.set(name, totals[name])
        updates.push(Metric.update(counters[name], more))
      }
      return Effect.all(updates, { discard: true })
    })
}

type Reported = Pick<Counters, "applied" | "tombstones" | "keyless" | "keyErrors" | "valueErrors">

/** What one table has done since the last publication, to the metrics of its topic. */
export const makeTableMetrics = (topic: string) => {
  const by = ofTopic(topic)
  const report = differences<keyof Reported>({
    applied: by(applied),
    tombstones: by(tombstones),
    keyless: Metric.tagged(by(poison), "kind", "keyless"),
    keyErrors: Metric.tagged(by(poison), "kind", "key"),
    valueErrors: Metric.tagged(by(poison), "kind", "value")
  })
  const gauges = { entries: by(entries), lag: by(lag), catchUp: by(catchUp) }

  return {
    published: (now: Reported, entriesNow: number, lagNow: number): Effect.Effect<void> =>
      Effect.gen(function* () {
        yield* report(now)
        yield* Metric.update(gauges.entries, entriesNow)
        yield* Metric.update(gauges.lag, lagNow)
      }),
    caughtUp: (millis: number): Effect.Effect<void> => Metric.update(gauges.catchUp, millis / 1000),
    reconnected: Metric.update(by(reconnects), 1)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// writers
// ---------------------------------------------------------------------------------------------------------------------

const writes = Metric.counter("kafka_writer_writes_total", {
  description: "Writes that ended, by outcome: acknowledged, failed, unknown",
  incremental: true
})
const requests = Metric.counter("kafka_writer_requests_total", {
  description: "Produce requests, repetitions included",
  incremental: true
})
const sentBytes = Metric.counter("kafka_writer_bytes_total", {
  description: "Bytes of record batches sent, repetitions included",
  incremental: true
})
const queued = Metric.gauge("kafka_writer_queued", { description: "Writes that are not acknowledged yet" })
const latency = Metric.histogram(
  "kafka_writer_latency_millis",
  MetricBoundaries.exponential({ start: 0.25, factor: 2, count: 18 }),
  "From acceptance to acknowledgement in milliseconds, of the oldest write of each batch"
)

type Written = Record<"acknowledged" | "failed" | "unknown" | "requests" | "bytes", number>

/** What one writer has done since the last publication, to the metrics of its topic. */
export const makeWriterMetrics = (topic: string) => {
  const by = ofTopic(topic)
  const report = differences<keyof Written>({
    acknowledged: Metric.tagged(by(writes), "outcome", "acknowledged"),
    failed: Metric.tagged(by(writes), "outcome", "failed"),
    unknown: Metric.tagged(by(writes), "outcome", "unknown"),
    requests: by(requests),
    bytes: by(sentBytes)
  })
  const gauge = by(queued)
  const histogram = by(latency)

  return {
    published: (now: Written, queuedNow: number, latencies: ReadonlyArray<number>): Effect.Effect<void> =>
      Effect.gen(function* () {
        yield* report(now)
        for (const millis of latencies) yield* Metric.update(histogram, millis)
        yield* Metric.update(gauge, queuedNow)
      })
  }
}
