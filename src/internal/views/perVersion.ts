/** What is made of each version of a table once, when it is asked for. */
import type { AnySlots, Input, Version } from "../table/publication/view.ts"

/** Gives what `make` makes of the version that is shown: the same, until another one is. */
export const perVersion = <A>(input: Input, make: (version: Version<AnySlots, unknown>) => A): (() => A) => {
  let last: { readonly of: Version<AnySlots, unknown>; readonly made: A } | undefined
  return () => {
    const { shownVersion } = input
    if (last?.of !== shownVersion) last = { of: shownVersion, made: make(shownVersion) }
    return last.made
  }
}
