/** How far a member is in its partitions: for its users, and for its metrics. */
import * as Effect from "effect/Effect"
import type { PartitionLag } from "../../KafkaConsumer.ts"
import { millisOf } from "../effect/v4/clock.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import type { ConsumerParts } from "./parts.ts"
import { knownEndOf } from "./stalls.ts"

/** How often the metrics are told, in milliseconds. */
const TELL_MILLIS = 5_000

export const lagOf = <K, V>(parts: ConsumerParts<K, V>, p: OwnedPartition): PartitionLag => {
  const { committed, partition, position, topic, waitingSince } = p
  const end = knownEndOf(parts, p)
  const from = committed ?? position
  return {
    topic,
    partition,
    position,
    committed,
    end,
    lag: end === undefined || from === undefined ? undefined : Math.max(0, end - from),
    oldestUncommittedMillis: waitingSince === undefined ? undefined : Math.max(0, millisOf(parts.clock) - waitingSince)
  }
}

/** Tells the metrics every so often, until it is interrupted: then there is nothing to tell of this member any more. */
export const tellLag = <K, V>(parts: ConsumerParts<K, V>): Effect.Effect<never> => {
  const tell = Effect.sync(() => parts.metrics.lags([...parts.owned.values()].map((p) => lagOf(parts, p))))
  const none = Effect.sync(() => parts.metrics.lags([]))
  return Effect.ensuring(Effect.forever(Effect.andThen(Effect.sleep(TELL_MILLIS), tell)), none)
}
