/** A table with a row for each row of another one that steps do not leave out: its keys are those, at the same slots. */
import type { Exit } from "effect/Exit"
import type { TableFailure } from "../../../LiveTable.ts"
import {
  ABSENT,
  indexInLeaf,
  isPresent,
  NO_RECORD,
  type Rows,
  RowVector,
  setValue,
  valueIn
} from "../../table/content/rowVector.ts"
import { UNKNOWN } from "../../table/content/keyIndex.ts"
import type { Renumbering, Slots } from "../../table/content/slots.ts"
import type { AnySlots, Input, Pressure, View } from "../../table/publication/view.ts"
import type { TableEntry } from "../../../TableSnapshot.ts"
import { SlotSet } from "../column.ts"
import { ROWS_PER_STEP } from "../rowView.ts"
import { sameValue } from "../sameValue.ts"
import { ComputedSlots, PRESENT } from "./computedSlots.ts"
import type { Made } from "./made.ts"
import { LEFT_OUT, type Pipeline } from "./pipeline.ts"
import type { Problems } from "./problems.ts"

type AnyRows = AnySlots & Slots<unknown, unknown, TableEntry<unknown, unknown>>

export class RowTable implements View {
  readonly height: number
  readonly inputs: ReadonlyArray<Input>
  readonly kind = "derived"
  readonly shown = undefined
  private rows = new RowVector()
  private live = 0
  private readonly threw = new SlotSet()

  constructor(
    readonly output: Made<unknown, unknown>,
    private readonly pipeline: Pipeline,
    private readonly problems: Problems,
    private readonly onEnd: (how: Exit<void, TableFailure>) => void
  ) {
    this.height = output.height
    this.inputs = pipeline.inputs
  }

  get pressure(): Pressure {
    return this.output
  }

  get leftOut(): number {
    return this.threw.size
  }

  private get source(): AnyRows {
    // The rows of tables are slots of some kind.
    return this.pipeline.left.newest as AnyRows
  }

  *build(): Generator<void, void> {
    const { source } = this
    yield
    this.reserve(source.length)
    yield* this.pipeline.fill(source, (slot) => this.write(slot, this.compute(source, slot)))
    this.output.takeFirst(this.slotsOf(source, this.rows.freeze()))
  }

  touch(input: Input, slots: ReadonlyArray<number>): void {
    this.pipeline.touch(input, slots)
  }

  *apply(): Generator<void, void> {
    const affected = yield* this.pipeline.takeAffected()
    const { source } = this
    const shown = this.output.rows
    this.reserve(source.length)
    let n = 0
    for (const slot of affected) {
      if (++n % ROWS_PER_STEP === 0) yield
      const value = this.compute(source, slot)
      const old = shown.index === source.index ? slot : shown.find(source.keyAt(slot))
      const before = old === UNKNOWN ? LEFT_OUT : shown.peekOr<typeof LEFT_OUT>(old, LEFT_OUT)
      const isSame = value === LEFT_OUT || before === LEFT_OUT ? value === before : sameValue(before, value)
      this.write(slot, isSame ? before : value)
      this.output.note(slot, !isSame)
    }
    this.take(source)
    yield* this.output.collect()
  }

  /** What a row comes to. A row whose functions throw is left out. */
  private compute(source: AnyRows, slot: number): unknown {
    try {
      const value = this.pipeline.compute(source, slot)
      this.threw.delete(slot)
      return value
    } catch (cause) {
      this.threw.add(slot)
      this.problems.add(source.keyAt(slot), cause)
      return LEFT_OUT
    }
  }

  private reserve(length: number): void {
    while (this.rows.length < length) this.rows.append()
  }

  private write(slot: number, value: unknown): void {
    const leaf = this.rows.leafForWrite(slot)
    const i = indexInLeaf(slot)
    if (isPresent(leaf.held[i])) this.live--
    leaf.held[i] = value === LEFT_OUT ? NO_RECORD : PRESENT
    if (value !== LEFT_OUT) this.live++
    setValue(leaf, i, value === LEFT_OUT || this.pipeline.isSame ? ABSENT : value)
  }

  private take(source: AnyRows): void {
    this.output.take(this.slotsOf(source, this.rows.freeze()))
  }

  private slotsOf(source: AnyRows, rows: Rows): ComputedSlots<unknown, unknown> {
    const { index, key, keys } = source
    return new ComputedSlots({ key, index, keys, rows, size: this.live }, this.pipeline.isSame ? source : undefined)
  }

  *renumber(inputs: ReadonlySet<Input>, to: Renumbering): Generator<void, void> {
    if (!this.pipeline.isRenumberedWith(inputs)) return
    yield* this.pipeline.renumber(to)
    yield* this.threw.renumber(to)
    const moved = new RowVector()
    for (let slot = 0; slot < to.length; slot++) {
      if (slot % (16 * ROWS_PER_STEP) === 0) yield
      if (to[slot] < 0) continue
      moved.append()
      if (slot >= this.rows.length) continue
      const from = this.rows.leaf(slot)
      const i = indexInLeaf(slot)
      if (!isPresent(from.held[i])) continue
      const leaf = moved.leafForWrite(to[slot])
      leaf.held[indexInLeaf(to[slot])] = PRESENT
      setValue(leaf, indexInLeaf(to[slot]), valueIn(from, i))
    }
    this.rows = moved
  }

  renumbered(): void {
    const { source } = this
    this.reserve(source.length)
    this.take(source)
  }

  show(): void {
    this.output.show()
  }

  tell(): void {
    this.output.tell()
  }

  end(how: Exit<void, TableFailure>): void {
    this.onEnd(how)
  }
}
