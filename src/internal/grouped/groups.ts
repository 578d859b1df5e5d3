/**
 * The groups of a table: each has a number, in the order of first appearance, and its rows lie side by side in a tree by that
 * number. Numbers last until the table gives its rows new slots: then those of groups without rows are let go of.
 */
import type { Exit } from "effect/Exit"
import type { Codec } from "../../Codec.ts"
import type { GroupedKey } from "../../GroupedKafkaTable.ts"
import type { TableFailure } from "../../LiveTable.ts"
import type { RecordSnapshot } from "../../TableSnapshot.ts"
import type { RecordSlots } from "../table/content/recordSlots.ts"
import { keyId, type Renumbering } from "../table/content/slots.ts"
import type { Input, Version } from "../table/publication/view.ts"
import { buildTree, MutableTree, type Order, type Tree } from "../tree/tree.ts"
import { ROWS_PER_STEP, RowView } from "../views/rowView.ts"
import { splitGroupedKey } from "./groupedKey.ts"
import { GroupWatchers } from "./watching.ts"

/** The rows of a grouped table. */
export type GroupedSlots<G, M, V> = RecordSlots<GroupedKey<G, M>, V>

/** A version of a grouped table. */
export type GroupedVersion<G, M, V> = Version<GroupedSlots<G, M, V>, RecordSnapshot<GroupedKey<G, M>, V>>

/** Groups at one version. What is in the maps is of later versions, too: only the trees tell what is there. */
export interface FrozenGroups<G> {
  /** The number of each group by its identity. */
  readonly numbers: ReadonlyMap<string, number>
  /** The groups by number. */
  readonly names: ReadonlyArray<G>
  /** The rows, by the numbers of their groups. */
  readonly rows: Tree<number>
  /** The numbers of the groups that have rows. */
  readonly present: Tree<number>
}

const ROWS: Order<number> = { compare: (a, aSlot, b, bSlot) => a - b || aSlot - bSlot }

const NUMBERS: Order<number> = { compare: (a, _aSlot, b) => a - b, slotOf: (number) => number }

/** How many entries are gone through between two steps, of what is cheap. */
const ENTRIES_PER_STEP = 8192

export class Groups<G, M, V> extends RowView {
  readonly kind = "groups"
  private numbers = new Map<string, number>()
  private names: Array<G> = []
  /** How many rows each group has, by number. */
  private counts: Array<number> = []
  private rows = MutableTree.empty(ROWS)
  private present = MutableTree.empty(NUMBERS)
  private frozen: FrozenGroups<G> | undefined
  readonly watchers: GroupWatchers<G, M, V>

  constructor(
    input: Input,
    private readonly codec: Codec<G>
  ) {
    super(input)
    this.watchers = new GroupWatchers(input)
  }

  get shown(): FrozenGroups<G> | undefined {
    return this.frozen
  }

  /** The identity of a group; `undefined` for what cannot be one. */
  idOf(group: G): string | undefined {
    return keyId(this.codec, group)
  }

  /** The identity of a row's group: the bytes that the key has for it, as `idOf` makes them. */
  private idAt(slots: GroupedSlots<G, M, V>, slot: number): string {
    const { group } = slots.keyAt(slot)
    if (this.codec.text && typeof group === "string") return group
    const bytes = slots.index.bytesAt(slot)
    const at = splitGroupedKey(bytes, 0, bytes.length)
    return bytes.toString("latin1", at.group, at.member)
  }

  /** The number of a row's group. A group that has none gets the next one. */
  private numberFor(id: string, slots: GroupedSlots<G, M, V>, slot: number): number {
    const known = this.numbers.get(id)
    if (known !== undefined) return known
    const number = this.names.length
    this.numbers.set(id, number)
    this.names.push(slots.keyAt(slot).group)
    this.counts.push(0)
    return number
  }

  protected *fill(slots: GroupedSlots<G, M, V>): Generator<void, void> {
    const numbers = new Float64Array(slots.size)
    const found = new Float64Array(slots.size)
    let n = 0
    for (let slot = 0; slot < slots.length; slot++) {
      if (slot % ROWS_PER_STEP === 0) yield
      if (!slots.isPresent(slot)) continue
      const number = this.numberFor(this.idAt(slots, slot), slots, slot)
      this.counts[number]++
      numbers[n] = number
      found[n++] = slot
    }
    // Slots count up already, so that a place for each group is all that there is to sort.
    const next = new Float64Array(this.counts.length)
    for (let number = 1; number < next.length; number++) next[number] = next[number - 1] + this.counts[number - 1]
    const sortedNumbers = new Float64Array(n)
    const sortedSlots = new Float64Array(n)
    for (let i = 0; i < n; i++) {
      if (i % ENTRIES_PER_STEP === 0) yield
      const place = next[numbers[i]]++
      sortedNumbers[place] = numbers[i]
      sortedSlots[place] = found[i]
    }
    this.rows = yield* buildTree(ROWS, sortedNumbers, sortedSlots)
    yield* this.fillPresent()
  }

  /** Has all groups that have a number present, as they have rows. */
  private *fillPresent(): Generator<void, void> {
    const all = new Float64Array(this.names.length).map((_, number) => number)
    this.present = yield* buildTree(NUMBERS, all, all)
  }

  protected update(slots: GroupedSlots<G, M, V>, slot: number): void {
    const id = this.idAt(slots, slot)
    this.watchers.note(id, slots, slot)
    const isPresent = slots.isPresent(slot)
    const number = isPresent ? this.numberFor(id, slots, slot) : this.numbers.get(id)
    if (number === undefined || isPresent === this.rows.has(number, slot)) return
    if (isPresent) {
      this.rows.insert(number, slot)
      if (++this.counts[number] === 1) this.present.insert(number, number)
    } else {
      this.rows.remove(number, slot)
      if (--this.counts[number] === 0) this.present.remove(number, number)
    }
  }

  /** Numbers the groups that have rows anew, in the same order. Versions that are held keep the numbers that they have. */
  protected *move(to: Renumbering): Generator<void, void> {
    const renumbered = new Float64Array(this.names.length)
    const [names, counts]: [Array<G>, Array<number>] = [[], []]
    for (const number of this.present.slots(0, this.present.size, false)) {
      if (names.length % ENTRIES_PER_STEP === 0) yield
      renumbered[number] = names.length
      names.push(this.names[number])
      counts.push(this.counts[number])
    }
    const numbers = new Map<string, number>()
    let n = 0
    for (const [id, number] of this.numbers) {
      if (++n % ENTRIES_PER_STEP === 0) yield
      if (this.counts[number] > 0) numbers.set(id, renumbered[number])
    }
    const { size } = this.rows
    const [sortedNumbers, sortedSlots] = [new Float64Array(size), new Float64Array(size)]
    for (let from = 0; from < size; from += ENTRIES_PER_STEP) {
      let at = from
      this.rows.visit(from, Math.min(from + ENTRIES_PER_STEP, size), false, (slot, number) => {
        sortedNumbers[at] = renumbered[number]
        sortedSlots[at++] = to[slot]
        return true
      })
      yield
    }
    this.rows = yield* buildTree(ROWS, sortedNumbers, sortedSlots)
    this.numbers = numbers
    this.names = names
    this.counts = counts
    yield* this.fillPresent()
  }

  show(): void {
    const { names, numbers } = this
    this.frozen = { names, numbers, rows: this.rows.freeze(), present: this.present.freeze() }
  }

  override tell(): void {
    this.watchers.tell()
  }

  override end(how: Exit<void, TableFailure>): void {
    this.watchers.end(how)
  }
}
