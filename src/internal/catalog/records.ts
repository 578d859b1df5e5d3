/** The table of a catalog's records: a view of the table of its log, in which each identity has one row. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Identity } from "../../Catalog.ts"
import type { TableFailure } from "../../LiveTable.ts"
import type { TableChange } from "../../TableChange.ts"
import type { RecordEntry, TableSnapshot } from "../../TableSnapshot.ts"
import { PublishedRef } from "../effect/v4/publishedRef.ts"
import type { ChangeLog } from "../table/content/changeLog.ts"
import { type HashKey, makeHashKey } from "../table/content/keyHash.ts"
import { UNKNOWN } from "../table/content/keyIndex.ts"
import type { RecordSlots } from "../table/content/recordSlots.ts"
import type { Renumbering } from "../table/content/slots.ts"
import { type Face, type Showing, Shown, versionOf } from "../table/publication/shown.ts"
import type { AnySlots, Input, Output, Pressure, Root, Version } from "../table/publication/view.ts"
import { sortInSteps } from "../tree/sorting.ts"
import { buildTree, MutableTree, type Order, Tree } from "../tree/tree.ts"
import { SlotSet } from "../views/column.ts"
import { PACKED } from "../views/hashIndex.ts"
import { packed, tagOfBytes } from "../views/indexKey.ts"
import { renumberedPacked } from "../views/indexView.ts"
import { ROWS_PER_STEP, RowView } from "../views/rowView.ts"
import { candidatesOf, firstOf } from "./candidates.ts"
import { type CandidateKey, Claim, identityIn, isClaim } from "./keys.ts"
import { IdentityIndex, RecordRows } from "./recordRows.ts"
import { CLAIMED } from "./values.ts"

/** The publication of a log's table. */
export type Log = Showing<unknown, never>

type Snapshot<R> = TableSnapshot<Identity, R, RecordEntry<Identity, R>>

type RecordFace<R> = Face<RecordRows<R>, Snapshot<R>>

type Change<R> = TableChange<Identity, R>

/** What a catalog shows. Its rows have the slots that they have in the log's table. */
class Records<R> extends Shown<RecordRows<R>, Snapshot<R>, Change<R>> implements Output {
  touched: Array<number> = []
  log: ChangeLog<Change<R>> | undefined

  constructor(
    private readonly source: Log,
    height: number,
    face: RecordFace<R>,
    first: Version<RecordRows<R>, Snapshot<R>>,
    snapshots: PublishedRef<Snapshot<R>>
  ) {
    super(height, face, first, snapshots)
  }

  /** Rows are those of a version of the log: what is made of them takes each, and holds no older one. */
  readonly hasMoved = true

  get roots(): ReadonlySet<Root> {
    return this.source.roots
  }

  isNumberedAs(input: Input): boolean {
    return input === this || input === this.source
  }

  override get settledSnapshot(): Snapshot<R> | undefined {
    return this.source.settledSnapshot === undefined ? undefined : this.snapshot
  }

  override get atRest(): Effect.Effect<void> {
    return this.source.atRest
  }

  /** Makes the next version, of rows that are others than before or only have other slots. */
  prepare(rows: RecordRows<R>, isNew: boolean): void {
    this.begin(rows, isNew ? this.version + 1 : this.version)
  }

  show(): void {
    this.swap()
  }

  tell(): void {
    const { log } = this
    this.log = undefined
    this.touched = []
    if (log !== undefined) this.subscriptions.push(log)
  }

  close(how: Exit.Exit<void, TableFailure>): void {
    this.endAll(how)
  }
}

/** Whether a row with a value can be shown. One without bytes is no record, whoever has written it under such a key. */
const isCandidate = (slots: AnySlots, slot: number): boolean =>
  (slots as RecordSlots<CandidateKey, unknown>).heldAt(slot) !== CLAIMED

const SLOTS: Order<number> = { compare: (a, _aSlot, b) => a - b, slotOf: (slot) => slot }

/** How many slots are moved between two steps. */
const SLOTS_PER_STEP = 8192

export class RecordsView<R> extends RowView {
  readonly kind = "catalog"
  override readonly output: Records<R>
  readonly shown = undefined
  /** All candidates, by the tags of their identities. */
  private tree = MutableTree.empty(PACKED)
  /** The slots that are in it. */
  private readonly present = new SlotSet()
  /** The rows with a value that are not shown. */
  private hidden = MutableTree.empty(SLOTS)
  /** The rows that claim the log. */
  private claims = new Set<number>()
  /** A slot of each identity of which another candidate may be the first one now, by the identity's bytes as text. */
  private suspects = new Map<string, number>()
  private index: IdentityIndex

  private constructor(
    input: Log,
    readonly from: number,
    private readonly hashKey: HashKey,
    makeOutput: (height: number) => Records<R>
  ) {
    super(input)
    this.index = new IdentityIndex(input.newest.index)
    this.output = makeOutput(this.height)
  }

  /** Makes the view of a log. Records from before `from`, by their timestamps, are not shown. */
  static make<R>(log: Log, from: number, face: RecordFace<R>): Effect.Effect<RecordsView<R>> {
    const hashKey = makeHashKey()
    const none = Tree.empty(PACKED)
    const rows = new RecordRows(log.newest as unknown as RecordSlots<CandidateKey, R>, {
      index: new IdentityIndex(log.newest.index),
      tree: none,
      hashKey,
      hidden: none
    })
    const first = versionOf(face, rows, 0)
    return Effect.map(
      PublishedRef.make(first.snapshot, { keepsAll: false }),
      (ref) => new RecordsView(log, from, hashKey, (height) => new Records(log, height, face, first, ref))
    )
  }

  /** The newest rows of the log. Its table has no others than these. */
  private get source(): RecordSlots<CandidateKey, R> {
    return this.input.newest as unknown as RecordSlots<CandidateKey, R>
  }

  /** The newest rows, as they are shown next. */
  private rows(): RecordRows<R> {
    const { hashKey, source } = this
    if (this.index.source !== source.index) this.index = new IdentityIndex(source.index)
    return new RecordRows(source, {
      index: this.index,
      tree: this.tree.freeze(),
      hashKey,
      hidden: this.hidden.freeze()
    })
  }

  /** The claim of the log that counts; `undefined` if there is none. */
  get claim(): { readonly text: string; readonly key: Buffer } | undefined {
    const { source } = this
    const slot = firstOf((each) => source.entryAt(each)!, [...this.claims])
    const key = slot === undefined ? undefined : source.keyAt(slot)
    return key instanceof Claim ? { text: key.text, key: Buffer.from(source.index.bytesAt(slot!)) } : undefined
  }

  protected *fill(slots: AnySlots): Generator<void, void> {
    const entries: Array<number> = []
    for (let slot = 0; slot < slots.length; slot++) {
      if (slot % ROWS_PER_STEP === 0) yield
      if (!slots.isPresent(slot)) continue
      const key = slots.index.bytesAt(slot)
      if (isClaim(key)) {
        this.claims.add(slot)
        this.hidden.insert(slot, slot)
        continue
      }
      if (!isCandidate(slots, slot)) {
        this.hidden.insert(slot, slot)
        continue
      }
      entries.push(packed(tagOfBytes(this.hashKey, identityIn(key)), slot))
      this.present.add(slot)
    }
    const sorted = yield* sortInSteps(Float64Array.from(entries))
    this.tree = yield* buildTree(PACKED, sorted, sorted)
    // Most identities have one candidate, so all of them are looked at one by one.
    for (let slot = 0; slot < slots.length; slot++) {
      if (slot % ROWS_PER_STEP === 0) yield
      if (this.present.has(slot)) this.settle(slots, slot)
    }
    this.output.touched = []
  }

  protected update(slots: AnySlots, slot: number): void {
    const key = slots.index.bytesAt(slot)
    const isPresent = slots.isPresent(slot)
    if (isClaim(key)) {
      if (isPresent) this.claims.add(slot)
      else this.claims.delete(slot)
      this.hide(slot, isPresent)
      return
    }
    const identity = identityIn(key)
    const counts = isPresent && isCandidate(slots, slot)
    if (counts !== this.present.has(slot)) {
      const entry = packed(tagOfBytes(this.hashKey, identity), slot)
      if (counts) {
        this.present.add(slot)
        this.tree.insert(entry, slot)
      } else {
        this.present.delete(slot)
        this.tree.remove(entry, slot)
      }
    }
    if (!counts) this.hide(slot, isPresent)
    this.output.touched.push(slot)
    this.suspects.set(identity.toString("latin1"), slot)
  }

  private hide(slot: number, isHidden: boolean): void {
    if (this.hidden.has(slot, slot) === isHidden) return
    if (isHidden) this.hidden.insert(slot, slot)
    else this.hidden.remove(slot, slot)
  }

  /** Shows the first candidate of a slot's identity, and no other one. */
  private settle(slots: AnySlots, slot: number): void {
    const identity = identityIn(slots.index.bytesAt(slot))
    const candidates = candidatesOf(slots.index, this.tree, this.hashKey, identity)
    const placeAt = (each: number) => (slots as unknown as RecordSlots<CandidateKey, R>).entryAt(each)!
    const first = firstOf(placeAt, candidates)
    for (const each of candidates) {
      const isHidden = each !== first || (this.from > Number.NEGATIVE_INFINITY && placeAt(each).timestamp < this.from)
      if (this.hidden.has(each, each) === isHidden) continue
      this.hide(each, isHidden)
      if (each !== slot) this.output.touched.push(each)
    }
  }

  get pressure(): Pressure {
    return this.output
  }

  override *apply(): Generator<void, void> {
    const { output } = this
    yield* super.apply()
    const { newest } = this.input
    const { suspects } = this
    this.suspects = new Map()
    let n = 0
    for (const slot of suspects.values()) {
      if (++n % ROWS_PER_STEP === 0) yield
      this.settle(newest, slot)
    }
    const rows = this.rows()
    output.log = output.subscriptions.isEmpty ? undefined : yield* this.changes(suspects.keys(), rows)
    output.prepare(rows, output.touched.length > 0 || output.version === 0)
  }

  /** What has changed of some identities, since they were shown last. */
  private *changes(identities: Iterable<string>, rows: RecordRows<R>): Generator<void, ChangeLog<Change<R>>> {
    const { slots: shown } = this.output.shownVersion
    const log: ChangeLog<Change<R>> = { ids: [], changes: [] }
    let n = 0
    for (const id of identities) {
      if (++n % ROWS_PER_STEP === 0) yield
      const identity = Buffer.from(id, "latin1")
      const [slotBefore, slot] = [shown.findIdentity(identity), rows.findIdentity(identity)]
      const before = slotBefore === UNKNOWN ? undefined : shown.entryAt(slotBefore)
      const after = slot === UNKNOWN ? undefined : rows.entryAt(slot)
      const previous = before === undefined ? Option.none<R>() : Option.some(before.value)
      if (after !== undefined) {
        // A topic that was created again may have another record at the same place.
        const isSame =
          before?.offset === after.offset &&
          before.partition === after.partition &&
          shown.candidateKeyAt(slotBefore).equals(rows.candidateKeyAt(slot))
        if (isSame) continue
        log.changes.push({ _tag: "Upsert", key: after.key, value: after.value, previous })
      } else if (before !== undefined) log.changes.push({ _tag: "Delete", key: before.key, previous })
      else continue
      log.ids.push(id)
    }
    return log
  }

  protected *move(to: Renumbering): Generator<void, void> {
    yield* this.present.renumber(to)
    this.claims = new Set(Array.from(this.claims, (slot) => to[slot]).filter((slot) => slot >= 0))
    this.tree = yield* renumberedPacked(PACKED, this.tree, to)
    const { hidden } = this
    const slots: Array<number> = []
    for (let from = 0; from < hidden.size; from += SLOTS_PER_STEP) {
      hidden.visit(from, Math.min(from + SLOTS_PER_STEP, hidden.size), false, (slot) => {
        slots.push(to[slot])
        return true
      })
      yield
    }
    this.hidden = yield* buildTree(SLOTS, slots, slots)
  }

  override renumbered(): void {
    this.output.prepare(this.rows(), false)
  }

  show(): void {
    this.output.show()
  }

  override tell(): void {
    this.output.tell()
  }

  override end(how: Exit.Exit<void, TableFailure>): void {
    this.output.close(how)
  }
}
