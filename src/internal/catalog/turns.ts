/** Jobs that are run one at a time for an identity, to their ends, whatever becomes of who has begun them. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { TableClosedError } from "../../KafkaError.ts"
import { hasEnded } from "../effect/v4/fibers.ts"

export class Turns {
  /** The job that is under way for an identity, by its bytes as text. */
  private readonly running = new Map<string, Fiber.Fiber<unknown, unknown>>()

  /** Jobs are run until the scope of the catalog of this topic ends. */
  constructor(
    private readonly topic: string,
    private readonly scope: Scope.Scope
  ) {}

  /** Runs a job when no other one is under way for this identity. It is run to its end, if nobody waits for it any more, too. */
  run<A, E>(id: string, job: Effect.Effect<A, E>): Effect.Effect<A, E | TableClosedError> {
    return Effect.suspend(() => {
      const before = this.running.get(id)
      if (before !== undefined) {
        return Effect.flatMap(Fiber.await(before), () => {
          // One that ended before it began has not left by itself.
          if (this.running.get(id) === before) this.running.delete(id)
          return this.run(id, job)
        })
      }
      const { scope, topic } = this
      const leaving = Effect.ensuring(
        job,
        Effect.sync(() => this.running.delete(id))
      )
      return Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.forkIn(leaving, scope), (fiber) => {
          if (!hasEnded(fiber)) this.running.set(id, fiber)
          return Effect.flatMap(restore(Fiber.await(fiber)), (exit): Effect.Effect<A, E | TableClosedError> =>
            Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
              ? Effect.fail(new TableClosedError({ topic }))
              : exit
          )
        })
      )
    })
  }
}
