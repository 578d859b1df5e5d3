import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { KafkaClient } from "../../KafkaClient.ts"

/** What `retryDelay` gives, as a plain function of the attempt and of a random number from 0 to 1. */
export const delayBy = ({ backoff }: Pick<KafkaClient, "backoff">, attempt: number, random: number): number =>
  Math.ceil(Math.min(backoff.maxMillis, backoff.initialMillis * 2 ** Math.min(attempt, 30)) * (1 - 0.2 * random))

/**
 * Whole milliseconds to wait before the next attempt, after attempt number `attempt` (from 0) has failed: doubled each
 * time up to the longest wait, less up to 20 % at random.
 */
export const retryDelay = (client: Pick<KafkaClient, "backoff">, attempt: number): Effect.Effect<number> =>
  Effect.map(Random.next, (random) => delayBy(client, attempt, random))
