/** How views come to tables: built in bulk of what there is, while the tables go on, and then kept in step. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { InvalidOptionsError } from "../../../KafkaError.ts"
import type { TableFailure } from "../../../LiveTable.ts"
import { currentLabels, type Labels, withLabels } from "../../effect/v4/metric.ts"
import { reportBuilt } from "../../viewMetrics.ts"
import { runInSlices } from "../../yield.ts"
import type { AnyChange } from "../content/changeLog.ts"
import type { Turn } from "./graph.ts"
import type { Showing } from "./shown.ts"
import type { Listener } from "./subscriptions.ts"
import { dropView, endView, type Input, topicsOf, type View } from "./view.ts"

/** The property by which a table of this library gives its publication to what is made of the table. */
export const PUBLICATION: unique symbol = Symbol.for("effect-ktables/Publication")

export interface Published {
  readonly [PUBLICATION]: Input
}

/** Whether something is a table of this library. */
export const isPublished = (table: unknown): table is Published =>
  typeof table === "object" && table !== null && PUBLICATION in table

/** The error for what is no table of this library, where one is asked for. */
export const notPublished = (module: string): InvalidOptionsError =>
  new InvalidOptionsError({ module, problems: [{ option: "table", problem: "must be a table of this library" }] })

/** The publication of a table of this library. */
export const publicationOf = (table: object): Input => (table as Published)[PUBLICATION]

/** Names of metrics' labels, and their values. */
export type Tags = Readonly<Record<string, string>>

const NO_TAGS: Tags = {}

/** The labels of what metrics tell of a view: its table's, and those of who has it attached. */
const labelsOf = ({ inputs }: View, tags: Tags): Effect.Effect<Labels> =>
  Effect.map(currentLabels, (labels) => {
    const topic = topicsOf({ roots: new Set(inputs.flatMap(({ roots }) => [...roots])) })
    return withLabels(labels, { topic, ...tags })
  })

/**
 * Adds a view to its inputs for as long as the scope is open, and succeeds when it is built and in step. It is built of all
 * rows in bulk, while the tables go on, and then takes in what has changed meanwhile. Tables that are written to all the
 * time do not keep it from that: it waits for one update of each of them at most, and for its turn. Metrics tell of it with
 * these tags beside its topic.
 */
export const attach = (view: View, tags: Tags = NO_TAGS): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(labelsOf(view, tags), (labels) => attachWith(view, labels))

const attachWith = (view: View, labels: Labels): Effect.Effect<void, never, Scope.Scope> => {
  const { inputs, kind } = view
  const roots = [...new Set(inputs.flatMap((input) => [...input.roots]))]
  const [{ graph }] = roots
  let isBuilding = true
  let isDropped = false
  let turn: Turn | undefined
  let asked = 0
  const leaveTurn = () => {
    turn?.leave()
    turn = undefined
  }
  const inTurn = <A>(then: () => Effect.Effect<A>): Effect.Effect<A> =>
    Effect.suspend(() => Effect.flatMap((turn = graph.turn()).awaited, then))
  const begin = inTurn(() => {
    // All inputs are of versions that are shown together, and are told of all that is written to them from here on.
    for (const input of inputs) input.building.add(view)
    const steps = view.build()
    // With the first step it has what it is built of.
    steps.next()
    leaveTurn()
    return Effect.succeed(steps)
  })
  // Whoever has changes for views waits for the turn: what was touched so far is all.
  const finish = inTurn(() =>
    Effect.map(runInSlices(view.apply()), () => {
      for (const input of inputs) {
        input.building.delete(view)
        input.views.add(view)
      }
      if (kind !== undefined) reportBuilt(kind, performance.now() - asked, labels)
      view.report?.(labels)
      view.show()
      // There is nobody yet to hear of it.
      view.tell()
      for (const input of inputs) input.hold(view)
      const ended = inputs.find((input) => input.ended !== undefined)?.ended
      if (ended !== undefined) endView(view, ended)
    })
  )
  /** However it has ended: what was held for it is let go, and a view that is not whole, or not wanted any more, too. */
  const settle = (exit: Exit.Exit<void>) =>
    Effect.sync(() => {
      isBuilding = false
      for (const root of roots) root.holds--
      leaveTurn()
      if (isDropped || Exit.isFailure(exit)) dropView(view)
    })
  const build = Effect.forEach(roots, (root) => root.noted, { discard: true }).pipe(
    Effect.andThen(begin),
    Effect.flatMap(runInSlices),
    Effect.andThen(finish)
  )
  return Effect.andThen(
    // The scope may be closed by another fiber than the one that builds, which then lets go by itself.
    Effect.addFinalizer(() =>
      Effect.sync(() => {
        isDropped = true
        if (!isBuilding) dropView(view)
      })
    ),
    Effect.acquireUseRelease(
      Effect.sync(() => {
        asked = performance.now()
        for (const root of roots) {
          graph.join(root.graph)
          root.holds++
        }
      }),
      () => build,
      (_, exit) => settle(exit)
    )
  )
}

/**
 * The scope of the views that belong to a table, to be opened before all else that it has: it is closed when the table has
 * ended, and its views with it. Until then each of its versions has them.
 */
export const scopeOfViews: Effect.Effect<Scope.Closeable, never, Scope.Scope> = Effect.acquireRelease(
  Scope.make(),
  (scope, exit) => Scope.close(scope, exit)
)

/** Adds views to their inputs, one after the other. */
export const attachAll = (views: ReadonlyArray<View>, tags: Tags = NO_TAGS): Effect.Effect<void, never, Scope.Scope> =>
  Effect.forEach(views, (view) => attach(view, tags), { discard: true })

/** What a table of this library gives to those who read it. */
const showingOf = <Snapshot, Change extends AnyChange>(table: Told<Snapshot, Change>): Showing<Snapshot, Change> =>
  publicationOf(table) as unknown as Showing<Snapshot, Change>

/** A table, as far as its publication is concerned. */
export interface Told<Snapshot, Change> {
  readonly unsafeSnapshot: () => Snapshot
  readonly changes: Stream.Stream<Change, TableFailure>
}

/** Adds a listener to a table whose content is at rest, until what is returned is called. */
export const listenAtRest = <Snapshot, Change extends AnyChange>(
  table: Told<Snapshot, Change>,
  listener: Listener<Change, TableFailure>
): (() => void) => showingOf(table).subscriptions.listen(listener)

/** Adds a listener for as long as the scope is open, and calls `begin` in that step: the content is at rest then. */
export const listenTo = <Snapshot, Change extends AnyChange>(
  table: Told<Snapshot, Change>,
  listener: Listener<Change, TableFailure>,
  begin: () => void
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const showing = showingOf(table)
    let remove: (() => void) | undefined
    yield* Effect.addFinalizer(() => Effect.sync(() => remove?.()))
    while (remove === undefined) {
      yield* showing.atRest
      yield* Effect.sync(() => {
        if (showing.settledSnapshot === undefined) return
        remove = listenAtRest(table, listener)
        begin()
      })
    }
  })

/** Waits until the content of a table of ours is at rest; `undefined` if it is. */
export const untilAtRest = <Snapshot, Change extends AnyChange>(
  table: Told<Snapshot, Change>
): Effect.Effect<void> | undefined => {
  const { atRest, settledSnapshot } = showingOf(table)
  return settledSnapshot === undefined ? atRest : undefined
}
