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
import { Graph, type Turn } from "./graph.ts"
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
  /** The turn of its graph, from when it asks for that. */
  private turn: Turn | undefined
  /** Notified with each publication. */
  private readonly settled = new Signal()
  /** Whether somebody has waited for the last publication, and finds the content at rest if nothing is begun at once. */
  hasWoken = false
  /** The changes since the last publication; `undefined` while nobody subscribes. */
  private log: ChangeLog<Change> | undefined
  /** The slots that were written to since the last publication; `undefined` while nobody wants to know them. */
  private touched: Array<number> | undefined
  /** How many of them the views have taken in. */
  private prepared = 0
  /** The update on its way through the views, and when that began. */
  private tick: Tick | undefined
  private tickBegan = 0
  /** For how long the last publication waited for its views, in milliseconds; `undefined` if there was nothing for any. */
  viewsTook: number | undefined
  /** What is left of that to do, where it takes more than one step. Nobody else has the turn until it is done. */
  private steps: Iterator<void, void> | undefined

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

  /** Whether an update is on its way that is to be published. */
  get isUnderWay(): boolean {
    return this.isSettling && this.ended === undefined
  }

  /** Whether the update that is on its way, if one is, notes the slots that are written to. */
  get isNoted(): boolean {
    return !this.isSettling || this.touched !== undefined
  }

  /** Waits until that is so. It stays so while slots are held. */
  readonly noted: Effect.Effect<void> = Effect.suspend(() =>
    this.isNoted ? Effect.void : Effect.andThen(this.settled.after(this.settled.version), this.noted)
  )

  /**
   * Begins an update: until it is published, the content is on its way from one version to the next. Returns where it is
   * to be noted, as far as anybody wants to know. What an update that is on its way has noted stays noted.
   */
  beginUpdate(): Noted<Change> {
    this.isSettling = true
    if (this.log === undefined && !this.subscriptions.isEmpty) this.log = { ids: [], changes: [] }
    if (this.touched === undefined && (this.notesSlots || this.views.size + this.holds > 0)) this.touched = []
    const { log, touched } = this
    return { log, touched }
  }

  /** Whether slots were noted that the views have not taken in. */
  private get wantsTick(): boolean {
    return this.touched !== undefined && this.touched.length > this.prepared
  }

  /**
   * Lets the views take the changes in. Returns `undefined` if that is done already; otherwise nothing may be applied
   * until the Effect ends. Where that is interrupted, nobody else's update comes in between, as views would show a half
   * of this one: what is left is done when this is called again, or never, as the table is closed.
   */
  prepare(take: () => Slots): Effect.Effect<void> | undefined {
    if (this.steps === undefined) {
      if (!this.wantsTick) return undefined
      if (!this.graph.isBusy) {
        const steps = this.beginTick(take)
        if (steps.next().done === true) return undefined
        this.turn = this.graph.turn()
        this.steps = steps
      }
    }
    return this.prepareInTurn(take)
  }

  private prepareInTurn(take: () => Slots): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.ended !== undefined || (this.steps === undefined && !this.wantsTick)) return Effect.void
      const turn = (this.turn ??= this.graph.turn())
      if (!turn.hasCome) return Effect.andThen(turn.awaited, this.prepareInTurn(take))
      const steps = (this.steps ??= this.beginTick(take))
      return Effect.flatMap(this.runUntilEnded(steps), () => {
        this.steps = undefined
        return this.prepareInTurn(take)
      })
    })
  }

  private beginTick(take: () => Slots): Iterator<void, void> {
    // What was prepared before is taken in again, together with the rest.
    const touched = this.touched!
    if (this.tick === undefined) this.tickBegan = performance.now()
    this.prepared = touched.length
    this.begin(take())
    this.tick = new Tick(this, touched)
    return this.tick.run()
  }

  /** Runs steps in slices, to their end or until the table has ended. */
  runUntilEnded(steps: Iterator<void, void>): Effect.Effect<void> {
    return runInSlices({
      next: () => (this.ended === undefined ? steps.next() : { done: true, value: undefined })
    })
  }

  private leaveTurn(): void {
    this.turn?.leave()
    this.turn = undefined
  }

  /**
   * Shows what was prepared: the rows that `take` takes, if something has changed, and the positions that
   * `showPositions` makes visible. The steps are in the order that the head of this file tells. Nothing is shown of a
   * table that has ended.
   */
  publish(hasChanged: boolean, take: () => Slots, showPositions: () => void): void {
    if (this.ended !== undefined) return
    const { log, tick } = this
    this.viewsTook = tick === undefined || this.views.size === 0 ? undefined : performance.now() - this.tickBegan
    if (hasChanged && this.next === undefined) this.begin(take())
    const isNew = this.next !== undefined
    this.log = undefined
    this.touched = undefined
    this.prepared = 0
    this.tick = undefined
    tick?.show()
    this.swap()
    showPositions()
    if (isNew && log !== undefined) this.subscriptions.push(log)
    tick?.tell()
    this.leaveTurn()
    this.settle()
    this.waiters.check()
  }

  /** The content is at rest again: what it is can be told. */
  private settle(): void {
    this.isSettling = false
    this.hasWoken = this.settled.isAwaited
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
    const settle = () => {
      if (tick !== undefined && this.ended === undefined) {
        this.begin(take(), this.version)
        tick.show()
        this.swap()
      }
      this.isRenumbering = false
      this.leaveTurn()
      this.settled.notify()
    }
    const inTurn: Effect.Effect<void> = Effect.suspend(() => {
      // Whoever holds them may have come while this waited.
      if (this.holds > 0 || this.ended !== undefined) return Effect.void
      const turn = (this.turn ??= this.graph.turn())
      if (!turn.hasCome) return Effect.andThen(turn.awaited, inTurn)
      this.isRenumbering = true
      const running = steps((to) => {
        tick = new RenumberTick(this, to)
        return tick.run()
      })
      const run = this.runUntilEnded(running)
      // Rows may stay as they are, but once views have begun to follow, there is no way back.
      return Effect.onInterrupt(run, () => (tick === undefined ? Effect.void : run))
    })
    return Effect.ensuring(inTurn, Effect.sync(settle))
  }

  /**
   * Ends all streams, with the failure if there is one, and fails whoever waits. Nothing is published after this, and an
   * update that is on its way is given up.
   */
  end(failure: TableFailure | undefined, waiting: Cause.Cause<E>): void {
    this.waiters.end(waiting)
    this.endAll(failure === undefined ? Exit.void : Exit.fail(failure))
    this.isRenumbering = false
    this.leaveTurn()
    this.settle()
  }
}
