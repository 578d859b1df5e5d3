/** Finds out where partitions begin and end, at the start, and whenever one has to be read all over. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ClientError } from "../../KafkaError.ts"
import { retryDelay } from "../client/backoff.ts"
import { untilEnded } from "./untilEnded.ts"
import { cursorsOf, hasLeft, isDenial, isDue, isPassing, truncated, type SourceContext } from "./context.ts"
import type { Cursor, SourceTopic } from "./cursor.ts"
import { ofPartition } from "./failures.ts"

/** Cursors by their topics, in their order. */
const byTopic = (cursors: ReadonlyArray<Cursor>): ReadonlyMap<SourceTopic, ReadonlyArray<Cursor>> => {
  const found = new Map<SourceTopic, Array<Cursor>>()
  for (const cursor of cursors) {
    const others = found.get(cursor.topic)
    if (others === undefined) found.set(cursor.topic, [cursor])
    else others.push(cursor)
  }
  return found
}

/** The highest offset that a cursor's log has to hold. */
const goalOf = (p: Cursor): number => (p.doubt === undefined ? (p.from ?? 0) : Math.max(p.fetchOffset, p.end))

/**
 * Opens the partitions of one leader: all that are due for it are asked about at once. Each leader has a fiber of its
 * own for this, so that one that is frozen holds up no other leader's partitions. It ends when the leader has left the
 * cluster, and calls `ended` in the same step.
 */
export const runOpener = (context: SourceContext, leader: number, ended: () => void): Effect.Effect<void> => {
  const { client, deniedRetryMillis, isolation } = context.options

  /** Opens what is due, or waits until something may be. */
  const once = Effect.gen(function* () {
    const seen = context.changed.version
    const now = yield* Clock.currentTimeMillis
    const opening = cursorsOf(context, leader).filter((p) => p.phase === "opening")
    const ready = opening.filter((p) => isDue(context, p, now))
    if (ready.length === 0) {
      const next = Math.min(...opening.map((p) => p.retryAt))
      return yield* context.changed.after(seen, Number.isFinite(next) ? next - now : undefined)
    }
    yield* Effect.forEach(byTopic(ready), openAll, { discard: true })
  })

  /** Asks where these cursors' logs begin and end, all of which are of one topic. */
  const openAll = ([topic, cursors]: readonly [SourceTopic, ReadonlyArray<Cursor>]) =>
    Effect.gen(function* () {
      const asked = new Map(cursors.map((p) => [p.partition, { p, generation: p.generation }]))
      const partitions = new Set(asked.keys())
      // A cursor only has a leader once its topic was described.
      const description = topic.description!
      const [starts, ends] = yield* Effect.all(
        [
          client.listOffsets(description, { isolation, timestamp: "earliest", partitions }),
          client.listOffsets(description, { isolation, timestamp: "latest", partitions })
        ],
        { concurrency: 2 }
      )
      const endOf = new Map(ends.map((e) => [e.partition, e]))
      const ahead = ends.filter((e) => goalOf(asked.get(e.partition)!.p) > e.offset)
      const marks =
        isolation === "read_uncommitted" || ahead.length === 0
          ? []
          : yield* client.listOffsets(description, {
              isolation: "read_uncommitted",
              timestamp: "latest",
              partitions: new Set(ahead.map(({ partition }) => partition))
            })
      const markOf = new Map(marks.map((mark) => [mark.partition, mark]))
      for (const start of starts) {
        const { generation, p } = asked.get(start.partition)!
        const end = endOf.get(start.partition)
        // The consumer may have decided otherwise meanwhile, or had it opened anew.
        if (p.phase !== "opening" || p.generation !== generation) continue
        const mark = markOf.get(start.partition)
        const error = start.error ?? end?.error ?? mark?.error
        if (error !== undefined || end === undefined) {
          yield* notOpened(p, error)
          continue
        }
        // A log that seems to end before it begins has nothing to wait for.
        yield* opened(p, start.offset, Math.max(start.offset, end.offset), mark?.offset)
      }
    })

  /** Deals with a cursor whose leader could not say where its log begins and ends. */
  const notOpened = (p: Cursor, error: ClientError | undefined) =>
    Effect.gen(function* () {
      const where = ofPartition(p.topic.name, p.partition)
      const now = yield* Clock.currentTimeMillis
      if (error !== undefined) context.failures.set(where, error)
      if (error !== undefined && isDenial(error)) {
        p.retryAt = now + deniedRetryMillis
        return yield* context.denied(where, error)
      }
      if (error !== undefined && !isPassing(error)) return yield* context.fatal(p.topic.name, error)
      p.retryAt = now + (yield* retryDelay(client, p.attempts++))
      context.refresh()
    })

  /**
   * Takes over where a log begins and ends: the cursor is fetched from now on, or its log is no continuation. `mark` is the
   * high watermark, where the cursor is ahead of the last stable offset: nothing comes there before transactions have ended,
   * and nothing is missing.
   */
  const opened = (p: Cursor, start: number, end: number, mark = end) =>
    Effect.gen(function* () {
      yield* context.granted(ofPartition(p.topic.name, p.partition))
      if (p.doubt !== undefined) {
        const { doubt, fetchOffset } = p
        p.doubt = undefined
        if (fetchOffset < start) return yield* truncated(context, p, "Head", fetchOffset, start)
        const known = Math.max(fetchOffset, p.end)
        if (known > mark) return yield* truncated(context, p, "Tail", known, end)
        // The log fits after all: another leader said that it did not, or one that no longer knows the last epoch.
        if (doubt === "range") p.lastEpoch = -1
        p.retryAt = (yield* Clock.currentTimeMillis) + (yield* retryDelay(client, p.attempts++))
        p.phase = "fetching"
        context.changed.notify()
        return
      }
      const { from = start } = p
      if (from < start) return yield* truncated(context, p, "Head", from, start)
      if (from > mark) return yield* truncated(context, p, "Tail", from, end)
      p.attempts = 0
      p.fetchOffset = from
      p.logStart = start
      p.end = Math.max(from, end)
      p.lastEpoch = -1
      p.lastStableOffset = end
      // The high watermark is there or later. The first fetch tells where.
      p.highWatermark = p.end
      const now = yield* Clock.currentTimeMillis
      p.headAt = now
      p.reachedHead = false
      p.lastFetchAt = now
      p.connected = true
      const generation = context.nextGeneration()
      p.generation = generation
      yield* context.events.offer({
        _tag: "Opened",
        topic: p.topic.name,
        partition: p.partition,
        generation,
        start: from,
        end
      })
      // The consumer may have decided to start all over while this waited for its turn.
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
