/** What members do with records. */
import * as Effect from "effect/Effect"
import type { Work } from "./member.ts"

/** A few milliseconds at most. */
export const shortWork =
  (random: () => number): Work =>
  () =>
    Effect.sleep(random() * 4)

/** The first record of each partition takes as long as this, all others are short. */
export const firstTakes = (long: Effect.Effect<void>, short: Work): Work => {
  const begun = new Set<number>()
  return (record) => {
    if (begun.has(record.partition)) return short(record)
    begun.add(record.partition)
    return long
  }
}
