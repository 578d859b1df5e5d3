/** Finds out where partitions begin and end, at the start, and whenever one has to be read all over. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ClientError } from "../../KafkaError.ts"
import { retryDelay } from "../client/backoff.ts"
import { ledBy } from "../leaders.ts"
import { untilEnded } from "../untilEnded.ts"
import { hasLeft, isDenial, isDue, isPassing, truncated, type SourceContext } from "./context.ts"
import { ofPartition } from "./failures.ts"
import type { SourcePartition } from "./partition.ts"

/**
 * Of the partitions of one leader, all that are ready for it at once. One that is frozen holds up nobody else's. Ends, with
 * `ended` in the same step, when the leader has left the cluster.
 */
export const runOpener = (context: SourceContext, leader: number, ended: () => void): Effect.Effect<void> => {
  const { client, deniedRetryMillis, isolation } = context.options

  const once = Effect.gen(function* () {
    const seen = context.changed.version
    const now = yield* Clock.currentTimeMillis
    const opening = ledBy(context.led, leader).filter((p) => p.phase === "opening")
    const ready = opening.filter((p) => isDue(context, p, now))
    const description = context.description
    if (ready.length === 0 || description === undefined) {
      const next = Math.min(...opening.map((p) => p.retryAt))
      return yield* context.changed.after(seen, Number.isFinite(next) ? next - now : undefined)
    }
    const asked = new Map(ready.map((p) => [p.partition, p.generation]))
    const only = new Set(asked.keys())
    const [starts, ends] = yield* Effect.all(
      [
        client.listOffsets(description, { isolation, timestamp: "earliest", partitions: only }),
        client.listOffsets(description, { isolation, timestamp: "latest", partitions: only })
      ],
      { concurrency: 2 }
    )
    const endOf = new Map(ends.map((e) => [e.partition, e]))
    for (const start of starts) {
      const p = context.partitions.get(start.partition)!
      const end = endOf.get(start.partition)
      // asked anew, or decided otherwise, in between
      if (p.phase !== "opening" || p.generation !== asked.get(p.partition)) continue
      const error = start.error ?? end?.error
      if (error !== undefined || end === undefined) {
        yield* notOpened(p, error)
        continue
      }
      // a log that ends before it begins has nothing to wait for
      yield* opened(p, start.offset, Math.max(start.offset, end.offset))
    }
  })

  const notOpened = (p: SourcePartition, error: ClientError | undefined) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      if (error !== undefined) context.failures.set(ofPartition(p.partition), error)
      if (error !== undefined && isDenial(error)) {
        p.retryAt = now + deniedRetryMillis
        return yield* context.denied(ofPartition(p.partition), error)
      }
      if (error !== undefined && !isPassing(error)) return yield* context.fatal(error)
      p.retryAt = now + (yield* retryDelay(client, p.attempts++))
      context.refresh()
    })

  const opened = (p: SourcePartition, start: number, end: number) =>
    Effect.gen(function* () {
      yield* context.granted(ofPartition(p.partition))
      if (p.doubt !== undefined) {
        const { doubt, fetchOffset } = p
        p.doubt = undefined
        if (fetchOffset < start) return yield* truncated(context, p, "Head", fetchOffset, start)
        const known = Math.max(fetchOffset, p.end)
        if (known > end) return yield* truncated(context, p, "Tail", known, end)
        // it fits after all: another leader, or an epoch that it no longer knows
        if (doubt === "range") p.lastEpoch = -1
        p.retryAt = (yield* Clock.currentTimeMillis) + (yield* retryDelay(client, p.attempts++))
        p.phase = "fetching"
        context.changed.notify()
        return
      }
      p.attempts = 0
      p.fetchOffset = start
      p.logStart = start
      p.end = end
      p.lastEpoch = -1
      p.lastStableOffset = end
      // at least: a fetch tells
      p.highWatermark = end
      const now = yield* Clock.currentTimeMillis
      p.headAt = now
      p.reachedHead = false
      p.lastFetchAt = now
      p.connected = true
      const generation = ++p.generation
      yield* context.events.offer({ _tag: "Opened", partition: p.partition, generation, start, end })
      // while this waited for its turn, the reader may have decided to start all over
      if (p.generation !== generation) return
      p.phase = "fetching"
      context.changed.notify()
    })

  return untilEnded(once, () => {
    if (!hasLeft(context, leader)) return false
    ended()
    return true
  })
}
