import * as E from "effect/Effect"
import type * as Duration from "effect/Duration"
import { dual } from "effect/Function"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { YieldWrap } from "effect/Utils"

export * from "effect/Effect"
export {
  async as callback,
  catchAll as catch,
  catchAllCause as catchCause,
  catchAllDefect as catchDefect,
  either as result,
  whenEffect as when
} from "effect/Effect"

// What is forked, raced or timed is interruptible on Effect 4, whoever does so. On Effect 3 it is as its parent is, so that
// in an acquisition or a finalizer a race would wait for its loser, a timeout for what it times, and a close for its fibers.

export const forkChild: typeof E.fork = (self) => E.fork(E.interruptible(self))

export const forkDetach: typeof E.forkDaemon = (self) => E.forkDaemon(E.interruptible(self))

export const forkScoped: typeof E.forkScoped = (self) => E.forkScoped(E.interruptible(self))

export const forkIn: typeof E.forkIn = dual(2, (self: E.Effect<unknown>, scope: Scope.Scope) =>
  E.forkIn(E.interruptible(self), scope)
)

export const race: typeof E.race = dual(2, (self: E.Effect<unknown>, that: E.Effect<unknown>) =>
  E.race(E.interruptible(self), E.interruptible(that))
)

export const raceFirst: typeof E.raceFirst = dual(2, (self: E.Effect<unknown>, that: E.Effect<unknown>) =>
  E.raceFirst(E.interruptible(self), E.interruptible(that))
)

export const raceAll: typeof E.raceAll = (all) => E.raceAll(Array.from(all, E.interruptible) as never)

export const timeout: typeof E.timeout = dual(2, (self: E.Effect<unknown>, duration: Duration.DurationInput) =>
  E.timeout(E.interruptible(self), duration)
)

export const timeoutOption: typeof E.timeoutOption = dual(
  2,
  (self: E.Effect<unknown>, duration: Duration.DurationInput) => E.timeoutOption(E.interruptible(self), duration)
)

type Yielded<Eff, I> = [Eff] extends [never]
  ? never
  : [Eff] extends [YieldWrap<E.Effect<infer _A, infer Err, infer R>>]
    ? I extends "E"
      ? Err
      : R
    : never

export const gen: {
  <Self, Eff extends YieldWrap<E.Effect<any, any, any>>, A>(
    options: { readonly self: Self },
    body: (this: Self) => Generator<Eff, A, never>
  ): E.Effect<A, Yielded<Eff, "E">, Yielded<Eff, "R">>
} & typeof E.gen = ((...args: [any, any]) =>
  args.length === 2 ? E.gen(args[0].self, args[1]) : E.gen(args[0])) as never

interface OrElse<A2, E2, R2> {
  readonly duration: Duration.DurationInput
  readonly orElse: () => E.Effect<A2, E2, R2>
}

export const timeoutOrElse: {
  <A2, E2, R2>(options: OrElse<A2, E2, R2>): <A, E1, R>(self: E.Effect<A, E1, R>) => E.Effect<A | A2, E1 | E2, R | R2>
  <A, E1, R, A2, E2, R2>(self: E.Effect<A, E1, R>, options: OrElse<A2, E2, R2>): E.Effect<A | A2, E1 | E2, R | R2>
} = dual(2, <A, E1, R, A2, E2, R2>(self: E.Effect<A, E1, R>, { duration, orElse }: OrElse<A2, E2, R2>) =>
  E.flatten(
    E.timeoutTo(E.interruptible(self), {
      duration,
      onSuccess: (a): E.Effect<A | A2, E2, R2> => E.succeed(a),
      onTimeout: orElse
    })
  )
)

export const withSpan: typeof E.withSpan & {
  (
    name: string,
    options: Tracer.SpanOptions,
    trace: { readonly captureStackTrace?: boolean }
  ): <A, R, E>(self: E.Effect<A, E, R>) => E.Effect<A, E, Exclude<R, Tracer.ParentSpan>>
} = ((...args: [any, any, any]) =>
  typeof args[0] === "string" ? E.withSpan(args[0], { ...args[1], ...args[2] }) : E.withSpan(...args)) as never

export const yieldNow: E.Effect<void> = E.yieldNow()
