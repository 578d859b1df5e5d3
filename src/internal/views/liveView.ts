/** The node of a live query: the rows that match, in its order, in step with the table, and what changes in the result. */
import type { Exit } from "effect/Exit"
import { constVoid } from "effect/Function"
import type { QueryResult } from "../../LiveQuery.ts"
import type { TableFailure } from "../../LiveTable.ts"
import type { TableChange } from "../../TableChange.ts"
import type { Plan } from "../../TableIndex.ts"
import type { TableEntry } from "../../TableSnapshot.ts"
import type { ChangeLog } from "../table/content/changeLog.ts"
import type { Renumbering, Slots } from "../table/content/slots.ts"
import { Reports } from "../table/publication/reports.ts"
import { Subscriptions } from "../table/publication/subscriptions.ts"
import type { AnySlots, Input, Version } from "../table/publication/view.ts"
import { sortedTree } from "../tree/sorted.ts"
import { MutableTree, type Order, type Tree } from "../tree/tree.ts"
import { runAtOnce } from "../yield.ts"
import { keysOf, LEFT_OUT } from "./definition.ts"
import { PACKED } from "./hashIndex.ts"
import { compareKeys, type Key } from "./indexKey.ts"
import { renumberedPacked } from "./indexView.ts"
import { OrderedRows } from "./orderedRows.ts"
import type { Query, Test } from "./query.ts"
import { type Arrangement, type Frozen, type Matching, Result } from "./queryResult.ts"
import { changesBetween } from "./resultChanges.ts"
import { ROWS_PER_STEP, RowView } from "./rowView.ts"

/** What a live query asks for. */
type Asked = Pick<Query<never, never, never>, "arrangement" | "tests">

/** Where there is no order, rows are in that of their slots, which are the keys, too. */
const BY_SLOT = PACKED as unknown as Order<Key>

export class LiveView<K, V, Entry extends TableEntry<K, V>> extends RowView {
  readonly kind = "live"
  readonly shown = undefined
  readonly changes = new Subscriptions<TableChange<K, V>, TableFailure>()
  readonly pressure = this.changes
  readonly results = new Reports<QueryResult<K, V, Entry>, TableFailure>(1)
  /** How its rows were found. */
  plan: Plan | undefined
  private readonly arrangement: Arrangement
  /** What a row has to meet. */
  private readonly tests: ReadonlyArray<Test>
  /** The query at the version that the view is built of. */
  private query: Query<K, V, Entry> | undefined
  /** All rows that match, in the order that was asked for, or by their slots. */
  private readonly rows: OrderedRows | undefined
  private bySlot = MutableTree.empty(BY_SLOT)
  private frozen: Frozen | undefined
  /** The result that was asked for last. */
  private last: { readonly of: Version<AnySlots, unknown>; readonly result: QueryResult<K, V, Entry> } | undefined
  private isOver = false
  /** What was shown before the update that is under way, or was not told yet. */
  private before: Matching<K, V, Entry> | undefined
  /** The rows of that update that matched before or match now, and whether they did before. */
  private news = new Map<number, boolean>()
  /** The changes of that update, made in steps; `undefined` if nobody listened by then. */
  private log: ChangeLog<TableChange<K, V>> | undefined

  constructor(
    input: Input,
    { arrangement, tests }: Asked,
    /** Makes the query at the version that is shown, without its limit. */
    private readonly makeQuery: () => Query<K, V, Entry>
  ) {
    super(input)
    const { order } = arrangement
    this.arrangement = arrangement
    this.tests = tests
    // What is wrong with an order is told by its index.
    this.rows = order && new OrderedRows(order.order, input.newest.index, constVoid)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // the rows that match
  // -------------------------------------------------------------------------------------------------------------------

  override *build(): Generator<void, void> {
    this.query = this.makeQuery()
    yield* super.build()
  }

  protected *fill(slots: AnySlots): Generator<void, void> {
    const query = this.query!
    this.query = undefined
    this.plan = query.plan
    const found: Array<number> = []
    let n = 0
    for (const slot of query.candidates(query.way)) {
      if (++n % ROWS_PER_STEP === 0) yield
      const key = this.match(slots, slot)
      if (key === undefined) continue
      found.push(slot)
      this.rows?.note(slot, key)
    }
    if (this.rows !== undefined) yield* this.rows.fill(slots.index, found)
    else this.bySlot = yield* sortedTree(BY_SLOT, found, (slot) => slot as Key)
  }

  /** Where in the order a row with a value is now; `undefined` if it does not match, or the user's functions throw. */
  private match(slots: AnySlots, slot: number): Key | undefined {
    const { arrangement, tests } = this
    if (tests.length === 0 && arrangement.order === undefined) return slot
    try {
      const [value, key] = [slots.peekAt(slot), slots.keyAt(slot)]
      for (const { definition, isMet } of tests) {
        const keys = keysOf(definition, value, key)
        if (keys === LEFT_OUT || !keys.some(isMet)) return undefined
      }
      if (arrangement.order === undefined) return slot
      const keys = keysOf(arrangement.order, value, key)
      return keys === LEFT_OUT ? undefined : keys[0]
    } catch {
      return undefined
    }
  }

  /** Where in the order a row is by what the view has taken in; `undefined` if it is not in it. */
  private remembered(slot: number): Key | undefined {
    if (this.rows !== undefined) return this.rows.keyOf(slot)
    return this.bySlot.has(slot, slot) ? slot : undefined
  }

  override *apply(): Generator<void, void> {
    if (this.frozen !== undefined) this.before = this.matching(this.frozen)
    this.log = undefined
    yield* super.apply()
    if (this.rows !== undefined) yield* this.rows.mend()
    const { before } = this
    if (before !== undefined && this.isHeard) this.log = yield* this.changesSince(before, this.input.newest)
  }

  /** The changes of the update, with the rows that the table is going to show, or shows by now. */
  private changesSince(before: Matching<K, V, Entry>, newest: AnySlots): Generator<void, ChangeLog<TableChange<K, V>>> {
    // The rows are those of the table that this view was made for.
    const now = { slots: newest as unknown as Slots<K, V, Entry>, tree: this.rows?.newest ?? this.bySlot }
    return changesBetween(before, now, this.arrangement, {
      wereIn: this.news,
      isIn: (slot) => this.remembered(slot) !== undefined
    })
  }

  /** Whether somebody is there who wants to be told of changes. */
  private get isHeard(): boolean {
    return !this.changes.isEmpty || !this.results.isEmpty
  }

  protected update(slots: AnySlots, slot: number): void {
    const before = this.remembered(slot)
    const after = slots.isPresent(slot) ? this.match(slots, slot) : undefined
    if (before === undefined && after === undefined) return
    if (this.before !== undefined && !this.news.has(slot)) this.news.set(slot, before !== undefined)
    if (this.rows !== undefined) this.rows.set(slots.index, slot, after)
    else if (after === undefined) this.bySlot.remove(slot, slot)
    else if (before === undefined) this.bySlot.insert(slot, slot)
  }

  protected *move(to: Renumbering): Generator<void, void> {
    if (this.rows !== undefined) yield* this.rows.renumber(to)
    // The keys of this tree are slots.
    else this.bySlot = (yield* renumberedPacked(PACKED, this.bySlot as Tree<number>, to)) as MutableTree<Key>
  }

  override renumbered(): void {
    this.rows?.renumbered(this.input.newest.index)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // what is shown, and told
  // -------------------------------------------------------------------------------------------------------------------

  show(): void {
    // What was dropped in the middle of an update stays as it was.
    if (this.isOver) return
    const { bySlot, rows } = this
    this.frozen = { tree: (rows ?? bySlot).freeze(), compare: rows?.compare ?? compareKeys }
    // It would hold the version that it is of.
    this.last = undefined
  }

  /** What matches in the version that is shown. */
  private matching(frozen: Frozen): Matching<K, V, Entry> {
    // The rows are those of the table that this view was made for.
    return { ...frozen, slots: this.input.shownVersion.slots as unknown as Slots<K, V, Entry> }
  }

  /** The result at the version that the table shows. */
  get current(): QueryResult<K, V, Entry> {
    const { shownVersion } = this.input
    if (this.last === undefined || (this.last.of !== shownVersion && !this.isOver)) {
      const result = new Result(this.matching(this.frozen!), shownVersion.version, this.arrangement)
      this.last = { of: shownVersion, result }
    }
    return this.last.result
  }

  override tell(): void {
    const { before, news } = this
    const isTold = news.size > 0 && !this.isOver && before !== undefined && this.isHeard
    // Who has come to listen since that was prepared is told of it as well.
    const log = isTold ? (this.log ?? runAtOnce(this.changesSince(before, this.input.newest))) : undefined
    this.before = undefined
    this.log = undefined
    if (news.size > 0) this.news = new Map()
    if (log === undefined || log.changes.length === 0) return
    this.changes.push(log)
    this.results.push([this.current])
  }

  override end(how: Exit<void, TableFailure>): void {
    if (this.isOver) return
    // It stays what it is, while the table may go on.
    void this.current
    this.isOver = true
    this.changes.end(how)
    this.results.end(how)
  }
}
