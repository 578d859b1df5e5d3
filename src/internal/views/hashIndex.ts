/**
 * Hash, multi and unique indexes: a tree of whole numbers, each of 24 bits of a key's hash and a slot. What it finds is
 * verified at the row, so that an entry takes the same room whatever its key is.
 */
import { makeHashKey } from "../table/content/keyHash.ts"
import type { Renumbering } from "../table/content/slots.ts"
import type { AnySlots, Input } from "../table/publication/view.ts"
import { sortInSteps } from "../tree/sorting.ts"
import { buildTree, MutableTree, type Order, type Tree } from "../tree/tree.ts"
import { Column } from "./column.ts"
import { type AnyDefinition, keysAt } from "./definition.ts"
import { isSameKey, type Key, packed, slotOfPacked, tagOf, tagOfPacked } from "./indexKey.ts"
import { type FrozenIndex, IndexView, renumberedPacked } from "./indexView.ts"
import { ROWS_PER_STEP } from "./rowView.ts"

/** A hash, multi or unique index at one version. */
export interface FrozenHash extends FrozenIndex {
  readonly tree: Tree<number>
  readonly tagOf: (key: Key) => number
  /** How many rows lost, of a unique index, without those of large groups. */
  readonly lost: number
  /** The tags of large groups. */
  readonly large: ReadonlyArray<number>
}

export const PACKED: Order<number> = { compare: (a, _aSlot, b) => a - b, slotOf: slotOfPacked }

/** The entries of a tag, by rank. */
export const ranksOf = (tree: Tree<number>, tag: number): readonly [from: number, to: number] => {
  const [first, next] = [packed(tag, 0), packed(tag + 1, 0)]
  return [tree.rank((entry) => entry < first), tree.rank((entry) => entry < next)]
}

/** Tags under a secret of their own. */
const secretTags = (): ((key: Key) => number) => {
  const hashKey = makeHashKey()
  return (key) => tagOf(hashKey, key)
}

const NO_TAGS: ReadonlyArray<number> = []

/**
 * Rows of one tag in a unique index that are looked at with each change of one of them. Where there are more, the index is
 * far from unique: who lost there is told when somebody asks.
 */
const LARGE_GROUP = 64

const NO_GROUPS: ReadonlyArray<number> = []

export class HashIndex extends IndexView<FrozenHash> {
  private tree = MutableTree.empty(PACKED)
  /** The tag of each row, or its tags where it has several. */
  private tags = new Column<number | ReadonlyArray<number>>()
  /** Pairs of a row and a key. */
  private pairs = 0
  /** How many rows lost, by the tag of their keys: of a unique index. */
  private readonly losers = new Map<number, number>()
  private lost = 0
  /** The tags of large groups. */
  private readonly large = new Set<number>()

  constructor(
    input: Input,
    name: string,
    definition: AnyDefinition,
    private readonly tagOf: (key: Key) => number = secretTags()
  ) {
    super(input, name, definition)
  }

  protected *fill(slots: AnySlots): Generator<void, void> {
    let entries = new Float64Array(Math.max(16, slots.size))
    let count = 0
    for (let slot = 0; slot < slots.length; slot++) {
      if (slot % ROWS_PER_STEP === 0) yield
      if (!slots.isPresent(slot)) continue
      const tags = this.tagsFor(slots, slot)
      for (const tag of different(tags)) {
        if (count === entries.length) entries = doubled(entries)
        entries[count++] = packed(tag, slot)
      }
      this.remember(slot, tags)
      this.pairs += tags.length
    }
    const sorted = yield* sortInSteps(entries.subarray(0, count))
    this.tree = yield* buildTree(PACKED, sorted, sorted)
    if (this.definition.kind !== "unique") return
    for (let i = 1; i < sorted.length; i++) {
      if (i % 8192 === 0) yield
      const tag = tagOfPacked(sorted[i])
      if (tag === tagOfPacked(sorted[i - 1])) this.countLosers(slots, tag)
    }
  }

  /** The tags of a row's keys, two of which may have the same one. */
  private tagsFor(slots: AnySlots, slot: number): ReadonlyArray<number> {
    return this.keysFor(slots, slot).map(this.tagOf)
  }

  private remember(slot: number, tags: ReadonlyArray<number>): void {
    this.tags.set(slot, tags.length === 0 ? undefined : tags.length === 1 ? tags[0] : tags)
  }

  private remembered(slot: number): ReadonlyArray<number> {
    const tags = this.tags.get(slot)
    return tags === undefined ? NO_TAGS : typeof tags === "number" ? [tags] : tags
  }

  /** The tags of which the winner may be another row now. */
  private readonly suspects = new Set<number>()

  protected update(slots: AnySlots, slot: number): void {
    const before = this.remembered(slot)
    const after = slots.isPresent(slot) ? this.tagsFor(slots, slot) : (this.gone(slot) ?? NO_TAGS)
    if (before.length + after.length === 0) return
    const now = different(after)
    for (const tag of different(before)) if (!now.has(tag)) this.tree.remove(packed(tag, slot), slot)
    for (const tag of now) this.tree.insert(packed(tag, slot), slot)
    this.pairs += after.length - before.length
    this.remember(slot, after)
    if (this.definition.kind !== "unique") return
    for (const tag of before) this.suspects.add(tag)
    for (const tag of after) this.suspects.add(tag)
  }

  override *apply(): Generator<void, void> {
    yield* super.apply()
    if (this.suspects.size === 0) return
    const { newest } = this.input
    let n = 0
    for (const tag of this.suspects) {
      if (++n % ROWS_PER_STEP === 0) yield
      this.countLosers(newest, tag)
      this.suspects.delete(tag)
    }
  }

  /** Counts the rows of a tag whose key another row has, too. */
  private countLosers(slots: AnySlots, tag: number): void {
    const [from, to] = ranksOf(this.tree, tag)
    const isLarge = to - from > LARGE_GROUP
    const losers = isLarge ? 0 : this.losersIn(this.tree, slots, from, to)
    if (isLarge) this.large.add(tag)
    else this.large.delete(tag)
    this.lost += losers - (this.losers.get(tag) ?? 0)
    if (losers === 0) this.losers.delete(tag)
    else this.losers.set(tag, losers)
  }

  private losersIn(tree: Tree<number>, slots: AnySlots, from: number, to: number): number {
    if (to - from < 2) return 0
    const keys: Array<Key> = []
    let losers = 0
    for (const slot of tree.slots(from, to, false)) {
      const [key] = keysAt(this.definition, slots, slot)
      if (key === undefined) continue
      if (keys.some((other) => isSameKey(other, key))) losers++
      else keys.push(key)
    }
    return losers
  }

  protected override conflictsIn({ large, lost, tree }: FrozenHash): number {
    const { slots } = this.input.shownVersion
    return large.reduce((all, tag) => all + this.losersIn(tree, slots, ...ranksOf(tree, tag)), lost)
  }

  protected override aboutConflictsIn({ large, lost, tree }: FrozenHash): number {
    let about = lost
    for (const tag of large) {
      const [from, to] = ranksOf(tree, tag)
      about += to - from - 1
    }
    return about
  }

  protected *moveEntries(to: Renumbering): Generator<void, void> {
    yield* this.tags.renumber(to)
    this.tree = yield* renumberedPacked(PACKED, this.tree, to)
  }

  protected freeze(): FrozenHash {
    const { definition, large, lost, name, pairs, tagOf, topic } = this
    const tree = this.tree.freeze()
    return { definition, name, topic, tree, size: pairs, tagOf, lost, large: large.size === 0 ? NO_GROUPS : [...large] }
  }
}

/** A larger array with the same numbers. */
const doubled = (numbers: Float64Array): Float64Array<ArrayBuffer> => {
  const larger = new Float64Array(2 * numbers.length)
  larger.set(numbers)
  return larger
}

const different = (tags: ReadonlyArray<number>): ReadonlySet<number> => new Set(tags)

/** The slots of the rows that have a key, in the order of their slots. */
export function* slotsWith(index: FrozenHash, slots: AnySlots, key: Key): Generator<number, void> {
  const [from, to] = ranksOf(index.tree, index.tagOf(key))
  for (const slot of index.tree.slots(from, to, false)) {
    if (keysAt(index.definition, slots, slot).some((other) => isSameKey(other, key))) yield slot
  }
}
