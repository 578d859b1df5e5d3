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
      if (this.behind(targets).length === 0) return Effect.void
      const waiter = { targets, deferred: Deferred.unsafeMake<void, E>(FiberId.none) }
      this.waiting.add(waiter)
      return Effect.ensuring(
        Deferred.await(waiter.deferred),
        Effect.sync(() => this.waiting.delete(waiter))
      )
    })
  }

  /** Fails when all of this ends. */
  readonly untilEnd: Effect.Effect<never, E> = Effect.suspend(() =>
    // an offset that is never reached
    Effect.andThen(this.await([{ partition: -1, target: 0 }]), Effect.never)
  )

  /** To be called whenever positions moved. */
  check(): void {
    for (const waiter of this.waiting) {
      if (this.behind(waiter.targets).length === 0) {
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
