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

type Reported = Pick<Counters, "applied" | "tombstones" | "keyless" | "keyErrors" | "valueErrors">

/** What one table has done since the last publication, to the metrics of its topic. */
export const makeTableMetrics = (topic: string) => {
  const by = <Type, In, Out>(metric: Metric.Metric<Type, In, Out>) => Metric.tagged(metric, "topic", topic)
  const counters: Record<keyof Reported, Metric.Metric.Counter<number>> = {
    applied: by(applied),
    tombstones: by(tombstones),
    keyless: Metric.tagged(by(poison), "kind", "keyless"),
    keyErrors: Metric.tagged(by(poison), "kind", "key"),
    valueErrors: Metric.tagged(by(poison), "kind", "value")
  }
  const names = Object.keys(counters) as ReadonlyArray<keyof Reported>
  const gauges = { entries: by(entries), lag: by(lag), catchUp: by(catchUp) }
  const last: Record<keyof Reported, number> = { applied: 0, tombstones: 0, keyless: 0, keyErrors: 0, valueErrors: 0 }

  return {
    published: (now: Reported, entriesNow: number, lagNow: number): Effect.Effect<void> =>
      Effect.gen(function* () {
        for (const name of names) {
          const more = now[name] - last[name]
          if (more === 0) continue
          last[name] = now[name]
          yield* Metric.update(counters[name], more)
        }
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
  const by = <Type, In, Out>(metric: Metric.Metric<Type, In, Out>) => Metric.tagged(metric, "topic", topic)
  const counters: Record<keyof Written, Metric.Metric.Counter<number>> = {
    acknowledged: Metric.tagged(by(writes), "outcome", "acknowledged"),
    failed: Metric.tagged(by(writes), "outcome", "failed"),
    unknown: Metric.tagged(by(writes), "outcome", "unknown"),
    requests: by(requests),
    bytes: by(sentBytes)
  }
  const names = Object.keys(counters) as ReadonlyArray<keyof Written>
  const gauge = by(queued)
  const histogram = by(latency)
  const last: Written = { acknowledged: 0, failed: 0, unknown: 0, requests: 0, bytes: 0 }

  return {
    published: (now: Written, queuedNow: number, latencies: ReadonlyArray<number>): Effect.Effect<void> =>
      Effect.gen(function* () {
        for (const name of names) {
          const more = now[name] - last[name]
          if (more === 0) continue
          last[name] = now[name]
          yield* Metric.update(counters[name], more)
        }
        for (const millis of latencies) yield* Metric.update(histogram, millis)
        yield* Metric.update(gauge, queuedNow)
      })
  }
}
