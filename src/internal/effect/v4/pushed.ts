/**
 * Streams of what plain synchronous code pushes. They are written by hand, as an update may wake a thousand of them:
 * each wait is one Effect, of which nothing has to be undone when it is interrupted, and what is there already needs no
 * Effect.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { soon } from "./soon.ts"

/** How a stream ends: with nothing, or with the failure that ended what it tells of. */
export type End<E> = Exit.Exit<void, E>

type Pull<A, E> = Effect.Effect<NonEmptyReadonlyArray<A>, E | Cause.Done>

/** A stream as it is composed in this library; `streamOf` makes the stream of it that users get. */
export type Pushed<A, E> = Effect.Effect<Pull<A, E>, never, Scope.Scope>

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
    if (resume !== undefined) soon(resume)
  }

  /** A stream of all that is pushed from now on until the end. When it ends or is interrupted, `close` is run. */
  pushed(close: Effect.Effect<void>): Pushed<A, E> {
    const news = Effect.callback<void>((resume) => {
      if (this.hasNews || this.end !== undefined) resume(Effect.void)
      else this.resume = () => resume(Effect.void)
    })
    const next: Pull<A, E> = Effect.suspend((): Pull<A, E> => {
      const all = this.take()
      if (isNonEmpty(all)) return Effect.succeed(all)
      const { end } = this
      return end === undefined ? Effect.flatMap(news, () => next) : Effect.andThen(end, Cause.done())
    })
    return Effect.as(
      Effect.addFinalizer(() => close),
      next
    )
  }
}

const isNonEmpty = <A>(all: ReadonlyArray<A>): all is NonEmptyReadonlyArray<A> => all.length > 0

/**
 * A stream that is made when it is run, after what `unrest` gives to wait for. What `begin` registers is undone by the
 * stream, so nothing may interrupt that before the stream has what undoes it.
 */
export const begun = <A, E>(
  begin: () => Pushed<A, E>,
  unrest: () => Effect.Effect<void> | undefined = () => undefined
): Pushed<A, E> =>
  Effect.uninterruptibleMask((restore) => {
    const attempt: Pushed<A, E> = Effect.suspend(() => {
      const wait = unrest()
      return wait === undefined ? begin() : Effect.flatMap(restore(wait), () => attempt)
    })
    return attempt
  })

/** The stream that users get. */
export const streamOf = <A, E>(pushed: Pushed<A, E>): Stream.Stream<A, E> => Stream.scoped(Stream.fromPull(pushed))

/** A stream of what an Effect gives each time that it is run, in its order, until that is `undefined`. */
export const streamOfPulls = <A, E>(
  pull: Effect.Effect<NonEmptyReadonlyArray<A> | undefined, E>
): Stream.Stream<A, E> =>
  Stream.fromPull(
    Effect.succeed(Effect.flatMap(pull, (all): Pull<A, E> => (all === undefined ? Cause.done() : Effect.succeed(all))))
  )
