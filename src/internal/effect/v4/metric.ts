/** Metrics that plain synchronous code updates. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** The tags of a metric, and where its series are kept. They are made once, as a metric is found by them. */
export type Labels = Context.Context<never>

export type Counter = Metric.Counter<number>
export type Gauge = Metric.Gauge<number>
export type Histogram = Metric.Histogram<number>

/** The labels that a user has put on all metrics of the present fiber. */
export const currentLabels: Effect.Effect<Labels> = Effect.context<never>()

/** Other labels on top of these. */
export const withLabels = (labels: Labels, more: Readonly<Record<string, string>>): Labels =>
  Context.add(labels, Metric.CurrentMetricAttributes, {
    ...Context.get(labels, Metric.CurrentMetricAttributes),
    ...more
  })

/** A text that is the same for the same labels. */
export const keyOfLabels = (labels: Labels): string =>
  JSON.stringify(Object.entries(Context.get(labels, Metric.CurrentMetricAttributes)).sort())

/** A histogram whose bounds grow by `factor`. */
export const histogram = (
  name: string,
  description: string,
  bounds: { readonly start: number; readonly factor: number; readonly count: number }
): Histogram => Metric.histogram(name, { description, boundaries: Metric.exponentialBoundaries(bounds) })

/** Adds to a counter, sets a gauge, or takes one value into a histogram. */
export const update = <In, Out>(metric: Metric.Metric<In, Out>, value: In, labels: Labels): void =>
  metric.updateUnsafe(value, labels)

/** Moves a gauge by so much. */
export const modify = (metric: Gauge, by: number, labels: Labels): void => metric.modifyUnsafe(by, labels)
