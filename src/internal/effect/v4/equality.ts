import * as Equal from "effect/Equal"

/** Whether two values are equal by what they say themselves. Effect 4 looks into arrays and plain objects within. */
export const equalsByItself = (
  self: Equal.Equal,
  that: Equal.Equal,
  _same: (a: unknown, b: unknown) => boolean
): boolean => Equal.equals(self, that)

/** Whether a value only says of its equality that it goes by its fields. No class of data does on Effect 4. */
export const isEqualByFields = (_self: Equal.Equal): boolean => false
