/** Waits until a cluster shows what was changed: its brokers learn it one after another, after it was acknowledged. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { KafkaClient } from "../../KafkaClient.ts"
import type { ClientError, TopicError } from "../../KafkaError.ts"
import { retryDelay } from "./backoff.ts"

/** How long the cluster may take to show everywhere what was changed in one place, in milliseconds. */
export const PROPAGATION_MILLIS = 10_000

/** Asks again until there is something, and fails with `late` once that takes longer than `withinMillis`. */
export const untilShown = <A>(
  client: KafkaClient,
  ask: Effect.Effect<A | undefined, ClientError | TopicError>,
  late: () => TopicError,
  withinMillis = PROPAGATION_MILLIS
): Effect.Effect<A, ClientError | TopicError> =>
  Effect.flatMap(Clock.currentTimeMillis, (begin) => {
    const attempt = (n: number): Effect.Effect<A, ClientError | TopicError> =>
      ask.pipe(
        // What is done already is not given up because a broker does not answer now.
        Effect.catch((error) => (error.retriable ? Effect.succeed(undefined) : Effect.fail(error))),
        Effect.flatMap((found) =>
          found === undefined
            ? Effect.gen(function* () {
                const millis = yield* retryDelay(client, n)
                const now = yield* Clock.currentTimeMillis
                if (now + millis - begin > withinMillis) return yield* Effect.fail(late())
                yield* Effect.sleep(millis)
                return yield* attempt(n + 1)
              })
            : Effect.succeed(found)
        )
      )
    return attempt(0)
  })
