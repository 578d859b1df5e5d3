/** What a view remembers of each row, by slot. */
import type { Renumbering } from "../table/content/slots.ts"

/** Slots of one piece: one array that grows would be copied as a whole. */
const PIECE = 4096

/** How many slots are moved between two steps. */
const SLOTS_PER_STEP = 16 * PIECE

/** Something of each row that has it. Numbers are kept as they are, without an object for each. */
export class Column<A> {
  private pieces: Array<Array<A | undefined> | undefined> = []

  /** What was set for a slot; `undefined` if it was nothing. `NaN` counts as nothing. */
  get(slot: number): A | undefined {
    const found = this.pieces[(slot / PIECE) | 0]?.[slot % PIECE]
    return found === found ? found : undefined
  }

  set(slot: number, value: A | undefined): void {
    const number = (slot / PIECE) | 0
    const piece = this.pieces[number]
    if (piece !== undefined) piece[slot % PIECE] = value === undefined ? nothingIn(piece) : value
    else if (value !== undefined) {
      const made = pieceFor(value)
      made[slot % PIECE] = value
      while (this.pieces.length < number) this.pieces.push(undefined)
      this.pieces[number] = made
    }
  }

  /** Moves all to new slots, in steps. */
  *renumber(to: Renumbering): Generator<void, void> {
    const moved = new Column<A>()
    for (let slot = 0; slot < to.length; slot++) {
      if (slot % SLOTS_PER_STEP === SLOTS_PER_STEP - 1) yield
      if (to[slot] < 0) continue
      const value = this.get(slot)
      if (value !== undefined) moved.set(to[slot], value)
    }
    this.pieces = moved.pieces
  }
}

// Begun with a fraction, V8 has its numbers as doubles.
const NO_NUMBERS: ReadonlyArray<number> = Array.from({ length: PIECE }, () => 0.5).fill(Number.NaN)
const NO_VALUES: ReadonlyArray<undefined> = Array.from<undefined>({ length: PIECE }).fill(undefined)

/** A piece for values of a kind. */
const pieceFor = <A>(value: A): Array<A | undefined> =>
  (typeof value === "number" ? NO_NUMBERS : NO_VALUES).slice() as Array<A | undefined>

const nothingIn = <A>(piece: ReadonlyArray<A | undefined>): A | undefined =>
  typeof piece[0] === "number" ? (Number.NaN as A) : undefined

/** So many slots fit better into a bit for each slot than into a set. */
const MANY_SLOTS = 4096

/** An empty set for so many slots, about. */
export const slotSetFor = (count: number): Pick<SlotSet, "has" | "add"> =>
  count < MANY_SLOTS ? new Set<number>() : new SlotSet()

/** Some of the slots, with a bit for each. */
export class SlotSet {
  private bits = new Int32Array(16)
  size = 0

  has(slot: number): boolean {
    return (this.bits[slot >>> 5] & (1 << (slot & 31))) !== 0
  }

  add(slot: number): void {
    if (this.has(slot)) return
    if (slot >>> 5 >= this.bits.length) {
      const larger = new Int32Array(Math.max(2 * this.bits.length, (slot >>> 5) + 1))
      larger.set(this.bits)
      this.bits = larger
    }
    this.bits[slot >>> 5] |= 1 << (slot & 31)
    this.size++
  }

  delete(slot: number): void {
    if (!this.has(slot)) return
    this.bits[slot >>> 5] &= ~(1 << (slot & 31))
    this.size--
  }

  /** Moves all to new slots, in steps. */
  *renumber(to: Renumbering): Generator<void, void> {
    if (this.size === 0) return
    const moved = new SlotSet()
    for (let slot = 0; slot < to.length; slot++) {
      if (slot % SLOTS_PER_STEP === SLOTS_PER_STEP - 1) yield
      if (to[slot] >= 0 && this.has(slot)) moved.add(to[slot])
    }
    this.bits = moved.bits
    this.size = moved.size
  }
}
