/** What a table shows: its versions, one after the other, to those who read it, subscribe to it, or are made of it. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { TableFailure } from "../../../LiveTable.ts"
import type { PublishedRef } from "../../effect/v4/publishedRef.ts"
import type { AnyChange } from "../content/changeLog.ts"
import { Subscriptions } from "./subscriptions.ts"
import {
  type AnySlots,
  endView,
  type Holding,
  type Input,
  type Pressure,
  type Root,
  type Version,
  type View
} from "./view.ts"

/** Makes the snapshot that users get of rows. */
export type Face<Slots, Snapshot> = (slots: Slots, version: number, holding: Holding) => Snapshot

/** What a table gives to those who read it and subscribe to it. */
export interface Showing<Snapshot, Change extends AnyChange> extends Input {
  readonly subscriptions: Subscriptions<Change, TableFailure>
  readonly ref: PublishedRef<Snapshot>["ref"]
  readonly snapshot: Snapshot
  readonly settledSnapshot: Snapshot | undefined
  readonly atRest: Effect.Effect<void>
}

export abstract class Shown<Slots extends AnySlots, Snapshot, Change extends AnyChange> implements Showing<
  Snapshot,
  Change
> {
  readonly subscriptions = new Subscriptions<Change, TableFailure>()
  readonly views = new Set<View>()
  readonly building = new Set<View>()
  readonly ref: PublishedRef<Snapshot>["ref"]
  ended: Exit.Exit<void, TableFailure> | undefined
  /** The version that is under way. */
  protected next: Version<Slots, Snapshot> | undefined

  protected constructor(
    readonly height: number,
    readonly face: Face<Slots, Snapshot>,
    protected current: Version<Slots, Snapshot>,
    private readonly snapshots: PublishedRef<Snapshot>
  ) {
    this.ref = snapshots.ref
  }

  abstract readonly roots: ReadonlySet<Root>

  abstract isNumberedAs(input: Input): boolean

  /** The content as it was published last. */
  get snapshot(): Snapshot {
    return this.current.snapshot
  }

  /** The content, if it is at rest: while an update is on its way, nobody can be told what it is. */
  get settledSnapshot(): Snapshot | undefined {
    return this.snapshot
  }

  /** Waits until the content is at rest. */
  get atRest(): Effect.Effect<void> {
    return Effect.void
  }

  get shownVersion(): Version<Slots, Snapshot> {
    return this.current
  }

  get version(): number {
    return this.current.version
  }

  get newest(): Slots {
    return (this.next ?? this.current).slots
  }

  /** Makes the next version, which nobody sees yet. */
  protected begin(slots: Slots, version = this.current.version + 1): void {
    this.next = versionOf(this.face, slots, version)
  }

  /** Shows the version that was made, with what the views show by now. */
  protected swap(): void {
    const { next } = this
    if (next === undefined) return
    for (const view of this.views) if (view.shown !== undefined) next.holding.set(view, view.shown)
    const isNew = next.version !== this.current.version
    this.next = undefined
    this.current = next
    // The same content in other rows is nothing that anybody has to hear of.
    if (isNew) this.snapshots.set(next.snapshot)
    else this.snapshots.replace(next.snapshot)
  }

  hold(view: View): void {
    if (view.shown !== undefined) this.current.holding.set(view, view.shown)
  }

  /** Who subscribes to it, and to what is made of it, and may make it wait. */
  private *pressures(): Generator<Pressure, void> {
    yield this.subscriptions
    for (const { pressure } of this.views) if (pressure !== undefined) yield pressure
  }

  get isFull(): boolean {
    for (const pressure of this.pressures()) if (pressure.isFull) return true
    return false
  }

  get fold(): Effect.Effect<void> {
    return Effect.suspend(() => Effect.forEach([...this.pressures()], ({ fold }) => fold, { discard: true }))
  }

  get awaitRoom(): Effect.Effect<void> {
    return Effect.suspend(() => Effect.forEach([...this.pressures()], ({ awaitRoom }) => awaitRoom, { discard: true }))
  }

  /** Ends all streams, with the failure if there is one, and all that is made of this. Nothing is shown after this. */
  protected endAll(how: Exit.Exit<void, TableFailure>): void {
    this.subscriptions.end(how)
    if (this.ended === undefined) {
      this.ended = how
      // What is made of this from now on is made of what is shown.
      this.next = undefined
      for (const view of this.views) endView(view, how)
    }
    this.snapshots.end()
  }
}

export const versionOf = <Slots, Snapshot>(
  face: Face<Slots, Snapshot>,
  slots: Slots,
  version: number
): Version<Slots, Snapshot> => {
  const holding: Holding = new Map()
  return { slots, version, holding, snapshot: face(slots, version, holding) }
}
