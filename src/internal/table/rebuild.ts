import type { TableState } from "./state.ts"

/**
 * Partitions that are replayed from their beginning beside the live content, to replace theirs at once when all of them
 * have reached their targets.
 */
export class Rebuild<K, V> {
  state: TableState<K, V>
  readonly partitions: Set<number>
  /** Whose rows are replaced: more than `partitions` where a topic came back with fewer of them. */
  readonly replaced: Set<number>
  /** False if the log is another one now: then no record is the same one, whatever its offset. */
  readonly sameLog: boolean
  private readonly newState: () => TableState<K, V>
  private readonly targets = new Map<number, number>()
  private readonly positions = new Map<number, number>()

  constructor(
    newState: () => TableState<K, V>,
    partitions: Iterable<number>,
    replaced: Iterable<number>,
    sameLog: boolean
  ) {
    this.newState = newState
    this.partitions = new Set(partitions)
    this.replaced = new Set(replaced)
    this.sameLog = sameLog
    this.state = this.emptyState()
  }

  private emptyState(): TableState<K, V> {
    const state = this.newState()
    // tombstones matter here, as they may have to outweigh a record of a partition that is not rebuilt
    state.multiPartition = true
    return state
  }

  add(partition: number): void {
    this.partitions.add(partition)
    this.replaced.add(partition)
  }

  opened(partition: number, start: number, end: number): void {
    this.positions.set(partition, start)
    this.targets.set(partition, end)
  }

  position(partition: number): number | undefined {
    return this.positions.get(partition)
  }

  moved(partition: number, position: number): void {
    this.positions.set(partition, position)
  }

  /** Forgets all that was replayed. */
  restart(): void {
    this.state = this.emptyState()
    this.targets.clear()
    this.positions.clear()
  }

  get isComplete(): boolean {
    // or each look would go through those that are open, while the others are to come
    if (this.partitions.size === 0 || this.targets.size < this.partitions.size) return false
    for (const partition of this.partitions) {
      const target = this.targets.get(partition)
      const position = this.positions.get(partition)
      if (target === undefined || position === undefined || position < target) return false
    }
    return true
  }
}
