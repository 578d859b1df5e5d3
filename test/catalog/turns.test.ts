/** Jobs for one identity are run one at a time, whatever becomes of who has begun them. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { Turns } from "../../src/internal/catalog/turns.ts"
import { failureOf } from "../support/exits.ts"
import { eventually, numbers } from "../support/live.ts"

const setUp = Effect.gen(function* () {
  const outer = yield* Effect.scope
  const scope = yield* Scope.fork(outer, outer.strategy)
  const log: Array<string> = []
  const say = (what: string) => Effect.sync(() => void log.push(what))
  /** A job that says when it begins and ends, and ends when the gate is open. */
  const job = (name: string, gate: Effect.Effect<void> = Effect.void) =>
    Effect.as(Effect.andThen(say(`${name} begins`), Effect.andThen(gate, say(`${name} ends`))), name)
  const said = (what: string) =>
    eventually(
      Effect.sync(() => log.includes(what)),
      (isSaid) => isSaid
    )
  return { turns: new Turns("parts", scope), scope, log, job, said }
})

describe("turns", () => {
  it.live("one after the other for an identity, in their order, and beside those of others", () =>
    Effect.gen(function* () {
      const { job, log, said, turns } = yield* setUp
      const gate = yield* Deferred.make<void>()
      const all = yield* Effect.forEach(numbers(3), (i) =>
        Effect.forkChild(turns.run("a", job(`${i}`, i === 0 ? Deferred.await(gate) : Effect.void)))
      )
      yield* said("0 begins")
      assert.strictEqual(yield* turns.run("b", job("other")), "other")
      assert.deepStrictEqual(log, ["0 begins", "other begins", "other ends"])
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* Effect.forEach(all, (fiber) => Fiber.join(fiber)), ["0", "1", "2"])
      assert.deepStrictEqual(log.slice(3), ["0 ends", ...[1, 2].flatMap((i) => [`${i} begins`, `${i} ends`])])
    })
  )

  it.live("a job goes on without who has begun it, and the next one waits for its end", () =>
    Effect.gen(function* () {
      const { job, log, said, turns } = yield* setUp
      const gate = yield* Deferred.make<void>()
      const first = yield* Effect.forkChild(turns.run("a", job("first", Deferred.await(gate))))
      yield* said("first begins")
      const second = yield* Effect.forkChild(turns.run("a", job("second")))
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(log, ["first begins"])
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(second), "second")
      assert.deepStrictEqual(log, ["first begins", "first ends", "second begins", "second ends"])
    })
  )

  it.live("who gives up waiting never begins, and holds up nobody", () =>
    Effect.gen(function* () {
      const { job, log, said, turns } = yield* setUp
      const gate = yield* Deferred.make<void>()
      const first = yield* Effect.forkChild(turns.run("a", job("first", Deferred.await(gate))))
      yield* said("first begins")
      const second = yield* Effect.forkChild(turns.run("a", job("second")))
      const third = yield* Effect.forkChild(turns.run("a", job("third")))
      yield* Effect.sleep("10 millis")
      yield* Fiber.interrupt(second)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* Effect.forEach([first, third], (fiber) => Fiber.join(fiber)), ["first", "third"])
      assert.notInclude(log, "second begins")
    })
  )

  it.live("who is interrupted when its turn comes, at whatever step, passes it on", () =>
    Effect.forEach(
      Array.from({ length: 30 }, (_, steps) => steps),
      (steps) =>
        Effect.gen(function* () {
          const { job, said, turns } = yield* setUp
          const gate = yield* Deferred.make<void>()
          const first = yield* Effect.forkChild(turns.run("a", job("first", Deferred.await(gate))))
          yield* said("first begins")
          const second = yield* Effect.forkChild(turns.run("a", job("second")))
          const third = yield* Effect.forkChild(turns.run("a", job("third")))
          yield* Effect.sleep("2 millis")
          yield* Deferred.succeed(gate, undefined)
          for (let step = 0; step < steps; step++) yield* Effect.yieldNow
          yield* Fiber.interrupt(second)
          assert.strictEqual(yield* Fiber.join(third), "third")
          assert.strictEqual(yield* turns.run("a", job("next")), "next")
          yield* Fiber.join(first)
        })
    )
  )

  it.live("a job that fails gives up its turn", () =>
    Effect.gen(function* () {
      const { job, turns } = yield* setUp
      assert.strictEqual(yield* Effect.flip(turns.run("a", Effect.fail("no"))), "no")
      assert.strictEqual(yield* turns.run("a", job("next")), "next")
    })
  )

  it.live("when the scope ends, those that are under way and those that wait are told that the table is closed", () =>
    Effect.gen(function* () {
      const { job, log, said, scope, turns } = yield* setUp
      const all = yield* Effect.forEach(numbers(3), (i) =>
        Effect.forkChild(Effect.exit(turns.run("a", job(`${i}`, Effect.never))))
      )
      yield* said("0 begins")
      yield* Scope.close(scope, Exit.void)
      const exits = yield* Effect.forEach(all, (fiber) => Fiber.join(fiber))
      for (const exit of exits) assert.strictEqual(failureOf(exit)._tag, "KafkaTableClosedError")
      assert.deepStrictEqual(log, ["0 begins"])
      assert.strictEqual((yield* Effect.flip(turns.run("a", job("late"))))._tag, "KafkaTableClosedError")
    })
  )
})
