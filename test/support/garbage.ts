/** What the garbage collector leaves. */
import * as Effect from "effect/Effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { yieldToEventLoop } from "../../src/internal/yield.ts"

setFlagsFromString("--expose-gc")

export const collectGarbage = runInNewContext("gc") as () => void

export const MIB = 1024 * 1024

const once = Effect.sync(() => {
  collectGarbage()
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
})

/**
 * Bytes that are in use after all garbage is gone: objects, and buffers, which live outside of the heap. What is let go of
 * takes its buffers along a moment later: the least of a few looks counts.
 */
export const bytesInUse: Effect.Effect<number> = Effect.map(
  Effect.all([1, 2, 3].map(() => Effect.delay(once, "10 millis"))),
  (looks) => Math.min(...looks)
)

/** Whether all of these are gone, after a few collections: what has just been let go of may be on somebody's stack. */
export const garbageCollected = (refs: ReadonlyArray<WeakRef<object>>): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    for (let i = 0; i < 10; i++) {
      yield* yieldToEventLoop
      collectGarbage()
      if (refs.every((ref) => ref.deref() === undefined)) return true
    }
    return false
  })
