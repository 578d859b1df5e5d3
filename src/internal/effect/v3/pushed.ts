/**
 * Streams of what plain synchronous code pushes. They are written by hand, as an update may wake a thousand of them:
 * each wait is one Effect, of which nothing has to be undone when it is interrupted, and what is there already needs no
 * Effect.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** How a stream ends: with nothing, or with the failure that ended what it tells of. */
export type End<E> = Exit.Exit<void, E>

/** A stream as it is composed in this library; `streamOf` makes the stream of it that users get. */
export type Pushed<A, E> = Channel.Channel<Chunk.Chunk<A>, unknown, E>

/** One run of such a stream. Whoever pushes something has to wake it. */
export abstract class Run<A, E> {
  private resume: (() => void) | undefined

  /** Takes what there is by now. Each item is taken once. */
  abstract take(): ReadonlyArray<A>

  /** How it ends, once all is taken; `undefined` while it goes on. */
  abstract get end(): End<E> | undefined

  /** Whether `take` may have something. */
  abstract get hasNews(): boolean

  /** Has the run look for news, or for its end. */
  wake(): void {
    const { resume } = this
    this.resume = undefined
    resume?.()
  }

  /** A stream of all that is pushed from now on until the end. When it ends or is interrupted, `close` is run. */
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

/**
 * A stream that is made when it is run, after what `unrest` gives to wait for. What `begin` registers is undone by the
 * stream: nothing comes in between, as steps of a channel that are no Effects are taken together.
 */
export const begun = <A, E>(
  begin: () => Pushed<A, E>,
  unrest: () => Effect.Effect<void> | undefined = () => undefined
): Pushed<A, E> => {
  const attempt: Pushed<A, E> = Channel.suspend(() => {
    const wait = unrest()
    return wait === undefined ? begin() : Channel.flatMap(Channel.fromEffect(wait), () => attempt)
  })
  return attempt
}

/** The stream that users get. */
export const streamOf = <A, E>(pushed: Pushed<A, E>): Stream.Stream<A, E> => Stream.fromChannel(pushed)

/** A stream of what an Effect gives each time that it is run, in its order, until that is `undefined`. */
export const streamOfPulls = <A, E>(
  pull: Effect.Effect<NonEmptyReadonlyArray<A> | undefined, E>
): Stream.Stream<A, E> =>
  Stream.repeatEffectChunkOption(
    Effect.matchEffect(pull, {
      onFailure: (error) => Effect.fail(Option.some(error)),
      onSuccess: (all) => (all === undefined ? Effect.fail(Option.none()) : Effect.succeed(Chunk.unsafeFromArray(all)))
    })
  )
