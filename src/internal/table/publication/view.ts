/** What is made of tables and kept in step with them: indexes, live queries, derived tables. */
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { TableFailure } from "../../../LiveTable.ts"
import type { Labels } from "../../effect/v4/metric.ts"
import type { ViewKind } from "../../viewMetrics.ts"
import type { KeyIndex } from "../content/keyIndex.ts"
import type { Renumbering } from "../content/slots.ts"
import type { Graph } from "./graph.ts"

/** Subscribers, some of whom may have asked that nothing is applied while they are too far behind. */
export interface Pressure {
  /** Whether one of these is, or what others have not taken is still to be folded. */
  readonly isFull: boolean
  /** Folds it, in slices. */
  readonly fold: Effect.Effect<void>
  /** Waits until none of them is too far behind. */
  readonly awaitRoom: Effect.Effect<void>
}

/** The rows of some table, as what is made of them reads them. */
export interface AnySlots {
  readonly length: number
  readonly size: number
  readonly index: KeyIndex
  /** The slot of a key that has a value, or `UNKNOWN`. */
  find(key: unknown): number
  /** The bytes of what may be a key; `undefined` if it cannot be one. */
  bytesOf(key: unknown): Buffer | undefined
  isPresent(slot: number): boolean
  keyAt(slot: number): unknown
  /** The value of a row that has one, kept for the next read where it was made of bytes and that pays. */
  valueAt(slot: number): unknown
  /** The same without keeping it. */
  peekAt(slot: number): unknown
}

/** What a snapshot holds of the views of its table, by view. */
export type Holding = Map<View, unknown>

/** One version of a table. */
export interface Version<Slots, Snapshot> {
  readonly slots: Slots
  readonly version: number
  readonly snapshot: Snapshot
  readonly holding: Holding
}

/** The parts of a table's publication that no snapshot is told of: what others read of it, and are told by. */
export interface Input {
  /** How many tables are between this one and the furthest topic that it is made of. */
  readonly height: number
  /** The tables of topics that it is made of; itself, if it is one. */
  readonly roots: ReadonlySet<Root>
  /** The rows as they are going to be shown next, if that is under way; otherwise as they are shown. */
  readonly newest: AnySlots
  /** The version that is shown. */
  readonly shownVersion: Version<AnySlots, unknown>
  /** What is kept in step with it. */
  readonly views: Set<View>
  /** What is being built of it: it is told which slots change, and has not taken them in yet. */
  readonly building: Set<View>
  /** How it ended; `undefined` while it goes on. */
  readonly ended: Exit.Exit<void, TableFailure> | undefined
  /** Has the snapshot that is shown hold what a view shows. */
  readonly hold: (view: View) => void
  /** Whether a key has the same slot in it as in another table, always. */
  readonly isNumberedAs: (input: Input) => boolean
}

/** A table of a topic, where updates begin. */
export interface Root {
  readonly topic: string
  readonly graph: Graph
  /** Whether rows are on their way from one version to the next, or to new slots. */
  readonly isMoving: boolean
  /** Waits until they are not. */
  readonly atRest: Effect.Effect<void>
  /** While this is above 0, rows keep their slots, and updates that begin note which of these they write to. */
  holds: number
  /** Waits until that is so of the update that is on its way, too. */
  readonly noted: Effect.Effect<void>
}

/** The topics that a table is made of, as errors about it name them. */
export const topicsOf = ({ roots }: Pick<Input, "roots">): string =>
  [...new Set(Array.from(roots, ({ topic }) => topic))].join(", ")

/** A table that is made of others, as what it is made of has it. */
export interface Output extends Input {
  /** Slots that are other than those that are shown, or were so on the way: see `View.touch`. */
  readonly touched: ReadonlyArray<number>
  /** Whether what is made of it has to take its newest rows, though none of them has changed: see `Tick`. */
  readonly hasMoved: boolean
}

/**
 * A view of one or several tables. Its steps run as a part of a table's reader, so what it does between two of them is
 * short; a view that is done at once has no steps. What it works on is not seen before `show`. A view that throws is
 * taken out, and told so by `end`: the tables and their other views go on.
 */
export interface View {
  /** More than that of each input. */
  readonly height: number
  readonly inputs: ReadonlyArray<Input>
  /** The table that it makes; `undefined` if it makes none. */
  readonly output: Output | undefined
  /** What the snapshots of its input hold of it; `undefined` if it is nothing. */
  readonly shown: unknown
  /** What metrics call it; `undefined` if they tell nothing of it. */
  readonly kind?: ViewKind
  /** Begins to tell metrics what it shows, with the labels of who has attached it. */
  readonly report?: (labels: Labels) => void
  /** Who hears of it, and may make the tables wait; `undefined` if nobody does. */
  readonly pressure?: Pressure
  /**
   * Builds the view of the newest rows of all inputs, in steps. It takes them when it makes its first step, as they change
   * meanwhile; `touch` tells of that.
   */
  readonly build: () => Iterator<void, void>
  /** Slots of an input have changed, or have not: some of them may be as they were, and some may be named twice. */
  readonly touch: (input: Input, slots: ReadonlyArray<number>) => void
  /** Takes in what was touched, in steps, of the newest rows of the inputs, and makes what `tell` is to hand over. */
  readonly apply: () => Iterator<void, void>
  /** The rows of some inputs get new slots, and are what they were otherwise. Nothing is touched meanwhile. */
  readonly renumber: (inputs: ReadonlySet<Input>, to: Renumbering) => Iterator<void, void>
  /** The newest rows of these inputs have the new slots now. */
  readonly renumbered: () => void
  /** Shows all that was taken in. This is synchronous, as its inputs show the same in the same step. */
  readonly show: () => void
  /** Hands the view's own subscribers what has changed, after all views and the table have shown it. */
  readonly tell: () => void
  /**
   * There is nothing to come: an input was closed (a success), has ended with its failure, or the view itself threw (a
   * defect). Not called when the view's own scope ends.
   */
  readonly end: (how: Exit.Exit<void, TableFailure>) => void
}

/** To end a view is the last that is done with it: nobody is told if that fails, too. */
export const endView = (view: View, how: Exit.Exit<void, TableFailure>): void => {
  dropView(view)
  try {
    view.end(how)
  } catch {
    // It is a view no more.
  }
}

/** Whether a view is kept in step, or is being built. */
export const isKept = (view: View): boolean =>
  view.inputs.some((input) => input.views.has(view) || input.building.has(view))

/** Takes a view out of all that it is made of. */
export const dropView = (view: View): void => {
  for (const input of view.inputs) {
    input.views.delete(view)
    input.building.delete(view)
  }
}
