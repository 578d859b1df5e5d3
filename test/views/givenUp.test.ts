/** Steps of a table's reader that are interrupted halfway: the table goes on later, and so does all that is made of it. */
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Codec, TableIndex } from "../../src/index.ts"
import { it } from "../support/ManualClock.ts"
import { turn } from "../table/support.ts"
import { Hand } from "./byHand.ts"

const indexes = TableIndex.define<string, number>()((index) => ({
  hash: index.hash((value) => value),
  sorted: index.sorted((value) => value),
  own: index.sorted((value) => value, { order: slowly })
}))

type Ix = typeof indexes

/** Takes so long that each step is a slice. */
function slowly(a: number, b: number): -1 | 0 | 1 {
  const until = performance.now() + 0.02
  while (performance.now() < until);
  return a < b ? -1 : a > b ? 1 : 0
}

const check = (hand: Hand<string, number, Ix>): void => {
  const { snapshot } = hand
  const rows = [...snapshot.entries()]
  const sorted = [...rows].sort((a, b) => a.value - b.value || (a.key < b.key ? -1 : 1)).map(({ key }) => key)
  assert.deepStrictEqual(
    Array.from(snapshot.by("sorted").range(), ({ key }) => key),
    sorted
  )
  assert.deepStrictEqual(
    Array.from(snapshot.by("own").range(), ({ key }) => key),
    sorted
  )
  for (const value of new Set(rows.map((row) => row.value))) {
    assert.strictEqual(snapshot.by("hash").count(value), rows.filter((row) => row.value === value).length)
  }
}

const filled = Effect.gen(function* () {
  const hand = yield* Hand.make<string, number, Ix>(Codec.utf8)
  hand.state.multiPartition = false
  yield* hand.index(indexes)
  for (let i = 0; i < 1_000; i++) hand.put(`k${i}`, i % 50)
  yield* hand.publish
  check(hand)
  return hand
})

describe("what is interrupted halfway", () => {
  it.effect("by an update: the next one goes on with it, and nobody else's comes in between", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const hand = yield* filled
        for (let i = 0; i < 1_000; i++) hand.put(`k${i}`, i % 7)
        const updating = yield* Effect.forkChild(hand.publish)
        yield* turn
        yield* turn
        assert.isTrue(hand.publication.graph.isBusy)
        yield* Fiber.interrupt(updating)
        assert.isTrue(hand.publication.graph.isBusy)
        check(hand)
        assert.strictEqual(hand.snapshot.by("hash").count(49), 20)
        // More is written before that is done.
        hand.put("k1", 48)
        yield* hand.publish
        check(hand)
        assert.isFalse(hand.publication.graph.isBusy)
        assert.deepStrictEqual(
          [48, 49].map((value) => hand.snapshot.by("hash").count(value)),
          [1, 0]
        )
        hand.put("k0", 49)
        yield* hand.publish
        check(hand)
      })
    )
  )

  it.effect("by making room: once views follow to new slots, that is done to its end", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const hand = yield* filled
        for (let i = 0; i < 1_000; i += 2) hand.put(`k${i}`, undefined)
        yield* hand.publish
        // Given up before and after the views have begun to follow.
        for (let turns = 0; turns < 4; turns++) {
          let isFollowed = false
          const making = yield* Effect.forkChild(
            hand.publication.makeRoom(function* (follow) {
              for (let i = 0; i < 3; i++) yield pause()
              yield* hand.state.compact(function* (to) {
                isFollowed = true
                yield pause()
                for (const step of { [Symbol.iterator]: () => follow(to) as Iterator<void> }) {
                  yield step
                  yield pause()
                }
              })
            }, hand.take)
          )
          for (let i = 0; i <= turns * 2; i++) yield* turn
          yield* Fiber.interrupt(making)
          assert.deepStrictEqual([hand.publication.isMoving, hand.publication.graph.isBusy], [false, false])
          check(hand)
          assert.strictEqual(isFollowed, hand.publication.newest.length === 500, `${turns}`)
          hand.put("k1", turns)
          yield* hand.publish
          check(hand)
        }
        assert.strictEqual(hand.publication.newest.length, 500)
      })
    )
  )
})

/** So long that a slice ends with it. */
const pause = (): void => {
  const until = performance.now() + 4
  while (performance.now() < until);
}
