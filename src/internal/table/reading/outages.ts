/** Logs again, from time to time, that an outage goes on: the line about its begin is soon out of sight. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { annotateLogs } from "../../log.ts"
import { isDenial } from "../../source/context.ts"
import type { Failures } from "../../source/failures.ts"

/**
 * The first line comes after this time, in milliseconds, and each next one when the outage has lasted twice as long.
 */
const FIRST_MILLIS = 60_000
/** The longest time between two lines, in milliseconds. */
const LONGEST_MILLIS = 300_000

/** Logs outages for ever. An outage lasts from the first failure that stands until none does. */
export const tellOfOutages = (topic: string, failures: Failures): Effect.Effect<never> => {
  const annotate = annotateLogs("KafkaTable", { topic })

  /** Waits as long as some failure stands, or as long as none does, but not beyond this time of the clock. */
  const whileStanding = (stand: boolean, until = Number.POSITIVE_INFINITY): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const seen = failures.changed.version
      if (failures.size > 0 !== stand || now >= until) return Effect.void
      return Effect.andThen(failures.changed.after(seen, until - now), whileStanding(stand, until))
    })

  const outage = Effect.gen(function* () {
    yield* whileStanding(false)
    const began = yield* Clock.currentTimeMillis
    let pause = FIRST_MILLIS
    for (let told = 0; ; told++) {
      const now = yield* Clock.currentTimeMillis
      yield* whileStanding(true, now + pause)
      const isOver = failures.size === 0
      const millis = (yield* Clock.currentTimeMillis) - began
      const seconds = Math.round(millis / 1000)
      if (isOver) {
        if (told > 0) yield* annotate(Effect.logInfo(`outage is over, it lasted ${seconds} s`))
        return
      }
      const denial = failures.find(isDenial)
      yield* annotate(
        denial === undefined
          ? Effect.logWarning(`outage goes on, ${seconds} s by now, content stays as it is: ${failures.last!.message}`)
          : Effect.logError(`still not allowed to read, ${seconds} s by now: ${denial.message}`)
      )
      pause = Math.min(LONGEST_MILLIS, Math.max(FIRST_MILLIS, millis))
    }
  })

  return Effect.forever(outage)
}
