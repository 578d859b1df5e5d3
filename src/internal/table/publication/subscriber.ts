/** One who listens: a buffer, and the streams that are made of what is pushed into it. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import type { Buffer } from "./buffers.ts"

/** What a subscriber gets, as a stream has it inside. */
export type Chunks<A, E> = Channel.Channel<Chunk.Chunk<A>, unknown, E>

/** How a stream ends: with nothing, or with the failure that ended what it is of. */
export type End<E> = Exit.Exit<void, E>

/** One run of a subscriber's stream. */
interface Run {
  resume: (() => void) | undefined
}

export class Subscriber<A, E> {
  private readonly runs = new Set<Run>()
  private room: Deferred.Deferred<void> | undefined
  private hasNews = false
  private ended: End<E> | undefined
  readonly buffer: Buffer<A>

  constructor(buffer: Buffer<A>, ended: End<E> | undefined) {
    this.buffer = buffer
    this.ended = ended
  }

  wake(): void {
    this.hasNews = true
    for (const run of this.runs) {
      const { resume } = run
      run.resume = undefined
      resume?.()
    }
  }

  /** Its streams end after what is buffered. The first end counts. */
  end(how: End<E>): void {
    this.ended ??= how
    this.wake()
    this.release()
  }

  private release(): void {
    if (this.room !== undefined) {
      Deferred.unsafeDone(this.room, Effect.void)
      this.room = undefined
    }
  }

  private take(): ReadonlyArray<A> {
    if (!this.hasNews) return []
    const all = this.buffer.drain()
    if (!this.buffer.isFull()) this.release()
    this.hasNews = all.length > 0
    return all
  }

  /**
   * All that is pushed until the end. Written by hand, as an update may wake a thousand of these: one Effect for each
   * wait, which needs nothing to be undone when it is interrupted, and none for what is there already.
   */
  channel(finalizer: Effect.Effect<void> = Effect.void): Chunks<A, E> {
    return Channel.suspend(() => {
      const run: Run = { resume: undefined }
      this.runs.add(run)
      const news = Channel.fromEffect(
        Effect.async<void>((resume) => {
          if (this.hasNews || this.ended !== undefined) resume(Effect.void)
          else run.resume = () => resume(Effect.void)
        })
      )
      const next = (): Chunks<A, E> => {
        const all = this.take()
        if (all.length > 0) return Channel.flatMap(Channel.write(Chunk.unsafeFromArray(all)), next)
        return this.ended === undefined ? Channel.flatMap(news, next) : Channel.fromEffect(this.ended)
      }
      return Channel.ensuring(
        Channel.suspend(next),
        Effect.zipRight(
          Effect.sync(() => this.runs.delete(run)),
          finalizer
        )
      )
    })
  }

  readonly awaitRoom: Effect.Effect<void> = Effect.suspend(() => {
    if (this.ended !== undefined || !this.buffer.isFull()) return Effect.void
    const room = (this.room ??= Deferred.unsafeMake<void>(FiberId.none))
    return Effect.andThen(Deferred.await(room), this.awaitRoom)
  })
}
