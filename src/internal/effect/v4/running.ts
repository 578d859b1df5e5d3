/** Runs Effects from code that is no Effect, such as callbacks of kafkajs. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

/** Runs Effects with the services, the logger and all else of the fiber that it was captured in. */
export interface Running {
  /** Runs it in a fiber of its own, and forgets it. */
  readonly fork: (effect: Effect.Effect<unknown>) => void
  /** Runs it to its end, or until `signal` aborts. A failure is not logged: whoever awaits the exit deals with it. */
  readonly exitOf: <A, E>(effect: Effect.Effect<A, E>, signal: AbortSignal) => Promise<Exit.Exit<A, E>>
}

/** Captures the present fiber's surroundings for that. */
export const captured: Effect.Effect<Running> = Effect.map(Effect.context<never>(), (context): Running => ({
  fork: (effect) => {
    Effect.runForkWith(context)(effect)
  },
  exitOf: (effect, signal) => Effect.runPromiseExitWith(context)(effect, { signal })
}))
