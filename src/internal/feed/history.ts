/**
 * The keys of the last changes of a table, for readers that come back. It holds keys and no values: what a key is now
 * stands in the snapshot.
 */
import type { TableChange } from "../../TableChange.ts"
import type { ChangeLog } from "../table/content/changeLog.ts"
import type { Place } from "../table/place.ts"

interface Touched<K> {
  readonly id: string
  readonly key: K
  readonly version: number
  /** The record that the change came from, of a topic's table. */
  readonly partition: number | undefined
  readonly offset: number
}

/** The keys that have changed, by their identity. */
export type Keys<K> = ReadonlyMap<string, K>

interface Options {
  /** How many changes it holds; it may hold up to twice as many for a while. */
  readonly capacity: number
  /** The version that it begins after. */
  readonly version: number
  readonly place: Place | undefined
}

export class History<K> {
  private touched: Array<Touched<K>> = []
  /** All changes after this version are in it. */
  private since: number
  /**
   * All changes by records from these places on are in it, and a table that was there had the content of this one;
   * `undefined` if it cannot be told.
   */
  private base: { readonly topicId: string; readonly positions: Map<number, number> } | undefined
  /** How many tombstones the table had read when it was there. */
  private tombstones = 0
  /** How many keys were seen to go since then. Where there were more tombstones, one was of a key that was not there. */
  private deletes = 0
  private readonly capacity: number

  constructor({ capacity, place, version }: Options) {
    this.capacity = capacity
    this.since = version
    this.rebase(place)
  }

  /**
   * From here on, changes can be told by their places. What happened before cannot be, as it was not seen, or leaves
   * doubts.
   */
  private rebase(place: Place | undefined): void {
    this.base = place === undefined ? undefined : { topicId: place.topicId, positions: new Map(place.positions) }
    this.tombstones = place?.tombstones ?? 0
    this.deletes = 0
  }

  /** Takes the changes of one version in. `place` is that of the table at that version. */
  push({ changes, ids }: ChangeLog<TableChange<K, unknown>>, version: number, place: Place | undefined): void {
    // Of a publication that has more changes than are held, the first ones are forgotten as they come.
    const first = Math.max(0, changes.length - this.capacity)
    if (first > 0) this.forget(0)
    for (let i = 0; i < changes.length; i++) {
      const change = changes[i] as TableChange<K, unknown> & Partial<{ partition: number; offset: number }>
      const { _tag, key, offset = -1, partition } = change
      if (_tag === "Delete") this.deletes++
      if (i < first) this.leave(version, partition, offset)
      else this.touched.push({ id: ids[i], key, version, partition, offset })
    }
    if (this.touched.length >= 2 * this.capacity) this.forget(this.capacity)
    if (place !== undefined && (this.base === undefined || !this.isCertain(place))) this.rebase(place)
  }

  /** Holds no more than the last ones. */
  private forget(most: number): void {
    for (const { offset, partition, version } of this.touched.splice(0, Math.max(0, this.touched.length - most))) {
      this.leave(version, partition, offset)
    }
  }

  /** A change is not among those that are held any more. */
  private leave(version: number, partition: number | undefined, offset: number): void {
    this.since = version
    const from = partition === undefined ? undefined : this.base?.positions.get(partition)
    if (from !== undefined && from <= offset) this.base!.positions.set(partition!, offset + 1)
  }

  /**
   * Whether all that has happened since the base is among the changes. A tombstone of a key that the table does not hold
   * is no change, but a table that read earlier may have held that key.
   */
  private isCertain({ tombstones, topicId }: Place): boolean {
    return topicId === this.base?.topicId && tombstones - this.tombstones === this.deletes
  }

  /** The keys that have changed since this version; `undefined` if that is not known. */
  after(version: number): Keys<K> | undefined {
    return version < this.since ? undefined : this.keys((one) => one.version > version)
  }

  /**
   * The keys that have changed since a table of the same topic was at these positions. `now` is the place of this table.
   * `undefined` if it is not certain that these are all: the other one has to have been where this history has been, and
   * not ahead of this table, and to have read logs that began where they do now.
   */
  from(other: Pick<Place, "positions" | "starts" | "topicId">, now: Place | undefined): Keys<K> | undefined {
    const { base } = this
    if (base === undefined || now === undefined || !this.isCertain(now)) return undefined
    if (other.topicId !== now.topicId || other.positions.size !== now.positions.size) return undefined
    for (const [partition, position] of now.positions) {
      const theirs = other.positions.get(partition)
      const from = base.positions.get(partition)
      if (theirs === undefined || from === undefined || theirs < from || theirs > position) return undefined
      if (other.starts.get(partition) !== now.starts.get(partition)) return undefined
    }
    return this.keys(({ offset, partition }) => partition === undefined || offset >= other.positions.get(partition)!)
  }

  private keys(has: (one: Touched<K>) => boolean): Keys<K> {
    return new Map(this.touched.filter(has).map(({ id, key }) => [id, key]))
  }
}
