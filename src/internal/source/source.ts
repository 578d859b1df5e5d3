/**
 * A topic as a stream of events: follows leaders, opens partitions, fetches, and goes on by itself after whatever
 * passes. It knows nothing of tables and decodes no record.
 *
 * Fibers of one source: one that keeps the metadata fresh, one that asks where partitions begin and end, and one
 * fetcher per leader with a connection of its own. They share the partitions' state, which is changed in synchronous
 * steps only, and wake each other by one signal.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Isolation, KafkaClient, TopicDescription } from "../../KafkaClient.ts"
import { LogTruncatedError, TopicError, type ClientError } from "../../KafkaError.ts"
import { retryDelay } from "../client/backoff.ts"
import { runFetcher } from "./fetcher.ts"
import type { Denial, FatalError, SourceEvent, SourcePartition } from "./partition.ts"
import { Signal } from "../signal.ts"

export interface SourceOptions {
  readonly topic: string
  readonly client: KafkaClient
  readonly isolation: Isolation
  readonly fetch: {
    readonly maxWaitMillis: number
    readonly minBytes: number
    readonly maxBytes: number
    readonly maxPartitionBytes: number
    /** A single batch may be larger than `maxPartitionBytes`; up to this. */
    readonly maxBatchBytes: number
  }
  readonly metadataMaxAgeMillis: number
  /** How long an error that is somebody's to mend (rights, credentials) waits for the next attempt. */
  readonly deniedRetryMillis: number
  /** How long a topic may be missing from the metadata before it counts as gone. */
  readonly missingGraceMillis: number
  /** How long the topic keeps tombstones (`delete.retention.ms`). */
  readonly tombstonesLastMillis: () => number
  /** The leader of some partitions was lost, or is back. For logs and metrics. */
  readonly onConnection: (event: {
    readonly state: "lost" | "back"
    readonly broker: string
    readonly error: ClientError | undefined
  }) => Effect.Effect<void>
}

/** What fibers of one source share. */
export interface SourceContext {
  readonly options: SourceOptions
  readonly partitions: Map<number, SourcePartition>
  readonly events: Queue.Queue<SourceEvent>
  readonly changed: Signal
  /** The last good description. */
  description: TopicDescription | undefined
  /** The last failure on the way to a broker; cleared by success. */
  lastFailure: ClientError | TopicError | undefined
  /** Makes the metadata fiber ask again. */
  readonly refresh: () => void
  /** An error that is somebody's to mend. */
  readonly denied: (error: Denial) => Effect.Effect<void>
  readonly fatal: (error: FatalError) => Effect.Effect<never>
  /** Leaders whose connection has to be opened anew before the next fetch. */
  readonly reconnect: Set<number>
  /** Something was read: what failed before does not stand any more. */
  readonly granted: Effect.Effect<void>
}

export interface Source {
  readonly events: Queue.Dequeue<SourceEvent>
  readonly partitions: ReadonlyMap<number, Readonly<SourcePartition>>
  readonly description: () => TopicDescription | undefined
  readonly lastFailure: () => ClientError | TopicError | undefined
  /** Asks for fresh metadata soon. */
  readonly refresh: () => void
  /** Reads on at `offset`, on a fresh connection. Returns the new generation. */
  readonly refetch: (partition: number, offset: number) => number
  /** Starts all over with a partition: an `Opened` follows. */
  readonly reopen: (partition: number) => void
}

/** Is this an error that a person mends (rights, credentials), rather than time? */
export const isDenial = (error: ClientError | TopicError): boolean =>
  error.reason === "Unauthorized" || error.reason === "Authentication" || error.reason === "Tls"

export const makeSource = (options: SourceOptions): Effect.Effect<Source, never, Scope.Scope> =>
  Effect.gen(function* () {
    // one answer waiting, one being applied, one in flight: what a reader may hold of the network's bytes
    const events = yield* Queue.bounded<SourceEvent>(1)
    const fetchers = yield* FiberMap.make<number>()
    const partitions = new Map<number, SourcePartition>()
    const changed = new Signal()
    const metadataWanted = new Signal()
    let isDenied = false

    const context: SourceContext = {
      options,
      partitions,
      events,
      changed,
      description: undefined,
      lastFailure: undefined,
      reconnect: new Set(),
      refresh: () => metadataWanted.notify(),
      denied: (error) =>
        Effect.suspend(() => {
          context.lastFailure = error
          if (isDenied) return Effect.void
          isDenied = true
          return Queue.offer(events, { _tag: "Denied", error })
        }),
      granted: Effect.suspend(() => {
        context.lastFailure = undefined
        if (!isDenied) return Effect.void
        isDenied = false
        return Queue.offer(events, { _tag: "Granted" })
      }),
      fatal: (error) => Effect.andThen(Queue.offer(events, { _tag: "Fatal", error }), Effect.never)
    }

    yield* Effect.forkScoped(
      metadataLoop(context, metadataWanted, (leader) =>
        FiberMap.run(fetchers, leader, runFetcher(context, leader), { onlyIfMissing: true })
      )
    )
    yield* Effect.forkScoped(openLoop(context))

    return {
      events,
      partitions,
      description: () => context.description,
      lastFailure: () => context.lastFailure,
      refresh: context.refresh,
      refetch: (partition, offset) => {
        const p = partitions.get(partition)!
        p.generation++
        p.fetchOffset = offset
        p.lastEpoch = -1
        p.phase = "fetching"
        context.reconnect.add(p.leader)
        changed.notify()
        return p.generation
      },
      reopen: (partition) => {
        const p = partitions.get(partition)!
        p.generation++
        p.phase = "opening"
        p.outOfRange = false
        p.retryAt = 0
        changed.notify()
      }
    }
  })

// ---------------------------------------------------------------------------------------------------------------------
// metadata
// ---------------------------------------------------------------------------------------------------------------------

const metadataLoop = (
  context: SourceContext,
  wanted: Signal,
  ensureFetcher: (leader: number) => Effect.Effect<unknown>
): Effect.Effect<never> => {
  const { client, deniedRetryMillis, metadataMaxAgeMillis, missingGraceMillis, topic } = context.options
  let attempts = 0
  let missingSince: number | undefined

  const onError = (error: ClientError | TopicError): Effect.Effect<void> =>
    Effect.gen(function* () {
      context.lastFailure = error
      if (isDenial(error)) {
        yield* context.denied(error)
        return yield* Effect.sleep(deniedRetryMillis)
      }
      if (error._tag === "KafkaTopicError" && error.reason === "NotFound") {
        const now = yield* Clock.currentTimeMillis
        missingSince ??= now
        if (now - missingSince >= missingGraceMillis) {
          const known = context.description?.topic.id
          return yield* context.fatal(
            context.description === undefined
              ? error
              : new TopicError({ reason: "Deleted", topic, ...(known === undefined ? {} : { expected: known }) })
          )
        }
      } else if (error.reason === "UnsupportedVersion") {
        return yield* context.fatal(error)
      }
      yield* Effect.flatMap(retryDelay(client, attempts++), Effect.sleep)
    })

  const once = Effect.gen(function* () {
    const seen = wanted.version
    const description = yield* client.describeTopic(topic)
    missingSince = undefined
    const known = context.description?.topic.id
    if (known !== undefined && description.topic.id !== undefined && known !== description.topic.id) {
      return yield* context.fatal(
        new TopicError({ reason: "Recreated", topic, expected: known, actual: description.topic.id })
      )
    }
    const leaderless = description.partitions.some((p) => p.leader === -1)
    yield* reconcile(context, description, ensureFetcher)
    if (leaderless) {
      yield* Effect.flatMap(retryDelay(client, attempts++), Effect.sleep)
    } else {
      attempts = 0
      yield* wanted.after(seen, metadataMaxAgeMillis)
      // at most one request per backoff, however many fetchers complain
      yield* Effect.flatMap(retryDelay(client, 0), Effect.sleep)
    }
  })

  return Effect.forever(Effect.catchAll(once, onError))
}

/** Takes a description over: new partitions, new leaders. Older news than what is known is ignored. */
const reconcile = (
  context: SourceContext,
  description: TopicDescription,
  ensureFetcher: (leader: number) => Effect.Effect<unknown>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { partitions } = context
    const before = partitions.size
    if (description.partitions.length < before) return
    context.description = description
    for (const found of description.partitions) {
      const p = partitions.get(found.partition)
      if (p === undefined) {
        partitions.set(found.partition, {
          partition: found.partition,
          leader: found.leader,
          leaderEpoch: found.leaderEpoch,
          phase: "opening",
          generation: 0,
          fetchOffset: 0,
          lastEpoch: -1,
          outOfRange: false,
          maxBytes: context.options.fetch.maxPartitionBytes,
          retryAt: 0,
          attempts: 0,
          highWatermark: -1,
          lastStableOffset: -1,
          logStartOffset: -1,
          lastFetchAt: undefined,
          headAt: 0,
          reopenedAsStale: false,
          connected: false
        })
      } else if (found.leaderEpoch === -1 || found.leaderEpoch >= p.leaderEpoch) {
        if (found.leader !== p.leader || found.leaderEpoch !== p.leaderEpoch) p.retryAt = 0
        p.leader = found.leader
        p.leaderEpoch = found.leaderEpoch
      }
    }
    if (partitions.size > before) {
      yield* Queue.offer(context.events, { _tag: "PartitionCount", count: partitions.size })
    }
    const leaders = new Set([...partitions.values()].map((p) => p.leader).filter((leader) => leader !== -1))
    yield* Effect.forEach(leaders, ensureFetcher, { discard: true })
    context.changed.notify()
  })

// ---------------------------------------------------------------------------------------------------------------------
// opening
// ---------------------------------------------------------------------------------------------------------------------

/** Asks where partitions begin and end, all that are ready for it at once. */
const openLoop = (context: SourceContext): Effect.Effect<never> => {
  const { client, deniedRetryMillis, isolation } = context.options

  const once = Effect.gen(function* () {
    const seen = context.changed.version
    const now = yield* Clock.currentTimeMillis
    const opening = [...context.partitions.values()].filter((p) => p.phase === "opening" && p.leader !== -1)
    const ready = opening.filter((p) => p.retryAt <= now)
    const description = context.description
    if (ready.length === 0 || description === undefined) {
      const next = Math.min(...opening.map((p) => p.retryAt))
      return yield* context.changed.after(seen, Number.isFinite(next) ? Math.max(1, next - now) : undefined)
    }
    // each leader for itself: one that does not answer holds up nobody else's partitions
    const leaders = new Set(ready.map((p) => p.leader))
    yield* Effect.forEach(
      leaders,
      (leader) =>
        openAll(
          description,
          ready.filter((p) => p.leader === leader)
        ),
      { concurrency: "unbounded", discard: true }
    )
  })

  const openAll = (description: TopicDescription, ready: ReadonlyArray<SourcePartition>) =>
    Effect.gen(function* () {
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
        p.attempts = 0
        yield* opened(p, start.offset, end.offset)
      }
    })

  const notOpened = (p: SourcePartition, error: ClientError | undefined) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      if (error !== undefined) context.lastFailure = error
      if (error !== undefined && isDenial(error)) {
        p.retryAt = now + deniedRetryMillis
        return yield* context.denied(error)
      }
      if (error !== undefined && !error.retriable) return yield* context.fatal(error)
      p.retryAt = now + (yield* retryDelay(client, p.attempts++))
      context.refresh()
    })

  const opened = (p: SourcePartition, start: number, end: number) =>
    Effect.gen(function* () {
      if (p.outOfRange) {
        p.outOfRange = false
        const from = p.fetchOffset
        if (from >= start && from <= end) {
          // in range after all: another leader, or an epoch that it no longer knows
          p.lastEpoch = -1
          p.phase = "fetching"
          context.changed.notify()
          return
        }
        const reason = from < start ? "Head" : "Tail"
        yield* truncated(context, p, reason, from, reason === "Head" ? start : end)
        return
      }
      p.fetchOffset = start
      p.lastEpoch = -1
      p.logStartOffset = start
      p.lastStableOffset = end
      // at least: a fetch tells
      p.highWatermark = end
      const now = yield* Clock.currentTimeMillis
      p.headAt = now
      p.lastFetchAt = now
      p.connected = true
      const generation = ++p.generation
      yield* Queue.offer(context.events, { _tag: "Opened", partition: p.partition, generation, start, end })
      // while this waited for its turn, the reader may have decided to start all over
      if (p.generation !== generation) return
      p.phase = "fetching"
      context.changed.notify()
    })

  return Effect.forever(once)
}

/** Holds a partition whose log is no continuation of what was read. */
export const truncated = (
  context: SourceContext,
  p: SourcePartition,
  reason: "Head" | "Tail",
  from: number,
  to: number
): Effect.Effect<void> =>
  Effect.suspend(() => {
    p.phase = "held"
    p.generation++
    return Queue.offer(context.events, {
      _tag: "Truncated",
      partition: p.partition,
      generation: p.generation,
      error: new LogTruncatedError({ reason, topic: context.options.topic, partition: p.partition, from, to })
    })
  })
