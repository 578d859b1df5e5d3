/** What groups are summed up by: each takes a row in, lets it go again, and says what it comes to. */
import type { Renumbering } from "../../table/content/slots.ts"
import type { AnySlots } from "../../table/publication/view.ts"

/** An aggregate as it is defined. */
export type AggregateParts =
  | { readonly _tag: "Count" }
  | { readonly _tag: "Sum"; readonly of: (value: never, key: never) => number | undefined }
  | { readonly _tag: "Extreme"; readonly of: (value: never, key: never) => unknown; readonly isMax: boolean }
  | { readonly _tag: "First"; readonly of: (value: never, key: never) => unknown }
  | {
      readonly _tag: "Own"
      readonly of: (value: never, key: never) => unknown
      readonly empty: unknown
      readonly add: (total: never, part: never) => unknown
      readonly remove: (total: never, part: never) => unknown
      readonly result: (total: never) => unknown
    }

/** One aggregate of all groups, by their slots. */
export interface Accumulator {
  /** What the aggregate needs of a row. Throws what the user's function throws. */
  readonly partOf: (value: unknown, key: unknown) => unknown
  /** Takes in a row, whose part it has been given. */
  readonly add: (group: number, slot: number, part: unknown) => void
  /** Lets a row go. */
  readonly remove: (group: number, slot: number) => void
  /**
   * Adds up anew, in steps, what could not be undone, where that can happen. `leaveOut` takes a row out that cannot be added
   * any more, of all aggregates.
   */
  readonly mend?: (leaveOut: (group: number, slot: number, cause: unknown) => void) => Iterator<void, void>
  /** What a group with rows comes to. */
  readonly result: (group: number) => unknown
  /** A group has no row any more. */
  readonly drop: (group: number) => void
  /** The rows have new slots. */
  readonly renumber: (to: Renumbering) => Iterator<void, void>
  /** The groups have new slots. */
  readonly renumberGroups: (to: Renumbering) => void
}

/** What an accumulator knows of the rows: their group, and the order of their keys. */
export interface Rows {
  readonly groupOf: (slot: number) => number
  readonly newest: () => AnySlots
}

/** What a function gives, wrapped, as it may be nothing. */
export interface Given {
  readonly value: unknown
}

/** Something of each group, by its slot. */
export class Groups<A> {
  private all: Array<A | undefined> = []

  get(group: number): A | undefined {
    return this.all[group]
  }

  set(group: number, value: A | undefined): void {
    while (this.all.length <= group) this.all.push(undefined)
    this.all[group] = value
  }

  /** Those of all groups that have something. */
  *present(): Generator<A, void> {
    for (const value of this.all) if (value !== undefined) yield value
  }

  renumber(to: Renumbering): void {
    const moved: Array<A | undefined> = []
    for (let group = 0; group < to.length; group++) if (to[group] >= 0) moved.push(this.all[group])
    this.all = moved
  }
}

/** A function of the user's, of any row. */
export type Of = (value: unknown, key: unknown) => unknown
