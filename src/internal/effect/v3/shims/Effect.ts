import * as E from "effect/Effect"
import type * as Duration from "effect/Duration"
import { dual } from "effect/Function"
import type * as Tracer from "effect/Tracer"
import type { YieldWrap } from "effect/Utils"

export * from "effect/Effect"
export {
  async as callback,
  catchAll as catch,
  catchAllCause as catchCause,
  catchAllDefect as catchDefect,
  either as result,
  fork as forkChild,
  forkDaemon as forkDetach,
  whenEffect as when
} from "effect/Effect"

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
    E.timeoutTo(self, { duration, onSuccess: (a): E.Effect<A | A2, E2, R2> => E.succeed(a), onTimeout: orElse })
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
