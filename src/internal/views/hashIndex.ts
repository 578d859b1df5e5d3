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
}

export const PACKED: Order<number> = { compare: (a, _aSlot, b) => a - b, slotOf: slotOfPacked }

/** The entries of a tag, by rank. */
export const ranksOf = (tree: Tree<number>, tag: number): readonly [from: number, to: number] => {
  const [first, next] = [packed(tag, 0), packed(tag + 1, 0)]
  return [tree.rank((entry) => entry < first), tree.rank((entry) => entry < next)]
}

const NO_TAGS: ReadonlyArray<number> = []

export class HashIndex extends IndexView<FrozenHash> {
  private tree = MutableTree.empty(PACKED)
  /** The tag of each row, or its tags where it has several. */
  private tags = new Column<number | ReadonlyArray<number>>()
  private readonly hashKey = makeHashKey()
  private readonly tagOf = (key: Key): number => tagOf(this.hashKey, key)
  /** How many rows lost, by the tag of their keys: of a unique index. */
  private readonly losers = new Map<number, number>()
  private lost = 0

  constructor(input: Input, name: string, definition: AnyDefinition) {
    super(input, name, definition)
  }

  get entries(): number {
    return this.tree.size
  }

  override get conflicts(): number {
    return this.lost
  }

  protected *fill(slots: AnySlots): Generator<void, void> {
    const entries: Array<number> = []
    for (let slot = 0; slot < slots.length; slot++) {
      if (slot % ROWS_PER_STEP === 0) yield
      if (!slots.isPresent(slot)) continue
      const tags = this.tagsFor(slots, slot)
      for (const tag of tags) entries.push(packed(tag, slot))
      this.remember(slot, tags)
    }
    const sorted = yield* sortInSteps(Float64Array.from(entries))
    this.tree = yield* buildTree(PACKED, sorted, sorted)
    if (this.definition.kind !== "unique") return
    for (let i = 1; i < sorted.length; i++) {
      if (i % 8192 === 0) yield
      const tag = tagOfPacked(sorted[i])
      if (tag === tagOfPacked(sorted[i - 1])) this.countLosers(slots, tag)
    }
  }

  /** The different tags of a row with a value. */
  private tagsFor(slots: AnySlots, slot: number): ReadonlyArray<number> {
    const keys = this.keysFor(slots, slot)
    return keys.length <= 1 ? keys.map(this.tagOf) : [...new Set(keys.map(this.tagOf))]
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
    for (const tag of before) if (!after.includes(tag)) this.tree.remove(packed(tag, slot), slot)
    for (const tag of after) if (!before.includes(tag)) this.tree.insert(packed(tag, slot), slot)
    if (before.length + after.length === 0) return
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
    }
    this.suspects.clear()
  }

  /** Counts the rows of a tag whose key another row has, too. */
  private countLosers(slots: AnySlots, tag: number): void {
    const [from, to] = ranksOf(this.tree, tag)
    let losers = 0
    if (to - from > 1) {
      const keys: Array<Key> = []
      for (const slot of this.tree.slots(from, to, false)) {
        const [key] = keysAt(this.definition, slots, slot)
        if (key === undefined) continue
        if (keys.some((other) => isSameKey(other, key))) losers++
        else keys.push(key)
      }
    }
    this.lost += losers - (this.losers.get(tag) ?? 0)
    if (losers === 0) this.losers.delete(tag)
    else this.losers.set(tag, losers)
  }

  protected *moveEntries(to: Renumbering): Generator<void, void> {
    yield* this.tags.renumber(to)
    this.tree = yield* renumberedPacked(PACKED, this.tree, to)
  }

  protected freeze(): FrozenHash {
    return { definition: this.definition, name: this.name, tree: this.tree.freeze(), tagOf: this.tagOf }
  }
}

/** The slots of the rows that have a key, in the order of their slots. */
export function* slotsWith(index: FrozenHash, slots: AnySlots, key: Key): Generator<number, void> {
  const [from, to] = ranksOf(index.tree, index.tagOf(key))
  for (const slot of index.tree.slots(from, to, false)) {
    if (keysAt(index.definition, slots, slot).some((other) => isSameKey(other, key))) yield slot
  }
}
