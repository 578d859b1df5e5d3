/**
 * Partitions of topics as a stream of events: follows leaders, opens partitions, fetches, and goes on by itself after
 * whatever passes. It knows nothing of tables and decodes no record.
 *
 * Fibers of one source: one for each topic that keeps its metadata fresh, and for each leader one that asks where
 * partitions begin and end, and one that fetches, with a connection of its own. They share the cursors' state, which is
 * changed in synchronous steps only, and wake each other by one signal.
 */
import { millisOf } from "../effect/clock.ts"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { TopicDescription } from "../../KafkaClient.ts"
import { delayBy } from "../client/backoff.ts"
import { byLeader, ledBy } from "../leaders.ts"
import { Signal } from "../signal.ts"
import { addCursor, allCursors, type SourceContext, type SourceOptions } from "./context.ts"
import type { Cursor, OfCursor, SourceEvent, SourceTopic } from "./cursor.ts"
import { ofLeadership, ofMetadata, ofPartition } from "./failures.ts"
import { HandOff } from "./handOff.ts"
import { runFetcher } from "./fetcher.ts"
import { followSourceTopic } from "./metadata.ts"
import { runOpener } from "./opening.ts"

export interface Source {
  /**
   * Takes the next event, one fiber at a time. What was fetched before a jump, or of what is not read any more, is
   * dropped.
   */
  readonly take: Effect.Effect<SourceEvent>
  /** Never ends, unless a fiber of the source ended, by a defect or by interruption: ends of the same, too. */
  readonly broken: Effect.Effect<never>
  /** The cursors of a topic by partition; none if nothing of it is read. */
  readonly cursors: (topic: string) => ReadonlyMap<number, Readonly<Cursor>>
  /** The last good description of a topic that is read. */
  readonly description: (topic: string) => TopicDescription | undefined
  /** Asks for fresh metadata soon. */
  readonly refresh: () => void
  /** Reads all partitions of a topic from their beginning, those that it gets later included. */
  readonly follow: (topic: string) => Effect.Effect<void>
  /** Reads these partitions of a topic from the given offsets on: an `Opened` of each follows, or a `Truncated`. */
  readonly add: (topic: string, offsets: ReadonlyMap<number, number>) => Effect.Effect<void>
  /** Reads them no more: nothing of them is taken after this. All of a topic that is not followed if none are named. */
  readonly remove: (topic: string, partitions?: Iterable<number>) => Effect.Effect<void>
  /** Reads on at `offset`, on a fresh connection. */
  readonly refetch: (topic: string, partition: number, offset: number) => void
  /** Starts all over with a partition, at `from` or where its log begins: an `Opened` follows. */
  readonly reopen: (topic: string, partition: number, from?: number) => void
}

const NO_CURSORS: ReadonlyMap<number, Cursor> = new Map()

export const makeSource = (options: SourceOptions): Effect.Effect<Source, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const broken = yield* Deferred.make<never>()
    let isClosing = false
    // A driver's Effect may end by interruption as well: only our own closing is none of the reader's business.
    const watched = <A>(fiber: Effect.Effect<A>): Effect.Effect<A> =>
      Effect.onError(fiber, (cause) => (isClosing ? Effect.void : Deferred.failCause(broken, cause)))
    // one answer waiting, one being applied, one in flight: what a reader may hold of the network's bytes
    const events = new HandOff<SourceEvent>()
    const fibers = yield* FiberSet.make()
    const fetching = new Set<number>()
    const opening = new Set<number>()
    const topics = new Map<string, SourceTopic>()
    const describing = new Map<string, Fiber.RuntimeFiber<void>>()
    let generations = 0
    const changed = new Signal()
    const metadataWanted = new Signal()
    const denials = new Set<string>()

    const context: SourceContext = {
      options,
      topics,
      led: new Map(),
      known: new Set(),
      brokers: new Map(),
      events,
      changed,
      nextGeneration: () => generations++,
      failures: options.failures,
      reconnect: new Set(),
      refresh: () => metadataWanted.notify(),
      denied: (where, error) =>
        Effect.suspend(() => {
          context.failures.set(where, error)
          const isFirst = denials.size === 0
          denials.add(where)
          if (!isFirst) return Effect.void
          return events.offer({ _tag: "Denied", error })
        }),
      granted: (where) =>
        Effect.suspend(() => {
          context.failures.delete(where)
          if (!denials.delete(where) || denials.size > 0) return Effect.void
          return events.offer({ _tag: "Granted" })
        }),
      fatal: (topic, error) => Effect.andThen(events.offer({ _tag: "Fatal", topic, error }), Effect.never)
    }

    /** Until it ends by itself: it takes itself out in the step in which it decides so, and may be begun again. */
    const ensure = (
      running: Set<number>,
      leader: number,
      run: (context: SourceContext, leader: number, ended: () => void) => Effect.Effect<void>
    ): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (running.has(leader)) return Effect.void
        running.add(leader)
        return Effect.asVoid(FiberSet.run(fibers, watched(run(context, leader, () => running.delete(leader)))))
      })

    const ensureLeader = (leader: number) =>
      Effect.zipRight(ensure(fetching, leader, runFetcher), ensure(opening, leader, runOpener))

    /** Begins to read partitions of a topic. */
    const begin = (name: string, isFollowed: boolean): Effect.Effect<SourceTopic> =>
      Effect.suspend(() => {
        const known = topics.get(name)
        if (known !== undefined) return Effect.succeed(known)
        const topic: SourceTopic = { name, isFollowed, cursors: new Map(), description: undefined }
        topics.set(name, topic)
        return Effect.map(
          FiberSet.run(fibers, watched(followSourceTopic(context, topic, metadataWanted, ensureLeader))),
          (fiber) => {
            describing.set(name, fiber)
            return topic
          }
        )
      })

    /** Cursors came, or went. */
    const relead = Effect.suspend(() => {
      context.led = byLeader(allCursors(context))
      changed.notify()
      return Effect.forEach(
        context.brokers.keys(),
        (leader) => (ledBy(context.led, leader).length === 0 ? Effect.void : ensureLeader(leader)),
        { discard: true }
      )
    })

    const lead = (topic: SourceTopic, cursor: Cursor): void => {
      const found = topic.description?.partitions.find(({ partition }) => partition === cursor.partition)
      if (found === undefined) return metadataWanted.notify()
      cursor.leader = found.leader
      cursor.leaderEpoch = found.leaderEpoch
    }

    const cursorOf = (topic: string, partition: number): Cursor | undefined => topics.get(topic)?.cursors.get(partition)

    /** A cursor that is not read any more: what is on its way about it is of another generation. */
    const drop = (topic: SourceTopic, partition: number): void => {
      const cursor = topic.cursors.get(partition)
      if (cursor === undefined) return
      topic.cursors.delete(partition)
      cursor.phase = "held"
      cursor.generation = context.nextGeneration()
      options.failures.delete(ofPartition(topic.name, partition))
      options.failures.delete(ofLeadership(topic.name, partition))
    }

    const isCurrent = ({ generation, partition, topic }: OfCursor): boolean =>
      cursorOf(topic, partition)?.generation === generation

    /** What is left of an event now that it is taken. */
    const current = (event: SourceEvent): SourceEvent | undefined => {
      switch (event._tag) {
        case "Opened":
          return isCurrent(event) ? event : undefined
        case "Truncated": {
          // it is to be told of, though its partition may be read anew already
          const cursor = cursorOf(event.topic, event.partition)
          return cursor !== undefined && event.generation >= cursor.since ? event : undefined
        }
        case "Fetched": {
          if (event.partitions.every(isCurrent)) return event
          const partitions = event.partitions.filter(isCurrent)
          return partitions.length === 0 ? undefined : { ...event, partitions }
        }
        default:
          return event
      }
    }

    const take: Effect.Effect<SourceEvent> = Effect.flatMap(events.take, (event) => {
      const left = current(event)
      return left === undefined ? take : Effect.succeed(left)
    })

    // the last one that is added runs first: before the fibers are interrupted
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isClosing = true
      })
    )

    return {
      take,
      broken: Deferred.await(broken),
      cursors: (topic) => topics.get(topic)?.cursors ?? NO_CURSORS,
      description: (topic) => topics.get(topic)?.description,
      refresh: context.refresh,
      follow: (topic) => Effect.asVoid(begin(topic, true)),
      add: (name, offsets) =>
        Effect.flatMap(begin(name, false), (topic) => {
          for (const [partition, from] of offsets) {
            drop(topic, partition)
            lead(topic, addCursor(context, topic, partition, from))
          }
          return relead
        }),
      remove: (name, partitions) =>
        Effect.suspend(() => {
          const topic = topics.get(name)
          if (topic === undefined) return Effect.void
          for (const partition of [...(partitions ?? topic.cursors.keys())]) drop(topic, partition)
          if (topic.isFollowed || topic.cursors.size > 0) return relead
          topics.delete(name)
          options.failures.delete(ofMetadata(name))
          const fiber = describing.get(name)
          describing.delete(name)
          return Effect.zipRight(fiber === undefined ? Effect.void : Fiber.interruptFork(fiber), relead)
        }),
      refetch: (topic, partition, offset) => {
        const p = cursorOf(topic, partition)
        if (p === undefined) return
        p.generation = context.nextGeneration()
        p.fetchOffset = offset
        p.lastEpoch = -1
        p.phase = "fetching"
        context.reconnect.add(p.leader)
        changed.notify()
      },
      reopen: (topic, partition, from) => {
        const p = cursorOf(topic, partition)
        if (p === undefined) return
        p.generation = context.nextGeneration()
        p.from = from
        p.phase = "opening"
        p.doubt = undefined
        // at once, but not over and over: a leader may go on saying that its log is another one
        p.retryAt = p.restarts === 0 ? 0 : millisOf(clock) + delayBy(options.client, p.restarts - 1, 0)
        p.restarts++
        changed.notify()
      }
    }
  })
