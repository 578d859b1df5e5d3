/** The aggregates that are of one row of each group: the least, the greatest, the first. */
import type { Renumbering } from "../../table/content/slots.ts"
import { Column } from "../column.ts"
import { compareKept, type Key, normalized } from "../indexKey.ts"
import { type Accumulator, type AggregateParts, type Given, Groups, type Of, type Rows } from "./accumulator.ts"
import { SlotHeap } from "./slotHeap.ts"

/** Of each group, the first row by some order of what is needed of rows. */
abstract class Ordered<Part> implements Accumulator {
  protected readonly parts = new Column<Part>()
  private readonly places = new Column<number>()
  private readonly heaps = new Groups<SlotHeap>()
  private readonly order = (a: number, b: number): boolean => this.isBefore(a, b)
  protected readonly of: Of

  constructor({ of }: { readonly of: (value: never, key: never) => unknown }) {
    this.of = of as Of
  }

  protected abstract isBefore(a: number, b: number): boolean
  abstract partOf(value: unknown, key: unknown): unknown
  abstract result(group: number): unknown

  add(group: number, slot: number, part: unknown): void {
    if (part === undefined) return
    this.parts.set(slot, part as Part)
    let heap = this.heaps.get(group)
    if (heap === undefined) {
      heap = new SlotHeap(this.order, this.places)
      this.heaps.set(group, heap)
    }
    heap.add(slot)
  }

  remove(group: number, slot: number): void {
    if (this.parts.get(slot) === undefined) return
    this.heaps.get(group)!.remove(slot)
    this.parts.set(slot, undefined)
  }

  /** What is needed of the first row of a group; `undefined` if none of its rows has it. */
  protected firstOf(group: number): Part | undefined {
    const slot = this.heaps.get(group)?.first
    return slot === undefined ? undefined : this.parts.get(slot)
  }

  drop(group: number): void {
    this.heaps.set(group, undefined)
  }

  *renumber(to: Renumbering): Generator<void, void> {
    yield* this.parts.renumber(to)
    yield* this.places.renumber(to)
    for (const heap of this.heaps.present()) {
      yield
      yield* heap.renumber(to)
    }
  }

  renumberGroups(to: Renumbering): void {
    this.heaps.renumber(to)
  }
}

export class Extreme extends Ordered<Key> {
  private readonly isMax: boolean

  constructor(parts: Extract<AggregateParts, { _tag: "Extreme" }>) {
    super(parts)
    this.isMax = parts.isMax
  }

  protected isBefore(a: number, b: number): boolean {
    const order = compareKept(this.parts.get(a)!, this.parts.get(b)!) || a - b
    return this.isMax ? order > 0 : order < 0
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
    return normalized(this.firstOf(group), true)
  }
}

export class First extends Ordered<Given> {
  constructor(
    parts: Extract<AggregateParts, { _tag: "First" }>,
    private readonly rows: Rows
  ) {
    super(parts)
  }

  protected isBefore(a: number, b: number): boolean {
    return this.rows.newest().index.compare(a, b) < 0
  }

  partOf(value: unknown, key: unknown): Given {
    return { value: this.of(value, key) }
  }

  result(group: number): unknown {
    return this.firstOf(group)?.value
  }
}
