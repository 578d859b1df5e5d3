/**
 * Steps that are taken for each row of a table by itself: filters, other values, joins. What comes of a row depends on that
 * row, and on the rows of other tables that its joins lead to; those are looked up when it is computed, and the other way
 * round by a tree of the keys that rows were joined by.
 */
import { makeHashKey } from "../../table/content/keyHash.ts"
import { UNKNOWN } from "../../table/content/keyIndex.ts"
import type { Renumbering } from "../../table/content/slots.ts"
import type { AnySlots, Input } from "../../table/publication/view.ts"
import { sortInSteps } from "../../tree/sorting.ts"
import { buildTree, MutableTree } from "../../tree/tree.ts"
import { Column } from "../column.ts"
import { PACKED, ranksOf } from "../hashIndex.ts"
import { packed, tagOfBytes } from "../indexKey.ts"
import { renumberedPacked } from "../indexView.ts"
import { ROWS_PER_STEP } from "../rowView.ts"
import type { Step } from "./query.ts"

/** What a row comes to that the steps leave out. */
export const LEFT_OUT: unique symbol = Symbol("LEFT_OUT")

type JoinStep = Extract<Step, { readonly _tag: "Join" }>

/** One join: the other table, and which rows were joined by which of its keys. */
class Join {
  private readonly hashKey = makeHashKey()
  /** The tag of the key that each row was joined by. */
  private tags = new Column<number>()
  private tree = MutableTree.empty(PACKED)
  /** The keys that rows were joined by, while all are built. */
  private collected: Array<number> | undefined

  constructor(
    readonly step: JoinStep,
    readonly right: Input
  ) {}

  /** Begins to build of all rows. */
  collect(): void {
    this.collected = []
  }

  /** Ends it, in steps. */
  *settle(): Generator<void, void> {
    const sorted = yield* sortInSteps(Float64Array.from(this.collected ?? []))
    this.tree = yield* buildTree(PACKED, sorted, sorted)
    this.collected = undefined
  }

  /** Notes by which key a row was joined; `undefined` if by none. */
  note(slot: number, bytes: Buffer | undefined): void {
    const before = this.tags.get(slot)
    const after = bytes === undefined ? undefined : tagOfBytes(this.hashKey, bytes)
    if (before === after) return
    this.tags.set(slot, after)
    if (this.collected !== undefined) {
      if (after !== undefined) this.collected.push(packed(after, slot))
      return
    }
    if (before !== undefined) this.tree.remove(packed(before, slot), slot)
    if (after !== undefined) this.tree.insert(packed(after, slot), slot)
  }

  /** The rows that may have been joined with another table's row: keys of the same tag are not told apart. */
  *joinedWith(rows: AnySlots, slot: number): Generator<number, void> {
    const [from, to] = ranksOf(this.tree, tagOfBytes(this.hashKey, rows.index.bytesAt(slot)))
    yield* this.tree.slots(from, to, false)
  }

  *renumber(to: Renumbering): Generator<void, void> {
    yield* this.tags.renumber(to)
    this.tree = yield* renumberedPacked(PACKED, this.tree, to)
  }
}

/** All of these slots, each once, in steps. */
function* distinct(touched: ReadonlyArray<ReadonlyArray<number>>): Generator<void, Set<number>> {
  const all = new Set<number>()
  let n = 0
  for (const slots of touched) {
    for (const slot of slots) {
      all.add(slot)
      if (++n % (16 * ROWS_PER_STEP) === 0) yield
    }
  }
  return all
}

export class Pipeline {
  private readonly joins: ReadonlyArray<Join>
  /** Rows that are to be computed again. */
  private touched: Array<ReadonlyArray<number>> = []
  /** Rows of other tables that have changed, by join. */
  private readonly touchedRight: Array<Array<ReadonlyArray<number>>>
  /** Whether the values that come of it are those of its rows. */
  readonly isSame: boolean

  constructor(
    readonly left: Input,
    private readonly steps: ReadonlyArray<Step>,
    rights: ReadonlyArray<Input>
  ) {
    this.joins = steps.filter((step) => step._tag === "Join").map((step, i) => new Join(step, rights[i]))
    this.touchedRight = this.joins.map(() => [])
    this.isSame = steps.every(({ _tag }) => _tag === "Filter")
  }

  /** All tables that it reads. */
  get inputs(): ReadonlyArray<Input> {
    return [...new Set([this.left, ...this.joins.map(({ right }) => right)])]
  }

  touch(input: Input, slots: ReadonlyArray<number>): void {
    // They may be all rows of the table, and are looked at in steps.
    const taken = slots.slice()
    if (input === this.left) this.touched.push(taken)
    this.joins.forEach(({ right }, i) => {
      if (input === right) this.touchedRight[i].push(taken)
    })
  }

  /** All rows that may come to something else now, in steps. */
  *takeAffected(): Generator<void, ReadonlySet<number>> {
    const { touched } = this
    this.touched = []
    const affected = yield* distinct(touched)
    let n = 0
    for (const [i, join] of this.joins.entries()) {
      const changed = this.touchedRight[i]
      if (changed.length === 0) continue
      this.touchedRight[i] = []
      for (const slot of yield* distinct(changed)) {
        for (const joined of join.joinedWith(join.right.newest, slot)) {
          affected.add(joined)
          if (++n % (16 * ROWS_PER_STEP) === 0) yield
        }
        if (++n % ROWS_PER_STEP === 0) yield
      }
    }
    return affected
  }

  /** Calls `each` with all rows that have a value, in steps, and builds what joins need to know. */
  *fill(slots: AnySlots, each: (slot: number) => void): Generator<void, void> {
    for (const join of this.joins) join.collect()
    for (let slot = 0; slot < slots.length; slot++) {
      if (slot % ROWS_PER_STEP === 0) yield
      if (slots.isPresent(slot)) each(slot)
    }
    for (const join of this.joins) yield* join.settle()
  }

  /**
   * What a row comes to, of the rows that are newest; `LEFT_OUT` if it is left out, as is a row without a value. Throws
   * what the user's functions throw.
   */
  compute(slots: AnySlots, slot: number): unknown {
    let joined = 0
    try {
      if (!slots.isPresent(slot)) return LEFT_OUT
      const key = slots.keyAt(slot)
      let value = slots.peekAt(slot)
      for (const step of this.steps) {
        switch (step._tag) {
          case "Filter":
            if (!step.holds(value, key)) return LEFT_OUT
            break
          case "Map":
            value = step.to(value, key)
            break
          case "Join": {
            const join = this.joins[joined]
            const rows = join.right.newest
            const on = step.on(value, key)
            join.note(slot, on === undefined || on === null ? undefined : rows.bytesOf(on))
            joined++
            const other = on === undefined || on === null ? UNKNOWN : rows.find(on)
            if (other !== UNKNOWN) value = step.select(value, rows.valueAt(other), true, key)
            else if (step.keepsAll) value = step.select(value, undefined, false, key)
            else return LEFT_OUT
          }
        }
      }
      return value
    } finally {
      // Joins that the row has not come to are not waited for.
      for (; joined < this.joins.length; joined++) this.joins[joined].note(slot, undefined)
    }
  }

  /** Whether rows of the left table are among those that get new slots. */
  isRenumberedWith(inputs: ReadonlySet<Input>): boolean {
    return inputs.has(this.left)
  }

  *renumber(to: Renumbering): Generator<void, void> {
    for (const join of this.joins) yield* join.renumber(to)
  }
}
