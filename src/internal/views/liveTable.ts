/** What users get of every live table, of topics and of what is made of them alike. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Codec } from "../../Codec.ts"
import type { LiveTable, Strategy, Subscription, TableFailure } from "../../LiveTable.ts"
import type { TableChange } from "../../TableChange.ts"
import type { Indexes, LiveLookup } from "../../TableIndex.ts"
import type { TableEntry, TableSnapshot } from "../../TableSnapshot.ts"
import { makeDeferred, settleDeferred } from "../effect/v4/deferred.ts"
import { streamOf } from "../effect/v4/pushed.ts"
import { keyId } from "../table/content/slots.ts"
import { attach, PUBLICATION, type Published } from "../table/publication/attaching.ts"
import type { Showing } from "../table/publication/shown.ts"
import type { Input } from "../table/publication/view.ts"
import { KeyOrder } from "./keyOrder.ts"
import { liveQueriesOf } from "./liveQuery.ts"
import { indexOf, liveLookupOf, type NamedIndexes, paged } from "./lookups.ts"
import { CONFLATE, problemOfStrategy, strategyOf } from "./strategy.ts"

/** What a live table is made of. */
interface Parts<K, V, Entry extends TableEntry<K, V>, Change extends TableChange<K, V>, Ix extends Indexes> {
  readonly shown: Showing<TableSnapshot<K, V, Entry, Ix>, Change>
  readonly key: Codec<K>
  readonly names: NamedIndexes
  /** The scope of the table: what is made for all who ask lives as long as the table. */
  readonly scope: Scope.Scope
}

/** What each kind of table has in its own way. */
type Own = "status" | "awaitCaughtUp" | "failure" | "barrier" | "awaitPosition" | "freshness"

/** The reads, streams and questions of a live table. Reads take the snapshot that was shown last. */
export const liveTableOf = <
  K,
  V,
  Entry extends TableEntry<K, V>,
  Change extends TableChange<K, V>,
  Ix extends Indexes
>({
  key: codec,
  names,
  scope,
  shown
}: Parts<K, V, Entry, Change, Ix>): Omit<LiveTable<K, V, Entry, Change, Ix>, Own> & Published => {
  const { subscriptions } = shown
  const read = <A>(f: (snapshot: TableSnapshot<K, V, Entry, Ix>) => A): Effect.Effect<A> =>
    Effect.sync(() => f(shown.snapshot))
  const ordered = keyOrderOnce(shown, scope)

  /**
   * Subscribes while the content is at rest, and gives the snapshot of that moment: the first change is the one that
   * comes after it, none is missed, and none comes twice.
   */
  const register = (
    strategy: Strategy,
    id?: string
  ): Effect.Effect<Subscription<K, V, Entry, Change, Ix>, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const snapshot = shown.settledSnapshot
        return snapshot === undefined ? undefined : { snapshot, added: subscriptions.add(strategy, id) }
      }),
      (registered) => Effect.sync(() => registered?.added.remove())
    ).pipe(
      Effect.flatMap((registered) =>
        registered === undefined
          ? Effect.andThen(shown.atRest, register(strategy, id))
          : Effect.succeed({ snapshot: registered.snapshot, changes: registered.added.changes })
      )
    )

  /** Subscribes as `register` does, but without a scope in between, through which each change would pass. */
  const changesWith = (strategy: Strategy): Stream.Stream<Change, TableFailure> => {
    const problem = problemOfStrategy(names.topic, strategy)
    if (problem !== undefined) return Stream.die(problem)
    return streamOf(
      subscriptions.pushed(strategy, () => (shown.settledSnapshot === undefined ? shown.atRest : undefined))
    )
  }

  return {
    [PUBLICATION]: shown,
    get: (key) => read((snapshot) => snapshot.get(key)),
    has: (key) => read((snapshot) => snapshot.has(key)),
    size: read((snapshot) => snapshot.size),
    entry: (key) => read((snapshot) => snapshot.entry(key)),
    entries: read((snapshot) => [...snapshot.entries()]),
    keys: read((snapshot) => [...snapshot.keys()]),
    values: read((snapshot) => [...snapshot.values()]),
    snapshot: read((snapshot) => snapshot),
    unsafeSnapshot: () => shown.snapshot,
    ref: shown.ref,
    changes: changesWith(CONFLATE),
    changesWith,
    subscribe: (options) => Effect.suspend(() => register(strategyOf(names.topic, options))),
    watch: (key) => {
      const id = keyId(codec, key)
      // A key that cannot be encoded never has a value.
      if (id === undefined) return Stream.succeed(Option.none())
      return Stream.unwrap(
        Effect.map(register(CONFLATE, id), ({ changes, snapshot }) =>
          Stream.concat(
            Stream.succeed(snapshot.get(key)),
            Stream.map(changes, (change) => (change._tag === "Upsert" ? Option.some(change.value) : Option.none()))
          )
        )
      )
    },
    range: (range, options) =>
      Effect.andThen(
        ordered,
        read((snapshot) => [...snapshot.range(range, options)])
      ),
    prefix: (prefix, options) =>
      Effect.andThen(
        ordered,
        read((snapshot) => [...snapshot.prefix(prefix, options)])
      ),
    count: (range) =>
      range === undefined
        ? read((snapshot) => snapshot.size)
        : Effect.andThen(
            ordered,
            read((snapshot) => snapshot.count(range))
          ),
    page: (range, options) =>
      Effect.andThen(
        ordered,
        paged(() => shown.snapshot.page(range, options))
      ),
    by: <Name extends keyof Ix & string>(name: Name) =>
      liveLookupOf<K, Entry>(indexOf(names, name), () => shown.snapshot.by(name)) as unknown as LiveLookup<
        Ix[Name],
        K,
        Entry
      >,
    query: (where, options) => read((snapshot) => snapshot.query(where, options)),
    explain: (where, options) => read((snapshot) => snapshot.explain(where, options)),
    live: liveQueriesOf<K, V, Entry>(shown, names)
  }
}

/**
 * Has a table keep the order of its keys, from the first time that it is run on. It is made in a fiber of the table's own, as
 * all who ask wait for the same. Of a table that is closed meanwhile it is not made: each snapshot can make its own.
 */
const keyOrderOnce = (input: Input, scope: Scope.Scope): Effect.Effect<void> => {
  let isKept = false
  let making: Deferred.Deferred<void> | undefined
  return Effect.suspend(() => {
    if (isKept) return Effect.void
    if (making !== undefined) return Deferred.await(making)
    const made = (making = makeDeferred<void>())
    const building = Effect.provideService(attach(new KeyOrder(input)), Scope.Scope, scope)
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkIn(Effect.interruptible(building), scope), (fiber) => {
        fiber.addObserver((exit) => {
          isKept = Exit.isSuccess(exit)
          making = undefined
          settleDeferred(made, Exit.void)
        })
        return restore(Deferred.await(made))
      })
    )
  })
}
