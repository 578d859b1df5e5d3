/**
 * Publication: the one step in which a table's new version becomes visible, to everybody at the same moment. In this
 * order, with nothing asynchronous in between:
 *
 * 1. The views show what they have made of the changes, and the table shows its new snapshot.
 * 2. Positions become visible.
 * 3. Subscribers, of the table and of its views, get their changes.
 * 4. Whoever waits for the content to be at rest, or for positions, is woken.
 *
 * So a view never shows half an update and is never behind its table, and a position that is visible is visible in all
 * of them. What takes long is prepared before, in slices, while the reader applies nothing more (`prepare`).
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { PublishedRef } from "../../effect/v4/publishedRef.ts"
import { Signal } from "../../signal.ts"
import { runInSlices } from "../../yield.ts"
import type { AnyChange, ChangeLog } from "../content/changeLog.ts"
import { type Listener, Subscriptions } from "./subscriptions.ts"
import type { Waiters } from "./waiters.ts"

/**
 * Something that is made of a table's content and kept in step with it, such as an index or a derived table.
 *
 * Its steps run as a part of the reader, so what `build` and `apply` do between two of their steps is short. A view that
 * throws is taken out, and told so by `end`: the table and its other views go on.
 */
export interface View<Snapshot, Change, Failure = unknown> {
  /** Builds the view of a whole snapshot, in steps. Nothing of that may be seen before `show`. */
  readonly build: (snapshot: Snapshot) => Iterator<void, void>
  /** Takes changes in, in steps. Nothing of them may be seen before `show`. */
  readonly apply: (changes: ReadonlyArray<Change>) => Iterator<void, void>
  /** Shows all that was taken in. This is synchronous, as the table shows the same in the same step. */
  readonly show: () => void
  /** Hands the view's own subscribers what has changed, after all views and the table have shown it. */
  readonly tell: () => void
  /**
   * There is nothing to come: the table was closed (a success), has ended with its failure, or the view itself threw (a
   * defect). Not called when the view's own scope ends.
   */
  readonly end: (how: Exit.Exit<void, Failure>) => void
}

/** A view that is still being built, and the changes that came since its snapshot was taken. */
interface Building<Snapshot, Change, Failure> {
  readonly view: View<Snapshot, Change, Failure>
  missed: Array<Change>
}

/** Up to this many changes, the views take them in at once, without a look at the clock. */
const FEW_CHANGES = 100

interface Options<Snapshot, E> {
  readonly snapshot: Snapshot
  readonly waiters: Waiters<E>
}

export class Publication<Snapshot extends { readonly version: number }, Change extends AnyChange, Failure, E> {
  readonly subscriptions = new Subscriptions<Change, Failure>()
  readonly waiters: Waiters<E>
  readonly ref: PublishedRef<Snapshot>["ref"]
  private readonly snapshots: PublishedRef<Snapshot>
  private readonly views = new Set<View<Snapshot, Change, Failure>>()
  private readonly building = new Set<Building<Snapshot, Change, Failure>>()
  private ended: Exit.Exit<void, Failure> | undefined
  /** Whether rows are being changed that are not published yet. */
  private isSettling = false
  /** Notified with each publication. */
  private readonly settled = new Signal()
  private current: Snapshot
  /** The changes since the last publication; `undefined` while nobody wants to know them. */
  private log: ChangeLog<Change> | undefined
  /** How many of the changes in the log the views have taken in. */
  private prepared = 0
  /** Whether an update was given up halfway. Its rows stay changed, so the next publication has to show them. */
  private hasLeftovers = false

  private constructor({ snapshot, waiters }: Options<Snapshot, E>, snapshots: PublishedRef<Snapshot>) {
    this.current = snapshot
    this.waiters = waiters
    this.snapshots = snapshots
    this.ref = snapshots.ref
  }

  static make<Snapshot extends { readonly version: number }, Change extends AnyChange, Failure, E>(
    options: Options<Snapshot, E>
  ): Effect.Effect<Publication<Snapshot, Change, Failure, E>> {
    return Effect.map(
      PublishedRef.make(options.snapshot, { keepsAll: false }),
      (snapshots) => new Publication(options, snapshots)
    )
  }

  /** The content as it was published last. */
  get snapshot(): Snapshot {
    return this.current
  }

  /**
   * Begins an update: until it is published, the content is on its way from one version to the next. Returns where
   * changes are to be noted; `undefined` if nobody wants to know them. What an update that was given up has noted stays
   * noted.
   */
  begin(): ChangeLog<Change> | undefined {
    this.hasLeftovers ||= this.isSettling
    this.isSettling = true
    if (this.log === undefined && this.isWatched) this.log = { ids: [], changes: [] }
    return this.log
  }

  /** Whether anybody wants to know the changes. */
  private get isWatched(): boolean {
    return !this.subscriptions.isEmpty || this.views.size > 0 || this.building.size > 0
  }

  /**
   * Lets the views take the changes in. Returns `undefined` if that is done already; otherwise nothing may be applied
   * until the Effect ends.
   */
  prepare(): Effect.Effect<void> | undefined {
    const all = this.log?.changes
    if (this.views.size === 0 || all === undefined || all.length === this.prepared) return undefined
    const changes = this.prepared === 0 ? all : all.slice(this.prepared)
    this.prepared = all.length
    const steps = this.applyToViews(changes)
    if (changes.length > FEW_CHANGES) return runInSlices(steps)
    while (steps.next().done !== true);
    return undefined
  }

  private *applyToViews(changes: ReadonlyArray<Change>): Generator<void, void> {
    for (const view of this.views) {
      const steps = this.guarded(view, () => view.apply(changes))
      while (steps !== undefined && this.guarded(view, () => steps.next().done !== true) === true) yield
    }
  }

  /** What a view does is its own business: one that throws is a view no more. */
  private guarded<A>(view: View<Snapshot, Change, Failure>, step: () => A): A | undefined {
    try {
      return step()
    } catch (thrown) {
      this.views.delete(view)
      endView(view, Exit.die(thrown))
      return undefined
    }
  }

  /**
   * Shows what was prepared: the snapshot that `take` takes, if something has changed, and the positions that
   * `showPositions` makes visible. The steps are in the order that the head of this file tells.
   */
  publish(hasChanged: boolean, take: (version: number) => Snapshot, showPositions: () => void): void {
    const { log } = this
    const next = hasChanged || this.hasLeftovers ? take(this.current.version + 1) : undefined
    this.log = undefined
    this.prepared = 0
    this.hasLeftovers = false
    if (next !== undefined) {
      for (const view of this.views) this.guarded(view, () => view.show())
      this.current = next
      this.snapshots.set(next)
    }
    showPositions()
    if (next !== undefined && log !== undefined) {
      this.subscriptions.push(log)
      for (const { missed } of this.building) for (const change of log.changes) missed.push(change)
      for (const view of this.views) this.guarded(view, () => view.tell())
    }
    this.settle()
    this.waiters.check()
  }

  /** The content is at rest again: what it is can be told. */
  private settle(): void {
    this.isSettling = false
    this.settled.notify()
  }

  /** Waits until the content is at rest. While an update is on its way, nobody can be told what the content is. */
  readonly atRest: Effect.Effect<void> = Effect.suspend(() =>
    this.isSettling ? Effect.andThen(this.settled.after(this.settled.version), this.atRest) : Effect.void
  )

  /** The content, if it is at rest. */
  get settledSnapshot(): Snapshot | undefined {
    return this.isSettling ? undefined : this.current
  }

  /**
   * Adds a view for as long as the scope is open, and succeeds when it is built and in step. It is built of a snapshot
   * in bulk, while the reader goes on, and then takes in what has changed meanwhile.
   */
  attach(view: View<Snapshot, Change, Failure>): Effect.Effect<void, never, Scope.Scope> {
    const building: Building<Snapshot, Change, Failure> = { view, missed: [] }
    const begin: Effect.Effect<Snapshot> = Effect.suspend(() => {
      const snapshot = this.settledSnapshot
      if (snapshot === undefined) return Effect.andThen(this.atRest, begin)
      this.building.add(building)
      return Effect.succeed(snapshot)
    })
    const catchUp: Effect.Effect<void> = Effect.suspend(() => {
      const { missed } = building
      if (missed.length > 0) {
        building.missed = []
        return Effect.andThen(runInSlices(view.apply(missed)), catchUp)
      }
      if (this.isSettling) return Effect.andThen(this.atRest, catchUp)
      this.building.delete(building)
      view.show()
      if (this.ended === undefined) this.views.add(view)
      else endView(view, this.ended)
      return Effect.void
    })
    const drop = Effect.sync(() => {
      this.building.delete(building)
      this.views.delete(view)
    })
    return Effect.andThen(
      Effect.addFinalizer(() => drop),
      // A view that cannot be built is for who attaches it, and is not kept up with until their scope ends.
      Effect.onError(
        Effect.flatMap(begin, (snapshot) => Effect.andThen(runInSlices(view.build(snapshot)), catchUp)),
        () => drop
      )
    )
  }

  /**
   * Ends all streams, with the failure if there is one, and fails whoever waits. There is no publication after this.
   */
  end(failure: Failure | undefined, waiting: Cause.Cause<E>): void {
    this.waiters.end(waiting)
    if (failure === undefined) this.subscriptions.close()
    else this.subscriptions.fail(failure)
    if (this.ended === undefined) {
      this.ended = failure === undefined ? Exit.void : Exit.fail(failure)
      for (const view of this.views) endView(view, this.ended)
      this.views.clear()
    }
    this.snapshots.end()
    this.settle()
  }
}

/** To end a view is the last that is done with it: nobody is told if that fails, too. */
const endView = <Snapshot, Change, Failure>(
  view: View<Snapshot, Change, Failure>,
  how: Exit.Exit<void, Failure>
): void => {
  try {
    view.end(how)
  } catch {
    // It is a view no more.
  }
}

/** The property by which a table of this library gives its publication to what is made of the table. */
export const PUBLICATION: unique symbol = Symbol.for("effect-ktables/Publication")

export interface Published<Snapshot, Change> {
  readonly [PUBLICATION]: {
    readonly attach: (view: View<Snapshot, Change>) => Effect.Effect<void, never, Scope.Scope>
  }
}

/** A table, as far as its publication is concerned. */
interface Told<Snapshot, Change, Failure> {
  readonly unsafeSnapshot: () => Snapshot
  readonly changes: Stream.Stream<Change, Failure>
}

/** Adds a listener for as long as the scope is open, and calls `begin` in that step: the content is at rest then. */
export const listenTo = <Snapshot extends { readonly version: number }, Change extends AnyChange, Failure>(
  table: Told<Snapshot, Change, Failure>,
  listener: Listener<Change, Failure>,
  begin: () => void
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const publication = publicationOf(table)
    let remove: (() => void) | undefined
    yield* Effect.addFinalizer(() => Effect.sync(() => remove?.()))
    while (remove === undefined) {
      yield* publication.atRest
      yield* Effect.sync(() => {
        if (publication.settledSnapshot === undefined) return
        remove = publication.subscriptions.listen(listener)
        begin()
      })
    }
  })

/** Waits until the content of a table of ours is at rest; `undefined` if it is. */
export const untilAtRest = <Snapshot extends { readonly version: number }, Change extends AnyChange, Failure>(
  table: Told<Snapshot, Change, Failure>
): Effect.Effect<void> | undefined => {
  const { atRest, settledSnapshot } = publicationOf(table)
  return settledSnapshot === undefined ? atRest : undefined
}

const publicationOf = <Snapshot extends { readonly version: number }, Change extends AnyChange, Failure>(
  table: Told<Snapshot, Change, Failure>
) => (table as unknown as { [PUBLICATION]: Publication<Snapshot, Change, Failure, unknown> })[PUBLICATION]

/** Adds a view to a table of ours, as `Publication.attach` does. */
export const attachTo = <Snapshot, Change>(
  table: { readonly unsafeSnapshot: () => Snapshot; readonly changes: Stream.Stream<Change, unknown> },
  view: View<Snapshot, Change>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.suspend(() => (table as unknown as Published<Snapshot, Change>)[PUBLICATION].attach(view))
