/** Opens and closes a table and a writer, again and again, and looks at what that leaves. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { census } from "../support/effect/v4/fibers.ts"
import { yieldToEventLoop } from "../../src/internal/yield.ts"
import { bytesInUse } from "../support/garbage.ts"
import { eventually } from "../support/live.ts"

export interface Look {
  readonly cycles: number
  readonly bytes: number
  /** Everything that keeps the event loop alive, by kind. */
  readonly handles: ReadonlyMap<string, number>
  readonly fibers: number
}

export const handles = (): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}

/** What there is of the kinds that a client makes. */
export const ours = (all: ReadonlyMap<string, number>): number =>
  ["TCPSocketWrap", "TLSWrap", "TCPConnectWrap", "Timeout", "Immediate"].reduce(
    (sum, kind) => sum + (all.get(kind) ?? 0),
    0
  )

/** `cycle` so many times, with a look every `every`, the first one after `every` cycles: what is made once is made by then. */
export const cycles = (
  count: number,
  every: number,
  cycle: Effect.Effect<void, unknown, Scope.Scope>
): Effect.Effect<ReadonlyArray<Look>, unknown> =>
  Effect.gen(function* () {
    const started = yield* census
    let least = ours(handles())
    const looks: Array<Look> = []
    for (let done = 1; done <= count; done++) {
      const fiber = yield* started.of(Effect.forkChild(Effect.scoped(cycle)))
      yield* Fiber.join(fiber)
      if (done % every !== 0) continue
      // handles and what waits for them go a turn of the event loop later, and those of the test runner come and go
      const settled = Effect.andThen(
        yieldToEventLoop,
        Effect.map(started.count, (fibers) => ({ fibers, handles: handles() }))
      )
      const isLeast = (seen: Pick<Look, "fibers" | "handles">) => seen.fibers === 0 && ours(seen.handles) <= least
      const seen = yield* eventually(settled, isLeast, "1 minute")
      least = ours(seen.handles)
      looks.push({ cycles: done, bytes: yield* bytesInUse, ...seen })
    }
    return looks
  })
