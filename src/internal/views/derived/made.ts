/** What a table shows that is made of others: its versions, and the changes from one to the next. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { TableFailure } from "../../../LiveTable.ts"
import type { TableChange } from "../../../TableChange.ts"
import type { TableSnapshot } from "../../../TableSnapshot.ts"
import type { Codec } from "../../../Codec.ts"
import { PublishedRef } from "../../effect/v4/publishedRef.ts"
import { runAtOnce } from "../../yield.ts"
import type { ChangeLog } from "../../table/content/changeLog.ts"
import { UNKNOWN } from "../../table/content/keyIndex.ts"
import { keyId } from "../../table/content/slots.ts"
import { type Face, Shown, type Showing, versionOf } from "../../table/publication/shown.ts"
import type { Input, Output, Root } from "../../table/publication/view.ts"
import { ROWS_PER_STEP } from "../rowView.ts"
import type { ComputedSlots } from "./computedSlots.ts"

/** What a row is that has no value, where it is compared with one that has. */
const ABSENT: unique symbol = Symbol("ABSENT")

interface Options<K, V> {
  readonly inputs: ReadonlyArray<Input>
  /** The table that gives its rows their slots; `undefined` if it has slots of its own. */
  readonly numbering: Input | undefined
  readonly key: Codec<K>
  readonly slots: ComputedSlots<K, V>
  readonly face: Face<ComputedSlots<K, V>, TableSnapshot<K, V>>
}

export class Made<K, V>
  extends Shown<ComputedSlots<K, V>, TableSnapshot<K, V>, TableChange<K, V>>
  implements Output, Showing<TableSnapshot<K, V>, TableChange<K, V>>
{
  readonly roots: ReadonlySet<Root>
  private readonly numbering: Input | undefined
  private readonly key: Codec<K>
  /** Slots that are other than those that are shown. */
  private changed = new Set<number>()
  /** Slots that were so at some time since: what is made of this has seen them. */
  private seen: Array<number> = []
  private before: ComputedSlots<K, V> | undefined
  /** The changes from the version that is shown to the next one, made in steps; `undefined` if nobody listened by then. */
  private log: ChangeLog<TableChange<K, V>> | undefined
  /** Called when an update was told to all subscribers. */
  onTold: (() => void) | undefined

  private constructor(
    { face, inputs, key, numbering, slots }: Options<K, V>,
    snapshots: PublishedRef<TableSnapshot<K, V>>
  ) {
    super(1 + Math.max(...inputs.map(({ height }) => height)), face, versionOf(face, slots, 0), snapshots)
    this.roots = new Set(inputs.flatMap((input) => [...input.roots]))
    this.numbering = numbering
    this.key = key
  }

  static make<K, V>(options: Options<K, V>): Effect.Effect<Made<K, V>> {
    const first = versionOf(options.face, options.slots, 0)
    return Effect.map(
      PublishedRef.make(first.snapshot, { keepsAll: false }),
      (snapshots) => new Made(options, snapshots)
    )
  }

  isNumberedAs(input: Input): boolean {
    return input === this || this.numbering === input || this.numbering?.isNumberedAs(input) === true
  }

  /** The rows that are shown. */
  get rows(): ComputedSlots<K, V> {
    return this.current.slots
  }

  get touched(): ReadonlyArray<number> {
    return this.seen
  }

  /** Whether rows have other slots than those that are shown, or have their values of a newer version of their source. */
  get hasMoved(): boolean {
    return this.newest.index !== this.current.slots.index || this.newest.borrows
  }

  /** Notes that a row is other than the one that is shown, or is the same again. */
  note(slot: number, isChanged: boolean): void {
    if (isChanged) {
      this.changed.add(slot)
      this.seen.push(slot)
    } else this.changed.delete(slot)
  }

  /** Makes the next version. Without a changed row it is the same one, whose rows hold nothing of older versions. */
  take(slots: ComputedSlots<K, V>): void {
    this.begin(slots, this.changed.size === 0 ? this.version : this.version + 1)
  }

  /** Makes the first version that has something. */
  takeFirst(slots: ComputedSlots<K, V>): void {
    this.begin(slots)
  }

  show(): void {
    // Rows with new slots are nothing that anybody is told of, and the old ones are not held for that.
    if (this.changed.size > 0) this.before = this.current.slots
    this.swap()
  }

  /** Makes the changes from the version that is shown to the one that was taken, in steps, if somebody is to hear of them. */
  *collect(): Generator<void, void> {
    this.log = this.subscriptions.isEmpty ? undefined : yield* this.changesBetween(this.rows, this.newest)
  }

  /** Hands subscribers the changes since the version before. */
  tell(): void {
    const { before, changed, log } = this
    this.before = undefined
    this.log = undefined
    this.seen = []
    if (changed.size > 0) {
      // Who has come to listen since they were made is told of them as well.
      if (before !== undefined && !this.subscriptions.isEmpty) {
        this.subscriptions.push(log ?? runAtOnce(this.changesBetween(before, this.rows)))
      }
      this.changed = new Set()
    }
    this.onTold?.()
  }

  private *changesBetween(
    before: ComputedSlots<K, V>,
    now: ComputedSlots<K, V>
  ): Generator<void, ChangeLog<TableChange<K, V>>> {
    const ids: Array<string> = []
    const changes: Array<TableChange<K, V>> = []
    let n = 0
    for (const slot of this.changed) {
      if (++n % ROWS_PER_STEP === 0) yield
      const key = now.keyAt(slot)
      const old = before.index === now.index ? slot : before.find(key)
      const previous = old === UNKNOWN ? ABSENT : before.peekOr<typeof ABSENT>(old, ABSENT)
      const value = now.peekOr<typeof ABSENT>(slot, ABSENT)
      if (previous === ABSENT && value === ABSENT) continue
      ids.push(keyId(this.key, key) ?? now.index.textAt(slot, "latin1"))
      const was = previous === ABSENT ? Option.none() : Option.some(previous)
      changes.push(
        value === ABSENT ? { _tag: "Delete", key, previous: was } : { _tag: "Upsert", key, value, previous: was }
      )
    }
    return { ids, changes }
  }

  /** Ends all that is made of it. */
  end(how: Exit.Exit<void, TableFailure>): void {
    this.endAll(how)
  }
}
