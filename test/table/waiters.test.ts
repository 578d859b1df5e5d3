import { assert, describe } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { interruptedAnywhere } from "../support/interrupting.ts"
import type { Target } from "../../src/internal/table/publication/waiters.ts"
import { Waiters } from "../../src/internal/table/publication/waiters.ts"
import { yieldToEventLoop } from "../../src/internal/yield.ts"
import { it } from "../support/ManualClock.ts"

/** Waiters on positions that the test moves, and that it sees being looked at. */
const make = () => {
  const positions = new Map<number, number>()
  let looks = 0
  const waiters = new Waiters<string>((partition) => {
    looks++
    return positions.get(partition)
  })
  return {
    positions,
    waiters,
    move: (partition: number, position: number) => {
      positions.set(partition, position)
      waiters.check()
    },
    /** Is anybody left whose positions a check looks at? */
    isAbandoned: () => {
      looks = 0
      waiters.check()
      return looks === 0
    }
  }
}

const settled = Effect.repeat(yieldToEventLoop, { times: 3 })

/** Waits for the end alone. */
const untilEnd = (waiters: Waiters<string>) => waiters.unlessEnded(Effect.never, 60_000, () => "late")

const isPending = <A, E>(fiber: Fiber.Fiber<A, E>) => Effect.map(settled, () => !hasEnded(fiber))

describe("Waiters", () => {
  it.effect("wait for all of their targets, and for nothing that is reached", () =>
    Effect.gen(function* () {
      const { isAbandoned, move, waiters } = make()
      yield* waiters.await([])
      move(0, 5)
      yield* waiters.await([{ partition: 0, target: 5 }])
      yield* waiters.await([{ partition: 0, target: 0 }])
      const fiber = yield* Effect.forkChild(
        waiters.await([
          { partition: 0, target: 6 },
          { partition: 1, target: 1 }
        ])
      )
      assert.isTrue(yield* isPending(fiber))
      move(1, 3)
      move(0, 5)
      assert.isTrue(yield* isPending(fiber))
      move(0, 100)
      yield* Fiber.join(fiber)
      assert.isTrue(isAbandoned())
    })
  )

  it.effect("say what they are behind with", () =>
    Effect.sync(() => {
      const { positions, waiters } = make()
      positions.set(0, 5).set(1, 7)
      assert.deepStrictEqual(
        waiters.behind([
          { partition: 0, target: 5 },
          { partition: 1, target: 8 },
          { partition: 2, target: 0 }
        ]),
        [
          { partition: 1, position: 7, target: 8 },
          { partition: 2, position: undefined, target: 0 }
        ]
      )
    })
  )

  it.effect("a position that moves between the look and the wait is not missed", () =>
    Effect.gen(function* () {
      const { isAbandoned, move, waiters } = make()
      for (let i = 0; i < 100; i++) {
        const fiber = yield* Effect.forkChild(waiters.await([{ partition: 0, target: i + 1 }]))
        for (let turn = 0; turn < i % 4; turn++) yield* Effect.yieldNow
        move(0, i + 1)
        yield* Fiber.join(fiber)
      }
      assert.isTrue(isAbandoned())
    })
  )

  it("wake exactly those whose targets are reached", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.record({ partition: fc.nat(2), target: fc.nat(10) }), { maxLength: 3 }), {
          maxLength: 10
        }),
        fc.array(fc.record({ partition: fc.nat(2), by: fc.nat(4) }), { maxLength: 10 }),
        (all: ReadonlyArray<ReadonlyArray<Target>>, moves) =>
          Effect.gen(function* () {
            const { isAbandoned, move, positions, waiters } = make()
            const fibers = yield* Effect.forEach(all, (targets) => Effect.forkChild(waiters.await(targets)))
            yield* yieldToEventLoop
            for (const { by, partition } of moves) {
              move(partition, (positions.get(partition) ?? 0) + by)
              yield* yieldToEventLoop
              for (const [i, fiber] of fibers.entries()) {
                const done = hasEnded(fiber)
                assert.strictEqual(done, waiters.behind(all[i]).length === 0)
              }
            }
            waiters.end(Cause.fail("over"))
            yield* Fiber.awaitAll(fibers)
            assert.isTrue(isAbandoned())
          }).pipe(Effect.runPromise)
      ),
      { numRuns: 200 }
    ))

  it.effect("all wake at once when it ends, and later ones fail until it resumes", () =>
    Effect.gen(function* () {
      const { isAbandoned, move, waiters } = make()
      const fibers = yield* Effect.forEach([0, 1, 2], (partition) =>
        Effect.forkChild(Effect.exit(waiters.await([{ partition, target: 1 }])))
      )
      const running = yield* Effect.forkChild(Effect.exit(untilEnd(waiters)))
      yield* settled
      assert.isFalse(isAbandoned())
      waiters.end(Cause.fail("over"))
      assert.isTrue(isAbandoned())
      for (const fiber of fibers) assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.fail("over"))
      assert.deepStrictEqual(yield* Fiber.join(running), Exit.fail("over"))
      assert.deepStrictEqual(yield* Effect.exit(waiters.await([{ partition: 0, target: 1 }])), Exit.fail("over"))
      assert.deepStrictEqual(yield* Effect.exit(untilEnd(waiters)), Exit.fail("over"))

      // nothing that moves later on is of any meaning
      move(0, 1)
      assert.isFalse(waiters.areReached([{ partition: 0, target: 1 }]))
      assert.deepStrictEqual(yield* Effect.exit(waiters.await([{ partition: 0, target: 1 }])), Exit.fail("over"))
    })
  )

  it.effect("end with whatever ended it, a defect too", () =>
    Effect.gen(function* () {
      const { waiters } = make()
      const fiber = yield* Effect.forkChild(untilEnd(waiters))
      yield* settled
      const cause = Cause.die("bug")
      waiters.end(cause)
      assert.deepStrictEqual(yield* Fiber.await(fiber), Exit.failCause(cause))
    })
  )

  it.effect("of partitions that are gone fail at once, each with the reason, and the others wait on", () =>
    Effect.gen(function* () {
      const { isAbandoned, move, waiters } = make()
      const at = (...partitions: ReadonlyArray<number>) =>
        Effect.forkChild(Effect.exit(waiters.await(partitions.map((partition) => ({ partition, target: 1 })))))
      const [kept, gone, both] = [yield* at(0), yield* at(2), yield* at(0, 2)]
      yield* settled
      waiters.failOf(new Set([2, 3]), Cause.fail("gone"))
      for (const fiber of [gone, both]) assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.fail("gone"))
      assert.isTrue(yield* isPending(kept))
      move(0, 1)
      assert.deepStrictEqual(yield* Fiber.join(kept), Exit.void)
      assert.isTrue(isAbandoned())
      // it is about who waits now
      assert.isTrue(yield* isPending(yield* at(2)))
    })
  )

  it.effect("targets are reached or not, and not any more when all of it has ended", () =>
    Effect.sync(() => {
      const { move, waiters } = make()
      const targets = [{ partition: 0, target: 3 }]
      assert.isFalse(waiters.areReached(targets))
      move(0, 2)
      assert.isFalse(waiters.areReached(targets))
      move(0, 3)
      assert.isTrue(waiters.areReached(targets))
      assert.isTrue(waiters.areReached([]))
      waiters.end(Cause.fail("over"))
      assert.isFalse(waiters.areReached(targets))
    })
  )

  it.effect("what runs is interrupted when the time is up, or when all of it ends", () =>
    Effect.gen(function* () {
      for (const how of ["time", "end"] as const) {
        const { waiters } = make()
        let interrupted = 0
        const running = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
        const exit = yield* Deferred.make<Exit.Exit<never, string>>()
        // The caller goes on afterwards: it is not its own end that interrupts what it ran.
        const caller = Effect.exit(waiters.unlessEnded(running, 100, () => "late")).pipe(
          Effect.flatMap((found) => Deferred.succeed(exit, found)),
          Effect.andThen(Effect.never)
        )
        yield* Effect.forkChild(caller)
        yield* settled
        if (how === "time") yield* TestClock.adjust(100)
        else waiters.end(Cause.fail("over"))
        assert.deepStrictEqual(yield* Deferred.await(exit), Exit.fail(how === "time" ? "late" : "over"))
        assert.strictEqual(interrupted, 1, how)
      }
    })
  )

  it.effect("waiting for the end goes on, whatever moves", () =>
    Effect.gen(function* () {
      const { isAbandoned, move, waiters } = make()
      const fiber = yield* Effect.forkChild(untilEnd(waiters))
      yield* settled
      move(0, 1_000_000)
      assert.isTrue(yield* isPending(fiber))
      yield* Fiber.interrupt(fiber)
      assert.isTrue(isAbandoned())
    })
  )

  it.effect("what runs unless it ends gives its result, or is given up when the time is up", () =>
    Effect.gen(function* () {
      const { waiters } = make()
      const run = <A>(effect: Effect.Effect<A, string>) => waiters.unlessEnded(effect, 1_000, () => "late")
      assert.strictEqual(yield* run(Effect.succeed(1)), 1)
      assert.strictEqual(yield* run(Effect.as(yieldToEventLoop, 2)), 2)
      assert.deepStrictEqual(yield* Effect.exit(run(Effect.fail("mine"))), Exit.fail("mine"))
      assert.deepStrictEqual(yield* Effect.exit(run(Effect.die("bug"))), Exit.die("bug"))

      let released = 0
      const held = Effect.onInterrupt(Effect.never, () => Effect.sync(() => released++))
      const late = yield* Effect.forkChild(Effect.exit(run(held)))
      assert.isTrue(yield* isPending(late))
      yield* TestClock.adjust(999)
      assert.isTrue(yield* isPending(late))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.join(late), Exit.fail("late"))
      assert.strictEqual(released, 1)

      const interrupted = yield* Effect.forkChild(run(held))
      yield* settled
      yield* Fiber.interrupt(interrupted)
      assert.strictEqual(released, 2)

      const ended = yield* Effect.forkChild(Effect.exit(run(held)))
      yield* settled
      waiters.end(Cause.fail("over"))
      assert.deepStrictEqual(yield* Fiber.join(ended), Exit.fail("over"))
      assert.strictEqual(released, 3)
      assert.deepStrictEqual(yield* Effect.exit(run(held)), Exit.fail("over"))
    })
  )

  it.effect("an interrupted wait leaves nothing", () =>
    Effect.gen(function* () {
      const { isAbandoned, move, waiters } = make()
      const fibers = yield* Effect.forEach([1, 2, 3], (target) =>
        Effect.forkChild(waiters.await([{ partition: 0, target }]))
      )
      yield* settled
      assert.isFalse(isAbandoned())
      yield* Fiber.interruptAll(fibers)
      assert.isTrue(isAbandoned())
      move(0, 5)
      // the loser of a race
      yield* Effect.raceFirst(untilEnd(waiters), yieldToEventLoop)
      assert.isTrue(isAbandoned())
    })
  )

  it.effect("nor does one that is interrupted wherever its fiber gives way", () =>
    Effect.gen(function* () {
      let made = make()
      yield* interruptedAnywhere(
        () => {
          made = make()
          return made.waiters.await([{ partition: 0, target: 1 }])
        },
        (where) => Effect.sync(() => assert.isTrue(made.isAbandoned(), where))
      )
    })
  )
})
