/** Indexes that are attached to a table by somebody else than its owner. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Attached, Builder, Indexes, LiveLookup, Source } from "../../TableIndex.ts"
import type { TableEntry, TableSnapshot } from "../../TableSnapshot.ts"
import { attachAll, isPublished, notPublished, publicationOf } from "../table/publication/attaching.ts"
import type { Face } from "../table/publication/shown.ts"
import type { AnySlots } from "../table/publication/view.ts"
import { define } from "./definition.ts"
import { indexViews, problemsOf } from "./indexes.ts"
import { liveQueriesOf } from "./liveQuery.ts"
import { indexOf, liveLookupOf } from "./lookups.ts"
import { TABLE_INDEX } from "./range.ts"
import { perVersion } from "./perVersion.ts"
import { faceOf } from "./snapshot.ts"

/** @internal */
export const attach = <K, V, Entry extends TableEntry<K, V>, Ix extends Indexes>(
  table: Source<K, V, Entry>,
  make: (index: Builder<K, V>) => Ix
): Effect.Effect<Attached<K, V, Entry, Ix>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const indexes = define<K, V>()(make)
    const problem = problemsOf(TABLE_INDEX, indexes)
    if (problem !== undefined) return yield* Effect.die(problem)
    if (!isPublished(table)) {
      return yield* Effect.die(notPublished(TABLE_INDEX))
    }
    const input = publicationOf(table)
    const names = new Map(indexViews(input, indexes))
    yield* attachAll([...names.values()])
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
