/** Whose turn it is among tables that are connected. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { Graph, type Turn } from "../../src/internal/table/publication/graph.ts"
import { settle } from "../support/answers.ts"

const come = (turns: ReadonlyArray<Turn>) => turns.map(({ hasCome }) => hasCome)

describe("the turn of a graph", () => {
  it("goes to who has asked first, however often others ask", () => {
    const graph = new Graph()
    let mine = graph.turn()
    assert.deepStrictEqual([mine.hasCome, graph.isBusy], [true, true])
    const other = graph.turn()
    for (let i = 0; i < 3; i++) {
      assert.strictEqual(other.hasCome, i > 0)
      const next = graph.turn()
      mine.leave()
      mine = next
      assert.deepStrictEqual([other.hasCome, mine.hasCome], [true, false])
    }
    other.leave()
    assert.deepStrictEqual([mine.hasCome, graph.isBusy], [true, true])
    mine.leave()
    mine.leave()
    assert.isFalse(graph.isBusy)
    assert.isTrue(graph.turn().hasCome)
  })

  it.effect("is not waited for by who has left, and goes on to the next one", () =>
    Effect.gen(function* () {
      const graph = new Graph()
      const [first, second, third] = [graph.turn(), graph.turn(), graph.turn()]
      const waiting = yield* Effect.forkChild(second.awaited)
      yield* settle
      assert.isFalse(hasEnded(waiting))
      second.leave()
      yield* Fiber.join(waiting)
      assert.isFalse(third.hasCome)
      first.leave()
      yield* third.awaited
      assert.isTrue(third.hasCome)
    })
  )

  it("of two that become one goes to nobody until all who have it have left", () => {
    const [left, right] = [new Graph(), new Graph()]
    const held = [left.turn(), right.turn()]
    const waiting = [left.turn(), right.turn()]
    left.join(right)
    right.join(left)
    const late = right.turn()
    held[0].leave()
    assert.deepStrictEqual(come([...waiting, late]), [false, false, false])
    assert.isTrue(left.isBusy && right.isBusy)
    held[1].leave()
    assert.deepStrictEqual(come([...waiting, late]), [true, false, false])
    waiting[0].leave()
    assert.deepStrictEqual(come([waiting[1], late]), [true, false])
    waiting[1].leave()
    assert.isTrue(late.hasCome)
    late.leave()
    assert.isFalse(left.isBusy || right.isBusy)
  })
})
