/**
 * Hides the rows of a table whose time is over. It looks at the rows that an update has written to before the update is
 * published, so that what is past when it is applied is never seen, and the reader has it look again at the next deadline.
 */
import * as Option from "effect/Option"
import type { RecordChange } from "../../../TableChange.ts"
import { kindOfThrown, kindOfValue } from "../../codec/schema/faults.ts"
import { Signal } from "../../signal.ts"
import type { ChangeLog } from "../content/changeLog.ts"
import { expiredAtOnce, hideRow } from "../content/hiding.ts"
import { UNKNOWN } from "../content/keyIndex.ts"
import { ROWS_PER_STEP } from "../content/keyedRows.ts"
import { withPrevious } from "../content/recordHeaders.ts"
import { isPresent, placeOf } from "../content/rowVector.ts"
import type { Renumbering } from "../content/slots.ts"
import type { TableState } from "../content/state.ts"
import type { AnySlots } from "../publication/view.ts"
import { Column, slotSetFor } from "../../views/column.ts"
import type { TableConfig } from "../../options/table.ts"
import type { Counters } from "./counters.ts"
import { Deadlines } from "./deadlines.ts"

/**
 * How many rows go in one publication of which none was written to: it is told to all subscribers in one step, and what has
 * come meanwhile waits for it.
 */
export const ROWS_AT_ONCE = 32_768

/** The options that say how long rows live. */
type Lifetime<K, V> = Pick<TableConfig<K, V>, "expireAfterMillis" | "expireAt">

/** Hears of a row that is hidden: of its key, and of the key's identity by the bytes in the log. */
type HiddenListener<K> = (key: K, id: string) => void

/** Of each key, the value that it has after the changes that were noted. */
type Known<V> = ReadonlyMap<string, Option.Option<V>>

/** The expiry of a table with these options; `undefined` if its rows live for ever. */
export const expiryOf = <K, V>(
  lifetime: Lifetime<K, V>,
  state: TableState<K, V>,
  counters: Counters
): Expiry<K, V> | undefined =>
  lifetime.expireAfterMillis === undefined && lifetime.expireAt === undefined
    ? undefined
    : new Expiry(lifetime, state, counters)

export class Expiry<K, V> {
  /** Notified when the earliest deadline has changed. */
  readonly changed = new Signal()
  private readonly deadlines = new Deadlines()
  /** Of rows that were hidden, the offset of the record. A row is hidden no more when another record counts. */
  private readonly hidden = new Column<number>()
  private readonly listeners = new Set<HiddenListener<K>>()
  /** What kind of thing `expireAt` threw, or returned, that was no time; `undefined` before it did. */
  private fault: string | undefined
  private isFaultTold = false

  constructor(
    private readonly lifetime: Lifetime<K, V>,
    private readonly state: TableState<K, V>,
    private readonly counters: Counters
  ) {}

  /** When the next row is to go, in milliseconds since the epoch; infinity if none is. */
  get next(): number {
    return this.deadlines.first
  }

  /**
   * Hides what is to go by now, in steps. It has to be run while an update is under way, after all that the update writes.
   * `shown` are the rows that readers see. Of those whose time has come since the last run, no more than `ROWS_AT_ONCE`
   * go: where there are others, `next` is in the past.
   */
  *run(now: number, shown: AnySlots): Generator<void, void> {
    const { next, state } = this
    const known = state.log === undefined ? undefined : yield* this.amend(state.log, now)
    const { touched = [] } = state
    // What is hidden here is noted as well.
    const { length } = touched
    const seen = slotSetFor(length)
    for (let i = 0; i < length; i++) {
      if (i % ROWS_PER_STEP === ROWS_PER_STEP - 1) yield
      const slot = touched[i]
      if (seen.has(slot)) continue
      seen.add(slot)
      const deadline = this.deadlineOf(slot)
      this.deadlines.set(slot, deadline > now ? deadline : Number.POSITIVE_INFINITY)
      if (deadline <= now) this.hide(slot, shown, known)
    }
    for (let n = 1; n <= ROWS_AT_ONCE; n++) {
      // A row that is taken is hidden in the same step, as an update may be given up between two of them.
      if (n % ROWS_PER_STEP === 0) yield
      const slot = this.deadlines.takeDue(now)
      if (slot === undefined) break
      this.hide(slot, shown, known)
    }
    if (this.next !== next) this.changed.notify()
  }

  private hide(slot: number, shown: AnySlots, known: Known<V> | undefined): void {
    const { state } = this
    const { records } = state
    this.hidden.set(slot, records.offsetAt(placeOf(state.rowAt(slot)!.held)))
    for (const listener of this.listeners) listener(state.keyAt(slot), state.idAt(slot))
    if (shown.isPresent(slot)) this.counters.expired++
    const previous =
      known === undefined ? Option.none<V>() : (known.get(state.idAt(slot)) ?? state.valueOf(state.rowAt(slot)!))
    hideRow(state, slot, previous)
  }

  /**
   * Makes the noted changes those of a table that never shows what is past when it is applied. Returns what they leave of
   * their keys.
   */
  private *amend({ changes, ids }: ChangeLog<RecordChange<K, V>>, now: number): Generator<void, Known<V>> {
    const known = new Map<string, Option.Option<V>>()
    const left: ChangeLog<RecordChange<K, V>> = { ids: [], changes: [] }
    for (let i = 0; i < changes.length; i++) {
      if (i % ROWS_PER_STEP === ROWS_PER_STEP - 1) yield
      const change = changes[i]
      const before = known.get(ids[i]) ?? change.previous
      const after = this.valueAfter(change, now)
      known.set(ids[i], after)
      if (Option.isNone(after) && Option.isNone(before)) continue
      left.ids.push(ids[i])
      left.changes.push(
        change._tag === "Upsert" && Option.isNone(after)
          ? expiredAtOnce(change, before)
          : before === change.previous
            ? change
            : withPrevious(change, before)
      )
    }
    // Up to here the log is what it was, as an update may be given up between two steps.
    ids.length = changes.length = left.ids.length
    for (let i = 0; i < left.ids.length; i++) {
      ids[i] = left.ids[i]
      changes[i] = left.changes[i]
    }
    return known
  }

  /** The value that a key has after a change, if it is not past. */
  private valueAfter(change: RecordChange<K, V>, now: number): Option.Option<V> {
    if (change._tag === "Delete") return Option.none()
    const { key, timestamp, value } = change
    return this.deadlineBy(key, timestamp, () => value) <= now ? Option.none() : Option.some(value)
  }

  /** When a row is to go; infinity if it has no value, or lives for ever. */
  private deadlineOf(slot: number): number {
    const { records } = this.state
    const row = this.state.rowAt(slot)
    if (row === undefined || !isPresent(row.held)) return Number.POSITIVE_INFINITY
    return this.deadlineBy(
      this.state.keyAt(slot),
      records.timestampAt(placeOf(row.held)),
      () => this.state.load(row.value, row.held),
      (fault) => {
        this.counters.expiryErrors++
        this.fault ??= fault
      }
    )
  }

  private deadlineBy(key: K, timestamp: number, value: () => V, onFault?: (fault: string) => void): number {
    const { expireAfterMillis, expireAt } = this.lifetime
    // A record of an old format has no timestamp, which is -1.
    const after =
      expireAfterMillis === undefined || timestamp < 0 ? Number.POSITIVE_INFINITY : timestamp + expireAfterMillis
    if (expireAt === undefined) return after
    try {
      const at: unknown = expireAt(value(), { key, timestamp })
      if (at === undefined) return after
      if (typeof at === "number" && !Number.isNaN(at)) return Math.min(after, at)
      onFault?.(`it returned ${Number.isNaN(at) ? "NaN" : kindOfValue(at)}`)
    } catch (thrown) {
      onFault?.(`it threw ${kindOfThrown(thrown)}`)
    }
    return after
  }

  /** Moves all to new slots, in steps, after `steps`. Up to the last one, nothing has changed here. */
  *follow(steps: Iterator<void, void>, to: Renumbering): Generator<void, void> {
    while (steps.next().done !== true) yield
    yield* this.deadlines.renumber(to)
    yield* this.hidden.renumber(to)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // what is hidden
  // -------------------------------------------------------------------------------------------------------------------

  /** Tells of each row that is hidden from now on, in its step, until what is returned is called. */
  listen(listener: HiddenListener<K>): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Tells of the rows that are hidden now, in steps, while rows keep their slots. */
  *tellOfHidden(listener: HiddenListener<K>): Generator<void, void> {
    const { state } = this
    for (let slot = 0; slot < state.rows.length; slot++) {
      if (slot % ROWS_PER_STEP === ROWS_PER_STEP - 1) yield
      if (this.isHidden(slot)) listener(state.keyAt(slot), state.idAt(slot))
    }
  }

  /**
   * Whether the last record of a key that has no value may be one that has expired, and no tombstone. Of a key whose row the
   * table has given up, nobody knows.
   */
  mayBeHidden(key: Buffer): boolean {
    const slot = this.state.find(key, 0, key.length)
    return slot === UNKNOWN || this.isHidden(slot)
  }

  private isHidden(slot: number): boolean {
    const offset = this.hidden.get(slot)
    if (offset === undefined) return false
    const { records } = this.state
    const row = this.state.rowAt(slot)
    return row !== undefined && !isPresent(row.held) && records.offsetAt(placeOf(row.held)) === offset
  }

  /** What is wrong with `expireAt`, the first time that it is asked for after something was. */
  takeFault(): string | undefined {
    if (this.fault === undefined || this.isFaultTold) return undefined
    this.isFaultTold = true
    return this.fault
  }
}
