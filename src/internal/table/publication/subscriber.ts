/** One subscriber: a buffer, and the streams that are made of what is pushed into it. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { makeDeferred, settleDeferred } from "../../effect/v4/deferred.ts"
import { begun, type End, type Pushed, Run } from "../../effect/v4/pushed.ts"
import type { Buffer } from "./buffers.ts"

/** One run of a subscriber's stream. All runs of one subscriber share its buffer. */
class SubscriberRun<A, E> extends Run<A, E> {
  constructor(private readonly subscriber: Subscriber<A, E>) {
    super()
  }

  take(): ReadonlyArray<A> {
    return this.subscriber.take()
  }

  get end(): End<E> | undefined {
    return this.subscriber.ended
  }

  get hasNews(): boolean {
    return this.subscriber.hasNews
  }
}

export class Subscriber<A, E> {
  private readonly runs = new Set<SubscriberRun<A, E>>()
  /** Done when there is room; `undefined` while nobody waits for that. */
  private room: Deferred.Deferred<void> | undefined
  /** Whether the buffer may have something. */
  hasNews = false
  /** How its streams end, once the buffer is empty; `undefined` while they go on. */
  ended: End<E> | undefined
  readonly buffer: Buffer<A>

  constructor(buffer: Buffer<A>, ended: End<E> | undefined) {
    this.buffer = buffer
    this.ended = ended
  }

  /** Has the streams take what was pushed. */
  wake(): void {
    this.hasNews = true
    for (const run of this.runs) run.wake()
  }

  /** Ends its streams, after what is buffered. The first end counts. */
  end(how: End<E>): void {
    this.ended ??= how
    this.wake()
    this.release()
  }

  /** Wakes whoever waits for room. */
  private release(): void {
    if (this.room !== undefined) {
      settleDeferred(this.room, Exit.void)
      this.room = undefined
    }
  }

  /** Takes what is buffered. */
  take(): ReadonlyArray<A> {
    if (!this.hasNews) return []
    const all = this.buffer.drain()
    if (!this.buffer.isFull()) this.release()
    this.hasNews = all.length > 0
    return all
  }

  /** A stream of all that is pushed until the end. `finalizer` is run when the stream ends, one way or the other. */
  pushed(finalizer: Effect.Effect<void> = Effect.void): Pushed<A, E> {
    return begun(() => {
      const run = new SubscriberRun(this)
      this.runs.add(run)
      return run.pushed(
        Effect.andThen(
          Effect.sync(() => this.runs.delete(run)),
          finalizer
        )
      )
    })
  }

  /** Waits until there is room in the buffer, or the subscriber has ended. */
  readonly awaitRoom: Effect.Effect<void> = Effect.suspend(() => {
    if (this.ended !== undefined || !this.buffer.isFull()) return Effect.void
    const room = (this.room ??= makeDeferred<void>())
    return Effect.andThen(Deferred.await(room), this.awaitRoom)
  })
}
