/** How far the first replay has come, and the moment in which it is complete. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { settleDeferred } from "../../effect/v4/deferred.ts"
import type { Progress, TableStatus } from "../../../LiveTable.ts"
import { annotateLogs } from "../../log.ts"
import { setStatus, type TableParts } from "./parts.ts"

/** The status is set to a new progress no more often than this, in milliseconds. */
const PROGRESS_STATUS_MILLIS = 100

/** How far the replay has come, by offsets: of all partitions that were opened. */
export const progressOf = <K, V>(parts: TableParts<K, V>, now: number): Progress => {
  let done = 0
  let total = 0
  for (const p of parts.partitions.values()) {
    if (p.gate === undefined || p.position === undefined) continue
    total += p.gate - p.start
    done += Math.min(p.position, p.gate) - p.start
  }
  const seconds = (now - parts.startedAt) / 1000
  const records = parts.counters.applied + parts.counters.tombstones
  return {
    done,
    total,
    percent: total === 0 ? 0 : Math.floor((100 * done) / total),
    recordsPerSecond: seconds <= 0 ? 0 : Math.round(records / seconds)
  }
}

/** The status of a table whose reader reads. `isWhole` says that all of its partitions are shown as they are read. */
export const statusOfReading = <K, V>(parts: TableParts<K, V>, isWhole: boolean, now: number): TableStatus => {
  if (parts.latched && isWhole) return { _tag: "CaughtUp" }
  const progress = progressOf(parts, now)
  const cause = parts.degradedBy
  return cause === undefined ? { _tag: "Loading", progress } : { _tag: "Degraded", progress, cause }
}

/** Notices when the table has caught up for the first time, and tells of the progress until then. */
export class CatchUp<K, V> {
  private readonly parts: TableParts<K, V>
  private readonly annotate: ReturnType<typeof annotateLogs>
  private loggedAt: number
  private shownAt = 0

  constructor(parts: TableParts<K, V>) {
    this.parts = parts
    this.annotate = annotateLogs("KafkaTable", { topic: parts.config.topic })
    this.loggedAt = parts.startedAt
  }

  /** Looks whether the table has caught up. To be run after each publication. */
  get check(): Effect.Effect<void> {
    if (this.parts.latched) return Effect.void
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      this.isComplete ? this.complete(now) : this.tellOfProgress(now)
    )
  }

  private get isComplete(): boolean {
    const { partitions } = this.parts
    if (partitions.size === 0) return false
    for (const { gate, position, rebuild } of partitions.values()) {
      if (rebuild !== undefined || gate === undefined || position === undefined || position < gate) return false
    }
    return true
  }

  private complete(now: number): Effect.Effect<void> {
    const { parts } = this
    const { applied, tombstones } = parts.counters
    const millis = now - parts.startedAt
    parts.latched = true
    parts.topicId = parts.source?.description(parts.config.topic)?.topic.id
    // Whoever acquires the table gets it now, whatever happens next.
    parts.acquired = true
    parts.degradedBy = undefined
    parts.replayed = applied + tombstones
    parts.catchUpMillis = millis
    return Effect.gen({ self: this }, function* () {
      yield* setStatus(parts, { _tag: "CaughtUp" })
      parts.metrics.caughtUp(millis)
      const { size } = parts.publication.snapshot
      yield* Effect.logInfo(`caught up: ${size} entries of ${parts.replayed} records in ${millis} ms`).pipe(
        this.annotate
      )
      settleDeferred(parts.ready, Exit.void)
    })
  }

  private tellOfProgress(now: number): Effect.Effect<void> {
    if (now - this.shownAt < PROGRESS_STATUS_MILLIS) return Effect.void
    this.shownAt = now
    const { config, status } = this.parts
    const progress = progressOf(this.parts, now)
    const showing =
      status._tag === "Loading" || status._tag === "Degraded"
        ? setStatus(this.parts, { ...status, progress })
        : Effect.void
    if (now - this.loggedAt < config.progressIntervalMillis) return showing
    this.loggedAt = now
    const { done, percent, recordsPerSecond, total } = progress
    return Effect.andThen(
      showing,
      Effect.logInfo(`replaying: ${percent} % (${done} of ${total} offsets), ${recordsPerSecond} records/s`).pipe(
        this.annotate
      )
    )
  }
}
