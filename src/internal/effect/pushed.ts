/**
 * Streams of what plain synchronous code pushes. Written by hand, as an update may wake a thousand of them: one Effect for
 * each wait, which needs nothing to be undone when it is interrupted, and none for what is there already.
 */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"

/** How a stream ends: with nothing, or with the failure that ended what it is of. */
export type End<E> = Exit.Exit<void, E>

/** A stream before it is given to users, as it is composed here. */
export type Pushed<A, E> = Channel.Channel<Chunk.Chunk<A>, unknown, E>

/** One run of such a stream. Whoever pushes something is to wake it. */
export abstract class Run<A, E> {
  private resume: (() => void) | undefined

  /** What there is by now, each of it once. */
  abstract take(): ReadonlyArray<A>

  /** How it ends, once all is taken; `undefined` while it goes on. */
  abstract get end(): End<E> | undefined

  /** Whether `take` may have something. */
  abstract get hasNews(): boolean

  wake(): void {
    const { resume } = this
    this.resume = undefined
    resume?.()
  }

  /** All that is pushed from now on until the end; then, or when it is interrupted, `close` is run. */
  pushed(close: Effect.Effect<void>): Pushed<A, E> {
    const news = Channel.fromEffect(
      Effect.async<void>((resume) => {
        if (this.hasNews || this.end !== undefined) resume(Effect.void)
        else this.resume = () => resume(Effect.void)
      })
    )
    const next = (): Pushed<A, E> => {
      const all = this.take()
      if (all.length > 0) return Channel.flatMap(Channel.write(Chunk.unsafeFromArray(all)), next)
      const { end } = this
      return end === undefined ? Channel.flatMap(news, next) : Channel.fromEffect(end)
    }
    return Channel.ensuring(Channel.suspend(next), close)
  }
}

/** Begins when it is run. */
export const begun = <A, E>(begin: () => Pushed<A, E>): Pushed<A, E> => Channel.suspend(begin)

/** Goes on with another one after an Effect. */
export const after = <A, E>(effect: Effect.Effect<void>, next: () => Pushed<A, E>): Pushed<A, E> =>
  Channel.flatMap(Channel.fromEffect(effect), next)

export const streamOf = <A, E>(pushed: Pushed<A, E>): Stream.Stream<A, E> => Stream.fromChannel(pushed)
