/** A table with a row for each group of another one's rows. */
import type { Exit } from "effect/Exit"
import type { IndexKey } from "../../../TableIndex.ts"
import type { TableFailure } from "../../../LiveTable.ts"
import { KeyIndex, NOT_ASCII, UNKNOWN } from "../../table/content/keyIndex.ts"
import { indexInLeaf, isPresent, NO_RECORD, RowVector, setValue, valueIn } from "../../table/content/rowVector.ts"
import type { Renumbering } from "../../table/content/slots.ts"
import { RenumberTick } from "../../table/publication/tick.ts"
import type { AnySlots, Input, Pressure, View } from "../../table/publication/view.ts"
import { Column, SlotSet } from "../column.ts"
import { type Key, normalized } from "../indexKey.ts"
import { ROWS_PER_STEP } from "../rowView.ts"
import { sameValue } from "../sameValue.ts"
import { type Accumulator, type AggregateParts, Groups, type Rows } from "./accumulator.ts"
import { accumulatorOf } from "./aggregates.ts"
import { GroupSlots } from "./groupSlots.ts"
import { groupKeyBytes, groupKeyCodec } from "./groupKey.ts"
import type { Made } from "./made.ts"
import { LEFT_OUT, type Pipeline } from "./pipeline.ts"
import type { Problems } from "./problems.ts"

/** Up to this many groups that are gone are not worth new slots. */
const MIN_GONE = 1024

/** What a row is in a group by. */
interface Membership {
  readonly group: number
  readonly parts: ReadonlyArray<unknown>
}

export class GroupTable implements View {
  readonly height: number
  readonly inputs: ReadonlyArray<Input>
  readonly kind = "derived"
  readonly shown = undefined
  private index = new KeyIndex()
  private keys: Array<unknown> = []
  private rows = new RowVector()
  private live = 0
  /** The group of each row. */
  private groups = new Column<number>()
  /** How many rows each group has. */
  private readonly sizes = new Groups<number>()
  /** How many groups have rows. */
  private occupied = 0
  private readonly accumulators: ReadonlyArray<readonly [name: string, accumulator: Accumulator]>
  private readonly threw = new SlotSet()
  /** Groups whose rows have changed. */
  private dirty = new Set<number>()

  constructor(
    readonly output: Made<unknown, unknown>,
    private readonly pipeline: Pipeline,
    private readonly by: (value: unknown, key: unknown) => IndexKey | undefined,
    aggregates: Readonly<Record<string, AggregateParts>>,
    private readonly problems: Problems,
    private readonly onEnd: (how: Exit<void, TableFailure>) => void
  ) {
    this.height = output.height
    this.inputs = pipeline.inputs
    const rows: Rows = { groupOf: (slot) => this.groups.get(slot) ?? UNKNOWN, newest: () => this.pipeline.left.newest }
    this.accumulators = Object.entries(aggregates).map(([name, parts]) => [
      name,
      accumulatorOf(parts, rows, this.sizes)
    ])
  }

  get pressure(): Pressure {
    return this.output
  }

  get leftOut(): number {
    return this.threw.size
  }

  *build(): Generator<void, void> {
    const { newest } = this.pipeline.left
    yield
    yield* this.pipeline.fill(newest, (slot) => this.update(newest, slot))
    yield* this.mend(newest)
    yield* this.settleGroups()
    this.output.takeFirst(this.slots())
  }

  touch(input: Input, slots: ReadonlyArray<number>): void {
    this.pipeline.touch(input, slots)
  }

  *apply(): Generator<void, void> {
    if (this.wantsRenumbering) yield* this.renumberGroups()
    const affected = yield* this.pipeline.takeAffected()
    const { newest } = this.pipeline.left
    let n = 0
    for (const slot of affected) {
      if (++n % ROWS_PER_STEP === 0) yield
      this.update(newest, slot)
    }
    yield* this.mend(newest)
    yield* this.settleGroups()
    this.output.take(this.slots())
    yield* this.output.collect()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // rows and their groups
  // -------------------------------------------------------------------------------------------------------------------

  /** Takes a row out of its group, and into the one that it belongs to now. */
  private update(source: AnySlots, slot: number): void {
    const before = this.groups.get(slot)
    const now = this.membershipOf(source, slot)
    if (before !== undefined) this.takeOut(before, slot)
    this.groups.set(slot, now?.group)
    if (now !== undefined && this.addTo(now, source, slot)) this.resize(now.group, 1)
  }

  private takeOut(group: number, slot: number): void {
    for (const [, accumulator] of this.accumulators) accumulator.remove(group, slot)
    this.resize(group, -1)
  }

  /** Adds a row to all aggregates of its group, or to none if one of them throws. */
  private addTo({ group, parts }: Membership, source: AnySlots, slot: number): boolean {
    let added = 0
    try {
      for (; added < parts.length; added++) this.accumulators[added][1].add(group, slot, parts[added])
      return true
    } catch (cause) {
      for (let i = 0; i < added; i++) this.accumulators[i][1].remove(group, slot)
      this.dirty.add(group)
      this.leaveOut(source, slot, cause)
      return false
    }
  }

  /** Notes that a row is in no group, as a function threw. */
  private leaveOut(source: AnySlots, slot: number, cause: unknown): void {
    this.groups.set(slot, undefined)
    this.threw.add(slot)
    this.problems.add(source.keyAt(slot), cause)
  }

  private resize(group: number, by: number): void {
    const before = this.sizes.get(group) ?? 0
    this.sizes.set(group, before + by)
    if (before === 0) this.occupied++
    else if (before + by === 0) this.occupied--
    this.dirty.add(group)
  }

  /** Has all aggregates add up anew what they could not undo, in steps, until no further row has to be left out for that. */
  private *mend(source: AnySlots): Generator<void, void> {
    let isWhole = false
    while (!isWhole) {
      isWhole = true
      for (const [, accumulator] of this.accumulators) {
        const steps = accumulator.mend?.((group, slot, cause) => {
          isWhole = false
          this.takeOut(group, slot)
          this.leaveOut(source, slot, cause)
        })
        while (steps !== undefined && steps.next().done !== true) yield
      }
    }
  }

  /** The group of a row, and what that needs of it; `undefined` if it is in none. A row whose functions throw is left out. */
  private membershipOf(source: AnySlots, slot: number): Membership | undefined {
    try {
      const value = this.pipeline.compute(source, slot)
      this.threw.delete(slot)
      if (value === LEFT_OUT) return undefined
      const key = source.keyAt(slot)
      const by = normalized(this.by(value, key), true)
      if (by === undefined) return undefined
      const parts = this.accumulators.map(([, accumulator]) => accumulator.partOf(value, key))
      return { group: this.groupOf(by), parts }
    } catch (cause) {
      this.threw.add(slot)
      this.problems.add(source.keyAt(slot), cause)
      return undefined
    }
  }

  /** The group of a key, whose form as it was given is kept. */
  private groupOf(key: Key): number {
    const known = typeof key === "string" ? this.index.findText(key) : NOT_ASCII
    if (known >= 0) return known
    const bytes = groupKeyBytes(key)
    const found = known === NOT_ASCII ? this.index.find(bytes, 0, bytes.length) : UNKNOWN
    if (found !== UNKNOWN) return found
    this.rows.append()
    this.keys.push(key)
    return this.index.add(bytes, 0, bytes.length)
  }

  /** Writes what groups come to whose rows have changed, in steps. */
  private *settleGroups(): Generator<void, void> {
    const shown = this.output.rows
    const isNumberedAlike = shown.index === this.index
    let n = 0
    for (const group of this.dirty) {
      if (++n % ROWS_PER_STEP === 0) yield
      const value = this.resultOf(group)
      const old = isNumberedAlike ? group : shown.find(this.keys[group])
      const before = old === UNKNOWN ? LEFT_OUT : shown.peekOr<typeof LEFT_OUT>(old, LEFT_OUT)
      const isSame = value === LEFT_OUT || before === LEFT_OUT ? value === before : sameValue(before, value)
      this.write(group, isSame ? before : value)
      this.output.note(group, !isSame)
    }
    // They are known until all are done, and the set is a fresh one then, as one that lives long keeps what was in it.
    this.dirty = new Set()
  }

  /** What a group comes to; `LEFT_OUT` if it has no row any more. */
  private resultOf(group: number): unknown {
    if ((this.sizes.get(group) ?? 0) === 0) {
      for (const [, accumulator] of this.accumulators) accumulator.drop(group)
      return LEFT_OUT
    }
    try {
      return Object.fromEntries(this.accumulators.map(([name, accumulator]) => [name, accumulator.result(group)]))
    } catch (cause) {
      this.problems.add(this.keys[group], cause)
      return LEFT_OUT
    }
  }

  private write(group: number, value: unknown): void {
    const leaf = this.rows.leafForWrite(group)
    const i = indexInLeaf(group)
    if (isPresent(leaf.held[i])) this.live--
    leaf.held[i] = value === LEFT_OUT ? NO_RECORD : 0
    if (value !== LEFT_OUT) this.live++
    setValue(leaf, i, value === LEFT_OUT ? undefined : value)
  }

  private slots(): GroupSlots {
    const { index, keys, live } = this
    return new GroupSlots({ key: groupKeyCodec, index, keys, rows: this.rows.freeze(), size: live })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // slots
  // -------------------------------------------------------------------------------------------------------------------

  *renumber(inputs: ReadonlySet<Input>, to: Renumbering): Generator<void, void> {
    if (!this.pipeline.isRenumberedWith(inputs)) return
    yield* this.pipeline.renumber(to)
    yield* this.groups.renumber(to)
    yield* this.threw.renumber(to)
    for (const [, accumulator] of this.accumulators) {
      const steps = accumulator.renumber(to)
      while (steps.next().done !== true) yield
    }
  }

  renumbered(): void {
    this.output.take(this.slots())
  }

  /**
   * Whether more groups are gone than there are. While something is being built of them, they stay where they are, as they
   * do where an update was given up, as what has seen it has yet to hear of the next one.
   */
  private get wantsRenumbering(): boolean {
    const gone = this.rows.length - this.occupied
    if (gone < MIN_GONE || gone < this.occupied || this.dirty.size > 0 || this.output.touched.length > 0) return false
    for (const root of this.output.roots) if (root.holds > 0) return false
    return true
  }

  /** Gives groups new slots, without those that are gone. */
  private *renumberGroups(): Generator<void, void> {
    const to = new Int32Array(this.rows.length).fill(-1)
    const [index, keys, rows] = [new KeyIndex(), [] as Array<unknown>, new RowVector()]
    for (let group = 0; group < this.rows.length; group++) {
      if (group % (16 * ROWS_PER_STEP) === 0) yield
      const from = this.rows.leaf(group)
      const i = indexInLeaf(group)
      if ((this.sizes.get(group) ?? 0) === 0) continue
      to[group] = rows.append()
      index.addFrom(this.index, group)
      keys.push(this.keys[group])
      const leaf = rows.leafForWrite(to[group])
      leaf.held[indexInLeaf(to[group])] = from.held[i]
      setValue(leaf, indexInLeaf(to[group]), valueIn(from, i))
    }
    const groups = yield* this.movedGroups(to)
    // What hangs on this table follows, and is told that its rows have moved when they are taken.
    yield* new RenumberTick(this.output, to).run()
    this.index = index
    this.keys = keys
    this.rows = rows
    this.sizes.renumber(to)
    for (const [, accumulator] of this.accumulators) accumulator.renumberGroups(to)
    this.groups = groups
  }

  /** The group of each row by the groups' new slots, in steps. */
  private *movedGroups(to: Renumbering): Generator<void, Column<number>> {
    const moved = new Column<number>()
    const { length } = this.pipeline.left.newest
    for (let slot = 0; slot < length; slot++) {
      if (slot % (16 * ROWS_PER_STEP) === 0) yield
      const group = this.groups.get(slot)
      if (group !== undefined) moved.set(slot, to[group])
    }
    return moved
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
