/** What reaches the process because nobody handled it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

const isAboutNodeItself = (cause: unknown): boolean =>
  cause instanceof Error && (cause.name === "ExperimentalWarning" || cause.name === "DeprecationWarning")

const text = (cause: unknown): string => (cause instanceof Error ? (cause.stack ?? cause.message) : String(cause))

/** Exceptions, rejections and warnings, from now on. */
export const complaints: Effect.Effect<ReadonlyArray<string>, never, Scope.Scope> = Effect.gen(function* () {
  const list: Array<string> = []
  const listenTo = (event: "uncaughtExceptionMonitor" | "unhandledRejection" | "warning") => {
    const listener = (cause: unknown) => {
      if (!isAboutNodeItself(cause)) list.push(`${event}: ${text(cause)}`)
    }
    return Effect.acquireRelease(
      Effect.sync(() => process.on(event as "warning", listener)),
      () => Effect.sync(() => process.off(event, listener))
    )
  }
  yield* listenTo("uncaughtExceptionMonitor")
  yield* listenTo("unhandledRejection")
  yield* listenTo("warning")
  return list
})
