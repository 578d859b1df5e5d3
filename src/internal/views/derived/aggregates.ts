/** The aggregates that groups are summed up by. */
import type { Renumbering } from "../../table/content/slots.ts"
import { Column } from "../column.ts"
import { ExactSum } from "../exactSum.ts"
import { ROWS_PER_STEP } from "../rowView.ts"
import { type Accumulator, type AggregateParts, type Given, Groups, type Of, type Rows } from "./accumulator.ts"
import { Extreme, First } from "./ordered.ts"

export const accumulatorOf = (parts: AggregateParts, rows: Rows, sizes: Groups<number>): Accumulator => {
  switch (parts._tag) {
    case "Count":
      return new Count(sizes)
    case "Sum":
      return new Sum(parts)
    case "Extreme":
      return new Extreme(parts)
    case "First":
      return new First(parts, rows)
    case "Own":
      return new Own(parts, rows)
  }
}

class Count implements Accumulator {
  constructor(private readonly sizes: Groups<number>) {}

  partOf(): undefined {}
  add(): void {}
  remove(): void {}
  drop(): void {}
  *renumber(): Generator<void, void> {}
  renumberGroups(): void {}

  result(group: number): number {
    return this.sizes.get(group) ?? 0
  }
}

class Sum implements Accumulator {
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
