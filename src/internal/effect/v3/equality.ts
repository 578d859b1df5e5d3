import * as Data from "effect/Data"
import * as Equal from "effect/Equal"
import * as Utils from "effect/Utils"

/**
 * Whether two values are equal by what they say themselves. Effect 3 looks into arrays and plain objects within only where
 * it is told to, and asks `same` of what it knows nothing about.
 */
export const equalsByItself = (
  self: Equal.Equal,
  that: Equal.Equal,
  same: (a: unknown, b: unknown) => boolean
): boolean =>
  // Hash maps do not find their keys where all hashes are alike, as they are in that region.
  Equal.equals(self, that) ||
  Utils.structuralRegion(
    () => Equal.equals(self, that),
    (a, b) => !(Equal.isEqual(a) && Equal.isEqual(b)) && same(a, b)
  )

const byFields: unknown = (Data.struct({}) as unknown as Equal.Equal)[Equal.symbol]

/** Whether a value only says of its equality that it goes by its fields: classes of `Data` and `Schema`. */
export const isEqualByFields = (self: Equal.Equal): boolean => self[Equal.symbol] === byFields
