/** Jobs that are run one at a time for an identity, to their ends, whatever becomes of who has begun them. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { TableClosedError } from "../../KafkaError.ts"
import { hasEnded } from "../effect/v4/fibers.ts"

/** The jobs of one identity: the one that has its turn, and those that wait for theirs. */
interface Line {
  /** Of one permit. It wakes one who waits when that is given back, however many wait. */
  readonly turn: Semaphore.Semaphore
  /** How many jobs are in it. */
  length: number
}

export class Turns {
  /** The lines by their identities, as texts of their bytes, for as long as somebody is in them. */
  private readonly lines = new Map<string, Line>()

  /** Jobs are run until the scope of the catalog of this topic ends. */
  constructor(
    private readonly topic: string,
    private readonly scope: Scope.Scope
  ) {}

  /** Runs a job when no other one is under way for this identity. It is run to its end, if nobody waits for it any more, too. */
  run<A, E>(id: string, job: Effect.Effect<A, E>): Effect.Effect<A, E | TableClosedError> {
    return Effect.uninterruptibleMask((restore) => {
      const line = this.lineOf(id)
      const part = Effect.sync(() => {
        if (--line.length === 0) this.lines.delete(id)
      })
      const leave = Effect.andThen(line.turn.release(1), part)
      return Effect.flatMap(
        Effect.onInterrupt(restore(line.turn.take(1)), () => part),
        () => this.begin(job, leave, restore)
      )
    })
  }

  /** The line for an identity, with one more in it. It is found or made in one step: two lines would run two jobs at a time. */
  private lineOf(id: string): Line {
    const line = this.lines.get(id) ?? { turn: Semaphore.makeUnsafe(1), length: 0 }
    line.length++
    this.lines.set(id, line)
    return line
  }

  private begin<A, E>(
    job: Effect.Effect<A, E>,
    leave: Effect.Effect<void>,
    restore: <B, F>(effect: Effect.Effect<B, F>) => Effect.Effect<B, F>
  ): Effect.Effect<A, E | TableClosedError> {
    const { scope, topic } = this
    let hasBegun = false
    const toItsEnd = Effect.suspend(() => {
      hasBegun = true
      return Effect.ensuring(restore(job), leave)
    })
    return Effect.flatMap(Effect.forkIn(toItsEnd, scope), (fiber) => {
      // In a scope that has ended it never begins, and gives up its turn here.
      const settled: Effect.Effect<void> = Effect.suspend(() => {
        if (hasBegun) return Effect.void
        return hasEnded(fiber) ? leave : Effect.andThen(Effect.yieldNow, settled)
      })
      return Effect.flatMap(
        Effect.ensuring(restore(Fiber.await(fiber)), settled),
        (exit): Effect.Effect<A, E | TableClosedError> =>
          Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
            ? Effect.fail(new TableClosedError({ topic }))
            : exit
      )
    })
  }
}
