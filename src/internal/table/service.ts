/** The service that the users of a table get. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { KafkaTable } from "../../KafkaTable.ts"
import type { Strategy } from "../../LiveTable.ts"
import type { RecordChange } from "../../TableChange.ts"
import type { RecordSnapshot } from "../../TableSnapshot.ts"
import { after, begun, streamOf } from "../effect/v4/pushed.ts"
import { keyId } from "./content/snapshot.ts"
import { PLACE, type Placed, placeOf } from "./place.ts"
import { PUBLICATION, type Published } from "./publication/publication.ts"
import type { TableParts } from "./reading/parts.ts"
import { freshnessOf, statsOf } from "./stats.ts"
import { awaitCaughtUp, awaitPosition, barrier } from "./waiting.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/KafkaTable")

const CONFLATE: Strategy = { _tag: "Conflate" }

/** Makes the service of a table. Reads take the snapshot that was published last, and wait for nothing. */
export const serviceOf = <K, V>(parts: TableParts<K, V>): KafkaTable<K, V> => {
  const { config, publication } = parts
  const { subscriptions } = publication
  const read = <A>(f: (snapshot: RecordSnapshot<K, V>) => A): Effect.Effect<A> =>
    Effect.sync(() => f(publication.snapshot))

  /**
   * Subscribes while the content is at rest, and gives the snapshot of that moment: the first change is the one that
   * comes after it, none is missed, and none comes twice.
   */
  const register = (
    strategy: Strategy,
    id?: string
  ): Effect.Effect<
    { readonly snapshot: RecordSnapshot<K, V>; readonly changes: ReturnType<typeof subscriptions.add>["changes"] },
    never,
    Scope.Scope
  > =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const snapshot = publication.settledSnapshot
        return snapshot === undefined ? undefined : { snapshot, added: subscriptions.add(strategy, id) }
      }),
      (registered) => Effect.sync(() => registered?.added.remove())
    ).pipe(
      Effect.flatMap((registered) =>
        registered === undefined
          ? Effect.andThen(publication.atRest, register(strategy, id))
          : Effect.succeed({ snapshot: registered.snapshot, changes: registered.added.changes })
      )
    )

  /** Subscribes as `register` does, but without a scope in between, through which each change would pass. */
  const changesWith: KafkaTable<K, V>["changesWith"] = (strategy) => {
    const start: ReturnType<typeof subscriptions.pushed> = begun(() =>
      publication.settledSnapshot === undefined
        ? after(publication.atRest, () => start)
        : subscriptions.pushed(strategy)
    )
    return streamOf(start)
  }

  const table: KafkaTable<K, V> & Published<RecordSnapshot<K, V>, RecordChange<K, V>> & Placed = {
    [TypeId]: TypeId,
    [PUBLICATION]: publication,
    [PLACE]: () => placeOf(parts),
    topic: config.topic,
    get: (key) => read((snapshot) => snapshot.get(key)),
    has: (key) => read((snapshot) => snapshot.has(key)),
    size: read((snapshot) => snapshot.size),
    entry: (key) => read((snapshot) => snapshot.entry(key)),
    entries: read((snapshot) => [...snapshot.entries()]),
    keys: read((snapshot) => [...snapshot.keys()]),
    values: read((snapshot) => [...snapshot.values()]),
    snapshot: read((snapshot) => snapshot),
    unsafeSnapshot: () => publication.snapshot,
    ref: publication.ref,
    changes: changesWith(CONFLATE),
    changesWith,
    subscribe: (options) => register(options?.strategy ?? CONFLATE),
    watch: (key) => {
      const id = keyId(config.key, key)
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
    status: parts.statuses.ref,
    awaitCaughtUp: (options) => awaitCaughtUp(parts, options),
    failure: Deferred.await(parts.failed),
    barrier: (options) => barrier(parts, options),
    awaitPosition: (position, options) => awaitPosition(parts, position, options),
    freshness: Effect.map(Clock.currentTimeMillis, (now) => freshnessOf(parts, now)),
    stats: Effect.sync(() => statsOf(parts)),
    poison: parts.poison.stream,
    truncations: parts.truncations.stream
  }
  return table
}
