/**
 * Metrics of tables, writers, producers and consumers, tagged by topic; those of what is made of tables are in `viewMetrics.ts`.
 * They are updated once per publication or request, never per record.
 */
import * as Metric from "effect/Metric"
import {
  type Counter,
  type Gauge,
  type Histogram,
  histogram,
  keyOfLabels,
  type Labels,
  modify,
  update,
  withLabels
} from "./effect/v4/metric.ts"

/** From a quarter of a millisecond to half a minute. */
export const latencyBoundaries = { start: 0.25, factor: 2, count: 18 }

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
const evicted = Metric.counter("kafka_table_evicted_total", {
  description: "Keys that left a table as the log does not hold their records any more",
  incremental: true
})
const expired = Metric.counter("kafka_table_expired_total", {
  description: "Keys that left a table as their time was over",
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
const viewsMillis = histogram(
  "kafka_table_views_millis",
  "For how long an update waited for what is made of its table to take it in, in milliseconds",
  latencyBoundaries
)

/**
 * Feeds counters with running totals: what came since the last time is added. It is a plain function, as it runs
 * between two requests. The tags are made once, as a metric is found by their identity.
 */
export const increments = <Name extends string>(
  counters: Readonly<Record<Name, readonly [metric: Counter, tags: Labels]>>
) => {
  const all = Object.entries(counters) as Array<[Name, (typeof counters)[Name]]>
  const last = new Map<Name, number>()
  return (totals: Readonly<Record<Name, number>>): void => {
    for (const [name, [metric, tags]] of all) {
      const more = totals[name] - (last.get(name) ?? 0)
      if (more === 0) continue
      last.set(name, totals[name])
      update(metric, more, tags)
    }
  }
}

/** The counters of a table of which metrics tell. */
type Reported = Readonly<
  Record<"applied" | "tombstones" | "keyless" | "keyErrors" | "valueErrors" | "evicted" | "expired", number>
>

/**
 * Reports what one table has done since the last publication to the metrics of its topic, with the labels of whoever
 * acquired it.
 */
export const makeTableMetrics = (topic: string, labels: Labels) => {
  const tags = withLabels(labels, { topic })
  const ofKind = (kind: string): Labels => withLabels(labels, { topic, kind })
  const report = increments<keyof Reported>({
    applied: [applied, tags],
    tombstones: [tombstones, tags],
    keyless: [poison, ofKind("keyless")],
    keyErrors: [poison, ofKind("key")],
    valueErrors: [poison, ofKind("value")],
    evicted: [evicted, tags],
    expired: [expired, tags]
  })

  return {
    /** `viewsTook` is for how long it waited for views, in milliseconds; `undefined` without any. */
    published: (now: Reported, entriesNow: number, lagNow: number, viewsTook: number | undefined): void => {
      report(now)
      update(entries, entriesNow, tags)
      update(lag, lagNow, tags)
      if (viewsTook !== undefined) update(viewsMillis, viewsTook, tags)
    },
    caughtUp: (millis: number): void => update(catchUp, millis / 1000, tags),
    reconnected: (): void => update(reconnects, 1, tags)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// writers and producers
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
const latency = histogram(
  "kafka_writer_latency_millis",
  "From acceptance to acknowledgement in milliseconds, of the oldest write of each batch",
  latencyBoundaries
)

const producerRecords = Metric.counter("kafka_producer_records_total", {
  description: "Records of a producer that ended, by outcome: acknowledged, failed, unknown",
  incremental: true
})
const producerRequests = Metric.counter("kafka_producer_requests_total", {
  description: "Produce requests of a producer with records of the topic, repetitions included",
  incremental: true
})
const producerBytes = Metric.counter("kafka_producer_bytes_total", {
  description: "Bytes of record batches that a producer sent, repetitions included",
  incremental: true
})
const producerQueued = Metric.gauge("kafka_producer_queued", {
  description: "Records of a producer that are not acknowledged yet"
})
const producerLatency = histogram(
  "kafka_producer_latency_millis",
  "From acceptance to acknowledgement in milliseconds, of the oldest record of each batch of a producer",
  latencyBoundaries
)

/** The metrics of a writer or of a producer. */
interface SendMetrics {
  readonly ended: Counter
  readonly requests: Counter
  readonly bytes: Counter
  readonly queued: Gauge
  readonly latency: Histogram
}

const ofWriters: SendMetrics = { ended: writes, requests, bytes: sentBytes, queued, latency }

const ofProducers: SendMetrics = {
  ended: producerRecords,
  requests: producerRequests,
  bytes: producerBytes,
  queued: producerQueued,
  latency: producerLatency
}

/** The counters of a writer, or of a topic of a producer, of which metrics tell. */
type Written = Record<"acknowledged" | "failed" | "unknown" | "requests" | "bytes", number>

const reportTo = (metrics: SendMetrics, topic: string, labels: Labels) => {
  const tags = withLabels(labels, { topic })
  const ofOutcome = (outcome: string): Labels => withLabels(labels, { topic, outcome })
  const report = increments<keyof Written>({
    acknowledged: [metrics.ended, ofOutcome("acknowledged")],
    failed: [metrics.ended, ofOutcome("failed")],
    unknown: [metrics.ended, ofOutcome("unknown")],
    requests: [metrics.requests, tags],
    bytes: [metrics.bytes, tags]
  })

  return (now: Written, queuedNow: number, latencies: ReadonlyArray<number>): void => {
    report(now)
    for (const millis of latencies) update(metrics.latency, millis, tags)
    update(metrics.queued, queuedNow, tags)
  }
}

/**
 * Reports what one writer has done since the last time to the metrics of its topic, with the labels of who acquired it.
 */
export const makeWriterMetrics = (topic: string, labels: Labels) => reportTo(ofWriters, topic, labels)

/** Reports what one producer has done with a topic since the last time, with the labels of who acquired it. */
export const makeProducerMetrics = (topic: string, labels: Labels) => reportTo(ofProducers, topic, labels)

// ---------------------------------------------------------------------------------------------------------------------
// consumers
// ---------------------------------------------------------------------------------------------------------------------

const consumed = Metric.counter("kafka_consumer_records_total", {
  description: "Records that a consumer handed out",
  incremental: true
})
const consumerPoison = Metric.counter("kafka_consumer_poison_total", {
  description: "Records that a consumer skipped as they did not decode",
  incremental: true
})
const commits = Metric.counter("kafka_consumer_commits_total", {
  description: "Commits of a consumer, by outcome: acknowledged, refused",
  incremental: true
})
const rebalances = Metric.counter("kafka_consumer_rebalances_total", {
  description: "Rebalances that a consumer took part in",
  incremental: true
})
const losses = Metric.counter("kafka_consumer_lost_total", {
  description: "How often a consumer lost its partitions, by reason: SessionEnded, Forgotten, Fenced",
  incremental: true
})
const stalls = Metric.counter("kafka_consumer_stalled_total", {
  description: "How often a partition of a consumer was stalled, and read anew",
  incremental: true
})
const assigned = Metric.gauge("kafka_consumer_partitions", { description: "Partitions that a consumer owns" })
const consumerLag = Metric.gauge("kafka_consumer_lag", {
  description: "Offsets from what consumers have committed to the ends of their partitions"
})
const unfinishedMillis = Metric.gauge("kafka_consumer_unfinished_millis", {
  description: "For how long the oldest record that is not done has been handed out"
})
const rebalanceMillis = histogram(
  "kafka_consumer_rebalance_millis",
  "Milliseconds from when a consumer was to rebalance until it was steady again",
  { start: 10, factor: 2, count: 14 }
)

/** How far a member is in one of its partitions; what is not known counts as nothing. */
interface MemberLag {
  readonly topic: string
  readonly lag: number | undefined
  readonly oldestUncommittedMillis: number | undefined
}

/** What the members of each group in this process have told last of their oldest unfinished records, by group and labels. */
const unfinished = new Map<string, Map<object, number>>()

/** Tells the longest of them, as a gauge of several members is one. */
const tellUnfinished = (member: object, millis: number, labels: Labels): void => {
  const key = keyOfLabels(labels)
  const all = unfinished.get(key) ?? new Map<object, number>()
  if (millis > 0) all.set(member, millis)
  else all.delete(member)
  if (all.size > 0) unfinished.set(key, all)
  else unfinished.delete(key)
  update(unfinishedMillis, Math.max(0, ...all.values()), labels)
}

export type ConsumerMetrics = ReturnType<typeof makeConsumerMetrics>

/** Reports what one member of a group does, with the labels of who acquired it. */
export const makeConsumerMetrics = (group: string, labels: Labels) => {
  const tags = withLabels(labels, { group })
  const topics = new Map<string, Labels>()
  const ofTopic = (topic: string): Labels => {
    let found = topics.get(topic)
    if (found === undefined) topics.set(topic, (found = withLabels(labels, { group, topic })))
    return found
  }
  const acknowledged = withLabels(labels, { group, outcome: "acknowledged" })
  const refused = withLabels(labels, { group, outcome: "refused" })
  /** What was told last: several members of a group in one process add up. */
  const toldLags = new Map<string, number>()
  let toldOwned = 0
  let rebalancingSince: number | undefined
  const member = {}
  return {
    handedOut: (topic: string, records: number, poison: number): void => {
      if (records > 0) update(consumed, records, ofTopic(topic))
      if (poison > 0) update(consumerPoison, poison, ofTopic(topic))
    },
    committed: (isAcknowledged: boolean): void => update(commits, 1, isAcknowledged ? acknowledged : refused),
    inPhase: (phase: "joining" | "rebalancing" | "steady", now: number): void => {
      if (phase === "rebalancing") {
        update(rebalances, 1, tags)
        rebalancingSince ??= now
      } else {
        if (phase === "steady" && rebalancingSince !== undefined) {
          update(rebalanceMillis, Math.max(0, now - rebalancingSince), tags)
        }
        rebalancingSince = undefined
      }
    },
    lost: (reason: string): void => update(losses, 1, withLabels(labels, { group, reason })),
    stalled: (topic: string): void => update(stalls, 1, ofTopic(topic)),
    owned: (count: number): void => {
      modify(assigned, count - toldOwned, tags)
      toldOwned = count
    },
    /** Where the partitions of a member are by now, all of them. */
    lags: (all: ReadonlyArray<MemberLag>): void => {
      const lags = new Map([...toldLags.keys()].map((topic) => [topic, 0]))
      for (const one of all) lags.set(one.topic, (lags.get(one.topic) ?? 0) + (one.lag ?? 0))
      for (const [topic, sum] of lags) {
        modify(consumerLag, sum - (toldLags.get(topic) ?? 0), ofTopic(topic))
        toldLags.set(topic, sum)
      }
      tellUnfinished(member, Math.max(0, ...all.map((one) => one.oldestUncommittedMillis ?? 0)), tags)
    }
  }
}
