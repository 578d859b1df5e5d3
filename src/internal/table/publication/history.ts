/** The last versions of a table, by their numbers, by what they show of the log, and by when they were shown. */

/** How much of a table's history is kept. */
export interface HistoryLimits {
  /** The most versions. */
  readonly versions: number
  /** For how long a version is kept after it was shown last, in milliseconds. */
  readonly millis: number
}

/** One version, and how readers came to it. */
interface Kept<Snapshot> {
  readonly version: number
  /** Of a version that is shown no more; the one that is shown is the table's own. */
  snapshot: Snapshot | undefined
  /** When it was shown first, in milliseconds of the Clock; never later than that is now. */
  since: number
  /** The positions that have become visible with it, by partition: those that it shows besides those of the version before. */
  readonly moved: Map<number, number>
}

/** What a position is by partition and offset. */
interface Place {
  readonly partition: number
  readonly offset: number
}

/** A partition, and the offset up to which readers see it. */
interface Visible {
  readonly partition: number
  readonly visible: number | undefined
}

export class History<Snapshot extends { readonly version: number }> {
  /** From the oldest to the one that is shown. */
  private readonly kept: Array<Kept<Snapshot>>
  /** The positions of the last version that is not kept any more. */
  private readonly forgotten = new Map<number, number>()
  /** The positions of the version that is shown. */
  private readonly positions = new Map<number, number>()

  constructor(
    private readonly limits: HistoryLimits,
    { version }: Snapshot,
    now: number
  ) {
    this.kept = [{ version, snapshot: undefined, since: now, moved: new Map() }]
  }

  /** Takes in a publication: what was shown before it, and what is shown with it. */
  published(before: Snapshot, after: Snapshot, partitions: Iterable<Visible>, now: number): void {
    this.follow(now)
    const newest = this.kept.at(-1)!
    if (after.version !== newest.version) {
      newest.snapshot = before
      this.kept.push({ version: after.version, snapshot: undefined, since: now, moved: new Map() })
    }
    this.move(partitions)
    this.forget(now)
  }

  /** Takes in how far readers see. */
  move(partitions: Iterable<Visible>): void {
    const { moved } = this.kept.at(-1)!
    for (const { partition, visible } of partitions) {
      if (visible === undefined || this.positions.get(partition) === visible) continue
      this.positions.set(partition, visible)
      moved.set(partition, visible)
    }
  }

  /**
   * Follows a clock that was set back: what was shown at a time that is to come once more counts as shown now. So versions
   * are in the order of their times, and a clock that was ahead for a moment has them kept no longer.
   */
  private follow(now: number): void {
    const { kept } = this
    for (let i = kept.length - 1; i >= 0 && kept[i].since > now; i--) kept[i].since = now
  }

  /** Lets go of what is beyond the limits. */
  private forget(now: number): void {
    const { kept, limits } = this
    this.follow(now)
    while (kept.length > limits.versions || (kept.length > 1 && kept[1].since <= now - limits.millis)) {
      for (const [partition, visible] of kept.shift()!.moved) this.forgotten.set(partition, visible)
    }
  }

  /** The version with this number, if it is kept. `shown` is what the table shows. */
  byVersion(version: number, shown: Snapshot, now: number): Snapshot | undefined {
    this.forget(now)
    return this.snapshotOf(
      this.kept.find((one) => one.version === version),
      shown
    )
  }

  /** The first version that shows all of these, if it is kept. */
  byPosition(places: ReadonlyArray<Place>, shown: Snapshot, now: number): Snapshot | undefined {
    this.forget(now)
    const visible = new Map(places.map(({ partition }) => [partition, this.forgotten.get(partition) ?? 0]))
    const areShown = () => places.every(({ offset, partition }) => visible.get(partition)! > offset)
    if (areShown()) return undefined
    const first = this.kept.find(({ moved }) => {
      for (const partition of visible.keys()) {
        const to = moved.get(partition)
        if (to !== undefined) visible.set(partition, to)
      }
      return areShown()
    })
    return this.snapshotOf(first, shown)
  }

  /** The version that was shown at this time, if it is kept. */
  byTimestamp(timestamp: number, shown: Snapshot, now: number): Snapshot | undefined {
    this.forget(now)
    if (timestamp > now) return undefined
    return this.snapshotOf(
      this.kept.findLast(({ since }) => since <= timestamp),
      shown
    )
  }

  private snapshotOf(kept: Kept<Snapshot> | undefined, shown: Snapshot): Snapshot | undefined {
    return kept === undefined ? undefined : (kept.snapshot ?? shown)
  }
}
