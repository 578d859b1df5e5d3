/** Tables that are connected by what is made of several of them, and the turn that one of them has at a time. */
import * as Effect from "effect/Effect"
import { Signal } from "../../signal.ts"

/**
 * An update of one table is taken in by views that read other tables, too. So no two of them may be under way at the same
 * time, where that takes more than one step: whoever has the turn goes on, and the others wait.
 */
export class Graph {
  /** The graph that this one has become a part of. */
  private joined: Graph | undefined
  private hasTurn = false
  private readonly freed = new Signal()

  private get whole(): Graph {
    if (this.joined === undefined) return this
    // The way is made short, or a table that lives long would have all graphs behind it that its own was ever joined with.
    return (this.joined = this.joined.whole)
  }

  /** Whether somebody has the turn. */
  get isBusy(): boolean {
    return this.whole.hasTurn
  }

  /** Takes the turn, which nobody has. */
  take(): void {
    this.whole.hasTurn = true
  }

  release(): void {
    const { whole } = this
    whole.hasTurn = false
    whole.freed.notify()
  }

  /** Makes one graph of two, in neither of which somebody has the turn. */
  join(other: Graph): void {
    const [mine, others] = [this.whole, other.whole]
    if (mine !== others) others.joined = mine
  }

  /** Waits until nobody has the turn. */
  readonly free: Effect.Effect<void> = Effect.suspend(() => {
    const { freed, hasTurn } = this.whole
    return hasTurn ? Effect.andThen(freed.after(freed.version), this.free) : Effect.void
  })
}
