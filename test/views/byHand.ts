/** A table's content and its publication without a reader: what is done to rows, step by step, with views that follow. */
import { Effect, type Scope } from "effect"
import type { Codec, TableChange, TableIndex, TableSnapshot } from "../../src/index.ts"
import { UNKNOWN } from "../../src/internal/table/content/keyIndex.ts"
import type { RecordSlots } from "../../src/internal/table/content/recordSlots.ts"
import { RecordStore } from "../../src/internal/table/content/recordStore.ts"
import { ABSENT } from "../../src/internal/table/content/rowVector.ts"
import { TableState } from "../../src/internal/table/content/state.ts"
import { attachAll } from "../../src/internal/table/publication/attaching.ts"
import { Publication } from "../../src/internal/table/publication/publication.ts"
import { Waiters } from "../../src/internal/table/publication/waiters.ts"
import { indexViews } from "../../src/internal/views/indexes.ts"
import { type AnyIndexView, TableIndexes } from "../../src/internal/views/lookups.ts"
import { faceOf } from "../../src/internal/views/snapshot.ts"

export type Snapshot<K, V, Ix extends TableIndex.Indexes> = TableSnapshot.TableSnapshot<
  K,
  V,
  TableSnapshot.RecordEntry<K, V>,
  Ix
>

export type HandPublication<K, V, Ix extends TableIndex.Indexes> = Publication<
  RecordSlots<K, V>,
  Snapshot<K, V, Ix>,
  TableChange.RecordChange<K, V>,
  never
>

export class Hand<K, V, Ix extends TableIndex.Indexes> {
  readonly state: TableState<K, V>
  readonly names = new TableIndexes("by.hand")
  private readonly offsets = new Map<number, number>()
  private hasChanged = false

  private constructor(
    readonly codec: Codec.Codec<K>,
    state: TableState<K, V>,
    readonly publication: HandPublication<K, V, Ix>,
    names: TableIndexes
  ) {
    this.state = state
    this.names = names
  }

  static make<K, V, Ix extends TableIndex.Indexes = {}>(codec: Codec.Codec<K>): Effect.Effect<Hand<K, V, Ix>> {
    return Effect.suspend(() => {
      const names = new TableIndexes("by.hand")
      const state = new TableState<K, V>(codec, new RecordStore<V>(undefined))
      state.multiPartition = true
      return Effect.map(
        Publication.make<RecordSlots<K, V>, Snapshot<K, V, Ix>, TableChange.RecordChange<K, V>, never>({
          topic: "by.hand",
          slots: state.slots(),
          face: faceOf<K, V, TableSnapshot.RecordEntry<K, V>, Ix>(names),
          waiters: new Waiters(() => undefined),
          notesSlots: false
        }),
        (publication) => new Hand<K, V, Ix>(codec, state, publication, names)
      )
    })
  }

  /** Adds indexes. `viewOf` may make other views of them. */
  index(
    indexes: TableIndex.Indexes,
    change: (name: string, view: AnyIndexView) => AnyIndexView = (_, view) => view
  ): Effect.Effect<void, never, Scope.Scope> {
    const views = indexViews(this.publication, indexes).map(([name, view]) => [name, change(name, view)] as const)
    for (const [name, view] of views) this.names.set(name, view)
    return attachAll(views.map(([, view]) => view))
  }

  get snapshot(): Snapshot<K, V, Ix> {
    return this.publication.snapshot
  }

  readonly take = (): RecordSlots<K, V> => this.state.slots()

  private begin(): void {
    this.state.note(this.publication.beginUpdate())
  }

  private nextOffset(partition: number): number {
    const offset = this.offsets.get(partition) ?? 0
    this.offsets.set(partition, offset + 1)
    return offset
  }

  /** Applies a record, as the reader does; `undefined` is a tombstone. It is seen with the next `publish`. */
  put(key: K, value: V | undefined, { partition = 0, timestamp = 0 } = {}): void {
    this.begin()
    this.hasChanged = true
    this.putInto(this.state, key, value, partition, this.nextOffset(partition), timestamp)
  }

  private putInto(
    state: TableState<K, V>,
    key: K,
    value: V | undefined,
    partition: number,
    offset: number,
    timestamp: number
  ): void {
    const encoded = Effect.runSync(this.codec.encode(key))
    const bytes = Buffer.from(encoded)
    const found = state.find(bytes, 0, bytes.length)
    const slot = found === UNKNOWN ? state.addKey(bytes, 0, bytes.length, key) : found
    state.put(slot, value === undefined ? ABSENT : value, partition, offset, timestamp, undefined)
  }

  /** The log of a partition begins at an offset now. */
  evict(partition: number, logStart: number): void {
    this.begin()
    this.hasChanged = true
    runAll(this.state.evict(partition, logStart))
  }

  /** All rows of a partition give way to others, as after a truncation. */
  replace(partition: number, rows: ReadonlyArray<readonly [key: K, value: V | undefined, timestamp: number]>): void {
    this.begin()
    this.hasChanged = true
    const shadow = new TableState<K, V>(this.codec, new RecordStore<V>(undefined))
    shadow.multiPartition = true
    for (const [key, value, timestamp] of rows) {
      this.putInto(shadow, key, value, partition, this.nextOffset(partition), timestamp)
    }
    runAll(this.state.replace(new Set([partition]), shadow, false))
  }

  offsetOf(partition: number): number {
    return this.offsets.get(partition) ?? 0
  }

  readonly publish: Effect.Effect<void> = Effect.suspend(() => {
    const show = () => {
      this.state.note(undefined)
      this.publication.publish(this.hasChanged, this.take, () => {})
      this.hasChanged = false
    }
    const preparing = this.publication.prepare(this.take)
    return preparing === undefined ? Effect.sync(show) : Effect.map(preparing, show)
  })

  /** Makes room, whether it is time for that or not: rows get new slots. */
  readonly compact: Effect.Effect<void> = Effect.suspend(() =>
    this.publication.makeRoom((follow) => this.state.compact(follow), this.take)
  )
}

export const runAll = <A>(steps: Iterator<void, A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
