/** Everything that a table knows of one partition of its topic. */
import type { Rebuild } from "./rebuild.ts"

export interface PartitionState<K, V> {
  readonly partition: number
  /** Offset of the next record to apply to the live content; `undefined` until the partition was opened. */
  position: number | undefined
  /** The position of what readers see: it follows `position` with each publication. */
  visible: number | undefined
  /** What the position must reach before the table has caught up; `undefined` until the partition was opened. */
  gate: number | undefined
  start: number
  /** Nothing that is below is in the content that its records go to: the log began there, as far as it was told. */
  logStart: number
  /** Position of a corrupt batch that was asked for a second time. */
  corruptAt: number | undefined
  /** Was it replayed, as tombstones may be missing, and its head not reached in time since then? */
  isReplayedForAge: boolean
  /** What is replayed beside the live content, if it is. */
  rebuild: Rebuild<K, V> | undefined
  /** The offset of the next record of the rebuild, and the one that it has to reach; `undefined` until that was opened. */
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

/** The offset of the next record to apply to wherever its records go now; `undefined` while it is not open there. */
export const positionOf = <K, V>(p: PartitionState<K, V>): number | undefined =>
  p.rebuild === undefined ? p.position : p.replay?.position
