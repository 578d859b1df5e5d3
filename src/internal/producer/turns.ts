import * as Effect from "effect/Effect"
import { soon } from "../effect/v4/soon.ts"

interface Turn {
  /** Set while somebody waits for the turn to come. */
  begin: (() => void) | undefined
}

/** Work that is prepared at the same time, and then done one at a time, strictly in the order of the calls. */
export class Turns {
  /** Those that have not ended, in the order of their calls: the first has the turn, the others wait. */
  private readonly turns = new Set<Turn>()

  get isFree(): boolean {
    return this.turns.size === 0
  }

  /** Runs `first` at once, and `then` when all calls before this one have ended. */
  run<A, B, E>(first: Effect.Effect<A, E>, then: (a: A) => Effect.Effect<B, E>): Effect.Effect<B, E> {
    return Effect.uninterruptibleMask((restore) => {
      const turn: Turn = { begin: undefined }
      this.turns.add(turn)
      const itsTurn = Effect.callback<void>((resume) => {
        if (this.first === turn) resume(Effect.void)
        else turn.begin = () => soon(() => resume(Effect.void))
      })
      const leave = Effect.sync(() => {
        this.turns.delete(turn)
        this.first?.begin?.()
      })
      return Effect.ensuring(restore(Effect.flatMap(first, (a) => Effect.andThen(itsTurn, then(a)))), leave)
    })
  }

  private get first(): Turn | undefined {
    for (const turn of this.turns) return turn
    return undefined
  }
}
