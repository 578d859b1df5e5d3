/** Metrics that plain synchronous code updates. */
import * as Effect from "effect/Effect"
import type * as Metric from "effect/Metric"
import * as MetricLabel from "effect/MetricLabel"

/** The tags of a metric. They are made once, as a metric is found by their identity. */
export type Labels = ReadonlyArray<MetricLabel.MetricLabel>

/** The labels that a user has put on all metrics of the present fiber. */
export const currentLabels: Effect.Effect<Labels> = Effect.map(Effect.metricLabels, (labels) => [...labels])

export const label = (key: string, value: string): Labels[number] => MetricLabel.make(key, value)

/** Adds to a counter, sets a gauge, or takes one value into a histogram. */
export const update = <Type, In, Out>(metric: Metric.Metric<Type, In, Out>, value: In, labels: Labels): void =>
  metric.unsafeUpdate(value, labels)
