/** All metrics of this library, tagged by topic. Updated once per publication or request, never per record. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
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
const lag = Metric.gauge("kafka_table_lag", { description: "Offsets up to the high watermark that are not applied yet" })
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
