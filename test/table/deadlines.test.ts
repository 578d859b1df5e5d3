/** When rows are to go: the earliest first, whatever slots they have. */
import { assert, describe, it } from "@effect/vitest"
import { Deadlines } from "../../src/internal/table/reading/deadlines.ts"

/** The slots of all that is due by then. */
const due = (deadlines: Deadlines, now: number): ReadonlyArray<number> => {
  const slots: Array<number> = []
  for (let slot = deadlines.takeDue(now); slot !== undefined; slot = deadlines.takeDue(now)) slots.push(slot)
  return slots
}

describe("Deadlines", () => {
  it("give the rows that are due, the earliest first, and none twice", () => {
    const deadlines = new Deadlines()
    assert.strictEqual(deadlines.first, Infinity)
    for (const [slot, deadline] of [30, 10, 20, 10].entries()) deadlines.set(slot, deadline)
    assert.strictEqual(deadlines.first, 10)
    assert.deepStrictEqual(due(deadlines, 9), [])
    assert.deepStrictEqual(due(deadlines, 20), [1, 3, 2])
    assert.deepStrictEqual(due(deadlines, 20), [])
    assert.strictEqual(deadlines.first, 30)
  })

  it("of a row that was written to again is the later one, or none", () => {
    const deadlines = new Deadlines()
    deadlines.set(0, 10)
    deadlines.set(0, 20)
    deadlines.set(1, 5)
    deadlines.set(1, Infinity)
    assert.strictEqual(deadlines.first, 20)
    assert.deepStrictEqual(due(deadlines, 100), [0])
  })

  it("go with their rows to new slots, as many as there are, and are forgotten with those that are gone", () => {
    const deadlines = new Deadlines()
    const count = 20_000
    for (let slot = 0; slot < count; slot++) deadlines.set(slot, count - slot)
    const to = new Int32Array(count)
    let kept = 0
    for (let slot = 0; slot < count; slot++) to[slot] = slot % 3 === 0 ? -1 : kept++
    const steps = deadlines.renumber(to)
    let n = 0
    for (; steps.next().done !== true; n++) assert.strictEqual(deadlines.first, 1, "as it was, until all are moved")
    assert.isAbove(n, 1)
    assert.deepStrictEqual(
      due(deadlines, count),
      Array.from({ length: kept }, (_, i) => kept - 1 - i)
    )
    assert.strictEqual(deadlines.first, Infinity)
  })
})
