import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
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

  /** Fails when all of this ends. */
  readonly untilEnd: Effect.Effect<never, E> = Effect.suspend(() =>
    // an offset that is never reached
    Effect.andThen(this.await([{ partition: -1, target: 0 }]), Effect.never)
  )

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
  }

  /** Waiting makes sense again. */
  resume(): void {
    this.ended = undefined
  }
}
