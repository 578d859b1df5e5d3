/** All groups at one version. */
import type * as Option from "effect/Option"
import type { GroupedKey, GroupedSnapshot } from "../../GroupedKafkaTable.ts"
import type { RecordSnapshot } from "../../TableSnapshot.ts"
import type { FrozenGroups, GroupedSlots, GroupedVersion, Groups } from "./groups.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/GroupedSnapshot")

/** A part of the rows, by rank. */
interface Part {
  readonly from: number
  readonly to: number
}

const NOTHING: Part = { from: 0, to: 0 }

export class Snapshot<G, M, V> implements GroupedSnapshot<G, M, V> {
  readonly [TypeId]: typeof TypeId = TypeId
  readonly table: RecordSnapshot<GroupedKey<G, M>, V>
  readonly version: number
  readonly size: number
  readonly #slots: GroupedSlots<G, M, V>
  readonly #groups: FrozenGroups<G>
  readonly #idOf: (group: G) => string | undefined

  constructor({ holding, slots, snapshot, version }: GroupedVersion<G, M, V>, groups: Groups<G, M, V>) {
    this.table = snapshot
    this.version = version
    this.size = slots.size
    this.#slots = slots
    // Each version that anybody gets holds the groups, as they are there before the table is.
    this.#groups = holding.get(groups) as FrozenGroups<G>
    this.#idOf = (group) => groups.idOf(group)
  }

  get(group: G, member: M): Option.Option<V> {
    return this.table.get({ group, member })
  }

  getOrUndefined(group: G, member: M): V | undefined {
    return this.table.getOrUndefined({ group, member })
  }

  has(group: G, member: M): boolean {
    return this.table.has({ group, member })
  }

  group(group: G): Map<M, V> {
    const slots = this.#slots
    const members = new Map<M, V>()
    const { from, to } = this.#partOf(group)
    this.#groups.rows.visit(from, to, false, (slot) => {
      members.set(slots.keyAt(slot).member, slots.valueAt(slot))
      return true
    })
    return members
  }

  hasGroup(group: G): boolean {
    const number = this.#numberOf(group)
    return number !== undefined && this.#groups.present.has(number, number)
  }

  groupSize(group: G): number {
    const { from, to } = this.#partOf(group)
    return to - from
  }

  groups(): ReadonlyArray<G> {
    const { names, present } = this.#groups
    const groups: Array<G> = []
    present.visit(0, present.size, false, (number) => {
      groups.push(names[number])
      return true
    })
    return groups
  }

  get groupCount(): number {
    return this.#groups.present.size
  }

  toMap(): Map<G, Map<M, V>> {
    const slots = this.#slots
    const { names, rows } = this.#groups
    const all = new Map<G, Map<M, V>>()
    let members = new Map<M, V>()
    let last = -1
    rows.visit(0, rows.size, false, (slot, number) => {
      if (number !== last) all.set(names[number], (members = all.get(names[number]) ?? new Map<M, V>()))
      last = number
      members.set(slots.keyAt(slot).member, slots.valueAt(slot))
      return true
    })
    return all
  }

  #numberOf(group: G): number | undefined {
    const id = this.#idOf(group)
    return id === undefined ? undefined : this.#groups.numbers.get(id)
  }

  /** The rows of a group. */
  #partOf(group: G): Part {
    const number = this.#numberOf(group)
    if (number === undefined) return NOTHING
    const { rows } = this.#groups
    return { from: rows.rank((other) => other < number), to: rows.rank((other) => other <= number) }
  }
}
