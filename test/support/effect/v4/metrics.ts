/** Reading metrics. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** What one series has come to. */
export interface Series {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  readonly kind: "Counter" | "Gauge" | "Histogram"
  /** The count of a counter, the value of a gauge, the number of values of a histogram. */
  readonly value: number
  /** Of a histogram, the sum of its values. */
  readonly sum: number
}

/** All series of counters, gauges and histograms. */
export const allSeries: Effect.Effect<ReadonlyArray<Series>> = Effect.map(Metric.snapshot, (all) =>
  all.flatMap((one): ReadonlyArray<Series> => {
    const labels = new Map(Object.entries(one.attributes ?? {}))
    switch (one.type) {
      case "Counter":
        return [{ name: one.id, labels, kind: one.type, value: Number(one.state.count), sum: 0 }]
      case "Gauge":
        return [{ name: one.id, labels, kind: one.type, value: Number(one.state.value), sum: 0 }]
      case "Histogram":
        return [{ name: one.id, labels, kind: one.type, value: one.state.count, sum: one.state.sum }]
      default:
        return []
    }
  })
)

/** Has all metrics of an Effect carry another label. */
export const withLabel =
  (name: string, value: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.updateService(effect, Metric.CurrentMetricAttributes, (labels) => ({ ...labels, [name]: value }))
