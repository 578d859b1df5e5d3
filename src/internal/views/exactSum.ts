/**
 * Sums of doubles that are exact, so that what was added can be removed again and leaves nothing.
 *
 * A sum is kept as one double as long as it is one, which sums of safe integers in their range always are. Otherwise it is
 * an expansion: doubles of which none overlaps another one, whose sum is exact. It grows as in Shewchuk's "Adaptive
 * Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates" (1997), without the zeros, and is rounded as in
 * Python's `math.fsum` (https://github.com/python/cpython/blob/main/Modules/mathmodule.c). Near the largest double, where
 * that could overflow on the way, it is a whole number of the smallest doubles instead.
 */

/** Half of this added to itself, and to what an expansion has below it, is far from an overflow. */
const WIDE = 2 ** 1022

/** The bits of a double after the point of its fraction. */
const FRACTION = 52n

/** How often the smallest double has to be doubled to give 1. */
const SCALE = 1074

/** The least number of smallest doubles that an expansion does not hold. */
const WIDE_UNITS = 1n << BigInt(SCALE + 1021)

/** Most bits of a whole number that is made a double in one step: more than a double has, so the last may stand for others. */
const STEP = 64

const double = new Float64Array(1)
const bits = new BigUint64Array(double.buffer)

/** A finite double as a number of the smallest doubles. */
const unitsOf = (x: number): bigint => {
  double[0] = x
  const exponent = (bits[0] >> FRACTION) & 0x7ffn
  const fraction = bits[0] & ((1n << FRACTION) - 1n)
  const units = exponent === 0n ? fraction : (fraction | (1n << FRACTION)) << (exponent - 1n)
  return x < 0 ? -units : units
}

/** The double that is nearest to a number of the smallest doubles; of two, the even one. */
const nearest = (units: bigint): number => {
  if (units < 0n) return -nearest(-units)
  const shift = units.toString(2).length - STEP
  if (shift <= 0) return Number(units) * Number.MIN_VALUE
  const high = units >> BigInt(shift)
  const isExact = high << BigInt(shift) === units
  return Number(isExact ? high : high | 1n) * 2 ** (shift - SCALE)
}

/** An exact sum of finite doubles, in which -0 counts as 0. What is neither has to be kept away by the caller. */
export class ExactSum {
  /** The part that is largest, or all of the sum. */
  #high = 0
  /** The other parts, from the smallest on, none of them 0; or the sum as a number of the smallest doubles. */
  #rest: Array<number> | bigint | undefined = undefined

  add(x: number): void {
    if (typeof this.#rest === "bigint" || Math.abs(x) >= WIDE || Math.abs(this.#high) >= WIDE) {
      this.#setUnits(this.#units() + unitsOf(x))
    } else {
      this.#grow(x)
    }
  }

  /** Removes what was added before. */
  remove(x: number): void {
    this.add(-x)
  }

  /** The sum, correctly rounded (half to even); an infinity where that is no finite double. */
  get value(): number {
    const rest = this.#rest
    if (rest === undefined) return this.#high
    if (typeof rest === "bigint") return nearest(rest)
    let high = this.#high
    let low = 0
    let i = rest.length
    while (i > 0 && low === 0) {
      const part = rest[--i]
      const sum = high + part
      low = part - (sum - high)
      high = sum
    }
    // What lies exactly between two doubles was rounded to the even one: smaller parts may speak for the other.
    if (i > 0 && low < 0 === rest[i - 1] < 0) {
      const step = low * 2
      const other = high + step
      if (other - high === step) high = other
    }
    return high
  }

  #grow(x: number): void {
    const rest = this.#rest as Array<number> | undefined
    if (rest === undefined) {
      const sum = x + this.#high
      const low = lowOf(x, this.#high, sum)
      this.#high = sum
      if (low !== 0) this.#rest = [low]
      return
    }
    let carry = x
    let kept = 0
    // There are never more parts kept than were looked at.
    for (const part of rest) {
      const next = carry + part
      const low = lowOf(carry, part, next)
      if (low !== 0) rest[kept++] = low
      carry = next
    }
    const high = carry + this.#high
    const low = lowOf(carry, this.#high, high)
    if (low !== 0) rest[kept++] = low
    this.#setParts(high, rest, kept)
  }

  /** Takes the first `count` parts of an array, and one that is larger, or 0: then the last of them is the largest. */
  #setParts(high: number, parts: Array<number>, count: number): void {
    const isGone = high === 0 && count > 0
    this.#high = isGone ? parts[count - 1] : high
    parts.length = isGone ? count - 1 : count
    this.#rest = parts.length === 0 ? undefined : parts
  }

  /** The exact sum in units of the smallest double. */
  #units(): bigint {
    const rest = this.#rest
    if (typeof rest === "bigint") return rest
    let units = unitsOf(this.#high)
    for (const part of rest ?? []) units += unitsOf(part)
    return units
  }

  #setUnits(units: bigint): void {
    if (units >= WIDE_UNITS || units <= -WIDE_UNITS) {
      this.#rest = units
      return
    }
    const parts: Array<number> = []
    for (let left = units; left !== 0n; left -= unitsOf(parts[0])) parts.unshift(nearest(left))
    this.#setParts(0, parts, parts.length)
  }
}

/** What is lost where two doubles are added, exactly: the larger one's part of the sum is known, the rest is the other's. */
const lowOf = (x: number, y: number, sum: number): number => (Math.abs(x) < Math.abs(y) ? x - (sum - y) : y - (sum - x))
