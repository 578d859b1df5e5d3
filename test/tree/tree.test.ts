import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { sortNumbers } from "../../src/internal/tree/numbers.ts"
import { sortInSteps } from "../../src/internal/tree/sorting.ts"
import { buildTree, MutableTree, type Order, type Tree } from "../../src/internal/tree/tree.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"

/** Entries of a number and a slot, side by side. */
const PAIRS: Order<number> = { compare: (a, aSlot, b, bSlot) => a - b || aSlot - bSlot }

/** Entries of one number that holds the slot. */
const PACKED: Order<number> = { compare: (a, _, b) => a - b, slotOf: (key) => key % 1024 }

type Entry = readonly [key: number, slot: number]

const entriesOf = (tree: Tree<number>, from = 0, to = tree.size, reverse = false): Array<Entry> => {
  const all: Array<Entry> = []
  tree.visit(from, to, reverse, (slot, key) => {
    all.push([key, slot])
    return true
  })
  return all
}

const run = <A>(steps: Iterator<void, A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** A tree beside a sorted array, and copies of both from when it was frozen. */
class Pair {
  tree: MutableTree<number>
  model: Array<Entry> = []
  readonly frozen: Array<{ readonly tree: Tree<number>; readonly model: ReadonlyArray<Entry> }> = []

  constructor(readonly order: Order<number>) {
    this.tree = MutableTree.empty(order)
  }

  entry(key: number, slot: number): Entry {
    return this.order.slotOf === undefined ? [key, slot] : [key * 1024 + slot, slot]
  }

  insert(key: number, slot: number): void {
    const entry = this.entry(key, slot)
    const isNew = !this.model.some(([k, s]) => k === entry[0] && s === slot)
    assert.strictEqual(this.tree.insert(...entry), isNew)
    if (!isNew) return
    this.model.push(entry)
    this.model.sort((a, b) => this.order.compare(a[0], a[1], b[0], b[1]))
  }

  remove(key: number, slot: number): void {
    const [k, s] = this.entry(key, slot)
    const at = this.model.findIndex((each) => each[0] === k && each[1] === s)
    assert.strictEqual(this.tree.remove(k, s), at >= 0)
    if (at >= 0) this.model.splice(at, 1)
  }

  freeze(): void {
    this.frozen.push({ tree: this.tree.freeze(), model: [...this.model] })
  }

  check(): void {
    this.freeze()
    for (const { model, tree } of this.frozen) {
      assert.deepStrictEqual(entriesOf(tree), model)
      assert.strictEqual(tree.size, model.length)
    }
  }
}

describe("the counted tree", () => {
  for (const [name, order] of [
    ["keys beside slots", PAIRS],
    ["keys that hold slots", PACKED]
  ] as const) {
    it(`is a sorted list at each of its versions: ${name}`, () => {
      fc.assert(
        fc.property(
          fc.integer(),
          fc.integer({ min: 1, max: 60 }),
          fc.integer({ min: 1, max: 900 }),
          fc.constantFrom(0.2, 0.5, 0.8),
          (seed, keys, steps, removed) => {
            const random = randomOf(seed)
            const below = (n: number) => Math.floor(random() * n)
            const pair = new Pair(order)
            const phases = 4
            for (let i = 0; i < steps; i++) {
              const removes = Math.floor((i / steps) * phases) % 2 === 1 ? 1 - removed / 4 : removed / 2
              if (random() < removes) {
                const known = pair.model[below(pair.model.length)]
                if (known === undefined || random() < 0.1) pair.remove(below(keys), below(1000))
                else {
                  const key = order.slotOf === undefined ? known[0] : (known[0] - known[1]) / 1024
                  pair.remove(key, known[1])
                }
              } else pair.insert(below(keys), below(1000))
              if (random() < 0.02) pair.freeze()
            }
            pair.check()
          }
        ),
        { numRuns: ofRounds(25, 400) }
      )
    })
  }

  it("is emptied and filled again, in any direction, with its versions kept", () => {
    for (const ascending of [true, false]) {
      const pair = new Pair(PAIRS)
      const all = Array.from({ length: 5000 }, (_, i) => (ascending ? i : 5000 - i))
      for (const key of all) assert.isTrue(pair.tree.insert(key, 0))
      pair.model = [...all].sort((a, b) => a - b).map((key) => [key, 0])
      pair.freeze()
      for (const key of all) assert.isTrue(pair.tree.remove(key, 0))
      pair.model = []
      pair.freeze()
      for (const key of all) assert.isTrue(pair.tree.insert(key, 1))
      pair.model = [...all].sort((a, b) => a - b).map((key) => [key, 1])
      pair.check()
    }
  })

  it("counts what is before a bound, and reads by rank in both directions", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(300), fc.nat(1000)), { maxLength: 700 }), fc.nat(310), (entries, bound) => {
        const pair = new Pair(PAIRS)
        for (const [key, slot] of entries) pair.insert(key, slot)
        const { model, tree } = pair
        const rank = model.filter(([key]) => key < bound).length
        assert.strictEqual(
          tree.rank((key) => key < bound),
          rank
        )
        const to = model.filter(([key]) => key < bound + 50).length
        assert.deepStrictEqual(entriesOf(tree, rank, to), model.slice(rank, to))
        assert.deepStrictEqual(entriesOf(tree, rank, to, true), model.slice(rank, to).reverse())
        assert.deepStrictEqual(
          [...tree.slots(rank, to, false)],
          model.slice(rank, to).map(([, slot]) => slot)
        )
        assert.deepStrictEqual(
          [...tree.slots(rank, to, true)],
          model
            .slice(rank, to)
            .map(([, slot]) => slot)
            .reverse()
        )
        for (const [key, slot] of model.slice(0, 5)) assert.isTrue(tree.has(key, slot))
        assert.isFalse(tree.has(bound, 2000))
      }),
      { numRuns: ofRounds(60, 1000) }
    )
  })

  it("stops a visit where it is told to", () => {
    const pair = new Pair(PAIRS)
    for (let key = 0; key < 500; key++) pair.insert(key, 0)
    const seen: Array<number> = []
    pair.tree.visit(10, 400, false, (_, key) => seen.push(key) < 100)
    assert.deepStrictEqual(
      seen,
      Array.from({ length: 100 }, (_, i) => i + 10)
    )
  })

  it("is the same built in bulk, and goes on from there", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 9000 }), fc.boolean(), (seed, length, packed) => {
        const random = randomOf(seed)
        const order = packed ? PACKED : PAIRS
        const keys = Array.from({ length }, (_, i) => (packed ? i * 1024 + (i % 1000) : i))
        const slots = keys.map((_, i) => i % 1000)
        const tree = run(buildTree(order, keys, slots))
        const model = keys.map((key, i): Entry => [key, slots[i]])
        assert.deepStrictEqual(entriesOf(tree), model)
        const before = tree.freeze()
        for (let i = 0; i < 200; i++) {
          const key = Math.floor(random() * 9100)
          const entry: Entry = packed ? [key * 1024 + 1001, 1001] : [key, 1001]
          if (tree.insert(...entry)) model.push(entry)
          const gone = Math.floor(random() * model.length)
          if (model.length > 0) {
            assert.isTrue(tree.remove(...model[gone]))
            model.splice(gone, 1)
          }
        }
        model.sort((a, b) => order.compare(...a, ...b))
        assert.deepStrictEqual(entriesOf(tree), model)
        assert.strictEqual(before.size, length)
      }),
      { numRuns: ofRounds(25, 300) }
    )
  })
})

describe("an order that rests on what is known of slots", () => {
  it("holds for the entries that are in the tree, whatever becomes of the slots of others", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 2, max: 2000 }),
        fc.integer({ min: 1, max: 6 }),
        (seed, n, groups) => {
          const random = randomOf(seed)
          const below = (n: number) => Math.floor(random() * n)
          const group = new Map<number, number>()
          const groupOf = (slot: number) => group.get(slot) ?? -1
          const order: Order<number> = {
            compare: (a, aSlot, b, bSlot) => groupOf(aSlot) - groupOf(bSlot) || a - b || aSlot - bSlot
          }
          const tree = MutableTree.empty(order)
          for (let i = 0; i < 4 * n; i++) {
            // filled, moved about, and emptied again
            const slot = i < n ? i : below(n)
            if (group.has(slot)) assert.isTrue(tree.remove(slot % 100, slot))
            if (i < 3 * n || random() < 0.2) {
              group.set(slot, below(groups))
              assert.isTrue(tree.insert(slot % 100, slot))
            } else group.delete(slot)
          }
          const right = [...group.keys()].sort((a, b) => order.compare(a % 100, a, b % 100, b))
          assert.deepStrictEqual([...tree.slots(0, tree.size, false)], right)
          for (let g = 0; g < groups; g++) {
            const before = right.filter((slot) => groupOf(slot) < g).length
            assert.strictEqual(
              tree.rank((_, slot) => groupOf(slot) < g),
              before
            )
          }
          for (const slot of right) assert.isTrue(tree.remove(slot % 100, slot))
          assert.strictEqual(tree.size, 0)
        }
      ),
      { numRuns: ofRounds(20, 300) }
    )
  })
})

describe("sorting in steps", () => {
  it("sorts, and keeps what is equal in its order", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 0, max: 20_000 }),
        fc.integer({ min: 1, max: 5000 }),
        (seed, n, keys) => {
          const random = randomOf(seed)
          const key = Array.from({ length: n }, () => Math.floor(random() * keys))
          const steps = sortInSteps(Float64Array.from(key.keys()), (a, b) => key[a] - key[b])
          const sorted = [...run(steps)]
          const expected = [...key.keys()].sort((a, b) => key[a] - key[b])
          assert.deepStrictEqual(sorted, expected)
        }
      ),
      { numRuns: ofRounds(20, 200) }
    )
  })
})

describe("sorting numbers in steps", () => {
  const kinds: ReadonlyArray<readonly [name: string, numberOf: (random: () => number) => number]> = [
    ["whole numbers", (random) => Math.floor(random() * 1_000_000)],
    ["few different ones", (random) => Math.floor(random() * 7) - 3],
    ["pairs and triples", (random) => Math.floor(random() * 4000)],
    ["times", (random) => 1_700_000_000_000 + Math.floor(random() * 1e9)],
    ["fractions of both signs", (random) => (random() - 0.5) * 1000],
    ["negative ones", (random) => -random()],
    ["any size", (random) => (random() - 0.5) * 2 ** Math.floor(random() * 2000 - 1000)],
    [
      "edges",
      (random) =>
        [0, Number.MIN_VALUE, -Number.MIN_VALUE, Number.MAX_VALUE, -Number.MAX_VALUE, 1 / 0, -1 / 0, -1, 2 ** 53][
          Math.floor(random() * 9)
        ]
    ]
  ]

  it.each(kinds)("%s", (_, numberOf) => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 10_000 }), (seed, length) => {
        const random = randomOf(seed)
        // Slots have an order of their own.
        const rank = Array.from({ length }, () => Math.floor(random() * 2 ** 30))
        const rows = Array.from({ length }, (_, slot) => [numberOf(random), slot] as const)
        const given = { numbers: Float64Array.from(rows, ([n]) => n), slots: Int32Array.from(rows, ([, slot]) => slot) }
        const { numbers, slots } = run(sortNumbers(given, (a, b) => rank[a] - rank[b] || a - b))
        const expected = [...rows].sort(([a, i], [b, j]) => (a === b ? rank[i] - rank[j] || i - j : a < b ? -1 : 1))
        assert.deepStrictEqual(
          [...numbers].map((n, i) => [n, slots[i]] as const),
          expected
        )
      }),
      { numRuns: ofRounds(4, 60) }
    )
  })
})
