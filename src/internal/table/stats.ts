/** The figures that a table tells of itself: counts, positions, and how fresh its content is. */
import type { PartitionStats, TableStats } from "../../KafkaTable.ts"
import type { Freshness } from "../../LiveTable.ts"
import { hindrances } from "./reading/hindrances.ts"
import type { TableParts } from "./reading/parts.ts"

const partitionsOf = <K, V>(parts: TableParts<K, V>): ReadonlyArray<PartitionStats> =>
  [...parts.partitions.values()].map((p) => {
    const source = parts.source?.cursors(parts.config.topic).get(p.partition)
    const highWatermark = source?.highWatermark ?? -1
    return Object.freeze({
      partition: p.partition,
      position: p.visible ?? 0,
      highWatermark,
      lag: highWatermark === -1 || p.visible === undefined ? undefined : Math.max(0, highWatermark - p.visible),
      leader: source?.leader ?? -1,
      connected: source?.connected ?? false
    })
  })

/** How fresh the content is at this time. What is not known of some partition is not known of the table. */
export const freshnessOf = <K, V>(parts: TableParts<K, V>, now: number): Freshness => {
  const partitions = partitionsOf(parts)
  const lags = partitions.map((p) => p.lag)
  const fetches = partitions.map((p) => parts.source?.cursors(parts.config.topic).get(p.partition)?.lastFetchAt)
  const known = partitions.length > 0
  const sum = (list: ReadonlyArray<number | undefined>) =>
    list.reduce<number | undefined>((a, b) => (a === undefined || b === undefined ? undefined : a + b), 0)
  const oldest = (list: ReadonlyArray<number | undefined>) =>
    list.reduce((a, b) => (a === undefined || b === undefined ? undefined : Math.min(a, b)))
  const lastFetchAt = known ? oldest(fetches) : undefined
  const hasEnded = parts.status._tag === "Failed" && !parts.status.healing
  return Object.freeze({
    connected: known && !hasEnded && partitions.every((p) => p.connected),
    lag: known ? sum(lags) : undefined,
    lastFetchAt,
    staleMillis: lastFetchAt === undefined ? undefined : now - lastFetchAt,
    lastFailure: parts.failures.last,
    throttledUntil: latest(
      partitions.map((p) => parts.source?.cursors(parts.config.topic).get(p.partition)?.throttledUntil),
      now
    ),
    heldUpBy: hasEnded ? [] : hindrances(parts)
  })
}

/** The latest of these times, if it is still to come; `undefined` if none of them is. */
const latest = (times: ReadonlyArray<number | undefined>, now: number): number | undefined =>
  times.reduce((a, b) => (b === undefined || b <= now || (a !== undefined && a > b) ? a : b), undefined)

/** A frozen copy of what the table has counted. */
export const statsOf = <K, V>(parts: TableParts<K, V>): TableStats => {
  const { counters } = parts
  return Object.freeze({
    ...counters,
    entries: parts.publication.snapshot.size,
    contestedKeys: parts.state.contestedKeys,
    replayed: parts.latched ? parts.replayed : counters.applied + counters.tombstones,
    catchUpMillis: parts.catchUpMillis,
    subscribers: parts.publication.subscriptions.count,
    partitions: Object.freeze(partitionsOf(parts))
  })
}
