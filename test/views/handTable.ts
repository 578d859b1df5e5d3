/** A table that a test drives by hand: its rows, its publications, its compactions. */
import type { Scope } from "effect"
import { Cause, Deferred, Effect } from "effect"
import * as Codec from "effect-ktables/Codec"
import type { LiveTable, TableFailure, TableStatus } from "effect-ktables/LiveTable"
import type { RecordChange } from "effect-ktables/TableChange"
import type { Indexes } from "effect-ktables/TableIndex"
import type { RecordEntry, RecordSnapshot } from "effect-ktables/TableSnapshot"
import { PublishedRef } from "../../src/internal/effect/v4/publishedRef.ts"
import { UNKNOWN } from "../../src/internal/table/content/keyIndex.ts"
import type { RecordSlots } from "../../src/internal/table/content/recordSlots.ts"
import { recordStoreOf } from "../../src/internal/table/content/recordStore.ts"
import { ABSENT } from "../../src/internal/table/content/rowVector.ts"
import { TableState } from "../../src/internal/table/content/state.ts"
import type { AnyChange } from "../../src/internal/table/content/changeLog.ts"
import { attachAll, publicationOf } from "../../src/internal/table/publication/attaching.ts"
import { Publication } from "../../src/internal/table/publication/publication.ts"
import type { AnySlots } from "../../src/internal/table/publication/view.ts"
import { Waiters } from "../../src/internal/table/publication/waiters.ts"
import { ROOTS } from "../../src/internal/views/derived/combined.ts"
import { indexViews } from "../../src/internal/views/indexes.ts"
import { liveTableOf } from "../../src/internal/views/liveTable.ts"
import { TableIndexes } from "../../src/internal/views/lookups.ts"
import { faceOf } from "../../src/internal/views/snapshot.ts"

type Table<K, V> = LiveTable<K, V, RecordEntry<K, V>, RecordChange<K, V>>

export interface HandTable<K, V> {
  readonly table: Table<K, V>
  readonly publication: Publication<RecordSlots<K, V>, RecordSnapshot<K, V>, RecordChange<K, V>, never>
  /** Sets rows, or deletes them (`undefined`), and publishes that as one update. */
  readonly write: (rows: Iterable<readonly [K, V | undefined]>) => Effect.Effect<void>
  /** Gives rows new slots, as if many keys had gone. */
  readonly compact: Effect.Effect<void>
  /** Sets the status that the table says it has. */
  readonly say: (status: TableStatus) => void
  readonly fail: (error: TableFailure) => void
  readonly close: () => void
}

/** An empty one, with these indexes. */
export const handTable = <V>(
  topic?: string,
  indexes?: Indexes
): Effect.Effect<HandTable<string, V>, never, Scope.Scope> => handTableOf<string, V>(Codec.utf8, topic, indexes)

/** The same with keys of any type. */
export const handTableOf = <K, V>(
  key: Codec.Codec<K>,
  topic = "by.hand",
  indexes: Indexes = {}
): Effect.Effect<HandTable<K, V>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const codec = Codec.make<V>({ decode: () => undefined as never, encode: () => new Uint8Array() })
    const state = new TableState<K, V>(key, recordStoreOf(codec))
    const names = new TableIndexes(topic)
    const publication = yield* Publication.make<RecordSlots<K, V>, RecordSnapshot<K, V>, RecordChange<K, V>, never>({
      topic,
      slots: state.slots(),
      face: faceOf<K, V, RecordEntry<K, V>>(names),
      waiters: new Waiters(() => undefined),
      notesSlots: false
    })
    const views = indexViews(publication, indexes)
    for (const [name, view] of views) names.set(name, view)
    yield* attachAll(views.map(([, view]) => view))
    const failed = yield* Deferred.make<never, TableFailure>()
    const statuses = yield* PublishedRef.make<TableStatus>({ _tag: "CaughtUp" }, { keepsAll: true })
    const own = {
      status: statuses.ref,
      failure: Deferred.await(failed),
      awaitCaughtUp: () => Effect.void,
      barrier: () => Effect.void,
      awaitPosition: () => Effect.void,
      freshness: Effect.succeed({
        connected: true,
        lag: 0,
        lastFetchAt: 0,
        staleMillis: 0,
        lastFailure: undefined,
        throttledUntil: undefined,
        heldUpBy: []
      })
    }
    const scope = yield* Effect.scope
    const table = {
      ...liveTableOf<K, V, RecordEntry<K, V>, RecordChange<K, V>, {}>({
        shown: publication,
        key,
        names,
        scope
      }),
      ...own,
      [ROOTS]: [{ topic, ...own }]
    }
    let offset = 0
    const put = (one: K, value: V | undefined) => putBytes(Buffer.from(key.encodeSync(one) as Uint8Array), one, value)
    const putBytes = (bytes: Buffer, one: K, value: V | undefined) => {
      const found = state.find(bytes, 0, bytes.length)
      const slot = found === UNKNOWN ? state.addKey(bytes, 0, bytes.length, one) : found
      state.put(slot, value === undefined ? ABSENT : value, 0, offset, offset++, undefined)
    }
    const take = () => state.slots()
    const publish = Effect.suspend(() => {
      const preparing = publication.prepare(take)
      const show = () => {
        state.note(undefined)
        publication.publish(true, take, () => {})
      }
      const showing = preparing === undefined ? Effect.sync(show) : Effect.map(preparing, show)
      // As the reader of a table does.
      return Effect.andThen(
        showing,
        Effect.suspend(() => (publication.isFull ? publication.fold : Effect.void))
      )
    })
    return {
      table,
      publication,
      write: (rows) =>
        Effect.suspend(() => {
          state.note(publication.beginUpdate())
          for (const [one, value] of rows) put(one, value)
          return publish
        }),
      compact: Effect.suspend(() => {
        // Only tables with many idle slots are given new ones, so there are some, which nobody ever sees.
        const idle = Array.from({ length: 1200 + 2 * state.size }, (_, i) => Buffer.from(`idle-${offset}-${i}`))
        for (const bytes of idle) putBytes(bytes, undefined as never, undefined)
        return publication.makeRoom((follow) => state.compact(follow), take)
      }),
      say: (status) => statuses.set(status),
      fail: (error) => publication.end(error, Cause.fail(error as never)),
      close: () => publication.end(undefined, Cause.empty)
    }
  })

/** What is only in the publication of a table of a topic. */
export const publicationFor = (table: object): Publication<AnySlots, unknown, AnyChange, unknown> =>
  publicationOf(table) as unknown as Publication<AnySlots, unknown, AnyChange, unknown>
