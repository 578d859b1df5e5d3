/**
 * Metrics of what is made of tables: indexes, derived tables, live queries. They are updated when an update is shown, and only
 * where a number has changed.
 */
import * as Metric from "effect/Metric"
import { type Gauge, histogram, type Labels, modify, update, withLabels } from "./effect/v4/metric.ts"
import { increments, latencyBoundaries } from "./metrics.ts"

const indexEntries = Metric.gauge("kafka_index_entries", { description: "Pairs of a row and a key in an index" })
const indexLeftOut = Metric.gauge("kafka_index_left_out", { description: "Rows that are not in an index" })
const indexConflicts = Metric.gauge("kafka_index_conflicts", {
  description: "Rows of a unique index whose key another row has"
})
const indexProblems = Metric.counter("kafka_index_problems_total", {
  description: "How often the functions of an index threw",
  incremental: true
})
const derivedEntries = Metric.gauge("kafka_derived_entries", { description: "Keys in a derived table" })
const derivedLeftOut = Metric.gauge("kafka_derived_left_out", {
  description: "Rows that a derived table leaves out, as a function threw"
})
const derivedProblems = Metric.counter("kafka_derived_problems_total", {
  description: "How often the functions of a derived table threw",
  incremental: true
})
const liveQueries = Metric.gauge("kafka_live_queries", { description: "Live queries; equal ones are one" })
const built = histogram(
  "kafka_view_build_millis",
  "From when something is asked for that is made of a table until it is in step, in milliseconds",
  latencyBoundaries
)

/** What is made of tables. */
export type ViewKind = "catalog" | "derived" | "groups" | "index" | "live" | "order"

/** Sets gauges that are others than the last time. The tags are made once, as a metric is found by their identity. */
const changes = <Name extends string>(gauges: Readonly<Record<Name, Gauge>>, tags: Labels) => {
  const all = Object.entries(gauges) as Array<[Name, Gauge]>
  const last = new Map<Name, number>()
  return (values: Readonly<Record<Name, number>>): void => {
    for (const [name, gauge] of all) {
      if (values[name] === last.get(name)) continue
      last.set(name, values[name])
      update(gauge, values[name], tags)
    }
  }
}

/** What metrics tell of an index. */
type IndexNumbers = Readonly<Record<"entries" | "leftOut" | "conflicts" | "problems", number>>

/** Reports what an index shows, with these labels, which name its table. */
export const makeIndexMetrics = (index: string, labels: Labels): ((numbers: IndexNumbers) => void) => {
  const tags = withLabels(labels, { index })
  const set = changes({ entries: indexEntries, leftOut: indexLeftOut, conflicts: indexConflicts }, tags)
  const count = increments({ problems: [indexProblems, tags] })
  return (numbers) => {
    set(numbers)
    count(numbers)
  }
}

/** What metrics tell of a derived table. */
type DerivedNumbers = Readonly<Record<"entries" | "leftOut" | "problems", number>>

/** Reports what a derived table shows, with these labels, which name it. */
export const makeDerivedMetrics = (labels: Labels): ((numbers: DerivedNumbers) => void) => {
  const set = changes({ entries: derivedEntries, leftOut: derivedLeftOut }, labels)
  const count = increments({ problems: [derivedProblems, labels] })
  return (numbers) => {
    set(numbers)
    count(numbers)
  }
}

/** Reports how long it took to build something that is made of a table. */
export const reportBuilt = (kind: ViewKind, millis: number, labels: Labels): void =>
  update(built, millis, withLabels(labels, { kind }))

/** Counts live queries of a topic that begin and end. */
export const makeLiveQueryMetrics = (topic: string, labels: Labels) => {
  const tags = withLabels(labels, { topic })
  return {
    began: (): void => modify(liveQueries, 1, tags),
    ended: (): void => modify(liveQueries, -1, tags)
  }
}
