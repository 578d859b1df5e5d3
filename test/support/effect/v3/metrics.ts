/** Reading metrics. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"

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
  all.flatMap(({ metricKey, metricState }): ReadonlyArray<Series> => {
    const { name, tags } = metricKey
    const labels = new Map(tags.map(({ key, value }) => [key, value]))
    if (MetricState.isCounterState(metricState)) {
      return [{ name, labels, kind: "Counter", value: Number(metricState.count), sum: 0 }]
    }
    if (MetricState.isGaugeState(metricState)) {
      return [{ name, labels, kind: "Gauge", value: Number(metricState.value), sum: 0 }]
    }
    if (MetricState.isHistogramState(metricState)) {
      return [{ name, labels, kind: "Histogram", value: metricState.count, sum: metricState.sum }]
    }
    return []
  })
)

/** Has all metrics of an Effect carry another label. */
export const withLabel =
  (name: string, value: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.tagMetrics(effect, name, value)
