/**
 * A counted B+tree of entries, each a key with the slot of a row: what is in order, is looked up, and is counted without a
 * walk. It is persistent: the nodes that the running batch has made are changed in place, and `freeze` ends that in
 * constant time, so that a version of it is one object, and shares all but the changed paths with other versions.
 *
 * Nodes have up to 64 entries or children. Arrays are exactly as long as their nodes are full, as room that is kept for
 * later would be a third of all memory. Each branch knows how many entries are below it.
 */

/** How the entries of a tree are told apart and ordered. */
export interface Order<K> {
  /**
   * The order of two entries; 0 only for the same entry. It may rest on what is known of their slots, as long as that stays
   * the same while they are in the tree: the tree compares with no others, but for the one that it is asked about.
   */
  readonly compare: (aKey: K, aSlot: number, bKey: K, bSlot: number) => number
  /** The slot that is a part of the key itself; without it, slots are kept beside the keys. */
  readonly slotOf?: (key: K) => number
}

/** The most entries of a leaf, and children of a branch. */
const WIDTH = 64

/** A node with fewer than this is joined with a neighbour, if both fit into one. */
const FEW = 16

interface Leaf<K> {
  owner: object
  keys: Array<K>
  /** The slots of the entries; `undefined` where keys hold them. */
  slots: Array<number> | undefined
}

interface Branch<K> {
  owner: object
  /** Entries in all leaves below. */
  size: number
  children: Array<Node<K>>
  /** For each child but the first: the first of its entries. What is at 0 is never looked at. */
  keys: Array<K>
  slots: Array<number> | undefined
}

type Node<K> = Leaf<K> | Branch<K>

const NO_OWNER: object = {}

/** What can be read of a tree, whatever its keys are. */
export interface AnyTree {
  readonly size: number
  rank(isBefore: (key: unknown, slot: number) => boolean): number
  slots(from: number, to: number, reverse: boolean): Generator<number, void>
  visit(from: number, to: number, reverse: boolean, visit: (slot: number, key: unknown) => boolean): void
}

/** A tree at one version, immutable for ever. */
export class Tree<K> implements AnyTree {
  constructor(
    readonly order: Order<K>,
    protected root: Node<K>,
    /** How many branches are above each leaf. */
    protected depth: number
  ) {}

  static empty<K>(order: Order<K>): Tree<K> {
    return new Tree(order, emptyLeaf(order, NO_OWNER), 0)
  }

  /** The number of entries. */
  get size(): number {
    return sizeOf(this.root, this.depth)
  }

  /** How many entries are before a bound: `isBefore` has to hold for all entries up to some place, and for none behind. */
  rank(isBefore: (key: K, slot: number) => boolean): number {
    let node = this.root
    let before = 0
    for (let depth = this.depth; depth > 0; depth--) {
      const branch = node as Branch<K>
      const child = this.countBefore(branch, 1, isBefore)
      for (let i = 0; i < child; i++) before += sizeOf(branch.children[i], depth - 1)
      node = branch.children[child]
    }
    return before + this.countBefore(node, 0, isBefore)
  }

  /** How many of a node's entries, or of the bounds of its children from `first` on, are before the bound. */
  private countBefore({ keys, slots }: Node<K>, first: number, isBefore: (key: K, slot: number) => boolean): number {
    let low = first
    let high = keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isBefore(keys[middle], this.slotIn(keys, slots, middle))) low = middle + 1
      else high = middle
    }
    return low - first
  }

  private slotIn(keys: ReadonlyArray<K>, slots: ReadonlyArray<number> | undefined, i: number): number {
    return slots === undefined ? this.order.slotOf!(keys[i]) : slots[i]
  }

  /** Whether the tree has this entry. */
  has(key: K, slot: number): boolean {
    let node = this.root
    for (let depth = this.depth; depth > 0; depth--) {
      const branch = node as Branch<K>
      node = branch.children[childFor(this.order, branch, key, slot)]
    }
    return placeFor(this.order, node, key, slot) >= 0
  }

  /**
   * Calls `visit` with entries by rank, from `from` on and before `to`, in their order or (`reverse`) from the last to the
   * first of them, until it returns `false`.
   */
  visit(from: number, to: number, reverse: boolean, visit: (slot: number, key: K) => boolean): void {
    for (let left = to - from; left > 0;) {
      const at = this.leafAt(reverse ? from + left - 1 : to - left)
      const { keys, slots } = at.leaf
      if (reverse) {
        for (let i = at.index; i >= 0 && left > 0; i--, left--) {
          if (!visit(this.slotIn(keys, slots, i), keys[i])) return
        }
      } else {
        for (let i = at.index; i < keys.length && left > 0; i++, left--) {
          if (!visit(this.slotIn(keys, slots, i), keys[i])) return
        }
      }
    }
  }

  /** The slots of entries by rank: see `visit`. They are read as they are asked for. */
  *slots(from: number, to: number, reverse: boolean): Generator<number, void> {
    for (let left = to - from; left > 0;) {
      const at = this.leafAt(reverse ? from + left - 1 : to - left)
      const { keys, slots } = at.leaf
      if (reverse) for (let i = at.index; i >= 0 && left > 0; i--, left--) yield this.slotIn(keys, slots, i)
      else for (let i = at.index; i < keys.length && left > 0; i++, left--) yield this.slotIn(keys, slots, i)
    }
  }

  /** The leaf that has the entry of a rank, and where in it. */
  private leafAt(rank: number): { readonly leaf: Leaf<K>; readonly index: number } {
    let node = this.root
    let index = rank
    for (let depth = this.depth; depth > 0; depth--) {
      const { children } = node as Branch<K>
      let child = 0
      for (let size = sizeOf(children[0], depth - 1); index >= size; size = sizeOf(children[child], depth - 1)) {
        index -= size
        child++
      }
      node = children[child]
    }
    return { leaf: node, index }
  }
}

/** A tree while it is being written, by the one who has it. */
export class MutableTree<K> extends Tree<K> {
  /** Nodes of this owner are in no frozen version, and may be changed in place. */
  private owner: object = {}

  static from<K>({ order, root, depth }: TreeParts<K>): MutableTree<K> {
    return new MutableTree(order, root, depth)
  }

  static override empty<K>(order: Order<K>): MutableTree<K> {
    return new MutableTree(order, emptyLeaf(order, NO_OWNER), 0)
  }

  /** The tree as it is now, for ever. */
  freeze(): Tree<K> {
    this.owner = {}
    return new Tree(this.order, this.root, this.depth)
  }

  /** Adds an entry. Returns whether it was new. */
  insert(key: K, slot: number): boolean {
    const size = this.size
    this.root = this.owned(this.root, this.depth)
    const right = this.insertInto(this.root, this.depth, key, slot)
    if (right !== undefined) {
      const left = this.root
      const first = firstOf(right, this.depth)
      this.root = {
        owner: this.owner,
        size: sizeOf(left, this.depth) + sizeOf(right, this.depth),
        children: [left, right],
        // What is at 0 keeps bounds and children side by side.
        keys: [first.key, first.key],
        slots: first.slot === undefined ? undefined : [first.slot, first.slot]
      }
      this.depth++
    }
    return this.size > size
  }

  /** Removes an entry. Returns whether it was there. */
  remove(key: K, slot: number): boolean {
    const size = this.size
    this.root = this.owned(this.root, this.depth)
    this.removeFrom(this.root, this.depth, key, slot)
    while (this.depth > 0 && (this.root as Branch<K>).children.length === 1) {
      this.root = (this.root as Branch<K>).children[0]
      this.depth--
    }
    return this.size < size
  }

  /** The node itself, if it may be changed in place; a copy of it otherwise. */
  private owned(node: Node<K>, depth: number): Node<K> {
    const { owner } = this
    if (node.owner === owner) return node
    // The arrays of a leaf are replaced with each change, so that a copy shares them until then.
    if (depth === 0) return { owner, keys: node.keys, slots: node.slots }
    const { children, keys, size, slots } = node as Branch<K>
    return { owner, size, children: children.slice(), keys, slots }
  }

  /** Adds an entry below a node that may be changed. Returns the node's right half if it had to be split. */
  private insertInto(node: Node<K>, depth: number, key: K, slot: number): Node<K> | undefined {
    if (depth === 0) return this.insertIntoLeaf(node, key, slot)
    const branch = node as Branch<K>
    const { children } = branch
    const at = childFor(this.order, branch, key, slot)
    const child = this.owned(children[at], depth - 1)
    const before = sizeOf(child, depth - 1)
    children[at] = child
    const right = this.insertInto(child, depth - 1, key, slot)
    if (right === undefined) {
      branch.size += sizeOf(child, depth - 1) - before
      return undefined
    }
    const first = firstOf(right, depth - 1)
    branch.size++
    branch.children = withOne(children, at + 1, right)
    branch.keys = withOne(branch.keys, at + 1, first.key)
    if (branch.slots !== undefined) branch.slots = withOne(branch.slots, at + 1, first.slot!)
    if (branch.children.length <= WIDTH) return undefined
    // What is appended at the end leaves full nodes behind.
    const half = at + 1 === WIDTH ? WIDTH : WIDTH >>> 1
    const split: Branch<K> = {
      owner: this.owner,
      size: 0,
      children: branch.children.slice(half),
      keys: branch.keys.slice(half),
      slots: branch.slots?.slice(half)
    }
    for (const each of split.children) split.size += sizeOf(each, depth - 1)
    branch.size -= split.size
    branch.children = branch.children.slice(0, half)
    branch.keys = branch.keys.slice(0, half)
    branch.slots = branch.slots?.slice(0, half)
    return split
  }

  private insertIntoLeaf(leaf: Leaf<K>, key: K, slot: number): Leaf<K> | undefined {
    const found = placeFor(this.order, leaf, key, slot)
    if (found >= 0) return undefined
    const at = -1 - found
    const keys = withOne(leaf.keys, at, key)
    const slots = leaf.slots === undefined ? undefined : withOne(leaf.slots, at, slot)
    if (keys.length <= WIDTH) {
      leaf.keys = keys
      leaf.slots = slots
      return undefined
    }
    const half = at === WIDTH ? WIDTH : WIDTH >>> 1
    leaf.keys = keys.slice(0, half)
    leaf.slots = slots?.slice(0, half)
    return { owner: this.owner, keys: keys.slice(half), slots: slots?.slice(half) }
  }

  /** Removes an entry below a node that may be changed. */
  private removeFrom(node: Node<K>, depth: number, key: K, slot: number): void {
    if (depth === 0) {
      const leaf = node
      const at = placeFor(this.order, leaf, key, slot)
      if (at < 0) return
      leaf.keys = withoutOne(leaf.keys, at)
      if (leaf.slots !== undefined) leaf.slots = withoutOne(leaf.slots, at)
      return
    }
    const branch = node as Branch<K>
    const { children } = branch
    const at = childFor(this.order, branch, key, slot)
    const child = this.owned(children[at], depth - 1)
    const before = sizeOf(child, depth - 1)
    children[at] = child
    this.removeFrom(child, depth - 1, key, slot)
    const size = sizeOf(child, depth - 1)
    branch.size += size - before
    // A branch that has nothing else is empty, too, and leaves the one above it.
    if (size === 0) {
      if (children.length > 1) this.leave(branch, at)
      return
    }
    if (at > 0 && this.isBound(branch, at, key, slot)) this.bind(branch, at, firstOf(child, depth - 1))
    if (widthOf(child, depth - 1) < FEW) this.join(branch, depth, at)
  }

  /** Whether an entry is the first one of a child. */
  private isBound({ keys, slots }: Branch<K>, at: number, key: K, slot: number): boolean {
    if (slots === undefined) return keys[at] === key
    return slots[at] === slot && this.order.compare(keys[at], slot, key, slot) === 0
  }

  /** Notes which entry of a child is the first one. */
  private bind(branch: Branch<K>, at: number, { key, slot }: First<K>): void {
    // Versions that are frozen share the arrays.
    branch.keys = withOther(branch.keys, at, key)
    if (branch.slots !== undefined) branch.slots = withOther(branch.slots, at, slot!)
  }

  /** Takes a child out of a branch. */
  private leave(branch: Branch<K>, at: number): void {
    branch.children = withoutOne(branch.children, at)
    branch.keys = withoutOne(branch.keys, at)
    if (branch.slots !== undefined) branch.slots = withoutOne(branch.slots, at)
  }

  /** Joins a child that has become small with a neighbour, if both fit into one. */
  private join(branch: Branch<K>, depth: number, at: number): void {
    const { children } = branch
    if (children.length === 1) return
    const width = widthOf(children[at], depth - 1)
    const left = at > 0 && widthOf(children[at - 1], depth - 1) + width <= WIDTH ? at - 1 : at
    if (left === at && (at + 1 === children.length || width + widthOf(children[at + 1], depth - 1) > WIDTH)) return
    const right = children[left + 1]
    const joined = this.owned(children[left], depth - 1)
    if (depth === 1) {
      const [a, b] = [joined, right]
      a.keys = a.keys.concat(b.keys)
      a.slots = a.slots?.concat(b.slots!)
    } else {
      const [a, b] = [joined as Branch<K>, right as Branch<K>]
      // The bound of the right one takes the place of its first child's, which was never looked at.
      const keys = b.keys.slice()
      keys[0] = branch.keys[left + 1]
      a.keys = a.keys.concat(keys)
      if (a.slots !== undefined) {
        const slots = b.slots!.slice()
        slots[0] = branch.slots![left + 1]
        a.slots = a.slots.concat(slots)
      }
      a.children = a.children.concat(b.children)
      a.size += b.size
    }
    children[left] = joined
    this.leave(branch, left + 1)
  }
}

/** What a tree is made of when it is built in bulk. */
interface TreeParts<K> {
  readonly order: Order<K>
  readonly root: Node<K>
  readonly depth: number
}

/** How many entries `buildTree` takes in between two of its steps. */
const ENTRIES_PER_STEP = 8192

/** Builds a tree of entries that are in order already, in steps. `slots` is not looked at where keys hold them. */
export function* buildTree<K>(
  order: Order<K>,
  keys: ArrayLike<K>,
  slots: ArrayLike<number>
): Generator<void, MutableTree<K>> {
  let level: Array<Node<K>> = []
  for (let from = 0, n = 0; from < keys.length; from += WIDTH, n += WIDTH) {
    if (n >= ENTRIES_PER_STEP) {
      n = 0
      yield
    }
    const to = Math.min(from + WIDTH, keys.length)
    level.push({
      owner: NO_OWNER,
      keys: Array.prototype.slice.call(keys, from, to) as Array<K>,
      slots: order.slotOf === undefined ? (Array.prototype.slice.call(slots, from, to) as Array<number>) : undefined
    })
  }
  if (level.length === 0) return MutableTree.empty(order)
  let depth = 0
  for (; level.length > 1; depth++) {
    const above: Array<Node<K>> = []
    for (let from = 0; from < level.length; from += WIDTH) {
      const children = level.slice(from, from + WIDTH)
      const firsts = children.map((child) => firstOf(child, depth))
      above.push({
        owner: NO_OWNER,
        size: children.reduce((size, child) => size + sizeOf(child, depth), 0),
        children,
        keys: firsts.map(({ key }) => key),
        slots: order.slotOf === undefined ? firsts.map(({ slot }) => slot!) : undefined
      })
    }
    level = above
  }
  return MutableTree.from({ order, root: level[0], depth })
}

const emptyLeaf = <K>({ slotOf }: Order<K>, owner: object): Leaf<K> => ({
  owner,
  keys: [],
  slots: slotOf === undefined ? [] : undefined
})

const sizeOf = <K>(node: Node<K>, depth: number): number => (depth === 0 ? node.keys.length : (node as Branch<K>).size)

const widthOf = <K>(node: Node<K>, depth: number): number =>
  depth === 0 ? node.keys.length : (node as Branch<K>).children.length

/** The first entry below a node. Where keys hold slots, it has no slot of its own. */
interface First<K> {
  readonly key: K
  readonly slot: number | undefined
}

const firstOf = <K>(node: Node<K>, depth: number): First<K> => {
  let first = node
  for (let d = depth; d > 0; d--) first = (first as Branch<K>).children[0]
  return { key: first.keys[0], slot: first.slots?.[0] }
}

/** The child that has an entry, or into which it belongs. */
const childFor = <K>({ compare }: Order<K>, { keys, slots }: Branch<K>, key: K, slot: number): number => {
  let low = 1
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare(keys[middle], slots === undefined ? 0 : slots[middle], key, slot) <= 0) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** Where in a leaf an entry is; -1 less where it belongs, if it is not there. */
const placeFor = <K>({ compare }: Order<K>, { keys, slots }: Leaf<K>, key: K, slot: number): number => {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const order = compare(keys[middle], slots === undefined ? 0 : slots[middle], key, slot)
    if (order === 0) return middle
    if (order < 0) low = middle + 1
    else high = middle
  }
  return -1 - low
}

/**
 * A copy with one more. It is made by `concat`, which takes exactly the room that is needed, and moved by a loop, which is
 * faster than the native ways for so few.
 */
const withOne = <A>(all: Array<A>, at: number, one: A): Array<A> => {
  const copy = all.concat([one])
  for (let i = all.length; i > at; i--) copy[i] = copy[i - 1]
  copy[at] = one
  return copy
}

/** A copy without one. */
const withoutOne = <A>(all: Array<A>, at: number): Array<A> => {
  const copy = all.slice(0, all.length - 1)
  for (let i = at; i < copy.length; i++) copy[i] = all[i + 1]
  return copy
}

/** A copy with another one in the place of one. */
const withOther = <A>(all: Array<A>, at: number, one: A): Array<A> => {
  const copy = all.slice()
  copy[at] = one
  return copy
}
