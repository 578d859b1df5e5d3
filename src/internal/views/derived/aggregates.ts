/** What groups are summed up by: each takes a row in, lets it go again, and says what it comes to. */
import type { Renumbering } from "../../table/content/slots.ts"
import type { AnySlots } from "../../table/publication/view.ts"
import { MutableTree } from "../../tree/tree.ts"
import { Column } from "../column.ts"
import { ExactSum } from "../exactSum.ts"
import { compareKept, type Key, normalized } from "../indexKey.ts"
import { renumbered } from "../indexView.ts"
import { ROWS_PER_STEP } from "../rowView.ts"

/** An aggregate as it is defined. */
export type AggregateParts =
  | { readonly _tag: "Count" }
  | { readonly _tag: "Sum"; readonly of: (value: never, key: never) => number | undefined }
  | { readonly _tag: "Extreme"; readonly of: (value: never, key: never) => unknown; readonly isMax: boolean }
  | { readonly _tag: "First"; readonly of: (value: never, key: never) => unknown }
  | {
      readonly _tag: "Own"
      readonly of: (value: never, key: never) => unknown
      readonly empty: unknown
      readonly add: (total: never, part: never) => unknown
      readonly remove: (total: never, part: never) => unknown
      readonly result: (total: never) => unknown
    }

/** One aggregate of all groups, by their slots. */
export interface Accumulator {
  /** What the aggregate needs of a row. Throws what the user's function throws. */
  readonly partOf: (value: unknown, key: unknown) => unknown
  /** Takes in a row, whose part it has been given. */
  readonly add: (group: number, slot: number, part: unknown) => void
  /** Lets a row go. */
  readonly remove: (group: number, slot: number) => void
  /**
   * Adds up anew, in steps, what could not be undone. `leaveOut` takes a row out that cannot be added any more, of all
   * aggregates.
   */
  readonly mend: (leaveOut: (group: number, slot: number, cause: unknown) => void) => Iterator<void, void>
  /** What a group with rows comes to. */
  readonly result: (group: number) => unknown
  /** A group has no row any more. */
  readonly drop: (group: number) => void
  /** The rows have new slots. */
  readonly renumber: (to: Renumbering) => Iterator<void, void>
  /** The groups have new slots. */
  readonly renumberGroups: (to: Renumbering) => void
}

/** What an accumulator knows of the rows: their group, and the order of their keys. */
export interface Rows {
  readonly groupOf: (slot: number) => number
  readonly newest: () => AnySlots
}

export const accumulatorOf = (parts: AggregateParts, rows: Rows, sizes: Groups<number>): Accumulator => {
  switch (parts._tag) {
    case "Count":
      return new Count(sizes)
    case "Sum":
      return new Sum(parts)
    case "Extreme":
      return new Extreme(parts, rows)
    case "First":
      return new First(parts, rows)
    case "Own":
      return new Own(parts, rows)
  }
}

/** Something of each group, by its slot. */
export class Groups<A> {
  private all: Array<A | undefined> = []

  get(group: number): A | undefined {
    return this.all[group]
  }

  set(group: number, value: A | undefined): void {
    while (this.all.length <= group) this.all.push(undefined)
    this.all[group] = value
  }

  renumber(to: Renumbering): void {
    const moved: Array<A | undefined> = []
    for (let group = 0; group < to.length; group++) if (to[group] >= 0) moved.push(this.all[group])
    this.all = moved
  }
}

function* nothing(): Generator<void, void> {}

type Of = (value: unknown, key: unknown) => unknown

class Count implements Accumulator {
  constructor(private readonly sizes: Groups<number>) {}

  partOf(): undefined {}
  add(): void {}
  remove(): void {}
  drop(): void {}
  mend = nothing
  renumber = nothing
  renumberGroups(): void {}

  result(group: number): number {
    return this.sizes.get(group) ?? 0
  }
}

class Sum implements Accumulator {
  readonly mend = nothing
  private readonly parts = new Column<number>()
  private readonly sums = new Groups<ExactSum>()
  private readonly of: Of

  constructor({ of }: Extract<AggregateParts, { _tag: "Sum" }>) {
    this.of = of as Of
  }

  partOf(value: unknown, key: unknown): number | undefined {
    const part = this.of(value, key)
    if (part === undefined || (typeof part === "number" && Number.isFinite(part))) return part
    throw new TypeError(`a sum is of finite numbers, and not of ${typeof part === "number" ? part : typeof part}`)
  }

  add(group: number, slot: number, part: unknown): void {
    if (part === undefined) return
    let sum = this.sums.get(group)
    if (sum === undefined) this.sums.set(group, (sum = new ExactSum()))
    sum.add(part as number)
    this.parts.set(slot, part as number)
  }

  remove(group: number, slot: number): void {
    const part = this.parts.get(slot)
    if (part === undefined) return
    this.sums.get(group)?.remove(part)
    this.parts.set(slot, undefined)
  }

  result(group: number): number {
    return this.sums.get(group)?.value ?? 0
  }

  drop(group: number): void {
    this.sums.set(group, undefined)
  }

  renumber(to: Renumbering): Iterator<void, void> {
    return this.parts.renumber(to)
  }

  renumberGroups(to: Renumbering): void {
    this.sums.renumber(to)
  }
}

/** Of each group, the entries of a tree that is ordered by groups first. */
abstract class Ordered<K> implements Accumulator {
  readonly mend = nothing
  protected readonly keys = new Column<K>()
  protected tree: MutableTree<K>
  protected readonly of: Of

  constructor(
    { of }: { readonly of: (value: never, key: never) => unknown },
    protected readonly rows: Rows
  ) {
    this.of = of as Of
    this.tree = MutableTree.empty<K>({
      compare: (a, aSlot, b, bSlot) =>
        rows.groupOf(aSlot) - rows.groupOf(bSlot) || (aSlot === bSlot ? 0 : this.compare(a, aSlot, b, bSlot))
    })
  }

  protected abstract compare(a: K, aSlot: number, b: K, bSlot: number): number
  abstract partOf(value: unknown, key: unknown): unknown
  abstract result(group: number): unknown

  add(_group: number, slot: number, part: unknown): void {
    if (part === undefined) return
    this.keys.set(slot, part as K)
    this.tree.insert(part as K, slot)
  }

  remove(_group: number, slot: number): void {
    const key = this.keys.get(slot)
    if (key === undefined) return
    this.tree.remove(key, slot)
    this.keys.set(slot, undefined)
  }

  drop(): void {}

  /** The key of the first or the last row of a group; `undefined` if it has none here. */
  protected edge(group: number, isLast: boolean): K | undefined {
    const { groupOf } = this.rows
    const rank = isLast
      ? this.tree.rank((_, slot) => groupOf(slot) <= group) - 1
      : this.tree.rank((_, slot) => groupOf(slot) < group)
    let found: K | undefined
    if (rank < 0 || rank >= this.tree.size) return undefined
    this.tree.visit(rank, rank + 1, false, (slot, key) => {
      if (groupOf(slot) === group) found = key
      return false
    })
    return found
  }

  *renumber(to: Renumbering): Generator<void, void> {
    yield* this.keys.renumber(to)
    this.tree = yield* renumbered(this.tree.order, this.tree, to)
  }

  renumberGroups(): void {}
}

class Extreme extends Ordered<Key> {
  private readonly isMax: boolean

  constructor(parts: Extract<AggregateParts, { _tag: "Extreme" }>, rows: Rows) {
    super(parts, rows)
    this.isMax = parts.isMax
  }

  protected compare(a: Key, aSlot: number, b: Key, bSlot: number): number {
    return compareKept(a, b) || aSlot - bSlot
  }

  partOf(value: unknown, key: unknown): Key | undefined {
    const part = this.of(value, key)
    if (part === undefined) return undefined
    const found = normalized(part as Key, true)
    if (found === undefined) throw new TypeError("a least or greatest one is of what can be the key of an index")
    return found
  }

  result(group: number): unknown {
    // Whoever gets a date may set it to another time.
    return normalized(this.edge(group, this.isMax), true)
  }
}

/** What a function gives, wrapped, as it may be nothing. */
interface Given {
  readonly value: unknown
}

class First extends Ordered<Given> {
  constructor(parts: Extract<AggregateParts, { _tag: "First" }>, rows: Rows) {
    super(parts, rows)
  }

  protected compare(_a: Given, aSlot: number, _b: Given, bSlot: number): number {
    return this.rows.newest().index.compare(aSlot, bSlot)
  }

  partOf(value: unknown, key: unknown): Given {
    return { value: this.of(value, key) }
  }

  result(group: number): unknown {
    return this.edge(group, false)?.value
  }
}

class Own implements Accumulator {
  private readonly given = new Column<Given>()
  private readonly totals = new Groups<{ total: unknown }>()
  /** Groups whose total could not be undone. */
  private lost = new Set<number>()
  private readonly of: Of

  constructor(
    private readonly parts: Extract<AggregateParts, { _tag: "Own" }>,
    private readonly rows: Rows
  ) {
    this.of = parts.of as Of
  }

  partOf(value: unknown, key: unknown): Given {
    return { value: this.of(value, key) }
  }

  add(group: number, slot: number, part: unknown): void {
    if (!this.lost.has(group)) {
      const total = this.totals.get(group)
      const next = this.added(total, part as Given)
      if (total === undefined) this.totals.set(group, { total: next })
      else total.total = next
    }
    this.given.set(slot, part as Given)
  }

  private added(to: { readonly total: unknown } | undefined, { value }: Given): unknown {
    return this.parts.add((to === undefined ? this.parts.empty : to.total) as never, value as never)
  }

  remove(group: number, slot: number): void {
    const given = this.given.get(slot)
    const total = this.totals.get(group)
    if (given === undefined) return
    this.given.set(slot, undefined)
    if (total === undefined || this.lost.has(group)) return
    try {
      total.total = this.parts.remove(total.total as never, given.value as never)
    } catch {
      this.lost.add(group)
    }
  }

  /** One walk through all rows is for all groups. */
  *mend(leaveOut: (group: number, slot: number, cause: unknown) => void): Generator<void, void> {
    if (this.lost.size === 0) return
    const totals = new Map<number, { readonly total: unknown }>()
    const { length } = this.rows.newest()
    for (let slot = 0; slot < length; slot++) {
      if (slot % ROWS_PER_STEP === 0) yield
      const group = this.rows.groupOf(slot)
      const given = this.lost.has(group) ? this.given.get(slot) : undefined
      if (given === undefined) continue
      try {
        totals.set(group, { total: this.added(totals.get(group), given) })
      } catch (cause) {
        leaveOut(group, slot, cause)
      }
    }
    for (const group of this.lost) this.totals.set(group, totals.get(group))
    this.lost = new Set()
  }

  result(group: number): unknown {
    const total = this.totals.get(group)
    return this.parts.result((total === undefined ? this.parts.empty : total.total) as never)
  }

  drop(group: number): void {
    this.totals.set(group, undefined)
    this.lost.delete(group)
  }

  renumber(to: Renumbering): Iterator<void, void> {
    return this.given.renumber(to)
  }

  renumberGroups(to: Renumbering): void {
    this.totals.renumber(to)
  }
}
