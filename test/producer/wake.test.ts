import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { Wake } from "../../src/internal/producer/wake.ts"
import { it } from "../support/ManualClock.ts"
import { isRunning, settle } from "../support/answers.ts"

describe("Wake", () => {
  it.effect("waits for the next notification", () =>
    Effect.gen(function* () {
      const wake = new Wake()
      const fiber = yield* Effect.fork(wake.after(wake.version))
      assert.isTrue(yield* isRunning(fiber))
      wake.notify()
      yield* Fiber.join(fiber)
    })
  )

  it.effect("misses none that came before it waits", () =>
    Effect.gen(function* () {
      const wake = new Wake()
      const seen = wake.version
      wake.notify()
      yield* wake.after(seen)
    })
  )

  it.effect("waits no longer than it is told", () =>
    Effect.gen(function* () {
      const wake = new Wake()
      const fiber = yield* Effect.fork(wake.after(wake.version, 100))
      yield* settle
      yield* TestClock.adjust(99)
      assert.isTrue(yield* isRunning(fiber))
      yield* TestClock.adjust(1)
      yield* Fiber.join(fiber)
    })
  )

  it.effect("what is too short to move a clock is a millisecond", () =>
    Effect.gen(function* () {
      const wake = new Wake()
      const fiber = yield* Effect.fork(wake.after(wake.version, 1e-9))
      assert.isTrue(yield* isRunning(fiber))
      yield* TestClock.adjust(1)
      yield* Fiber.join(fiber)
    })
  )

  it.effect("one that was interrupted stands in nobody's way", () =>
    Effect.gen(function* () {
      const wake = new Wake()
      const first = yield* Effect.fork(wake.after(wake.version))
      yield* settle
      yield* Fiber.interrupt(first)
      const second = yield* Effect.fork(wake.after(wake.version))
      assert.isTrue(yield* isRunning(second))
      wake.notify()
      yield* Fiber.join(second)
    })
  )

  it.effect("a second fiber that waits lets the first look again, rather than forget it", () =>
    Effect.gen(function* () {
      const wake = new Wake()
      const first = yield* Effect.fork(wake.after(wake.version))
      yield* settle
      const second = yield* Effect.fork(wake.after(wake.version))
      yield* Fiber.join(first)
      assert.isTrue(yield* isRunning(second))
      wake.notify()
      yield* Fiber.join(second)
    })
  )
})
