import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { ExactSum } from "../../src/internal/views/exactSum.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"

const numRuns = ofRounds(500, 100_000)

const view = new DataView(new ArrayBuffer(8))

/** A finite double as a whole number of 2^-1074, from its sign, its exponent and its fraction. */
const exact = (x: number): bigint => {
  view.setFloat64(0, x)
  const high = view.getUint32(0)
  const exponent = (high >>> 20) & 0x7ff
  const fraction = BigInt(high & 0xfffff) * 2n ** 32n + BigInt(view.getUint32(4))
  const units = exponent === 0 ? fraction : (fraction + 2n ** 52n) * 2n ** BigInt(exponent - 1)
  return high >>> 31 === 1 ? -units : units
}

/** The double that comes so many later, in the order of their sizes. */
const neighbour = (x: number, step: bigint): number => {
  view.setFloat64(0, Math.abs(x))
  view.setBigUint64(0, view.getBigUint64(0) + step)
  return view.getFloat64(0)
}

/** The largest that is rounded to the largest double, and a half of what is to be infinity. */
const LARGEST = exact(Number.MAX_VALUE)
const TOO_LARGE = LARGEST + (LARGEST - exact(neighbour(Number.MAX_VALUE, -1n))) / 2n

const sizeOf = (n: bigint): bigint => (n < 0n ? -n : n)

const isEven = (x: number): boolean => {
  view.setFloat64(0, x)
  return (view.getUint32(4) & 1) === 0
}

/** Checks that no double is nearer to a number than this one, and that it is the even one of two that are as near. */
const assertNearest = (value: number, sum: bigint): void => {
  if (sizeOf(sum) >= TOO_LARGE) return assert.strictEqual(value, sum > 0n ? Infinity : -Infinity)
  assert.isTrue(Number.isFinite(value), `${value} of a sum that is none`)
  if (sum === 0n) return assert.isTrue(Object.is(value, 0), `${value} of nothing`)
  const magnitude = Math.abs(value)
  const difference = sizeOf(exact(value) - sum)
  const others = magnitude === Number.MAX_VALUE ? [-1n] : magnitude === 0 ? [1n] : [-1n, 1n]
  for (const step of others) {
    const other = exact(neighbour(magnitude, step)) * (sum < 0n ? -1n : 1n)
    const otherDifference = sizeOf(other - sum)
    assert.isTrue(
      difference < otherDifference || (difference === otherDifference && isEven(value)),
      `${value} is not the nearest of ${sum} of the smallest doubles`
    )
  }
}

const shuffled = <A>(items: ReadonlyArray<A>, random: () => number): Array<A> => {
  const all = [...items]
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const item = all[i]
    all[i] = all[j]
    all[j] = item
  }
  return all
}

/** Adds all, and removes all in another order, with a look at each step. */
const check = (numbers: ReadonlyArray<number>, seed: number): void => {
  const sum = new ExactSum()
  let expected = 0n
  for (const x of numbers) {
    sum.add(x)
    expected += exact(x)
    assertNearest(sum.value, expected)
  }
  for (const x of shuffled(numbers, randomOf(seed))) {
    sum.remove(x)
    expected -= exact(x)
    assertNearest(sum.value, expected)
  }
  assert.isTrue(Object.is(sum.value, 0))
}

const finite = { noNaN: true, noDefaultInfinity: true }

describe("an exact sum", () => {
  const kinds: ReadonlyArray<readonly [name: string, numbers: fc.Arbitrary<number>]> = [
    ["any doubles", fc.double(finite)],
    [
      "doubles whose sums are near overflow",
      fc
        .double({ ...finite, min: 2 ** 1020, max: 2 ** 1022, maxExcluded: true })
        .chain((x) => fc.constantFrom(x, x, x, -x))
    ],
    ["doubles near overflow", fc.double({ ...finite, min: 2 ** 1018 }).chain((x) => fc.constantFrom(x, -x, x, 1e-300))],
    [
      "the largest and the smallest ones",
      fc.constantFrom(Number.MAX_VALUE, -Number.MAX_VALUE, 2 ** 970, 5e-324, -1, 2 ** 969)
    ],
    ["subnormal doubles", fc.double({ ...finite, min: -(2 ** -1020), max: 2 ** -1020 })],
    ["prices", fc.integer({ min: -100_000, max: 100_000 }).map((cents) => cents / 100)],
    ["safe integers", fc.maxSafeInteger()],
    [
      "halves of the last place",
      fc.constantFrom(1, 2 ** -53, 2 ** -54, -(2 ** -53), 2 ** -106, -(2 ** -106), 2 ** 53, 0.5)
    ],
    ["integers and others", fc.oneof(fc.integer(), fc.double(finite), fc.constantFrom(0, -0, 0.1, 1e16, -1e16))]
  ]
  for (const [name, numbers] of kinds) {
    it(`of ${name} is correctly rounded at each step, and nothing at the end`, () => {
      fc.assert(fc.property(fc.array(numbers, { maxLength: 20 }), fc.integer(), check), { numRuns })
    })
  }

  it("forgets nothing in a long life", () => {
    const random = randomOf(20)
    const sum = new ExactSum()
    const held: Array<number> = []
    let expected = 0n
    const steps = ofRounds(30_000, 1_000_000)
    for (let step = 0; step < steps; step++) {
      if (held.length > 50 && random() < 0.5) {
        const x = held.splice(Math.floor(random() * held.length), 1)[0]
        sum.remove(x)
        expected -= exact(x)
      } else {
        const x = (random() - 0.5) * 10 ** Math.floor(random() * 30 - 15)
        held.push(x)
        sum.add(x)
        expected += exact(x)
      }
      if (step % 100 === 0) assertNearest(sum.value, expected)
    }
    for (const x of held) sum.remove(x)
    assert.isTrue(Object.is(sum.value, 0))
  })

  it("takes the smaller parts into account where two doubles are as near", () => {
    const sum = new ExactSum()
    for (const x of [1, 2 ** -53]) sum.add(x)
    assert.strictEqual(sum.value, 1)
    sum.add(2 ** -200)
    assert.strictEqual(sum.value, 1 + 2 ** -52)
    sum.remove(2 ** -200)
    sum.remove(2 ** -200)
    assert.strictEqual(sum.value, 1)
  })

  it("is infinite only while it is", () => {
    const sum = new ExactSum()
    sum.add(0.1)
    for (let i = 0; i < 3; i++) sum.add(Number.MAX_VALUE)
    assert.strictEqual(sum.value, Infinity)
    for (let i = 0; i < 6; i++) sum.remove(Number.MAX_VALUE)
    assert.strictEqual(sum.value, -Infinity)
    for (let i = 0; i < 3; i++) sum.add(Number.MAX_VALUE)
    assert.strictEqual(sum.value, 0.1)
  })
})
