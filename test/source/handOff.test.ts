import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { hasEnded, interruptSoon } from "../../src/internal/effect/v4/fibers.ts"
import { withStepsBeforeYield } from "../support/effect/v4/fibers.ts"
import { HandOff } from "../../src/internal/source/handOff.ts"
import { yieldToEventLoop } from "../../src/internal/yield.ts"

interface Item {
  readonly name: string
}

const item = (name: string): Item => ({ name })

const settled = Effect.repeat(yieldToEventLoop, { times: 3 })

const isPending = <A, E>(fiber: Fiber.Fiber<A, E>) => Effect.map(settled, () => !hasEnded(fiber))

describe("HandOff", () => {
  it.effect("has room for one, and who offers another one waits until that is taken", () =>
    Effect.gen(function* () {
      const handOff = new HandOff<Item>()
      yield* handOff.offer(item("a"))
      const second = yield* Effect.forkChild(handOff.offer(item("b")))
      const third = yield* Effect.forkChild(handOff.offer(item("c")))
      assert.isTrue(yield* isPending(second))
      assert.strictEqual((yield* handOff.take).name, "a")
      yield* Fiber.join(second)
      assert.isTrue(yield* isPending(third))
      assert.strictEqual((yield* handOff.take).name, "b")
      yield* Fiber.join(third)
      assert.strictEqual((yield* handOff.take).name, "c")
    })
  )

  it.effect("gives to the one that waits, and has room again at once", () =>
    Effect.gen(function* () {
      const handOff = new HandOff<Item>()
      const taking = yield* Effect.forkChild(handOff.take)
      assert.isTrue(yield* isPending(taking))
      yield* handOff.offer(item("a"))
      yield* handOff.offer(item("b"))
      assert.strictEqual((yield* Fiber.join(taking)).name, "a")
      assert.strictEqual((yield* handOff.take).name, "b")
    })
  )

  it.effect("forgets an offer that was interrupted, and no other one", () =>
    Effect.gen(function* () {
      const handOff = new HandOff<Item>()
      yield* handOff.offer(item("a"))
      const [second, third] = [
        yield* Effect.forkChild(handOff.offer(item("b"))),
        yield* Effect.forkChild(handOff.offer(item("c")))
      ]
      yield* settled
      yield* Fiber.interrupt(second)
      assert.strictEqual((yield* handOff.take).name, "a")
      yield* Fiber.join(third)
      assert.strictEqual((yield* handOff.take).name, "c")
      const waiting = yield* Effect.forkChild(handOff.take)
      assert.isTrue(yield* isPending(waiting))
    })
  )

  it.effect("forgets an offer wherever its fiber gave way when it was interrupted", () =>
    Effect.gen(function* () {
      for (let before = 0; before < 80; before++) {
        const handOff = new HandOff<Item>()
        yield* handOff.offer(item("a"))
        let offering = handOff.offer(item("b"))
        // so that it comes at another of its steps each time
        for (let i = 0; i < before; i++) offering = Effect.andThen(Effect.void, offering)
        const fiber = yield* Effect.forkChild(withStepsBeforeYield(40)(offering))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        assert.strictEqual((yield* handOff.take).name, "a")
        const waiting = yield* Effect.forkChild(handOff.take)
        yield* Effect.yieldNow
        yield* Effect.yieldNow
        assert.isFalse(hasEnded(waiting), `with ${before} steps before`)
      }
    })
  )

  it.effect("an offer that is taken while its fiber gives way is over, wherever that is", () =>
    Effect.gen(function* () {
      for (let before = 0; before < 80; before++) {
        const handOff = new HandOff<Item>()
        yield* handOff.offer(item("a"))
        let offering = handOff.offer(item("b"))
        // so that it comes at another of its steps each time
        for (let i = 0; i < before; i++) offering = Effect.andThen(Effect.void, offering)
        const fiber = yield* Effect.forkChild(withStepsBeforeYield(40)(offering))
        yield* Effect.yieldNow
        assert.strictEqual((yield* handOff.take).name, "a")
        assert.strictEqual((yield* handOff.take).name, "b")
        yield* settled
        assert.isTrue(hasEnded(fiber), `with ${before} steps before`)
      }
    })
  )

  it.effect("an offer that is interrupted as it is taken withdraws nobody else's", () =>
    Effect.gen(function* () {
      const handOff = new HandOff<Item>()
      yield* handOff.offer(item("a"))
      const second = yield* Effect.forkChild(handOff.offer(item("b")))
      yield* settled
      const third = yield* Effect.forkChild(handOff.offer(item("c")))
      yield* settled
      // in one step: its place is there, and its fiber has not heard of it yet
      yield* Effect.sync(() => {
        Effect.runSync(handOff.take)
        interruptSoon(second)
      })
      yield* settled
      assert.isTrue(hasEnded(second))
      assert.strictEqual((yield* handOff.take).name, "b")
      assert.strictEqual((yield* handOff.take).name, "c")
      yield* Fiber.join(third)
    })
  )

  it.effect("forgets an offer that was interrupted at any place in the row, and only that", () =>
    Effect.gen(function* () {
      for (const interrupted of [0, 1, 2]) {
        const handOff = new HandOff<Item>()
        yield* handOff.offer(item("first"))
        const fibers: Array<Fiber.Fiber<void>> = []
        for (const name of ["a", "b", "c"]) {
          fibers.push(yield* Effect.forkChild(handOff.offer(item(name))))
          yield* settled
        }
        yield* Fiber.interrupt(fibers[interrupted])
        const left = ["a", "b", "c"].filter((_, i) => i !== interrupted)
        for (const name of ["first", ...left]) assert.strictEqual((yield* handOff.take).name, name)
        const waiting = yield* Effect.forkChild(handOff.take)
        assert.isTrue(yield* isPending(waiting))
        yield* Fiber.interrupt(waiting)
      }
    })
  )

  it.effect("an offer that comes while the one that takes gives way is taken, wherever that is", () =>
    Effect.gen(function* () {
      for (let ops = 40; ops < 44; ops++) {
        for (let before = 0; before < 45; before++) {
          const handOff = new HandOff<Item>()
          let taking = handOff.take
          // so that it comes at another of its steps each time
          for (let i = 0; i < before; i++) taking = Effect.andThen(Effect.void, taking)
          const fiber = yield* Effect.forkChild(withStepsBeforeYield(ops)(taking))
          yield* Effect.yieldNow
          yield* handOff.offer(item("a"))
          yield* settled
          assert.isTrue(hasEnded(fiber), `with ${before} steps before, ${ops} at a time`)
        }
      }
    })
  )

  it.effect("keeps the order of thousands, from many fibers, through a slow taker", () =>
    Effect.gen(function* () {
      const handOff = new HandOff<{ readonly of: number; readonly n: number }>()
      const senders = yield* Effect.forkChild(
        Effect.forEach(
          [0, 1, 2],
          (of) => Effect.forEach(Array.from({ length: 1000 }), (_, n) => handOff.offer({ of, n }), { discard: true }),
          { concurrency: "unbounded", discard: true }
        )
      )
      const seen: Array<Array<number>> = [[], [], []]
      for (let i = 0; i < 3000; i++) {
        if (i % 100 === 0) yield* yieldToEventLoop
        const { n, of } = yield* handOff.take
        seen[of].push(n)
      }
      yield* Fiber.join(senders)
      const inOrder = Array.from({ length: 1000 }, (_, n) => n)
      assert.deepStrictEqual(seen, [inOrder, inOrder, inOrder])
    })
  )
})
