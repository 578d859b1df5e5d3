/** Live queries of a table, as users get them. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { LiveQuery } from "../../LiveQuery.ts"
import type { IndexKey } from "../../TableIndex.ts"
import type { TableEntry } from "../../TableSnapshot.ts"
import { currentLabels } from "../effect/v4/metric.ts"
import { streamOf } from "../effect/v4/pushed.ts"
import { makeLiveQueryMetrics } from "../viewMetrics.ts"
import type { Slots } from "../table/content/slots.ts"
import { attach } from "../table/publication/attaching.ts"
import type { Input } from "../table/publication/view.ts"
import { writeKey } from "./cursor.ts"
import { normalized } from "./indexKey.ts"
import { LiveView } from "./liveView.ts"
import type { NamedIndexes } from "./lookups.ts"
import { isRange, Query, type QueryGiven, type WhereGiven } from "./query.ts"
import { Shared } from "./shared.ts"
import { frozenIndexes } from "./snapshot.ts"
import { CONFLATE, problemOfStrategy, strategyOf } from "./strategy.ts"

/** The live queries of a table with these indexes. Equal ones are one. */
export const liveQueriesOf = <K, V, Entry extends TableEntry<K, V>>(
  input: Input,
  names: NamedIndexes
): ((where?: WhereGiven, options?: QueryGiven) => Effect.Effect<LiveQuery<K, V, Entry>, never, Scope.Scope>) => {
  const shared = new Shared<LiveQuery<K, V, Entry>>()
  return (where = {}, options = {}) => {
    const query = (given: QueryGiven) => {
      const { holding, slots } = input.shownVersion
      // The rows are those of the table that this is made for.
      return new Query(slots as unknown as Slots<K, V, Entry>, frozenIndexes(holding, names), where, given)
    }
    return Effect.suspend(() => {
      // What is wrong in it is told now, whether somebody has asked for the same or not. No version is kept of this.
      const { arrangement, tests } = query(options)
      const { limit: _, ...unlimited } = options
      return shared.get(
        nameOf(where, options),
        Effect.gen(function* () {
          const view = new LiveView(input, { arrangement, tests }, () => query(unlimited))
          yield* attach(view)
          const metrics = makeLiveQueryMetrics(names.topic, yield* currentLabels)
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              view.end(Exit.void)
              metrics.ended()
            })
          )
          metrics.began()
          return liveQueryOf(names.topic, view)
        })
      )
    })
  }
}

const liveQueryOf = <K, V, Entry extends TableEntry<K, V>>(
  topic: string,
  view: LiveView<K, V, Entry>
): LiveQuery<K, V, Entry> => {
  const unsafeCurrent = () => view.current
  const current = Effect.sync(unsafeCurrent)
  const changesWith: LiveQuery<K, V, Entry>["changesWith"] = (strategy) => {
    const problem = problemOfStrategy(topic, strategy)
    return problem === undefined ? streamOf(view.changes.pushed(strategy)) : Stream.die(problem)
  }
  return {
    result: { get: current, changes: view.results.streamAfter(() => [view.current]) },
    current,
    unsafeCurrent,
    changes: changesWith(CONFLATE),
    changesWith,
    subscribe: (options) =>
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => ({ result: view.current, added: view.changes.add(strategyOf(topic, options)) })),
          ({ added }) => Effect.sync(() => added.remove())
        ),
        ({ added, result }) => ({ result, changes: added.changes })
      ),
    explain: Effect.sync(() => view.plan!)
  }
}

/** A text that equal queries have in common, and no others: with the type of each key. */
const nameOf = (where: WhereGiven, { limit, orderBy, reverse }: QueryGiven): string =>
  JSON.stringify([
    conditionsIn(where, (asked) => (isRange(asked) ? conditionsIn(asked, textOfKey) : textOfKey(asked))),
    orderBy ?? null,
    reverse === true,
    // JSON has no infinity.
    limit ?? null
  ])

/** What is asked for, by names in their order. What is `undefined` is not. */
const conditionsIn = (given: object, textOf: (asked: unknown) => unknown): ReadonlyArray<unknown> =>
  Object.entries(given)
    .filter(([, asked]) => asked !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, asked]) => ({ [name]: textOf(asked) }))

/** The query was looked at: this is a key. */
const textOfKey = (asked: unknown) => writeKey(normalized(asked as IndexKey)!)
