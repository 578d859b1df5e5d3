/** Tests that are Effects have a scope of their own, as on Effect 4. */
import * as V from "@effect/vitest"
import type * as Layer from "effect/Layer"
import type * as Duration from "effect/Duration"

export * from "@effect/vitest"

type WithScopes<R> = Omit<V.Vitest.Methods<R>, "effect" | "live" | "layer"> &
  V.API & {
    readonly effect: V.Vitest.Methods<R>["scoped"]
    readonly live: V.Vitest.Methods<R>["scopedLive"]
  }

const withScopes = <R>(it: V.Vitest.MethodsNonLive<R>): WithScopes<R> =>
  new Proxy(it, {
    get: (target, name, receiver): unknown => {
      if (name === "effect") return target.scoped
      if (name === "live") return (target as V.Vitest.Methods<R>).scopedLive
      return Reflect.get(target, name, receiver)
    }
  }) as unknown as WithScopes<R>

export const it = withScopes(V.it)

export const layer =
  <R, E>(
    shared: Layer.Layer<R, E>,
    options?: { readonly timeout?: Duration.DurationInput; readonly excludeTestServices?: boolean }
  ) =>
  (name: string, body: (it: WithScopes<R>) => void): void =>
    V.layer(shared, options)(name, (its) => body(withScopes(its as V.Vitest.MethodsNonLive<R>)))
