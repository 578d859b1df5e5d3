/** Jobs that are run one at a time for an identity, to their ends, whatever becomes of who has begun them. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { TableClosedError } from "../../KafkaError.ts"
import { makeDeferred, settleDeferred } from "../effect/v4/deferred.ts"
import { hasEnded } from "../effect/v4/fibers.ts"

/** The jobs of one identity that wait for their turns, while another one has its. */
interface Line {
  readonly waiting: Set<Deferred.Deferred<void>>
  /** Gives the next one: it goes on from where it is, also when others were taken out and put in meanwhile. */
  readonly order: Iterator<Deferred.Deferred<void>, undefined>
}

export class Turns {
  /**
   * The lines by their identities, as texts of their bytes, for as long as a job of it has its turn. One who waits is woken
   * when that ends, however many wait: Effect 3's semaphore would wake all of them each time.
   */
  private readonly lines = new Map<string, Line>()

  /** Jobs are run until the scope of the catalog of this topic ends. */
  constructor(
    private readonly topic: string,
    private readonly scope: Scope.Scope
  ) {}

  /** Runs a job when no other one is under way for this identity. It is run to its end, if nobody waits for it any more, too. */
  run<A, E>(id: string, job: Effect.Effect<A, E>): Effect.Effect<A, E | TableClosedError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(this.turn(id, restore), () => this.begin(job, this.ending(id), restore))
    )
  }

  /** Waits for the turn, and has it then: who is interrupted has not, and passes it on. */
  private turn(id: string, restore: (wait: Effect.Effect<void>) => Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const line = this.lines.get(id)
      if (line === undefined) {
        const waiting = new Set<Deferred.Deferred<void>>()
        this.lines.set(id, { waiting, order: waiting.values() })
        return Effect.void
      }
      const turn = makeDeferred<void>()
      line.waiting.add(turn)
      return Effect.onInterrupt(restore(Deferred.await(turn)), () =>
        Effect.suspend(() => (line.waiting.delete(turn) ? Effect.void : this.ending(id)))
      )
    })
  }

  /** Ends the turn of who has it: the next one has his. */
  private ending(id: string): Effect.Effect<void> {
    return Effect.sync(() => {
      const line = this.lines.get(id)
      const next = line?.order.next().value
      if (next === undefined) {
        this.lines.delete(id)
        return
      }
      line?.waiting.delete(next)
      settleDeferred(next, Exit.void)
    })
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
