import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import {
  ABSENT,
  emptyRows,
  indexInLeaf,
  isPresent,
  leafAt,
  NO_RECORD,
  placeOf,
  RowVector,
  setHeaders,
  setValue,
  tombstoneAt,
  valueIn
} from "../../src/internal/table/content/rowVector.ts"
import type { Rows } from "../../src/internal/table/content/rowVector.ts"

interface ModelRow {
  readonly value: unknown
  readonly held: number
  readonly headers: unknown
}

type Step =
  | { readonly do: "append"; readonly rows: number }
  | { readonly do: "write"; readonly slot: number; readonly value: number; readonly headers: boolean }
  | { readonly do: "freeze" }

const NEW_ROW: ModelRow = { value: ABSENT, held: NO_RECORD, headers: undefined }

/** The vector beside a plain array, and copies of that array from the moments when the vector was frozen. */
class Pair {
  readonly vector = new RowVector()
  readonly model: Array<ModelRow> = []
  readonly frozen: Array<{ readonly rows: Rows; readonly model: ReadonlyArray<ModelRow> }> = []

  append(): void {
    assert.strictEqual(this.vector.append(), this.model.length)
    this.model.push(NEW_ROW)
  }

  write(slot: number, row: ModelRow): void {
    const leaf = this.vector.leafForWrite(slot)
    const i = indexInLeaf(slot)
    leaf.held[i] = row.held
    setValue(leaf, i, row.value)
    setHeaders(leaf, i, row.headers)
    this.model[slot] = row
  }

  freeze(): void {
    this.frozen.push({ rows: this.vector.freeze(), model: [...this.model] })
  }

  check(): void {
    assert.strictEqual(this.vector.length, this.model.length)
    this.model.forEach((row, slot) => assertRow(this.vector.leaf(slot), slot, row))
    for (const { model, rows } of this.frozen) {
      assert.strictEqual(rows.length, model.length)
      model.forEach((row, slot) => assertRow(leafAt(rows, slot), slot, row))
    }
  }
}

const assertRow = (leaf: ReturnType<typeof leafAt>, slot: number, row: ModelRow): void => {
  const i = indexInLeaf(slot)
  // not assert: this runs millions of times
  if (valueIn(leaf, i) !== row.value || leaf.held[i] !== row.held || leaf.headers?.[i] !== row.headers) {
    assert.fail(
      `row ${slot} is ${String(valueIn(leaf, i))} of ${leaf.held[i]}, not ${String(row.value)} of ${row.held}`
    )
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant("append" as const), rows: fc.integer({ min: 1, max: 600 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("write" as const),
      slot: fc.nat(),
      value: fc.nat(1000),
      headers: fc.boolean()
    })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("freeze" as const) }) }
)

const perform = (pair: Pair, steps: ReadonlyArray<Step>): void => {
  for (const s of steps) {
    switch (s.do) {
      case "append":
        for (let i = 0; i < s.rows; i++) pair.append()
        break
      case "write":
        if (pair.model.length > 0) {
          const slot = s.slot % pair.model.length
          // as a tombstone, as bytes, and as a value that is kept
          const held = s.value % 3 === 0 ? tombstoneAt(s.value) : s.value
          const value = s.value % 3 === 1 ? { n: s.value } : ABSENT
          pair.write(slot, { value, held, headers: s.headers ? [s.value] : undefined })
        }
        break
      case "freeze":
        pair.freeze()
        break
    }
  }
}

/** Rows of a leaf. */
const LEAF = 256

describe("RowVector", () => {
  it("is the array that it stands for, and what was frozen stays", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const pair = new Pair()
        perform(pair, steps)
        pair.check()
      }),
      { numRuns: 300 }
    )
  })

  it.each([31, 32, 33, LEAF - 1, LEAF, LEAF + 1, 32 * LEAF - 1, 32 * LEAF, 32 * LEAF + 1, 70_000])(
    "goes on from %i rows that are frozen",
    (length) => {
      const pair = new Pair()
      pair.freeze()
      for (let slot = 0; slot < length; slot++) {
        pair.append()
        pair.write(slot, { value: slot, held: slot, headers: undefined })
      }
      pair.freeze()
      // first, last and some between them, and then the ones that follow
      for (const slot of [0, 31, length >> 1, length - 1]) {
        if (slot < length) pair.write(slot, { value: "again", held: tombstoneAt(slot), headers: undefined })
      }
      for (let i = 0; i < 40; i++) {
        pair.append()
        if (i % 7 === 0) pair.freeze()
        pair.write(length + i, { value: i, held: i, headers: [] })
      }
      pair.check()
    }
  )

  it("leaves what was frozen as it is when the next row begins a leaf of a branch that is frozen, too", () => {
    const vector = new RowVector()
    const count = 33 * LEAF
    for (let slot = 0; slot < count; slot++) {
      vector.append()
      vector.leafForWrite(slot).held[indexInLeaf(slot)] = slot
    }
    const rows = vector.freeze()
    vector.append()
    vector.leafForWrite(count - 1).held[indexInLeaf(count - 1)] = 7
    assert.strictEqual(vector.leaf(count - 1).held[indexInLeaf(count - 1)], 7)
    for (let slot = 0; slot < count; slot++) assert.strictEqual(leafAt(rows, slot).held[indexInLeaf(slot)], slot)
  })

  it("goes four levels deep", () => {
    const vector = new RowVector()
    const full = 32 ** 2 * LEAF
    const many = full + 40
    const frozen: Array<Rows> = []
    for (let slot = 0; slot < many; slot++) {
      if (slot === 33_000 || slot === full || slot === full + 1) frozen.push(vector.freeze())
      vector.append()
      vector.leafForWrite(slot).held[indexInLeaf(slot)] = slot
    }
    for (let slot = 0; slot < many; slot += 500) vector.leafForWrite(slot).held[indexInLeaf(slot)] = -slot
    const isRight = (rows: Rows, expected: (slot: number) => number) => {
      for (let slot = 0; slot < rows.length; slot++) {
        if (leafAt(rows, slot).held[indexInLeaf(slot)] !== expected(slot)) return false
      }
      return true
    }
    assert.deepStrictEqual(
      frozen.map((rows) => rows.length),
      [33_000, full, full + 1]
    )
    for (const rows of frozen) assert.isTrue(isRight(rows, (slot) => slot))
    assert.isTrue(isRight(vector.freeze(), (slot) => (slot % 500 === 0 ? -slot : slot)))
  })

  it("copies a node once after each freeze, and not before", () => {
    const vector = new RowVector()
    for (let i = 0; i < 5000; i++) vector.append()
    const fresh = vector.leafForWrite(4000)
    assert.strictEqual(vector.leafForWrite(4000), fresh)
    assert.strictEqual(vector.leaf(4000), fresh)
    const frozen = vector.freeze()
    assert.strictEqual(vector.leaf(4000), fresh, "reading copies nothing")
    const copy = vector.leafForWrite(4001)
    assert.notStrictEqual(copy, fresh)
    assert.strictEqual(vector.leafForWrite(4000), copy)
    assert.strictEqual(leafAt(frozen, 4000), fresh)
    // a neighbour is copied by itself, the path above both is not copied again
    const next = vector.freeze()
    const neighbours = [vector.leafForWrite(0), vector.leafForWrite(LEAF)]
    const path = vector.freeze()
    assert.strictEqual(leafAt(path, 0), neighbours[0])
    assert.strictEqual(leafAt(path, LEAF), neighbours[1])
    assert.notStrictEqual(leafAt(next, 0), neighbours[0])
    assert.strictEqual(leafAt(next, 2 * LEAF), leafAt(path, 2 * LEAF), "what was not written is shared")
  })

  it("begins a row without a record, and tells tombstones from places", () => {
    const vector = new RowVector(emptyRows)
    vector.append()
    assert.isTrue(vector.leaf(0).held.every((held) => held === NO_RECORD))
    assert.isFalse(isPresent(NO_RECORD))
    // beyond 16 GiB, a place is no small integer any more
    for (const place of [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 40]) {
      assert.isTrue(isPresent(place))
      assert.isFalse(isPresent(tombstoneAt(place)))
      assert.notStrictEqual(tombstoneAt(place), NO_RECORD)
      assert.deepStrictEqual([placeOf(place), placeOf(tombstoneAt(place))], [place, place])
      vector.leafForWrite(0).held[1] = place
      assert.strictEqual(vector.leaf(0).held[1], place)
    }
  })

  it("starts over from what was frozen", () => {
    const pair = new Pair()
    perform(pair, [
      { do: "append", rows: 100 },
      { do: "write", slot: 50, value: 7, headers: false }
    ])
    const rows = pair.vector.freeze()
    const second = new RowVector(rows)
    second.leafForWrite(50).held[indexInLeaf(50)] = 8
    assert.strictEqual(second.append(), 100)
    assert.strictEqual(leafAt(rows, 50).held[indexInLeaf(50)], 7)
    assert.strictEqual(rows.length, 100)
    pair.check()
  })
})
