/** What all indexes have in common: what a row is indexed by, which rows are left out, and what is told of that. */
import type { Exit } from "effect/Exit"
import type { TableFailure } from "../../LiveTable.ts"
import type { IndexProblem, IndexStats } from "../../TableIndex.ts"
import type { Labels } from "../effect/v4/metric.ts"
import { makeIndexMetrics } from "../viewMetrics.ts"
import type { Renumbering } from "../table/content/slots.ts"
import { Reports } from "../table/publication/reports.ts"
import { type AnySlots, type Input, topicsOf } from "../table/publication/view.ts"
import { type AnyTree, buildTree, type MutableTree, type Order, type Tree } from "../tree/tree.ts"
import { SlotSet } from "./column.ts"
import { type AnyDefinition, keysOf, LEFT_OUT } from "./definition.ts"
import { type Key, packed, tagOfPacked } from "./indexKey.ts"
import { RowView } from "./rowView.ts"

/** The problems that a slow consumer keeps. */
const MAX_PROBLEMS = 1024

const NO_KEYS: ReadonlyArray<Key> = []

/** An index at one version. */
export interface FrozenIndex {
  readonly name: string
  /** The topic of its table: see `topicsOf`. */
  readonly topic: string
  readonly definition: AnyDefinition
  readonly tree: AnyTree
  /** Pairs of a row and a key. */
  readonly size: number
}

export abstract class IndexView<Frozen extends FrozenIndex> extends RowView {
  private frozen: Frozen | undefined
  private readonly leftOut = new SlotSet()
  /** How many rows were left out when this was shown last. */
  private shownLeftOut = 0
  private problemCount = 0
  protected readonly topic: string
  readonly kind = "index"
  private reportTo: ((numbers: IndexStats) => void) | undefined
  readonly problems = new Reports<IndexProblem<unknown>, TableFailure>(MAX_PROBLEMS)

  constructor(
    input: Input,
    readonly name: string,
    readonly definition: AnyDefinition
  ) {
    super(input)
    this.topic = topicsOf(input)
  }

  get shown(): Frozen | undefined {
    return this.frozen
  }

  /** How many of the rows that are shown have a key that another row has, of an index that is to have one row a key. */
  protected conflictsIn(_shown: Frozen): number {
    return 0
  }

  /** The same without looking at many rows. */
  protected aboutConflictsIn(_shown: Frozen): number {
    return 0
  }

  protected abstract freeze(): Frozen

  protected abstract moveEntries(to: Renumbering): Iterator<void, void>

  /** What a row with a value is indexed by. A row for which there is nothing, or whose functions throw, is left out. */
  protected keysFor(slots: AnySlots, slot: number): ReadonlyArray<Key> {
    const key = slots.keyAt(slot)
    let keys: ReadonlyArray<Key> | typeof LEFT_OUT
    try {
      keys = keysOf(this.definition, slots.peekAt(slot), key)
    } catch (cause) {
      this.tellOf(key, cause)
      keys = LEFT_OUT
    }
    if (keys === LEFT_OUT) {
      this.leftOut.add(slot)
      return NO_KEYS
    }
    this.leftOut.delete(slot)
    return keys
  }

  /** Counts and tells what a user's function did with a row. */
  protected tellOf(key: unknown, cause: unknown): void {
    this.problemCount++
    this.problems.push([{ index: this.name, key, cause }])
  }

  /** A row has no value any more. */
  protected gone(slot: number): undefined {
    this.leftOut.delete(slot)
  }

  protected *move(to: Renumbering): Generator<void, void> {
    yield* this.leftOut.renumber(to)
    const steps = this.moveEntries(to)
    while (steps.next().done !== true) yield
  }

  /** What is shown, counted. */
  get stats(): IndexStats {
    const { frozen } = this
    return Object.freeze({
      entries: frozen?.size ?? 0,
      leftOut: this.shownLeftOut,
      problems: this.problemCount,
      conflicts: frozen === undefined ? 0 : this.conflictsIn(frozen)
    })
  }

  show(): void {
    this.frozen = this.freeze()
    this.shownLeftOut = this.leftOut.size
  }

  report(labels: Labels): void {
    this.reportTo = makeIndexMetrics(this.name, labels)
  }

  override tell(): void {
    const { frozen } = this
    if (frozen === undefined || this.reportTo === undefined) return
    this.reportTo({
      entries: frozen.size,
      leftOut: this.shownLeftOut,
      problems: this.problemCount,
      conflicts: this.aboutConflictsIn(frozen)
    })
  }

  override end(how: Exit<void, TableFailure>): void {
    this.problems.end(how)
  }
}

/** How many entries are moved between two steps. */
const ENTRIES_PER_STEP = 8192

/** A tree whose slots have new numbers, in the same order, in steps. */
export function* renumbered<K>(order: Order<K>, tree: Tree<K>, to: Renumbering): Generator<void, MutableTree<K>> {
  const keys: Array<K> = []
  const slots: Array<number> = []
  const { size } = tree
  for (let from = 0; from < size; from += ENTRIES_PER_STEP) {
    tree.visit(from, Math.min(from + ENTRIES_PER_STEP, size), false, (slot, key) => {
      keys.push(key)
      slots.push(to[slot])
      return true
    })
    yield
  }
  return yield* buildTree(order, keys, slots)
}

/** The same for entries that are whole numbers of a tag and a slot. */
export function* renumberedPacked(
  order: Order<number>,
  tree: Tree<number>,
  to: Renumbering
): Generator<void, MutableTree<number>> {
  const entries: Array<number> = []
  const { size } = tree
  for (let from = 0; from < size; from += ENTRIES_PER_STEP) {
    tree.visit(from, Math.min(from + ENTRIES_PER_STEP, size), false, (slot, entry) => {
      entries.push(packed(tagOfPacked(entry), to[slot]))
      return true
    })
    yield
  }
  return yield* buildTree(order, entries, entries)
}
