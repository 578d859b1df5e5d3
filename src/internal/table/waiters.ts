import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { PartitionLag } from "../../KafkaError.ts"

/** A position that a partition has to reach: the offset behind the record that is waited for. */
export interface Target {
  readonly partition: number
  readonly target: number
}

interface Waiter<E> {
  readonly targets: ReadonlyArray<Target>
  readonly deferred: Deferred.Deferred<void, E>
}

/** Who waits for positions of a table. All of them wake at once when it ends. */
export class Waiters<E> {
  private readonly waiting = new Set<Waiter<E>>()
  private readonly onEnd = new Set<(cause: Cause.Cause<E>) => void>()
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

  await(targets: ReadonlyArray<Target>): Effect.Effect<void, E> {
    return Effect.suspend(() => {
      if (this.ended !== undefined) return Effect.failCause(this.ended)
      if (this.isReached(targets)) return Effect.void
      return Effect.acquireUseRelease(
        this.add(targets),
        ({ deferred }) => Deferred.await(deferred),
        (waiter) => Effect.sync(() => this.waiting.delete(waiter))
      )
    })
  }

  private add(targets: ReadonlyArray<Target>): Effect.Effect<Waiter<E>> {
    return Effect.sync(() => {
      const waiter = { targets, deferred: Deferred.unsafeMake<void, E>(FiberId.none) }
      this.waiting.add(waiter)
      // it may have given way since it looked
      if (this.ended !== undefined) Deferred.unsafeDone(waiter.deferred, Effect.failCause(this.ended))
      else if (this.isReached(targets)) Deferred.unsafeDone(waiter.deferred, Effect.void)
      return waiter
    })
  }

  private isReached(targets: ReadonlyArray<Target>): boolean {
    for (const { partition, target } of targets) {
      const position = this.position(partition)
      if (position === undefined || position < target) return false
    }
    return true
  }

  /** Are all of them reached, and is that still of any meaning? */
  areReached(targets: ReadonlyArray<Target>): boolean {
    return this.ended === undefined && this.isReached(targets)
  }

  /**
   * Runs it, and fails instead when all of this ends, or when the time is up. Both at once, as a race in a race is four
   * fibers, and this is what each barrier goes through.
   */
  unlessEnded<A, E2>(effect: Effect.Effect<A, E2>, millis: number, onTimeout: () => E2): Effect.Effect<A, E | E2> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen(this, function* () {
        const running = yield* Effect.fork(restore(effect))
        const timer = yield* Effect.fork(Effect.interruptible(Effect.sleep(millis)))
        let onEnd = (_: Cause.Cause<E>): void => {}
        const first = Effect.async<A, E | E2>((resume) => {
          running.addObserver(resume)
          timer.addObserver(() => resume(Effect.failSync(onTimeout)))
          onEnd = (cause) => resume(Effect.failCause(cause))
          if (this.ended === undefined) this.onEnd.add(onEnd)
          else onEnd(this.ended)
        })
        return yield* Effect.ensuring(
          restore(first),
          Effect.suspend(() => {
            this.onEnd.delete(onEnd)
            return Effect.zipRight(Fiber.interrupt(running), Fiber.interrupt(timer))
          })
        )
      })
    )
  }

  /** To be called whenever positions moved. */
  check(): void {
    for (const waiter of this.waiting) {
      if (this.isReached(waiter.targets)) {
        this.waiting.delete(waiter)
        Deferred.unsafeDone(waiter.deferred, Effect.void)
      }
    }
  }

  /** Fails all who wait, now and later. */
  end(cause: Cause.Cause<E>): void {
    this.ended = cause
    for (const waiter of this.waiting) Deferred.unsafeDone(waiter.deferred, Effect.failCause(cause))
    this.waiting.clear()
    for (const ended of this.onEnd) ended(cause)
  }

  /** Waiting makes sense again. */
  resume(): void {
    this.ended = undefined
  }
}
