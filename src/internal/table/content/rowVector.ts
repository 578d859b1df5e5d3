/**
 * The rows of a table by slot number: a persistent vector, 32-way, whose leaves hold columns of 256 rows instead of
 * objects.
 *
 * Nodes that the running batch created are changed in place; `freeze` ends that, in constant time. Of each row a leaf
 * keeps the place of its record (`recordStore.ts`), 8 bytes, and the value where that is an object: no object per row,
 * and little for a collection of garbage to go through. Wider leaves are less to go through still, but an update copies
 * one.
 */

const BITS = 5
const MASK = (1 << BITS) - 1
const LEAF_BITS = 8
const LEAF_WIDTH = 1 << LEAF_BITS
const LEAF_MASK = LEAF_WIDTH - 1
/** `shift` where the root is a leaf. */
const NO_BRANCH = LEAF_BITS - BITS

/** The value of a row that has none at hand: it was deleted, or is bytes of its record. */
export const ABSENT: unique symbol = Symbol("ABSENT")

/** What a row holds into which no record was put. */
export const NO_RECORD = -1

/** What a row holds for a tombstone at `place`. */
export const tombstoneAt = (place: number): number => -2 - place

/** Whether a row that holds this has a value. */
export const isPresent = (held: number): boolean => held >= 0

/** The place of the record, where there is one. */
export const placeOf = (held: number): number => (held >= 0 ? held : -2 - held)

export interface Leaf {
  owner: object
  /** The places of the rows' records: each is a place, `tombstoneAt` a place, or `NO_RECORD`. */
  readonly held: Array<number>
  /**
   * The rows' values; `undefined` while all are `ABSENT`. A snapshot adds the value that it has made of a record's
   * bytes for a read: that changes nothing of what the row is.
   */
  values: Array<unknown> | undefined
  /** The rows' headers; `undefined` while none has any. */
  headers: Array<unknown> | undefined
}

interface Branch {
  owner: object
  readonly children: Array<Node>
}

type Node = Leaf | Branch

const NO_OWNER: object = {}

const column = <A>(of: A): Array<A> => Array.from({ length: LEAF_WIDTH }, () => of)

// Begun with a fraction, V8 has its numbers as doubles, which a collection of garbage does not look at one by one.
const HELD_TEMPLATE: ReadonlyArray<number> = column(0.5).fill(NO_RECORD)
const VALUES_TEMPLATE: ReadonlyArray<unknown> = column(ABSENT)

const EMPTY_LEAF: Leaf = { owner: NO_OWNER, held: [], values: undefined, headers: undefined }

/** An immutable vector: what `freeze` hands out. */
export interface Rows {
  readonly root: Node
  readonly shift: number
  readonly length: number
}

export const emptyRows: Rows = { root: EMPTY_LEAF, shift: NO_BRANCH, length: 0 }

/** The leaf that holds `slot`, which must be below `rows.length`. The row's place in it is `indexInLeaf(slot)`. */
export const leafAt = (rows: Rows, slot: number): Leaf => {
  let node = rows.root
  for (let shift = rows.shift; shift >= LEAF_BITS; shift -= BITS) {
    node = (node as Branch).children[(slot >>> shift) & MASK]!
  }
  return node as Leaf
}

export const indexInLeaf = (slot: number): number => slot & LEAF_MASK

const newLeaf = (owner: object): Leaf => ({
  owner,
  held: HELD_TEMPLATE.slice(),
  values: undefined,
  headers: undefined
})

/** The vector while it is being written, by the one state that has it. */
export class RowVector {
  private root: Node
  private shift: number
  /** Nodes of this owner are not frozen, and may be changed in place. */
  private owner: object = {}
  length: number

  constructor(rows: Rows = emptyRows) {
    this.root = rows.root
    this.shift = rows.shift
    this.length = rows.length
  }

  /** The vector as it is now, for ever. */
  freeze(): Rows {
    this.owner = {}
    return { root: this.root, shift: this.shift, length: this.length }
  }

  /** For reading only: a frozen vector may share it. */
  leaf(slot: number): Leaf {
    let node = this.root
    for (let shift = this.shift; shift >= LEAF_BITS; shift -= BITS) {
      node = (node as Branch).children[(slot >>> shift) & MASK]!
    }
    return node as Leaf
  }

  /** The leaf to write `slot` into; copied first, with its path, where a frozen vector shares it. */
  leafForWrite(slot: number): Leaf {
    const owner = this.owner
    if (this.shift === NO_BRANCH) {
      if (this.root.owner !== owner) this.root = copyLeaf(this.root as Leaf, owner)
      return this.root as Leaf
    }
    let branch = this.root as Branch
    if (branch.owner !== owner) {
      branch = { owner, children: branch.children.slice() }
      this.root = branch
    }
    for (let shift = this.shift; ; shift -= BITS) {
      const index = (slot >>> shift) & MASK
      const child = branch.children[index]
      if (shift === LEAF_BITS) {
        if (child.owner === owner) return child as Leaf
        const leaf = copyLeaf(child as Leaf, owner)
        branch.children[index] = leaf
        return leaf
      }
      if (child.owner === owner) {
        branch = child as Branch
      } else {
        const copy: Branch = { owner, children: (child as Branch).children.slice() }
        branch.children[index] = copy
        branch = copy
      }
    }
  }

  /** Adds a row without a record, and returns its slot. */
  append(): number {
    const slot = this.length++
    if ((slot & LEAF_MASK) !== 0) return slot
    const leaf = newLeaf(this.owner)
    if (slot === 0) {
      this.root = leaf
      return slot
    }
    if (slot === 1 << (this.shift + BITS)) {
      // The tree is full, and gets one more level.
      this.root = { owner: this.owner, children: [this.root] }
      this.shift += BITS
    }
    let branch = this.root as Branch
    if (branch.owner !== this.owner) {
      branch = { owner: this.owner, children: branch.children.slice() }
      this.root = branch
    }
    for (let shift = this.shift; shift > LEAF_BITS; shift -= BITS) {
      const index = (slot >>> shift) & MASK
      const child = branch.children[index] as Branch | undefined
      const next: Branch =
        child === undefined
          ? { owner: this.owner, children: [] }
          : child.owner === this.owner
            ? child
            : { owner: this.owner, children: child.children.slice() }
      branch.children[index] = next
      branch = next
    }
    branch.children[(slot >>> LEAF_BITS) & MASK] = leaf
    return slot
  }
}

/** A copy of a leaf that `owner` may write to. */
const copyLeaf = (leaf: Leaf, owner: object): Leaf => ({
  owner,
  held: leaf.held.slice(),
  values: leaf.values?.slice(),
  headers: leaf.headers?.slice()
})

/** The value that is at hand, or `ABSENT`. */
export const valueIn = (leaf: Leaf, index: number): unknown => (leaf.values === undefined ? ABSENT : leaf.values[index])

export const setValue = (leaf: Leaf, index: number, value: unknown): void => {
  if (leaf.values === undefined) {
    if (value === ABSENT) return
    leaf.values = VALUES_TEMPLATE.slice()
  }
  leaf.values[index] = value
}

export const setHeaders = (leaf: Leaf, index: number, headers: unknown): void => {
  if (leaf.headers === undefined) {
    if (headers === undefined) return
    leaf.headers = column(undefined)
  }
  leaf.headers[index] = headers
}
