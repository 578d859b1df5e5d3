/** Indexes that are attached to a table by somebody else than its owner. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { Attached, Builder, Indexes, LiveLookup, Source } from "../../TableIndex.ts"
import type { TableEntry, TableSnapshot } from "../../TableSnapshot.ts"
import { attachAll, isPublished, notPublished, publicationOf } from "../table/publication/attaching.ts"
import type { Face } from "../table/publication/shown.ts"
import { type AnySlots, topicsOf } from "../table/publication/view.ts"
import { define } from "./definition.ts"
import { indexViews, problemsOf } from "./indexes.ts"
import { liveQueriesOf } from "./liveQuery.ts"
import { indexOf, liveLookupOf, TableIndexes } from "./lookups.ts"
import { perVersion } from "./perVersion.ts"
import { faceOf } from "./snapshot.ts"

const module = "TableIndex"

/** @internal */
export const attach = <K, V, Entry extends TableEntry<K, V>, Ix extends Indexes>(
  table: Source<K, V, Entry>,
  make: (index: Builder<K, V>) => Ix
): Effect.Effect<Attached<K, V, Entry, Ix>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const indexes = define<K, V>()(make)
    if (!isPublished(table)) return yield* Effect.die(notPublished(module))
    const input = publicationOf(table)
    const topic = topicsOf(input)
    const problem = problemsOf({ module, topic }, indexes)
    if (problem !== undefined) return yield* Effect.die(problem)
    const names = new TableIndexes(topic, indexViews(input, indexes))
    const views = [...names.values()]
    yield* attachAll(views)
    // The table knows nothing of them after this, so its own end would reach nobody who listens to them.
    yield* Effect.addFinalizer(() => Effect.sync(() => views.forEach((view) => view.end(Exit.void))))
    const face = faceOf<K, V, Entry, Ix>(names) as Face<AnySlots, TableSnapshot<K, V, Entry, Ix>>
    const snapshot = perVersion(input, ({ holding, slots, version }) => face(slots, version, holding))
    return {
      snapshot: Effect.sync(snapshot),
      unsafeSnapshot: snapshot,
      by: <Name extends keyof Ix & string>(name: Name) =>
        liveLookupOf<K, Entry>(indexOf(names, name), () => snapshot().by(name)) as unknown as LiveLookup<
          Ix[Name],
          K,
          Entry
        >,
      query: (where, options) => Effect.sync(() => snapshot().query(where, options)),
      explain: (where, options) => Effect.sync(() => snapshot().explain(where, options)),
      live: liveQueriesOf<K, V, Entry>(input, names)
    }
  })
