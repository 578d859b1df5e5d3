/** Finds partitions that have records and are not fetched, and has them read anew. */
import * as Effect from "effect/Effect"
import { millisOf } from "../effect/v4/clock.ts"
import { annotateLogs } from "../log.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import type { ConsumerParts } from "./parts.ts"

/** A partition that has records, and of which none came for so long, is stalled; in milliseconds. */
const STALLED_MILLIS = 30_000

const LOOK_MILLIS = 5_000

/** Where the log of a partition ends, by the isolation; `undefined` if it is not known. */
export const knownEndOf = <K, V>({ config, source }: ConsumerParts<K, V>, p: OwnedPartition): number | undefined => {
  const cursor = source.cursors(p.topic).get(p.partition)
  if (cursor === undefined || cursor.highWatermark < 0) return undefined
  return config.isolation === "read_committed" && cursor.lastStableOffset >= 0
    ? cursor.lastStableOffset
    : cursor.highWatermark
}

/** Looks every so often, until it is interrupted. */
export const watchForStalls = <K, V>(parts: ConsumerParts<K, V>): Effect.Effect<never> => {
  const { clock, config, events, health, metrics, owned, source } = parts
  const annotate = annotateLogs("KafkaConsumer", { group: config.group })
  /** Where partitions were when they last moved on, and when that was. */
  const moved = new WeakMap<OwnedPartition, { readonly offset: number; readonly at: number }>()

  const look = (p: OwnedPartition): Effect.Effect<void> => {
    const cursor = source.cursors(p.topic).get(p.partition)
    const end = knownEndOf(parts, p)
    const now = millisOf(clock)
    const isWaiting = cursor !== undefined && end !== undefined && !cursor.isFull && p.fetched.length === 0
    if (!isWaiting || cursor.fetchOffset >= end || moved.get(p)?.offset !== cursor.fetchOffset) {
      if (cursor !== undefined) moved.set(p, { offset: cursor.fetchOffset, at: now })
      if (p.phase === "open") health.stall(p, false)
      return Effect.void
    }
    if (now - moved.get(p)!.at < STALLED_MILLIS || p.position === undefined) return Effect.void
    moved.set(p, { offset: cursor.fetchOffset, at: now })
    health.stall(p, true)
    metrics.stalled(p.topic)
    events.tell({ _tag: "Stalled", topic: p.topic, partition: p.partition })
    source.reopen(p.topic, p.partition, p.position)
    return Effect.logWarning(
      `no record in ${STALLED_MILLIS} ms from offset ${cursor.fetchOffset} on, and the log ends at ${end}: reading it anew`
    ).pipe(annotate, Effect.annotateLogs({ topic: p.topic, partition: p.partition }))
  }

  return Effect.forever(
    Effect.andThen(
      Effect.sleep(LOOK_MILLIS),
      Effect.suspend(() =>
        Effect.forEach(
          [...owned.values()].filter((p) => p.phase === "open"),
          look,
          { discard: true }
        )
      )
    )
  )
}
