/** What views of one table's rows have in common: which rows have changed, and that each of them is looked at once. */
import type { Exit } from "effect/Exit"
import type { TableFailure } from "../../LiveTable.ts"
import type { Renumbering } from "../table/content/slots.ts"
import type { AnySlots, Input, Output, View } from "../table/publication/view.ts"
import { slotSetFor } from "./column.ts"

/** How many rows are looked at between two steps. */
export const ROWS_PER_STEP = 64

export abstract class RowView implements View {
  readonly height: number
  readonly inputs: ReadonlyArray<Input>
  readonly output: Output | undefined = undefined
  private touched: Array<ReadonlyArray<number>> = []

  constructor(readonly input: Input) {
    this.inputs = [input]
    this.height = input.height + 1
  }

  abstract readonly shown: unknown

  /** Builds the view of all rows, in steps. */
  protected abstract fill(slots: AnySlots): Iterator<void, void>

  /** Takes in what a row is now. */
  protected abstract update(slots: AnySlots, slot: number): void

  /** Has all that is remembered by slots follow to new ones, in steps. */
  protected abstract move(to: Renumbering): Iterator<void, void>

  abstract show(): void

  *build(): Generator<void, void> {
    const slots = this.input.newest
    yield
    const steps = this.fill(slots)
    while (steps.next().done !== true) yield
  }

  touch(_input: Input, slots: ReadonlyArray<number>): void {
    // They may be all rows of the table, and are looked at in steps.
    this.touched.push(slots.slice())
  }

  *apply(): Generator<void, void> {
    const { touched } = this
    const { newest } = this.input
    this.touched = []
    const count = touched.reduce((all, slots) => all + slots.length, 0)
    const seen = slotSetFor(count)
    let n = 0
    for (const slots of touched) {
      for (const slot of slots) {
        if (++n % ROWS_PER_STEP === 0) yield
        if (seen.has(slot)) continue
        seen.add(slot)
        this.update(newest, slot)
      }
    }
  }

  renumber(_inputs: ReadonlySet<Input>, to: Renumbering): Iterator<void, void> {
    return this.move(to)
  }

  renumbered(): void {}

  tell(): void {}

  end(_how: Exit<void, TableFailure>): void {}
}
