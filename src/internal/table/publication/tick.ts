/**
 * One run through all that hangs on a table, directly or by other tables: in the order of their heights, so that each view
 * runs once, after all that it reads, however many ways lead to it.
 */
import * as Exit from "effect/Exit"
import type { Renumbering } from "../content/slots.ts"
import { endView, type Input, isKept, type View } from "./view.ts"

/**
 * Runs a step of a view, which is its own business: one that throws is a view no more. What was dropped in the middle of an
 * update does nothing more, and stays as it was.
 */
const guarded = <A>(view: View, step: () => A): A | undefined => {
  if (!isKept(view)) return undefined
  try {
    return step()
  } catch (thrown) {
    endView(view, Exit.die(thrown))
    return undefined
  }
}

/** What has to run yet, and what has run. */
class Agenda {
  /** By height. Whatever is added by one that runs is above it. */
  private readonly waiting: Array<Set<View> | undefined> = []
  readonly ran: Array<View> = []

  add(view: View): void {
    ;(this.waiting[view.height] ??= new Set()).add(view)
  }

  /** Has all that ran show it, from the highest to the lowest, as a table's snapshot holds what its views show. */
  show(): void {
    for (const view of this.ran.toReversed()) guarded(view, () => view.show())
  }

  /** Runs all that waits, from the lowest to the highest. */
  *run(steps: (view: View) => Iterator<void, void>, after: (view: View) => void): Generator<void, void> {
    for (let height = 0; height < this.waiting.length; height++) {
      for (const view of this.waiting[height] ?? []) {
        this.ran.push(view)
        const running = guarded(view, () => steps(view))
        while (running !== undefined && guarded(view, () => running.next().done !== true) === true) yield
        after(view)
      }
    }
  }
}

/** An update of a table on its way through its views. */
export class Tick {
  private readonly agenda = new Agenda()
  /** What each table that is made of others has to tell those that are still being built. */
  private readonly told: Array<{ readonly input: Input; readonly slots: ReadonlyArray<number> }> = []

  constructor(input: Input, slots: ReadonlyArray<number>) {
    this.touch(input, slots)
  }

  /** `hasMoved` says that all views have rows in other slots to show, whether these have changed or not. */
  private touch(input: Input, slots: ReadonlyArray<number>, hasMoved = false): void {
    if (slots.length === 0 && !hasMoved) return
    this.told.push({ input, slots })
    for (const view of input.views) {
      guarded(view, () => view.touch(input, slots))
      this.agenda.add(view)
    }
  }

  /** Has the views take the update in. Nothing of it is seen before `show`. */
  run(): Generator<void, void> {
    return this.agenda.run(
      (view) => view.apply(),
      ({ output }) => {
        if (output !== undefined) this.touch(output, output.touched, output.hasMoved)
      }
    )
  }

  /** Has all views that ran show what they have taken in: first those that others hold. */
  show(): void {
    this.agenda.show()
    for (const { input, slots } of this.told) {
      for (const view of input.building) guarded(view, () => view.touch(input, slots))
    }
  }

  /** Has the views tell their own subscribers. */
  tell(): void {
    for (const view of this.agenda.ran) guarded(view, () => view.tell())
  }
}

/** The new numbers of a table's rows on their way through all that hangs on it and counts as it does. */
export class RenumberTick {
  private readonly agenda = new Agenda()
  private readonly inputs = new Map<View, Set<Input>>()

  constructor(
    private readonly root: Input,
    private readonly to: Renumbering
  ) {
    this.add(root)
  }

  private add(input: Input): void {
    for (const view of input.views) {
      const inputs = this.inputs.get(view)
      if (inputs === undefined) this.inputs.set(view, new Set([input]))
      else inputs.add(input)
      this.agenda.add(view)
    }
  }

  /** Has the views follow to the new numbers. Nothing of that is seen before `show`. */
  run(): Generator<void, void> {
    return this.agenda.run(
      (view) => view.renumber(this.inputs.get(view)!, this.to),
      ({ output }) => {
        if (output?.isNumberedAs(this.root) === true) this.add(output)
      }
    )
  }

  /** The table has the new numbers: has all views that ran take and show them. */
  show(): void {
    for (const view of this.agenda.ran) guarded(view, () => view.renumbered())
    this.agenda.show()
  }
}
