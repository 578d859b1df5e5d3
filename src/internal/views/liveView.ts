/** The node of a live query: the rows that match, in its order, in step with the table, and what changes in the result. */
import type { Exit } from "effect/Exit"
import type { QueryResult } from "../../LiveQuery.ts"
import type { TableFailure } from "../../LiveTable.ts"
import type { TableChange } from "../../TableChange.ts"
import type { Plan } from "../../TableIndex.ts"
import type { TableEntry } from "../../TableSnapshot.ts"
import type { ChangeLog } from "../table/content/changeLog.ts"
import type { KeyIndex } from "../table/content/keyIndex.ts"
import type { Renumbering, Slots } from "../table/content/slots.ts"
import { Reports } from "../table/publication/reports.ts"
import { Subscriptions } from "../table/publication/subscriptions.ts"
import type { AnySlots, Input, Version } from "../table/publication/view.ts"
import { runAtOnce } from "../yield.ts"
import { sortedTree } from "../tree/sorted.ts"
import { MutableTree, type Order, type Tree } from "../tree/tree.ts"
import { Column } from "./column.ts"
import { keysOf, LEFT_OUT } from "./definition.ts"
import { PACKED } from "./hashIndex.ts"
import { type Key, orderOf } from "./indexKey.ts"
import { renumbered, renumberedPacked } from "./indexView.ts"
import { changesOfRows, changesOfWindows, type Matching } from "./liveChanges.ts"
import type { Query, Test } from "./query.ts"
import { type Arrangement, Result } from "./queryResult.ts"
import { ROWS_PER_STEP, RowView } from "./rowView.ts"

/** What a live query asks for. */
type Asked = Pick<Query<never, never, never>, "arrangement" | "tests">

/** Where there is no order, rows are in that of their slots, which are the keys, too. */
const BY_SLOT = PACKED as unknown as Order<Key>

export class LiveView<K, V, Entry extends TableEntry<K, V>> extends RowView {
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
  /** All rows that match, in order. */
  private tree: MutableTree<Key>
  private readonly treeOrder: Order<Key>
  /** The key of each row in the order. Without an order that is its slot, and not kept. */
  private readonly keys = new Column<Key>()
  private readonly compare: (a: Key, b: Key) => number
  /** The keys of the rows whose entries are compared. */
  private index: KeyIndex
  private frozen: Tree<Key> | undefined
  /** The result that was asked for last. */
  private last: { readonly of: Version<AnySlots, unknown>; readonly result: QueryResult<K, V, Entry> } | undefined
  private isOver = false
  /** What was shown before the update that is under way, or was not told yet. */
  private before: Matching<K, V, Entry> | undefined
  /** The rows of that update that matched before or match now, and whether they did before. */
  private news = new Map<number, boolean>()
  /** What that update changes in the result, if somebody is to hear of it. */
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
    this.compare = orderOf(order?.order)
    this.index = input.newest.index
    this.treeOrder =
      order === undefined
        ? BY_SLOT
        : {
            compare: (a, aSlot, b, bSlot) =>
              this.compare(a, b) || (aSlot === bSlot ? 0 : this.index.compare(aSlot, bSlot))
          }
    this.tree = MutableTree.empty(this.treeOrder)
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
    this.index = slots.index
    const keys: Array<Key> = []
    const found: Array<number> = []
    let n = 0
    for (const slot of query.candidates(query.way)) {
      if (++n % ROWS_PER_STEP === 0) yield
      const key = this.match(slots, slot)
      if (key === undefined) continue
      keys.push(key)
      found.push(slot)
      this.remember(slot, key)
    }
    this.tree = yield* sortedTree(this.treeOrder, keys, found)
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

  private remember(slot: number, key: Key | undefined): void {
    if (this.arrangement.order !== undefined) this.keys.set(slot, key)
  }

  /** Where in the order a row is by what the view has taken in; `undefined` if it is not in it. */
  private remembered(slot: number): Key | undefined {
    return this.arrangement.order !== undefined ? this.keys.get(slot) : this.tree.has(slot, slot) ? slot : undefined
  }

  override *apply(): Generator<void, void> {
    if (this.frozen !== undefined) this.before = this.matching(this.frozen)
    yield* super.apply()
  }

  protected update(slots: AnySlots, slot: number): void {
    this.index = slots.index
    const before = this.remembered(slot)
    const after = slots.isPresent(slot) ? this.match(slots, slot) : undefined
    if (before === undefined && after === undefined) return
    if (this.before !== undefined && !this.news.has(slot)) this.news.set(slot, before !== undefined)
    if (before !== undefined && after !== undefined && this.compare(before, after) === 0) return
    if (before !== undefined) this.tree.remove(before, slot)
    if (after !== undefined) this.tree.insert(after, slot)
    this.remember(slot, after)
  }

  protected *move(to: Renumbering): Generator<void, void> {
    if (this.arrangement.order === undefined) {
      // The keys of this tree are slots.
      this.tree = (yield* renumberedPacked(PACKED, this.tree as Tree<number>, to)) as MutableTree<Key>
    } else {
      yield* this.keys.renumber(to)
      this.tree = yield* renumbered(this.treeOrder, this.tree, to)
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // what is shown, and told
  // -------------------------------------------------------------------------------------------------------------------

  show(): void {
    // What was dropped in the middle of an update stays as it was.
    if (this.isOver) return
    this.frozen = this.tree.freeze()
    // It would hold the version that it is of.
    this.last = undefined
  }

  /** What matches in the version that is shown. */
  private matching(tree: Tree<Key>): Matching<K, V, Entry> {
    // The rows are those of the table that this view was made for.
    return { slots: this.input.shownVersion.slots as unknown as Slots<K, V, Entry>, tree }
  }

  /** The result at the version that the table shows. */
  get current(): QueryResult<K, V, Entry> {
    const { shownVersion } = this.input
    if (this.last === undefined || (this.last.of !== shownVersion && !this.isOver)) {
      const { slots, tree } = this.matching(this.frozen!)
      this.last = { of: shownVersion, result: new Result(slots, shownVersion.version, tree, this.arrangement) }
    }
    return this.last.result
  }

  /** Whether nobody is to hear of changes. */
  private get isUnheard(): boolean {
    return this.changes.isEmpty && this.results.isEmpty
  }

  *collect(): Generator<void, void> {
    const { before, news } = this
    this.log = undefined
    if (before === undefined || news.size === 0 || this.isUnheard) return
    // The rows are those of the table that this view was made for.
    const slots = this.input.newest as unknown as Slots<K, V, Entry>
    this.log = yield* this.changesBetween(before, { slots, tree: this.tree.freeze() }, news)
  }

  override tell(): void {
    const { before, log: collected, news } = this
    this.before = undefined
    this.log = undefined
    if (news.size === 0) return
    this.news = new Map()
    if (this.isOver || before === undefined || this.isUnheard) return
    // Somebody may have come since they were collected.
    const log = collected ?? runAtOnce(this.changesBetween(before, this.matching(this.frozen!), news))
    if (log.changes.length === 0) return
    this.changes.push(log)
    this.results.push([this.current])
  }

  /** What has changed in the result, in steps. */
  private changesBetween(
    before: Matching<K, V, Entry>,
    now: Matching<K, V, Entry>,
    news: ReadonlyMap<number, boolean>
  ): Generator<void, ChangeLog<TableChange<K, V>>> {
    return this.arrangement.limit === Number.POSITIVE_INFINITY
      ? changesOfRows(before, now, news, (slot) => this.remembered(slot) !== undefined)
      : changesOfWindows(before, now, news, this.arrangement)
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
