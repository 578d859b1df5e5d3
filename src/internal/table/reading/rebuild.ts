import type { TableState } from "../content/state.ts"
import type { PartitionState } from "./partition.ts"

/**
 * Partitions that are replayed from their beginning, beside the live content. When all of them have reached their
 * targets, their rows replace those of the live content at once.
 */
export class Rebuild<K, V> {
  /** What was replayed so far. */
  state: TableState<K, V>
  /** The partitions that are replayed. */
  readonly partitions = new Set<PartitionState<K, V>>()
  /**
   * The partitions whose rows are replaced. They are more than `partitions` where a topic came back with fewer of them.
   */
  readonly replaced: Set<number>
  /** False if the log may be another one now: then a record at the same place as before is not the same record. */
  readonly sameLog: boolean
  private readonly newState: () => TableState<K, V>
  /** How many of `partitions` are open. */
  private open = 0

  constructor(newState: () => TableState<K, V>, replaced: Iterable<number>, sameLog: boolean) {
    this.newState = newState
    this.replaced = new Set(replaced)
    this.sameLog = sameLog
    this.state = this.emptyState()
  }

  private emptyState(): TableState<K, V> {
    const state = this.newState()
    // Tombstones are kept, as they may have to outweigh a record of a partition that is not rebuilt.
    state.multiPartition = true
    return state
  }

  /** From now on, records of this partition are applied to the rebuild. */
  add(p: PartitionState<K, V>): void {
    this.partitions.add(p)
    this.replaced.add(p.partition)
    p.rebuild = this
    p.replay = undefined
  }

  /** A partition was opened for the rebuild, or opened anew: it is replayed from `start`, at least up to `end`. */
  opened(p: PartitionState<K, V>, start: number, end: number): void {
    if (p.replay === undefined) this.open++
    p.replay = { position: start, target: end }
  }

  /** Forgets all that was replayed. */
  restart(): void {
    this.state = this.emptyState()
    this.open = 0
    for (const p of this.partitions) p.replay = undefined
  }

  get isComplete(): boolean {
    // As long as one is not open, this answers without going through all that are.
    if (this.partitions.size === 0 || this.open < this.partitions.size) return false
    for (const { replay } of this.partitions) {
      if (replay === undefined || replay.position < replay.target) return false
    }
    return true
  }
}
