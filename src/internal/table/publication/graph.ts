/** Tables that are connected by what is made of several of them, and the turn that one of them has at a time. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { makeDeferred, settleDeferred } from "../../effect/v4/deferred.ts"

/**
 * An update of one table is taken in by views that read other tables, too. So no two of them may be under way at the same
 * time, where that takes more than one step: whoever has the turn goes on, and the others wait, in the order in which they
 * have asked for it. So a table whose updates never end holds up nobody for longer than one of them.
 */
export class Graph {
  /** The graph that this one has become a part of. */
  private joined: Graph | undefined
  /** Who has the turn: several, where graphs were joined in which somebody had it. */
  private holding = new Set<Turn>()
  private waiting: Array<Turn> = []

  private get whole(): Graph {
    if (this.joined === undefined) return this
    // The way is made short, or a table that lives long would have all graphs behind it that its own was ever joined with.
    return (this.joined = this.joined.whole)
  }

  /** Whether somebody has the turn. */
  get isBusy(): boolean {
    return this.whole.holding.size > 0
  }

  /** Asks for the turn, which may be there at once. Whoever asks has to leave it, whether it has come or not. */
  turn(): Turn {
    const turn = new Turn(this)
    const { whole } = this
    whole.waiting.push(turn)
    whole.grant()
    return turn
  }

  /** See `Turn.leave`. */
  leave(turn: Turn): void {
    const { whole } = this
    if (!whole.holding.delete(turn)) whole.waiting = whole.waiting.filter((other) => other !== turn)
    whole.grant()
  }

  /** Gives the turn to who has waited longest, if nobody has it. */
  private grant(): void {
    if (this.holding.size > 0) return
    const next = this.waiting.shift()
    if (next === undefined) return
    this.holding.add(next)
    next.come()
  }

  /** Makes one graph of two. Where somebody has the turn of both, these go on, and the next one waits for both. */
  join(other: Graph): void {
    const [mine, others] = [this.whole, other.whole]
    if (mine === others) return
    others.joined = mine
    for (const turn of others.holding) mine.holding.add(turn)
    mine.waiting.push(...others.waiting)
  }
}

/** The turn of one who has asked for it. */
export class Turn {
  private readonly settled = makeDeferred<void>()
  /** Whether it has come, or is not waited for any more. */
  hasCome = false

  constructor(private readonly graph: Graph) {}

  /** Waits until it has come, or is not waited for any more. */
  readonly awaited: Effect.Effect<void> = Effect.suspend(() =>
    this.hasCome ? Effect.void : Deferred.await(this.settled)
  )

  /** Says that it has come: for the graph. */
  come(): void {
    this.hasCome = true
    settleDeferred(this.settled, Exit.void)
  }

  /** Gives the turn to the next one, or waits for it no more. */
  leave(): void {
    this.graph.leave(this)
    if (!this.hasCome) this.come()
  }
}
