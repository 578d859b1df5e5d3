/** What members do with records. */
import * as Effect from "effect/Effect"
import type { Work } from "./member.ts"

/** A few milliseconds at most. */
export const shortWork =
  (random: () => number): Work =>
  () =>
    Effect.sleep(random() * 4)

/** The first record that comes takes long, all others do not. `begun` is told of that one. */
export const longOnce = (short: Work, millis: number, begun: (record: Parameters<Work>[0]) => void): Work => {
  let isBegun = false
  return (record) => {
    if (isBegun) return short(record)
    isBegun = true
    begun(record)
    return Effect.sleep(millis)
  }
}
