/** Waiting as long as a broker says, because of a quota. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { THROTTLING_QUOTA_EXCEEDED } from "../protocol/codes.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { cursorsOf, type SourceContext } from "./context.ts"
import type { Cursor } from "./cursor.ts"
import { ofThrottle } from "./failures.ts"

/** A broker that makes this client wait for less than this, in milliseconds, only slows it down: nobody is told. */
const LONG_THROTTLE_MILLIS = 1_000

/** The topic of these cursors, if all of them are of the same topic. */
const topicOfAll = (cursors: ReadonlyArray<Cursor>): { readonly topic?: string } => {
  const names = new Set(cursors.map(({ topic }) => topic.name))
  const [topic] = names
  return names.size === 1 ? { topic } : {}
}

/**
 * Makes what waits for one leader: it is called with each answer's `throttleMillis`, and returns how to wait, or `undefined`
 * if there is nothing to wait for, nor anything to tell.
 */
export const makeThrottling = (
  context: SourceContext,
  leader: number
): ((broker: string, millis: number) => Effect.Effect<void> | undefined) => {
  /** Whether it was told that the leader makes this client wait, and that is not over yet. */
  let isThrottled = false

  /** Waits as long as the broker says. A long wait is told, as the consumer's content ages meanwhile. */
  const throttle = (broker: string, millis: number): Effect.Effect<void> =>
    Effect.gen(function* () {
      const isFirst = !isThrottled
      isThrottled = millis >= LONG_THROTTLE_MILLIS
      if (!isThrottled) {
        context.failures.delete(ofThrottle(leader))
        for (const p of cursorsOf(context, leader)) p.throttledUntil = undefined
        return yield* Effect.sleep(millis)
      }
      const until = (yield* Clock.currentTimeMillis) + millis
      for (const p of cursorsOf(context, leader)) {
        p.throttledUntil = until
        p.connected = false
      }
      const detail = `told to wait for ${millis} ms`
      context.failures.set(
        ofThrottle(leader),
        brokerError({
          code: THROTTLING_QUOTA_EXCEEDED,
          request: "Fetch",
          broker,
          detail,
          ...topicOfAll(cursorsOf(context, leader))
        })
      )
      if (isFirst) yield* context.options.onThrottled({ broker, millis })
      yield* waitUntil(until)
    })

  /** Waits until that time, as long as this leader leads anything that is read. */
  const waitUntil = (until: number): Effect.Effect<void> =>
    Effect.gen(function* () {
      for (;;) {
        const seen = context.changed.version
        const left = until - (yield* Clock.currentTimeMillis)
        if (left <= 0 || cursorsOf(context, leader).length === 0) return
        yield* context.changed.after(seen, left)
      }
    })

  return (broker, millis) => (millis > 0 || isThrottled ? throttle(broker, millis) : undefined)
}
