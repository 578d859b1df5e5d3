import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { PublishedRef } from "../../src/internal/effect/v4/publishedRef.ts"
import { yieldToEventLoop } from "../../src/internal/yield.ts"

const settled = Effect.repeat(yieldToEventLoop, { times: 3 })

/** What a stream of changes gives, as it comes. */
const collect = <A, E>(changes: Stream.Stream<A, E>) =>
  Effect.gen(function* () {
    const seen: Array<A> = []
    const fiber = yield* Effect.forkChild(Stream.runForEach(changes, (value) => Effect.sync(() => seen.push(value))))
    yield* settled
    return { seen, fiber }
  })

describe("PublishedRef", () => {
  for (const keepsAll of [false, true]) {
    describe(keepsAll ? "of all values" : "of the latest value", () => {
      it.effect("is a SubscriptionRef to everybody", () =>
        Effect.gen(function* () {
          const published = yield* PublishedRef.make(1, { keepsAll })
          const { ref } = published
          assert.strictEqual(yield* SubscriptionRef.get(ref), 1)
          published.set(2)
          assert.strictEqual(yield* SubscriptionRef.get(ref), 2)
          yield* SubscriptionRef.set(ref, 3)
          assert.strictEqual(yield* SubscriptionRef.getAndUpdate(ref, (n) => n + 1), 3)
          assert.strictEqual(yield* SubscriptionRef.updateAndGetEffect(ref, (n) => Effect.succeed(n + 1)), 5)
          assert.strictEqual(yield* SubscriptionRef.modify(ref, (n) => [n, n + 1] as const), 5)
          assert.strictEqual(yield* SubscriptionRef.get(ref), 6)
          published.set(7)
          assert.strictEqual(yield* SubscriptionRef.get(ref), 7)
        })
      )

      it.effect("its changes begin with what there is, and none is missed or doubled, whoever sets it", () =>
        Effect.gen(function* () {
          const published = yield* PublishedRef.make(0, { keepsAll })
          published.set(1)
          const streams = yield* Effect.all([
            collect(SubscriptionRef.changes(published.ref)),
            collect(SubscriptionRef.changes(published.ref))
          ])
          for (let value = 2; value < 6; value++) {
            if (value % 2 === 0) published.set(value)
            else yield* SubscriptionRef.set(published.ref, value)
            yield* settled
          }
          for (const { seen } of streams) assert.deepStrictEqual(seen, [1, 2, 3, 4, 5])
        })
      )

      it.effect("a slow consumer holds nobody", () =>
        Effect.gen(function* () {
          const published = yield* PublishedRef.make(0, { keepsAll })
          const goOn = yield* Deferred.make<void>()
          const slow = yield* collect(Stream.tap(SubscriptionRef.changes(published.ref), () => Deferred.await(goOn)))
          const { seen } = yield* collect(SubscriptionRef.changes(published.ref))
          for (const value of [1, 2, 3]) {
            published.set(value)
            yield* settled
          }
          assert.deepStrictEqual(seen, [0, 1, 2, 3])
          assert.deepStrictEqual(slow.seen, [])
          yield* Deferred.succeed(goOn, undefined)
          yield* settled
          assert.deepStrictEqual(slow.seen, keepsAll ? [0, 1, 2, 3] : [0, 3])
        })
      )

      it.effect("nor does somebody who modifies it for ever", () =>
        Effect.gen(function* () {
          const published = yield* PublishedRef.make(0, { keepsAll })
          const fiber = yield* Effect.forkChild(SubscriptionRef.updateEffect(published.ref, () => Effect.never))
          yield* settled
          const { seen } = yield* collect(SubscriptionRef.changes(published.ref))
          published.set(1)
          yield* settled
          assert.deepStrictEqual(seen, [0, 1])
          assert.strictEqual(yield* SubscriptionRef.get(published.ref), 1)
          yield* Fiber.interrupt(fiber)
          yield* SubscriptionRef.set(published.ref, 2)
          assert.strictEqual(yield* SubscriptionRef.get(published.ref), 2)
        })
      )

      it.effect("a stream that has ended, one way or the other, is forgotten", () =>
        Effect.gen(function* () {
          const published = yield* PublishedRef.make(0, { keepsAll })
          const runs = () => published.consumers
          const { fiber, seen } = yield* collect(SubscriptionRef.changes(published.ref))
          const failing = yield* collect(
            Stream.tap(SubscriptionRef.changes(published.ref), (value) => (value === 1 ? Effect.fail("") : Effect.void))
          )
          assert.strictEqual(runs(), 2)
          yield* Fiber.interrupt(fiber)
          assert.strictEqual(runs(), 1)
          published.set(1)
          yield* settled
          assert.strictEqual(runs(), 0)
          assert.deepStrictEqual([seen, failing.seen], [[0], [0]])
          assert.deepStrictEqual(
            [...(yield* Stream.runCollect(Stream.take(SubscriptionRef.changes(published.ref), 1)))],
            [1]
          )
          assert.strictEqual(runs(), 0)
        })
      )

      it.effect("its changes end after what there is when the owner has ended, and so do later ones", () =>
        Effect.gen(function* () {
          const published = yield* PublishedRef.make(0, { keepsAll })
          const waiting = yield* collect(SubscriptionRef.changes(published.ref))
          const goOn = yield* Deferred.make<void>()
          const slow = yield* collect(Stream.tap(SubscriptionRef.changes(published.ref), () => Deferred.await(goOn)))
          published.set(1)
          published.set(2)
          published.end()
          yield* Fiber.join(waiting.fiber)
          assert.deepStrictEqual(waiting.seen, keepsAll ? [0, 1, 2] : [0, 2])
          assert.isFalse(hasEnded(slow.fiber))
          yield* Deferred.succeed(goOn, undefined)
          yield* Fiber.join(slow.fiber)
          assert.deepStrictEqual(slow.seen, keepsAll ? [0, 1, 2] : [0, 2])
          assert.deepStrictEqual([...(yield* Stream.runCollect(SubscriptionRef.changes(published.ref)))], [2])
          assert.strictEqual(yield* SubscriptionRef.get(published.ref), 2)
        })
      )
    })
  }
})
