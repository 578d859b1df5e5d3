/** Where in its topic a table is, for those who compare that with where another process's table is. */
import type { TableParts } from "./reading/parts.ts"

export interface Place {
  readonly topicId: string
  /** The offset of the next record of each partition. */
  readonly positions: ReadonlyMap<number, number>
  /** Where the log of each partition begins: the table has nothing of what was before. */
  readonly starts: ReadonlyMap<number, number>
  /** How many tombstones were read so far, also those of keys that the table does not hold. */
  readonly tombstones: number
}

/** The property by which a table of a topic tells its place. */
export const PLACE: unique symbol = Symbol.for("effect-ktables/Place")

export interface Placed {
  readonly [PLACE]: () => Place | undefined
}

/**
 * The place of a table whose content follows from its place, so that another table at that place has the same content;
 * `undefined` if that is not certain. It is not:
 *
 * - while the table has not reached the end of the log, as far as that is known: a record that compaction has removed is
 *   superseded by one that the table may not have read yet;
 * - of a table that shows what aborted transactions wrote;
 * - of one whose rows expire, as what it shows goes by the time as well;
 * - once a record did not decode, as the value before stays, and a table that starts later may not find that one;
 * - once rows were evicted or partitions rebuilt, which tables do at different times;
 * - while keys have records in several partitions, of which tables read one or the other first;
 * - of a broker without topic ids, as the topic may be another one of that name.
 *
 * To be called while the content is at rest, or within a publication.
 */
export const placeOf = <K, V>(parts: TableParts<K, V>): Place | undefined => {
  const { config, counters, latched, partitions, source, state, status, topicId } = parts
  if (config.isolation !== "read_committed" || parts.expiry !== undefined) return undefined
  if (!latched || status._tag !== "CaughtUp" || topicId === undefined || source === undefined) return undefined
  if (counters.evicted + counters.rebuilds + counters.keyErrors + counters.valueErrors + state.contestedKeys > 0) {
    return undefined
  }
  const cursors = source.cursors(config.topic)
  const positions = new Map<number, number>()
  const starts = new Map<number, number>()
  for (const { logStart, partition, visible } of partitions.values()) {
    const end = cursors.get(partition)?.highWatermark ?? -1
    if (visible === undefined || end === -1 || visible < end) return undefined
    positions.set(partition, visible)
    starts.set(partition, logStart)
  }
  return { topicId, positions, starts, tombstones: counters.tombstones }
}
