/**
 * Sorts numbers, each with the slot of a row, in steps: by radix, 11 bits at a time from the lowest on. That is several times
 * faster than a sort by comparisons. Digits that all numbers have in common are passed over, as are most of whole numbers.
 */
import { sortInSteps } from "./sorting.ts"

/** Numbers and their slots, side by side. A number is neither `NaN` nor -0. */
export interface Numbered {
  readonly numbers: Float64Array
  readonly slots: Int32Array
}

/** How many entries are looked at between two steps. */
const ENTRIES_PER_STEP = 8192

/** Up to so many entries of the same number are put in order by insertion, which allocates nothing. */
const FEW = 8

/** How many entries of the same numbers are put in order between two steps. */
const TIES_PER_STEP = 2048

const DIGIT_BITS = 11
const RADIX = 1 << DIGIT_BITS

interface Digit {
  /** Which of a double's two words it is in. */
  readonly word: number
  readonly shift: number
}

/** The word of a double that has its sign: which one it is differs from machine to machine. */
const UPPER = new Uint32Array(Float64Array.of(-1).buffer)[0] === 0 ? 1 : 0

const DIGITS: ReadonlyArray<Digit> = [1 - UPPER, UPPER].flatMap((word) =>
  [0, DIGIT_BITS, 2 * DIGIT_BITS].map((shift) => ({ word, shift }))
)

const emptyOf = (length: number): Numbered => ({ numbers: new Float64Array(length), slots: new Int32Array(length) })

const wordsOf = ({ numbers }: Numbered): Uint32Array =>
  new Uint32Array(numbers.buffer, numbers.byteOffset, 2 * numbers.length)

/** Runs work on so many entries in parts. */
function* inSteps(length: number, work: (from: number, to: number) => void): Generator<void, void> {
  for (let from = 0; from < length; from += ENTRIES_PER_STEP) {
    work(from, Math.min(from + ENTRIES_PER_STEP, length))
    yield
  }
}

/** Counts the values of a digit. */
const count = (words: Uint32Array, { shift, word }: Digit, counts: Int32Array, from: number, to: number): void => {
  for (let i = from; i < to; i++) counts[(words[2 * i + word] >>> shift) & (RADIX - 1)]++
}

/** Makes of how often each value of a digit is there where the first entry with it belongs. */
const placesOf = (counts: Int32Array): Int32Array => {
  let place = 0
  return counts.map((n) => (place += n) - n)
}

/** Moves entries to where their digit belongs. */
const move = (
  { numbers, slots }: Numbered,
  words: Uint32Array,
  { shift, word }: Digit,
  target: Numbered,
  places: Int32Array,
  from: number,
  to: number
): void => {
  for (let i = from; i < to; i++) {
    const place = places[(words[2 * i + word] >>> shift) & (RADIX - 1)]++
    target.numbers[place] = numbers[i]
    target.slots[place] = slots[i]
  }
}

/** Puts the negative ones in front, which come last by their bits, and the other way round. */
const turn = ({ numbers, slots }: Numbered, target: Numbered, negative: number, from: number, to: number): void => {
  const { length } = numbers
  for (let i = from; i < to; i++) {
    const source = i < negative ? length - 1 - i : i - negative
    target.numbers[i] = numbers[source]
    target.slots[i] = slots[source]
  }
}

/** How many entries come before the negative ones, which are last. */
const countPositive = (numbers: Float64Array): number => {
  let low = 0
  let high = numbers.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (numbers[middle] < 0) high = middle
    else low = middle + 1
  }
  return low
}

/** Sorts a few slots in place. */
const sortFew = (slots: Int32Array, from: number, to: number, compare: (a: number, b: number) => number): void => {
  for (let i = from + 1; i < to; i++) {
    const slot = slots[i]
    let place = i
    for (; place > from && compare(slots[place - 1], slot) > 0; place--) slots[place] = slots[place - 1]
    slots[place] = slot
  }
}

/** Sorts slots of the same number, in steps. */
function* sortTies({ numbers, slots }: Numbered, compare: (a: number, b: number) => number): Generator<void, void> {
  const { length } = numbers
  let next = TIES_PER_STEP
  for (let from = 0, to = 0; from < length; from = to) {
    for (to = from + 1; to < length && numbers[to] === numbers[from]; to++);
    if (to - from <= FEW) sortFew(slots, from, to, compare)
    else slots.set(yield* sortInSteps(Float64Array.from(slots.subarray(from, to)), compare), from)
    if (to < next) continue
    next = to + TIES_PER_STEP
    yield
  }
}

/**
 * Sorts entries by their numbers, and by `compareSlots` where these are the same, in steps. What is given is overwritten.
 */
export function* sortNumbers(
  given: Numbered,
  compareSlots: (a: number, b: number) => number
): Generator<void, Numbered> {
  const { length } = given.numbers
  let [source, target] = [given, emptyOf(length)]
  for (const digit of DIGITS) {
    const words = wordsOf(source)
    const counts = new Int32Array(RADIX)
    yield* inSteps(length, (from, to) => count(words, digit, counts, from, to))
    if (counts.includes(length)) continue
    const places = placesOf(counts)
    yield* inSteps(length, (from, to) => move(source, words, digit, target, places, from, to))
    ;[source, target] = [target, source]
  }
  const negative = length - countPositive(source.numbers)
  if (negative > 0) {
    yield* inSteps(length, (from, to) => turn(source, target, negative, from, to))
    source = target
  }
  yield* sortTies(source, compareSlots)
  return source
}
