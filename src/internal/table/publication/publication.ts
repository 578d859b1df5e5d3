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
import type { TableFailure } from "../../../LiveTable.ts"
import { PublishedRef } from "../../effect/v4/publishedRef.ts"
import { Signal } from "../../signal.ts"
import { runInSlices } from "../../yield.ts"
import type { AnyChange, ChangeLog } from "../content/changeLog.ts"
import type { Renumbering } from "../content/slots.ts"
import { Graph } from "./graph.ts"
import { type Face, Shown, versionOf } from "./shown.ts"
import { RenumberTick, Tick } from "./tick.ts"
import type { AnySlots, Input, Root, Version } from "./view.ts"
import type { Waiters } from "./waiters.ts"

interface Options<Slots, Snapshot, E> {
  readonly topic: string
  readonly slots: Slots
  readonly face: Face<Slots, Snapshot>
  readonly waiters: Waiters<E>
  /** Whether slots that are written to are always noted, for others than views. */
  readonly notesSlots: boolean
}

/** What is noted of an update while it is on its way: see `Publication.begin`. */
export interface Noted<Change> {
  /** The changes, for subscribers; `undefined` while there are none. */
  readonly log: ChangeLog<Change> | undefined
  /** The slots that were written to; `undefined` while nobody wants to know them. */
  readonly touched: Array<number> | undefined
}

export class Publication<Slots extends AnySlots, Snapshot, Change extends AnyChange, E>
  extends Shown<Slots, Snapshot, Change>
  implements Root
{
  readonly topic: string
  readonly roots: ReadonlySet<Root> = new Set([this])
  readonly graph = new Graph()
  readonly waiters: Waiters<E>
  private readonly notesSlots: boolean
  holds = 0
  /** Whether rows are being changed that are not published yet. */
  private isSettling = false
  /** Whether rows are being given new slots. */
  private isRenumbering = false
  /** Whether this table has the turn of its graph. */
  private hasTurn = false
  /** Notified with each publication. */
  private readonly settled = new Signal()
  /** The changes since the last publication; `undefined` while nobody subscribes. */
  private log: ChangeLog<Change> | undefined
  /** The slots that were written to since the last publication; `undefined` while nobody wants to know them. */
  private touched: Array<number> | undefined
  /** How many of them the views have taken in. */
  private prepared = 0
  /** The update on its way through the views. */
  private tick: Tick | undefined
  /** Whether an update was given up halfway. Its rows stay changed, so the next publication has to show them. */
  private hasLeftovers = false

  private constructor(
    { face, notesSlots, topic, waiters }: Options<Slots, Snapshot, E>,
    first: Version<Slots, Snapshot>,
    snapshots: PublishedRef<Snapshot>
  ) {
    super(0, face, first, snapshots)
    this.topic = topic
    this.waiters = waiters
    this.notesSlots = notesSlots
  }

  static make<Slots extends AnySlots, Snapshot, Change extends AnyChange, E>(
    options: Options<Slots, Snapshot, E>
  ): Effect.Effect<Publication<Slots, Snapshot, Change, E>> {
    const first = versionOf(options.face, options.slots, 0)
    return Effect.map(
      PublishedRef.make(first.snapshot, { keepsAll: false }),
      (snapshots) => new Publication(options, first, snapshots)
    )
  }

  isNumberedAs(input: Input): boolean {
    return input === this
  }

  get isMoving(): boolean {
    return this.isSettling || this.isRenumbering
  }

  /**
   * Begins an update: until it is published, the content is on its way from one version to the next. Returns where it is
   * to be noted, as far as anybody wants to know. What an update that was given up has noted stays noted.
   */
  beginUpdate(): Noted<Change> {
    this.hasLeftovers ||= this.isSettling
    this.isSettling = true
    if (this.log === undefined && !this.subscriptions.isEmpty) this.log = { ids: [], changes: [] }
    if (this.touched === undefined && (this.notesSlots || this.views.size + this.building.size > 0)) this.touched = []
    const { log, touched } = this
    return { log, touched }
  }

  /**
   * Lets the views take the changes in. Returns `undefined` if that is done already; otherwise nothing may be applied
   * until the Effect ends.
   */
  prepare(take: () => Slots): Effect.Effect<void> | undefined {
    const { touched } = this
    if (touched === undefined || touched.length === this.prepared) return undefined
    if (this.graph.isBusy) return this.prepareInTurn(take, touched)
    const steps = this.beginTick(take, touched)
    if (steps.next().done === true) return undefined
    this.takeTurn()
    return this.runTick(steps)
  }

  private prepareInTurn(take: () => Slots, touched: ReadonlyArray<number>): Effect.Effect<void> {
    return Effect.flatMap(this.graph.free, () => {
      if (this.graph.isBusy) return this.prepareInTurn(take, touched)
      this.takeTurn()
      return this.runTick(this.beginTick(take, touched))
    })
  }

  /** Runs what is left of a tick. One that is given up halfway is begun anew by the next update, and holds nobody up until then. */
  private runTick(steps: Iterator<void, void>): Effect.Effect<void> {
    return Effect.onExit(runInSlices(steps), (exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit)) return
        this.prepared = 0
        this.tick = undefined
        this.next = undefined
        this.hasLeftovers = true
        this.releaseTurn()
      })
    )
  }

  private beginTick(take: () => Slots, touched: ReadonlyArray<number>): Iterator<void, void> {
    // What was prepared for an update that was given up is taken in again, together with the rest.
    this.prepared = touched.length
    this.begin(take())
    this.tick = new Tick(this, touched)
    return this.tick.run()
  }

  private takeTurn(): void {
    this.graph.take()
    this.hasTurn = true
  }

  private releaseTurn(): void {
    if (!this.hasTurn) return
    this.hasTurn = false
    this.graph.release()
  }

  /**
   * Shows what was prepared: the rows that `take` takes, if something has changed, and the positions that
   * `showPositions` makes visible. The steps are in the order that the head of this file tells.
   */
  publish(hasChanged: boolean, take: () => Slots, showPositions: () => void): void {
    const { log, tick } = this
    if ((hasChanged || this.hasLeftovers) && this.next === undefined) this.begin(take())
    const isNew = this.next !== undefined
    this.log = undefined
    this.touched = undefined
    this.prepared = 0
    this.tick = undefined
    this.hasLeftovers = false
    tick?.show()
    this.swap()
    showPositions()
    if (isNew && log !== undefined) this.subscriptions.push(log)
    tick?.tell()
    this.releaseTurn()
    this.settle()
    this.waiters.check()
  }

  /** The content is at rest again: what it is can be told. */
  private settle(): void {
    this.isSettling = false
    this.settled.notify()
  }

  override get atRest(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.isMoving ? Effect.andThen(this.settled.after(this.settled.version), this.atRest) : Effect.void
    )
  }

  override get settledSnapshot(): Snapshot | undefined {
    return this.isSettling ? undefined : this.snapshot
  }

  /**
   * Runs what makes room in the rows, in slices, and may give them new slots: `steps` gets what all that hangs on this
   * table has to do then, before it is done.
   */
  makeRoom(
    steps: (follow: (to: Renumbering) => Iterator<void, void>) => Iterator<void, void>,
    take: () => Slots
  ): Effect.Effect<void> {
    let tick: RenumberTick | undefined
    return Effect.suspend(() => {
      if (this.holds > 0) return Effect.void
      if (this.graph.isBusy) return Effect.andThen(this.graph.free, this.makeRoom(steps, take))
      this.isRenumbering = true
      this.takeTurn()
      const running = steps((to) => {
        tick = new RenumberTick(this, to)
        return tick.run()
      })
      const settle = () => {
        if (tick !== undefined) {
          this.begin(take(), this.version)
          tick.show()
          this.swap()
        }
        this.isRenumbering = false
        this.releaseTurn()
        this.settled.notify()
      }
      return Effect.onExit(runInSlices(running), () => {
        // Rows may stay as they are, but once views have begun to follow, there is no way back.
        if (tick === undefined) return Effect.sync(settle)
        return Effect.map(runInSlices(running), settle)
      })
    })
  }

  /**
   * Ends all streams, with the failure if there is one, and fails whoever waits. There is no publication after this.
   */
  end(failure: TableFailure | undefined, waiting: Cause.Cause<E>): void {
    this.waiters.end(waiting)
    this.endAll(failure === undefined ? Exit.void : Exit.fail(failure))
    this.isRenumbering = false
    this.releaseTurn()
    this.settle()
  }
}
