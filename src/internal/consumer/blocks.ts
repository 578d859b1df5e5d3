/** For how long the event loop of this process was held lately, as that is the commonest reason of lost partitions. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { evenMillisOf } from "../effect/v4/clock.ts"

/** How often the event loop is looked at, in milliseconds. */
const LOOK_MILLIS = 1_000

/** What is no longer ago than this counts as lately. */
const LATELY_MILLIS = 60_000

/** The event loop counts as held from this many milliseconds on. */
const HELD_MILLIS = 1_000

export interface Blocks {
  /** Looks, until it is interrupted. */
  readonly run: Effect.Effect<never>
  /** The longest time for which it was held lately; `undefined` if it was not. */
  readonly recent: () => number | undefined
}

export const makeBlocks = (clock: Clock.Clock): Blocks => {
  let lookedAt = evenMillisOf(clock)
  let held: ReadonlyArray<{ readonly at: number; readonly millis: number }> = []

  const look = (): void => {
    const now = evenMillisOf(clock)
    const millis = now - lookedAt - LOOK_MILLIS
    lookedAt = now
    held = held.filter(({ at }) => now - at < LATELY_MILLIS)
    if (millis >= HELD_MILLIS) held = [...held, { at: now, millis }]
  }

  return {
    run: Effect.forever(Effect.andThen(Effect.sleep(LOOK_MILLIS), Effect.sync(look))),
    recent: () => {
      // The look that is due may not have had its turn yet.
      const present = evenMillisOf(clock) - lookedAt - LOOK_MILLIS
      const all = [...held.map(({ millis }) => millis), ...(present >= HELD_MILLIS ? [present] : [])]
      return all.length === 0 ? undefined : Math.round(Math.max(...all))
    }
  }
}
