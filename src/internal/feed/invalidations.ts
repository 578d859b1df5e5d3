/** The keys of a cache that changes of a table make untrue. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { TableFailure } from "../../LiveTable.ts"
import type { TableChange } from "../../TableChange.ts"
import { begun, type End, Run, streamOf } from "../effect/v4/pushed.ts"
import type { ChangeLog } from "../table/content/changeLog.ts"
import { isPublished, listenAtRest, notPublished, type Told, untilAtRest } from "../table/publication/attaching.ts"
import { LateLogs } from "../table/publication/lateLogs.ts"
import type { Listener } from "../table/publication/subscriptions.ts"
import { runAtOnce } from "../yield.ts"

/** Of how many changes the user's function is asked in one step. */
const CHANGES_PER_STEP = 64

/** Up to so many changes are not worth several steps. */
const FEW_CHANGES = 256

/**
 * The keys that nobody has taken yet. They are those of every single change, and not of one that stands for several, as the
 * cache may hold what was true in between. So changes are kept as they are, and many of them as their keys.
 */
class Forgotten<Change, Key> extends Run<ReadonlyArray<Key>, TableFailure> {
  private keys = new Set<Key>()
  private readonly late = new LateLogs<ChangeLog<Change>>()
  private hasThrown = false
  end: End<TableFailure> | undefined

  constructor(private readonly keysOf: (change: Change) => Iterable<Key>) {
    super()
  }

  push(log: ChangeLog<Change>): void {
    this.late.push(log)
    this.wake()
  }

  /** Whether there are more changes than are taken at once: they are told when their keys are known. */
  get isFull(): boolean {
    return this.late.size > FEW_CHANGES
  }

  *fold(): Generator<void, void> {
    while (this.late.takePiece(this.note, CHANGES_PER_STEP)) yield
    this.wake()
  }

  /** Notes the keys of some changes. The user's function may throw, which ends all of this. */
  private readonly note = ({ changes }: ChangeLog<Change>, from: number, to: number): void => {
    if (this.hasThrown) return
    try {
      for (let i = from; i < to; i++) for (const key of this.keysOf(changes[i])) this.keys.add(key)
    } catch (thrown) {
      this.hasThrown = true
      this.finish(Exit.die(thrown))
    }
  }

  /** There is nothing to come. */
  finish(how: End<TableFailure>): void {
    this.end ??= how
    this.wake()
  }

  get hasNews(): boolean {
    return (this.keys.size > 0 || this.late.size > 0) && (!this.isFull || this.end !== undefined)
  }

  take(): ReadonlyArray<ReadonlyArray<Key>> {
    if (!this.hasNews) return []
    runAtOnce(this.fold())
    const { keys } = this
    this.keys = new Set()
    return keys.size === 0 ? [] : [[...keys]]
  }
}

export const invalidations = <Change extends TableChange<unknown, unknown>, Key>(
  table: Told<unknown, Change>,
  keysOf: (change: Change) => Iterable<Key>
): Stream.Stream<ReadonlyArray<Key>, TableFailure> => {
  if (!isPublished(table)) return Stream.fail(notPublished("TableFeed"))
  return streamOf(
    begun(
      () => {
        const forgotten = new Forgotten(keysOf)
        const remove = listenAtRest(table, listenerOf(forgotten))
        return forgotten.pushed(Effect.sync(remove))
      },
      () => untilAtRest(table)
    )
  )
}

const listenerOf = <Change, Key>(forgotten: Forgotten<Change, Key>): Listener<Change, TableFailure> => ({
  get isFull() {
    return forgotten.isFull
  },
  fold: () => forgotten.fold(),
  push: (log) => forgotten.push(log),
  end: (how) => forgotten.finish(how)
})
