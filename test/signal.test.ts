import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { Signal } from "../src/internal/signal.ts"
import { isRunning } from "./support/answers.ts"

describe("Signal", () => {
  it.effect("wakes all who wait", () =>
    Effect.gen(function* () {
      const signal = new Signal()
      const fibers = yield* Effect.forEach([undefined, 1_000], (millis) =>
        Effect.forkChild(signal.after(signal.version, millis))
      )
      for (const fiber of fibers) assert.isTrue(yield* isRunning(fiber))
      signal.notify()
      yield* Fiber.joinAll(fibers)
    })
  )

  it.effect("misses none that came before it waits", () =>
    Effect.gen(function* () {
      const signal = new Signal()
      const seen = signal.version
      signal.notify()
      yield* signal.after(seen)
    })
  )

  it.effect("forgets who was interrupted, and wakes the others", () =>
    Effect.gen(function* () {
      const signal = new Signal()
      const fibers = yield* Effect.forEach([undefined, 1_000, undefined], (millis) =>
        Effect.forkChild(signal.after(signal.version, millis))
      )
      for (const fiber of fibers) assert.isTrue(yield* isRunning(fiber))
      yield* Fiber.interruptAll(fibers.slice(0, 2))
      assert.strictEqual(signal["waiting"].size, 2, "one that has no time is forgotten with the next notify only")
      signal.notify()
      yield* Fiber.join(fibers[2])
      assert.strictEqual(signal["waiting"].size, 0)
    })
  )

  it.effect("waits no longer than it is told", () =>
    Effect.gen(function* () {
      const signal = new Signal()
      const fiber = yield* Effect.forkChild(signal.after(signal.version, 100))
      yield* TestClock.adjust(99)
      assert.isTrue(yield* isRunning(fiber))
      yield* TestClock.adjust(1)
      yield* Fiber.join(fiber)
    })
  )

  it.effect("what is too short to move a clock is a millisecond: who waits for a time does not spin", () =>
    Effect.gen(function* () {
      for (const millis of [1e-9, 0.3, 0, -1]) {
        const signal = new Signal()
        const fiber = yield* Effect.forkChild(signal.after(signal.version, millis))
        assert.isTrue(yield* isRunning(fiber), String(millis))
        yield* TestClock.adjust(1)
        yield* Fiber.join(fiber)
      }
    })
  )
})
