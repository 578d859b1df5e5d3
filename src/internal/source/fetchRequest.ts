/** What one leader is asked for, and when. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { FetchRequest } from "../../KafkaProtocol.ts"
import { millisOf } from "../effect/v4/clock.ts"
import { cursorsOf, isDue, type SourceContext } from "./context.ts"
import type { Cursor } from "./cursor.ts"

/** A cursor that a fetch asks for, and where it was when the fetch was sent. */
export interface Asked {
  readonly cursor: Cursor
  readonly generation: number
  readonly fetchOffset: number
}

/** Makes the fetches of one leader. */
export interface FetchRequests {
  /** Waits until there is something to ask for, and gives it; nothing if the leader leads nothing any more. */
  readonly next: (clock: Clock.Clock) => Effect.Effect<ReadonlyArray<Asked>>
  /** How long the broker may wait for records, in milliseconds: no longer than this, and than others can be asked for. */
  readonly maxWaitMillis: (asked: ReadonlyArray<Asked>, now: number, most: number) => number
  /** Ends once a fetch that asks for these is not what would be asked for any more. */
  readonly untilOther: (asked: ReadonlyArray<Asked>, clock: Clock.Clock) => Effect.Effect<void>
  readonly request: (asked: ReadonlyArray<Asked>, waitMillis: number) => FetchRequest
}

export const makeFetchRequests = (context: SourceContext, leader: number): FetchRequests => {
  const { client, fetch, isolation } = context.options
  /** Which of the cursors that can be asked for is the first in the next fetch, so that each has its turn. */
  let rotation = 0

  const isReady = (cursor: Cursor, now: number): boolean =>
    cursor.phase === "fetching" && !cursor.isFull && isDue(context, cursor, now)

  /** What this leader can be asked for now, in the order that gives each partition its turn. */
  const ready = (now: number): ReadonlyArray<Asked> => {
    const asked: Array<Asked> = []
    for (const cursor of cursorsOf(context, leader)) {
      if (!isReady(cursor, now)) continue
      asked.push({ cursor, generation: cursor.generation, fetchOffset: cursor.fetchOffset })
    }
    const first = rotation++ % Math.max(1, asked.length)
    return first === 0 ? asked : [...asked.slice(first), ...asked.slice(0, first)]
  }

  const next = (clock: Clock.Clock): Effect.Effect<ReadonlyArray<Asked>> =>
    Effect.suspend(() => {
      const seen = context.changed.version
      const now = millisOf(clock)
      const asked = ready(now)
      if (asked.length > 0) return Effect.succeed(asked)
      const all = cursorsOf(context, leader)
      if (all.length === 0) return Effect.succeed(asked)
      const wake = Math.min(...all.filter((p) => p.phase === "fetching" && !p.isFull).map((p) => p.retryAt))
      const wait = Number.isFinite(wake) ? wake - now : undefined
      return Effect.andThen(context.changed.after(seen, wait), next(clock))
    })

  /** A partition that is left out of this fetch is not to wait for the end of a long poll once it can be asked for. */
  const maxWaitMillis = (asked: ReadonlyArray<Asked>, now: number, most: number): number => {
    const included = new Set(asked.map((one) => one.cursor))
    let millis = most
    for (const p of cursorsOf(context, leader)) {
      if (included.has(p) || p.isFull) continue
      const shortest = p.phase === "fetching" ? 1 : client.backoff.initialMillis
      const left = p.phase === "fetching" || p.phase === "unsure" ? p.retryAt - now : 0
      millis = Math.min(millis, Math.max(shortest, left))
    }
    return millis
  }

  /** Whether something can be asked for that these do not ask for. */
  const isOther = (asked: ReadonlyArray<Asked>, now: number): boolean => {
    if (context.reconnect.has(leader)) return true
    const included = new Map(asked.map((one) => [one.cursor, one.generation]))
    return cursorsOf(context, leader).some(
      (cursor) => isReady(cursor, now) && included.get(cursor) !== cursor.generation
    )
  }

  const untilOther = (asked: ReadonlyArray<Asked>, clock: Clock.Clock): Effect.Effect<void> =>
    Effect.suspend(() => {
      const seen = context.changed.version
      return isOther(asked, millisOf(clock))
        ? Effect.void
        : Effect.andThen(context.changed.after(seen), untilOther(asked, clock))
    })

  const request = (asked: ReadonlyArray<Asked>, waitMillis: number): FetchRequest => ({
    isolation,
    maxWaitMillis: waitMillis,
    minBytes: fetch.minBytes,
    maxBytes: fetch.maxBytes,
    partitions: asked.map(({ cursor: p, fetchOffset }) => ({
      topic: p.topic.description!.topic,
      partition: p.partition,
      leaderEpoch: p.leaderEpoch,
      fetchOffset,
      lastFetchedEpoch: p.lastEpoch,
      maxBytes: p.maxBytes
    }))
  })

  return { next, maxWaitMillis, untilOther, request }
}
