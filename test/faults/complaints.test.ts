/** What nobody handled is noted, as long as the scope lasts: or the trials that find nothing would say nothing. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { eventually, test } from "../support/live.ts"
import { complaints } from "./complaints.ts"

/** Tells the process of it, and nobody but who has listened since `before`: the runner would take it for its own. */
const emit = (event: "uncaughtExceptionMonitor" | "unhandledRejection", cause: Error, before: ReadonlyArray<unknown>) =>
  Effect.sync(() => {
    for (const listener of process.listeners(event as "warning")) {
      if (!before.includes(listener)) listener.call(process, cause)
    }
  })

test("exceptions, rejections and warnings are noted, what Node says about itself is not, and nothing afterwards", () =>
  Effect.gen(function* () {
    const events = ["uncaughtExceptionMonitor", "unhandledRejection", "warning"] as const
    const listeners = () => events.map((event) => process.listeners(event as "warning"))
    const before = listeners()
    const seen = yield* Effect.scoped(
      Effect.gen(function* () {
        const list = yield* complaints
        assert.deepStrictEqual(list, [])
        yield* emit("uncaughtExceptionMonitor", new Error("thrown by nobody"), before[0])
        yield* emit("unhandledRejection", new Error("rejected by nobody"), before[1])
        process.emitWarning("this is old", "DeprecationWarning")
        process.emitWarning("this is new", "ExperimentalWarning")
        process.emitWarning("too many listeners", "MaxListenersExceededWarning")
        yield* eventually(
          Effect.sync(() => list.length),
          (count) => count >= 3
        )
        return list
      })
    )
    assert.deepStrictEqual(
      seen.map((complaint) => complaint.split("\n", 1)[0]),
      [
        "uncaughtExceptionMonitor: Error: thrown by nobody",
        "unhandledRejection: Error: rejected by nobody",
        "warning: MaxListenersExceededWarning: too many listeners"
      ]
    )
    assert.deepStrictEqual(listeners(), before)
  }))
