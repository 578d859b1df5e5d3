/** Who watches groups: handed each version in which one of a group's rows is another one. */
import * as Effect from "effect/Effect"
import type { Exit } from "effect/Exit"
import type { TableFailure } from "../../LiveTable.ts"
import type { RecordEntry } from "../../TableSnapshot.ts"
import { begun, type Pushed } from "../effect/v4/pushed.ts"
import { sliding } from "../table/publication/buffers.ts"
import { Subscriber } from "../table/publication/subscriber.ts"
import type { Input } from "../table/publication/view.ts"
import { sameValue } from "../views/sameValue.ts"
import type { GroupedSlots, GroupedVersion } from "./groups.ts"

type Watcher<G, M, V> = Subscriber<GroupedVersion<G, M, V>, TableFailure>

export class GroupWatchers<G, M, V> {
  private readonly byGroup = new Map<string, Set<Watcher<G, M, V>>>()
  /** The groups that have changed since this was told last. */
  private changed = new Set<string>()
  private ended: Exit<void, TableFailure> | undefined

  constructor(private readonly input: Input) {}

  /** The version of now, and each one in which the group is another one: the latest, for a slow consumer. */
  watch(id: string | undefined): Pushed<GroupedVersion<G, M, V>, TableFailure> {
    return begun(
      () => {
        const watcher: Watcher<G, M, V> = new Subscriber(sliding(1), this.ended)
        this.hand(watcher)
        if (id === undefined) return watcher.pushed()
        this.add(id, watcher)
        return watcher.pushed(Effect.sync(() => this.remove(id, watcher)))
      },
      // What an update in progress has done to the group by now was not noted, if nobody watched.
      () => [...this.input.roots].find(({ isMoving }) => isMoving)?.atRest
    )
  }

  private add(id: string, watcher: Watcher<G, M, V>): void {
    const others = this.byGroup.get(id)
    if (others === undefined) this.byGroup.set(id, new Set([watcher]))
    else others.add(watcher)
  }

  private remove(id: string, watcher: Watcher<G, M, V>): void {
    const all = this.byGroup.get(id)
    if (all?.delete(watcher) === true && all.size === 0) this.byGroup.delete(id)
  }

  private hand(watcher: Watcher<G, M, V>): void {
    // The rows of the table are those of a grouped one.
    watcher.buffer.push("", this.input.shownVersion as GroupedVersion<G, M, V>)
    watcher.wake()
  }

  /** Notes a row that may be another one than in the version that is shown. */
  note(id: string, slots: GroupedSlots<G, M, V>, slot: number): void {
    if (!this.byGroup.has(id) || this.changed.has(id)) return
    const before = (this.input.shownVersion.slots as GroupedSlots<G, M, V>).entryAt(slot)
    if (!isSameRecord(before, slots.entryAt(slot))) this.changed.add(id)
  }

  /** Hands the version that is shown to all who watch what was noted. */
  tell(): void {
    if (this.changed.size === 0) return
    const { changed } = this
    this.changed = new Set()
    for (const id of changed) for (const watcher of this.byGroup.get(id) ?? []) this.hand(watcher)
  }

  /** Ends all streams, after what they were handed; those that begin later end after the version that is shown. */
  end(how: Exit<void, TableFailure>): void {
    this.ended ??= how
    for (const all of this.byGroup.values()) for (const watcher of all) watcher.end(this.ended)
    this.byGroup.clear()
  }
}

/** Whether two rows hold the same record: a rebuild writes all rows again, those that stay the same, too. */
const isSameRecord = <K, V>(a: RecordEntry<K, V> | undefined, b: RecordEntry<K, V> | undefined): boolean =>
  a === undefined || b === undefined
    ? a === b
    : a.partition === b.partition &&
      a.offset === b.offset &&
      a.timestamp === b.timestamp &&
      // A topic that was created again may have another record at the same place.
      sameValue(a.value, b.value)
