/** What may be committed of a partition, against a model that remembers everything. */
import { describe, expect, it } from "vitest"
import { DonePrefix } from "../../src/internal/consumer/donePrefix.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"

describe("the prefix that is done", () => {
  it("is empty at its beginning", () => {
    const prefix = new DonePrefix(7)
    expect([prefix.committable, prefix.size, prefix.outstanding]).toEqual([7, 0, 0])
  })

  it("ends before the first record that is not done, whatever is done after it", () => {
    const prefix = new DonePrefix(0)
    const [a, b, c] = [10, 11, 15].map((offset) => prefix.handOut(offset))
    prefix.done(b)
    prefix.done(c)
    expect(prefix.committable).toBe(10)
    prefix.done(a)
    expect(prefix.committable).toBe(16)
  })

  it("goes past what is no record, once all before it is done", () => {
    const prefix = new DonePrefix(0)
    const a = prefix.handOut(3)
    prefix.passTo(9)
    expect(prefix.committable).toBe(3)
    prefix.done(a)
    expect(prefix.committable).toBe(9)
    prefix.passTo(4)
    expect(prefix.committable).toBe(9)
  })

  it("tells which records lie before one that work was begun on", () => {
    const prefix = new DonePrefix(0)
    const [a, b, c] = [prefix.handOut(0), prefix.handOut(1), prefix.handOut(2)]
    expect([a, b, c].map((n) => prefix.isBeforeBegun(n))).toEqual([false, false, false])
    prefix.begin(b)
    prefix.begin(a)
    expect([a, b, c].map((n) => prefix.isBeforeBegun(n))).toEqual([true, true, false])
  })

  it("does not go past what was given back, and does if it is done after all", () => {
    const prefix = new DonePrefix(0)
    const [a, b] = [0, 1].map((offset) => prefix.handOut(offset))
    prefix.giveBack(a)
    prefix.done(b)
    expect([prefix.committable, prefix.outstanding]).toEqual([0, 0])
    prefix.done(a)
    expect([prefix.committable, prefix.outstanding]).toEqual([2, 0])
  })

  it.each(Array.from({ length: ofRounds(10, 500) }, (_, i) => i))("as a model has it (%i)", (seed) => {
    const random = randomOf(seed)
    const prefix = new DonePrefix(5)
    const all: Array<{ readonly offset: number; readonly number: number; state: "out" | "done" | "back" }> = []
    let position = 5
    for (let step = 0; step < 500; step++) {
      const choice = random()
      if (choice < 0.4) {
        const offset = position + Math.floor(random() * 3)
        all.push({ offset, number: prefix.handOut(offset), state: "out" })
        position = offset + 1
      } else if (choice < 0.45) {
        position += Math.floor(random() * 3)
        prefix.passTo(position)
      } else if (all.length > 0) {
        // mostly of the last ones, and sometimes a second time
        const record = all[Math.floor(all.length * (1 - random() ** 2 * 0.2) - 1e-9)]
        if (choice < 0.95) {
          prefix.done(record.number)
          record.state = "done"
        } else if (record.state === "out") {
          prefix.giveBack(record.number)
          record.state = "back"
        }
      }
      const first = all.find(({ state }) => state !== "done")
      expect(prefix.committable).toBe(first?.offset ?? position)
      expect(prefix.outstanding).toBe(all.filter(({ state }) => state === "out").length)
      expect(prefix.position).toBe(position)
    }
  })
})
