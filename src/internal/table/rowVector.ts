/**
 * The rows of a table by slot number: a persistent vector, 32-way, whose leaves hold columns instead of objects.
 *
 * Nodes that the running batch created are changed in place; `freeze` ends that, in constant time. A leaf keeps its
 * values in one array and offset, timestamp and partition of its rows in one array of doubles, which V8 stores unboxed:
 * 8 + 24 bytes a row, no object per row.
 */

const BITS = 5
const WIDTH = 1 << BITS
const MASK = WIDTH - 1

/** The value of a row that holds none: never set, or deleted. */
export const ABSENT: unique symbol = Symbol("ABSENT")

export interface Leaf {
  owner: object
  readonly values: Array<unknown>
  /** Three doubles a row: offset, timestamp, partition. */
  readonly meta: Array<number>
  /** Only where headers are kept. */
  headers: Array<unknown> | undefined
  /** Values that were made of bytes for somebody who read them. Readers add to it: it tells nothing that was not there. */
  loaded: Array<unknown> | undefined
}

interface Branch {
  owner: object
  readonly children: Array<Node>
}

type Node = Leaf | Branch

const NO_OWNER: object = {}

// Doubles from the start: an array of small integers would be converted on its first timestamp.
const META_TEMPLATE: ReadonlyArray<number> = Array.from({ length: WIDTH * 3 }, () => 0.5)
const VALUES_TEMPLATE: ReadonlyArray<unknown> = Array.from({ length: WIDTH }, () => ABSENT)

const EMPTY_LEAF: Leaf = { owner: NO_OWNER, values: [], meta: [], headers: undefined, loaded: undefined }

/** An immutable vector: what `freeze` hands out. */
export interface Rows {
  readonly root: Node
  readonly shift: number
  readonly length: number
}

export const emptyRows: Rows = { root: EMPTY_LEAF, shift: 0, length: 0 }

/** The leaf that holds `slot`, which must be below `rows.length`. The row's place in it is `slot & 31`. */
export const leafAt = (rows: Rows, slot: number): Leaf => {
  let node = rows.root
  for (let shift = rows.shift; shift > 0; shift -= BITS) {
    node = (node as Branch).children[(slot >>> shift) & MASK]!
  }
  return node as Leaf
}

export const indexInLeaf = (slot: number): number => slot & MASK

const newLeaf = (owner: object): Leaf => ({
  owner,
  values: VALUES_TEMPLATE.slice(),
  meta: META_TEMPLATE.slice(),
  headers: undefined,
  loaded: undefined
})

/** The builder: one per table, owned by its reader. */
export class RowVector {
  private root: Node
  private shift: number
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
    for (let shift = this.shift; shift > 0; shift -= BITS) {
      node = (node as Branch).children[(slot >>> shift) & MASK]!
    }
    return node as Leaf
  }

  /** The leaf to write `slot` into; copied first, with its path, where a frozen vector shares it. */
  leafForWrite(slot: number): Leaf {
    const owner = this.owner
    if (this.shift === 0) {
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
      if (shift === BITS) {
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

  /** Adds a row without a value, and returns its slot. */
  append(): number {
    const slot = this.length++
    if ((slot & MASK) !== 0) return slot
    const leaf = newLeaf(this.owner)
    if (slot === 0) {
      this.root = leaf
      return slot
    }
    if (slot === 1 << (this.shift + BITS)) {
      // full: one level more
      this.root = { owner: this.owner, children: [this.root] }
      this.shift += BITS
    }
    let branch = this.root as Branch
    if (branch.owner !== this.owner) {
      branch = { owner: this.owner, children: branch.children.slice() }
      this.root = branch
    }
    for (let shift = this.shift; shift > BITS; shift -= BITS) {
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
    branch.children[(slot >>> BITS) & MASK] = leaf
    return slot
  }
}

const copyLeaf = (leaf: Leaf, owner: object): Leaf => ({
  owner,
  values: leaf.values.slice(),
  meta: leaf.meta.slice(),
  headers: leaf.headers?.slice(),
  loaded: leaf.loaded?.slice()
})

const emptyColumn = (): Array<unknown> => Array.from({ length: WIDTH }, () => undefined)

export const setHeaders = (leaf: Leaf, index: number, headers: unknown): void => {
  leaf.headers ??= emptyColumn()
  leaf.headers[index] = headers
}

export const setLoaded = (leaf: Leaf, index: number, value: unknown): void => {
  leaf.loaded ??= emptyColumn()
  leaf.loaded[index] = value
}
