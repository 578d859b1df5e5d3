import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { KafkaClient } from "../../KafkaClient.ts"

/** Milliseconds to wait before attempt `attempt` (from 0): doubled each time up to the longest, less up to 20 % at random. */
export const retryDelay = (client: Pick<KafkaClient, "backoff">, attempt: number): Effect.Effect<number> =>
  Effect.map(Random.next, (random) => {
    const { initialMillis, maxMillis } = client.backoff
    return Math.min(maxMillis, initialMillis * 2 ** Math.min(attempt, 30)) * (1 - 0.2 * random)
  })
