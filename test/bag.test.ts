import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { Bag, type Item } from "../src/internal/bag.ts"

interface Named extends Item {
  readonly name: number
}

const named = (name: number): Named => ({ at: 0, name })

const namesIn = (bag: Bag<Named>): ReadonlyArray<number> => {
  const names: Array<number> = []
  bag.forEach(({ name }) => names.push(name))
  return names.sort((a, b) => a - b)
}

describe("Bag", () => {
  it("has what was added and not removed, whatever was removed twice, or never added", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 5 })), { maxLength: 60 }), (steps) => {
        const bag = new Bag<Named>()
        const items = Array.from({ length: 6 }, (_, name) => named(name))
        const model = new Set<number>()
        for (const [add, name] of steps) {
          if (!add) {
            bag.remove(items[name])
            model.delete(name)
          } else if (!model.has(name)) {
            bag.add(items[name])
            model.add(name)
          }
          assert.deepStrictEqual(
            namesIn(bag),
            [...model].sort((a, b) => a - b)
          )
          assert.strictEqual(bag.find((item) => item.name === name)?.name, model.has(name) ? name : undefined)
        }
      })
    )
  })

  it("goes through what there was, whatever is added and removed on the way", () => {
    const bag = new Bag<Named>()
    const items = [1, 2, 3].map(named)
    items.forEach((item) => bag.add(item))
    const seen: Array<number> = []
    bag.forEach((item) => {
      seen.push(item.name)
      bag.remove(item)
      bag.add(named(item.name + 10))
    })
    assert.deepStrictEqual(seen, [1, 2, 3])
    assert.deepStrictEqual(namesIn(bag), [11, 12, 13])
  })
})
