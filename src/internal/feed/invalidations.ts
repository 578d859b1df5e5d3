/** The keys of a cache that changes of a table make untrue. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { TableFailure } from "../../LiveTable.ts"
import type { TableChange } from "../../TableChange.ts"
import { after, begun, type End, type Pushed, Run, streamOf } from "../effect/v4/pushed.ts"
import { isPublished, listenAtRest, notPublished, type Told, untilAtRest } from "../table/publication/attaching.ts"
import { PIECE } from "../table/publication/conflating.ts"

/**
 * The keys that nobody has taken yet. They are those of every single change, and not of one that stands for several, as the
 * cache may hold what was true in between. So changes are kept as they are, and many of them as their keys.
 */
class Forgotten<Change, Key> extends Run<ReadonlyArray<Key>, TableFailure> {
  private keys = new Set<Key>()
  private changes: Array<Change> = []
  /** How many of the changes are among the keys. */
  private folded = 0
  end: End<TableFailure> | undefined

  constructor(private readonly keysOf: (change: Change) => Iterable<Key>) {
    super()
  }

  push(changes: ReadonlyArray<Change>): void {
    for (const change of changes) this.changes.push(change)
    this.wake()
  }

  finish(how: End<TableFailure>): void {
    this.end ??= how
    this.wake()
  }

  get isFull(): boolean {
    return this.changes.length - this.folded > PIECE
  }

  *fold(): Generator<void, void> {
    while (this.foldPiece()) yield
  }

  /** Has some changes be among the keys. The user's function may throw, which ends all of this. */
  private foldPiece(): boolean {
    if (this.folded === this.changes.length) return false
    const to = Math.min(this.folded + PIECE, this.changes.length)
    try {
      for (; this.folded < to; this.folded++) {
        for (const key of this.keysOf(this.changes[this.folded])) this.keys.add(key)
      }
    } catch (thrown) {
      this.folded = this.changes.length
      this.finish(Exit.die(thrown))
    }
    if (this.folded === this.changes.length) {
      this.changes = []
      this.folded = 0
    }
    return true
  }

  get hasNews(): boolean {
    return this.keys.size > 0 || this.changes.length > 0
  }

  take(): ReadonlyArray<ReadonlyArray<Key>> {
    while (this.foldPiece()) if (this.keys.size > 0) break
    if (this.keys.size === 0) return []
    const { keys } = this
    this.keys = new Set()
    return [[...keys]]
  }
}

export const invalidations = <Change extends TableChange<unknown, unknown>, Key>(
  table: Told<unknown, Change>,
  keysOf: (change: Change) => Iterable<Key>
): Stream.Stream<ReadonlyArray<Key>, TableFailure> => {
  if (!isPublished(table)) return Stream.fail(notPublished("TableFeed"))
  const start: Pushed<ReadonlyArray<Key>, TableFailure> = begun(() => {
    const rest = untilAtRest(table)
    if (rest !== undefined) return after(rest, () => start)
    const forgotten = new Forgotten(keysOf)
    const remove = listenAtRest(table, {
      push: ({ changes }) => forgotten.push(changes),
      end: (how) => forgotten.finish(how),
      get isFull() {
        return forgotten.isFull
      },
      fold: () => forgotten.fold()
    })
    return forgotten.pushed(Effect.sync(remove))
  })
  return streamOf(start)
}
