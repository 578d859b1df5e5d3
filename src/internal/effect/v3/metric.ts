/** Metrics that plain synchronous code updates. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"

/** The tags of a metric. They are made once, as a metric is found by their identity. */
export type Labels = ReadonlyArray<MetricLabel.MetricLabel>

export type Counter = Metric.Metric.Counter<number>
export type Gauge = Metric.Metric.Gauge<number>
export type Histogram = Metric.Metric.Histogram<number>

/** The labels that a user has put on all metrics of the present fiber. */
export const currentLabels: Effect.Effect<Labels> = Effect.map(Effect.metricLabels, (labels) => [...labels])

/** Other labels on top of these. */
export const withLabels = (labels: Labels, more: Readonly<Record<string, string>>): Labels => [
  ...Object.entries(more).map(([key, value]) => MetricLabel.make(key, value)),
  ...labels
]

/** A text that is the same for the same labels. */
export const keyOfLabels = (labels: Labels): string =>
  JSON.stringify(labels.map(({ key, value }) => [key, value]).sort())

/** A histogram whose bounds grow by `factor`. */
export const histogram = (
  name: string,
  description: string,
  bounds: { readonly start: number; readonly factor: number; readonly count: number }
): Histogram => Metric.histogram(name, MetricBoundaries.exponential(bounds), description)

/** Adds to a counter, sets a gauge, or takes one value into a histogram. */
export const update = <Type, In, Out>(metric: Metric.Metric<Type, In, Out>, value: In, labels: Labels): void =>
  metric.unsafeUpdate(value, labels)

/** Moves a gauge by so much. */
export const modify = (metric: Gauge, by: number, labels: Labels): void => metric.unsafeModify(by, labels)
