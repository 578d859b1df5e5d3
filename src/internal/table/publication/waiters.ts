/** Those who wait for positions of a table. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { constVoid } from "effect/Function"
import { soon } from "../../effect/v4/soon.ts"
import type { PartitionLag } from "../../../KafkaError.ts"
import { Bag, type Item } from "../../bag.ts"
import { hasEnded, interruptSoon } from "../../effect/v4/fibers.ts"

/** A position that a partition has to reach: `target` is the offset behind the record that is waited for. */
export interface Target {
  readonly partition: number
  readonly target: number
}

/** No topic has such a partition. */
const NEVER_REACHED: Target = { partition: -1, target: Number.POSITIVE_INFINITY }

/** One wait for positions: it is settled by `outcome`, or by `resume` if its fiber waits already. */
interface Waiter<E> extends Item {
  readonly targets: ReadonlyArray<Target>
  outcome: Effect.Effect<void, E> | undefined
  resume: ((effect: Effect.Effect<void, E>) => void) | undefined
}

/** One wait for something else, which is to be told when the table ends. */
interface Watcher<E> extends Item {
  ended: (cause: Cause.Cause<E>) => void
}

/** All waits for positions of one table. They fail at once when the table ends. */
export class Waiters<E> {
  private readonly waiting = new Bag<Waiter<E>>()
  private readonly watching = new Bag<Watcher<E>>()
  private ended: Cause.Cause<E> | undefined
  private readonly position: (partition: number) => number | undefined

  constructor(position: (partition: number) => number | undefined) {
    this.position = position
  }

  /** Which of the targets are not reached yet. */
  behind(targets: ReadonlyArray<Target>): ReadonlyArray<PartitionLag> {
    return targets.flatMap(({ partition, target }) => {
      const position = this.position(partition)
      return position !== undefined && position >= target ? [] : [{ partition, position, target }]
    })
  }

  /** Waits until all targets are reached. Fails when the table ends. */
  await(targets: ReadonlyArray<Target>): Effect.Effect<void, E> {
    return Effect.uninterruptibleMask((restore) => {
      if (this.ended !== undefined) return Effect.failCause(this.ended)
      if (this.isReached(targets)) return Effect.void
      const waiter: Waiter<E> = { at: 0, targets, outcome: undefined, resume: undefined }
      this.waiting.add(waiter)
      // `async` has a way to undo itself, but its fiber may give way, and be interrupted, before that is in place.
      const settled = Effect.callback<void, E>((resume) => {
        if (waiter.outcome === undefined) waiter.resume = resume
        else resume(waiter.outcome)
      })
      return Effect.onInterrupt(restore(settled), () => Effect.sync(() => this.waiting.remove(waiter)))
    })
  }

  private settle(waiter: Waiter<E>, outcome: Effect.Effect<void, E>): void {
    this.waiting.remove(waiter)
    waiter.outcome = outcome
    const { resume } = waiter
    if (resume !== undefined) soon(() => resume(outcome))
  }

  private isReached(targets: ReadonlyArray<Target>): boolean {
    for (const { partition, target } of targets) {
      const position = this.position(partition)
      if (position === undefined || position < target) return false
    }
    return true
  }

  /** Waits for the end of the table, which it fails with. */
  readonly untilEnded: Effect.Effect<never, E> = Effect.suspend(() =>
    Effect.andThen(this.await([NEVER_REACHED]), Effect.never)
  )

  /** Whether all targets are reached, of a table that has not ended. */
  areReached(targets: ReadonlyArray<Target>): boolean {
    return this.ended === undefined && this.isReached(targets)
  }

  /**
   * Runs an Effect, and fails instead when the table ends, or when the time is up. This is one step for both, as a race
   * in a race is four fibers, and each barrier goes through here.
   */
  unlessEnded<A, E2>(effect: Effect.Effect<A, E2>, millis: number, onTimeout: () => E2): Effect.Effect<A, E | E2> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function* () {
        const running = yield* Effect.forkChild(Effect.interruptible(effect))
        const timer = yield* Effect.forkChild(Effect.interruptible(Effect.sleep(millis)))
        const watcher: Watcher<E> = { at: 0, ended: constVoid }
        const first = Effect.callback<A, E | E2>((resume) => {
          running.addObserver(resume)
          timer.addObserver(() => resume(Effect.failSync(onTimeout)))
          watcher.ended = (cause) => soon(() => resume(Effect.failCause(cause)))
          if (this.ended === undefined) this.watching.add(watcher)
          else watcher.ended(this.ended)
        })
        return yield* Effect.ensuring(
          restore(first),
          Effect.suspend(() => {
            this.watching.remove(watcher)
            // A fiber that only sleeps ends in this turn of the event loop, so nobody waits for it.
            interruptSoon(timer)
            return hasEnded(running) ? Effect.void : Fiber.interrupt(running)
          })
        )
      })
    )
  }

  /** Wakes those whose targets are reached. To be called whenever positions have become visible. */
  check(): void {
    this.waiting.forEach((waiter) => {
      if (this.isReached(waiter.targets)) this.settle(waiter, Effect.void)
    })
  }

  /** Fails whoever waits for one of these partitions now. */
  failOf(partitions: ReadonlySet<number>, cause: Cause.Cause<E>): void {
    this.waiting.forEach((waiter) => {
      if (waiter.targets.some(({ partition }) => partitions.has(partition))) {
        this.settle(waiter, Effect.failCause(cause))
      }
    })
  }

  /** Fails whoever waits, now and later. */
  end(cause: Cause.Cause<E>): void {
    this.ended = cause
    this.waiting.forEach((waiter) => this.settle(waiter, Effect.failCause(cause)))
    this.watching.forEach((watcher) => watcher.ended(cause))
  }
}
