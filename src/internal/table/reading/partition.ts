/** What a table knows of one partition of its topic. Where it is fetched is known by the source's `Cursor`. */
import type { Rebuild } from "./rebuild.ts"

export interface PartitionState<K, V> {
  /** The partition's number. */
  readonly partition: number
  /** Offset of the next record to apply to the live content; `undefined` until the partition was opened. */
  position: number | undefined
  /** The position of what readers see. It follows `position` with each publication. */
  visible: number | undefined
  /** What the position must reach before the table has caught up; `undefined` until the partition was opened. */
  gate: number | undefined
  /** The offset from which the partition was read when it was opened. */
  start: number
  /**
   * Where the log begins, as far as it was told: the content that the records go to holds nothing below this offset.
   */
  logStart: number
  /** Position of a corrupt batch that was asked for a second time. */
  corruptAt: number | undefined
  /** Whether it is replayed because tombstones may be missing, and the head was not reached in time since then. */
  isReplayedForAge: boolean
  /** The rebuild that its records go to, while it is replayed beside the live content. */
  rebuild: Rebuild<K, V> | undefined
  /**
   * Offset of the next record of the rebuild, and the offset that it has to reach; `undefined` until it is opened for
   * that.
   */
  replay: { position: number; readonly target: number } | undefined
}

export const makePartitionState = <K, V>(partition: number): PartitionState<K, V> => ({
  partition,
  position: undefined,
  visible: undefined,
  gate: undefined,
  start: 0,
  logStart: 0,
  corruptAt: undefined,
  isReplayedForAge: false,
  rebuild: undefined,
  replay: undefined
})

/**
 * Offset of the next record to apply to the live content or the rebuild, wherever its records go; `undefined` before it
 * is open.
 */
export const positionOf = <K, V>(p: PartitionState<K, V>): number | undefined =>
  p.rebuild === undefined ? p.position : p.replay?.position
