/**
 * Partitions of topics as a stream of events: follows leaders, opens partitions, fetches, and goes on by itself after
 * whatever passes. It knows nothing of tables and decodes no record.
 *
 * A source has a fiber for each topic, which keeps the topic's metadata fresh (`metadata.ts`), and two for each leader:
 * one asks where partitions begin and end (`opening.ts`), one fetches on a connection of its own (`fetcher.ts`). They
 * share the cursors' state, which is changed in synchronous steps only, and wake each other by one signal.
 */
import { currentClock } from "../effect/v4/clock.ts"
import { interruptSoon } from "../effect/v4/fibers.ts"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { TopicDescription } from "../../KafkaClient.ts"
import { delayBy } from "../client/backoff.ts"
import { millisOf } from "../effect/v4/clock.ts"
import { byLeader } from "../client/leaders.ts"
import { Signal } from "../signal.ts"
import { addCursor, allCursors, cursorsOf, type SourceContext, type SourceOptions } from "./context.ts"
import type { Cursor, OfCursor, SourceEvent, SourceTopic } from "./cursor.ts"
import { ofLeadership, ofMetadata, ofPartition } from "./failures.ts"
import { runFetcher } from "./fetcher.ts"
import { HandOff } from "./handOff.ts"
import { followSourceTopic } from "./metadata.ts"
import { runOpener } from "./opening.ts"

export interface Source {
  /**
   * Takes the next event, for one fiber at a time. What was fetched before a jump of its cursor, or of a partition that
   * is not read any more, is dropped.
   */
  readonly take: Effect.Effect<SourceEvent>
  /** Never ends, unless a fiber of the source has ended by a defect or by interruption: then it ends of the same. */
  readonly broken: Effect.Effect<never>
  /** The cursors of a topic by partition; none if nothing of it is read. */
  readonly cursors: (topic: string) => ReadonlyMap<number, Readonly<Cursor>>
  /** The newest description of a topic that is read. */
  readonly description: (topic: string) => TopicDescription | undefined
  /** Asks for fresh metadata soon. */
  readonly refresh: () => void
  /**
   * Reads all partitions of a topic from their beginning, those that it gets later included. Of a topic that is read already,
   * nothing changes.
   */
  readonly follow: (topic: string) => Effect.Effect<void>
  /**
   * Reads these partitions of a topic from the given offsets on, or from where their log begins (`undefined`). An `Opened`
   * or a `Truncated` of each follows.
   */
  readonly add: (topic: string, offsets: ReadonlyMap<number, number | undefined>) => Effect.Effect<void>
  /**
   * Stops reading these partitions; without `partitions`, all of the topic that are read. Nothing of them is taken
   * after this. A topic that is not followed is given up with its last partition; one that is followed is read on in the
   * partitions that it gets later.
   */
  readonly remove: (topic: string, partitions?: Iterable<number>) => Effect.Effect<void>
  /**
   * Asks for no more of a partition for now, as its consumer has enough of it; or does again. A jump to another offset ends
   * that, too.
   */
  readonly hold: (topic: string, partition: number, isFull: boolean) => void
  /** Reads a partition on at `offset`, on a fresh connection. */
  readonly refetch: (topic: string, partition: number, offset: number) => void
  /** Starts all over with a partition, at `from` or where its log begins. An `Opened` follows. */
  readonly reopen: (topic: string, partition: number, from?: number) => void
}

const NO_CURSORS: ReadonlyMap<number, Cursor> = new Map()

/** Makes a source, whose fibers end with the scope. It reads nothing until it is told what to read. */
export const makeSource = (options: SourceOptions): Effect.Effect<Source, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* currentClock
    const broken = yield* Deferred.make<never>()
    let isClosing = false
    // A driver's Effect may end by interruption, too. The consumer is told of that, but not of what we end ourselves.
    const watched = <A>(fiber: Effect.Effect<A>, isOver = () => isClosing): Effect.Effect<A> =>
      Effect.onError(fiber, (cause) => (isOver() ? Effect.void : Deferred.failCause(broken, cause)))
    // One answer waits here while another one is applied, and each leader has one more on its way: no more are in memory.
    const events = new HandOff<SourceEvent>()
    const fibers = yield* FiberSet.make()
    const fetching = new Set<number>()
    const opening = new Set<number>()
    const topics = new Map<string, SourceTopic>()
    const describing = new Map<string, Fiber.Fiber<void>>()
    let generations = 0
    const changed = new Signal()
    const metadataWanted = new Signal()
    const denials = new Set<string>()
    /** Of these, what is not read any more. */
    const left: Array<string> = []

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

    /**
     * Runs a leader's fiber, if it does not run already. The fiber takes itself out of `running` in the step in which
     * it decides to end, so that it can be begun again from then on.
     */
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
      Effect.andThen(ensure(fetching, leader, runFetcher), ensure(opening, leader, runOpener))

    /** The topic of this name, which is described from now on if nothing of it was read before. */
    const begin = (name: string, isFollowed: boolean): Effect.Effect<SourceTopic> =>
      Effect.suspend(() => {
        const known = topics.get(name)
        if (known !== undefined) return Effect.succeed(known)
        const topic: SourceTopic = { name, isFollowed, cursors: new Map(), description: undefined, asked: 0 }
        topics.set(name, topic)
        const isOver = () => isClosing || topics.get(name) !== topic
        return Effect.map(
          FiberSet.run(fibers, watched(followSourceTopic(context, topic, metadataWanted, ensureLeader), isOver)),
          (fiber) => {
            describing.set(name, fiber)
            return topic
          }
        )
      })

    /** Brings what is known by leader up to date, after cursors came or went. */
    const relead = Effect.suspend(() => {
      context.led = byLeader(allCursors(context))
      changed.notify()
      const ensureLeaders = Effect.forEach(
        context.brokers.keys(),
        (leader) => (cursorsOf(context, leader).length === 0 ? Effect.void : ensureLeader(leader)),
        { discard: true }
      )
      if (left.length === 0) return ensureLeaders
      // by a fiber of its own: who takes what it tells may be who waits for this
      const tell = Effect.forEach(left.splice(0), context.granted, { discard: true })
      return Effect.andThen(FiberSet.run(fibers, watched(tell)), ensureLeaders)
    })

    /** Of a partition that is not read any more, no failure stands. */
    const leave = (where: string): void => {
      options.failures.delete(where)
      if (denials.has(where)) left.push(where)
    }

    /** Gives a new cursor its leader, if the topic's description has that; otherwise the topic is described again. */
    const lead = (topic: SourceTopic, cursor: Cursor): void => {
      const found = topic.description?.partitions.find(({ partition }) => partition === cursor.partition)
      if (found === undefined) return metadataWanted.notify()
      cursor.leader = found.leader
      cursor.leaderEpoch = found.leaderEpoch
    }

    const cursorOf = (topic: string, partition: number): Cursor | undefined => topics.get(topic)?.cursors.get(partition)

    /** Drops a cursor. What is still on its way about it is of another generation from now on. */
    const drop = (topic: SourceTopic, partition: number): void => {
      const cursor = topic.cursors.get(partition)
      if (cursor === undefined) return
      topic.cursors.delete(partition)
      cursor.phase = "held"
      cursor.generation = context.nextGeneration()
      leave(ofPartition(topic.name, partition))
      options.failures.delete(ofLeadership(topic.name, partition))
    }

    const isCurrent = ({ generation, partition, topic }: OfCursor): boolean =>
      cursorOf(topic, partition)?.generation === generation

    /** What still holds of an event when it is taken. */
    const current = (event: SourceEvent): SourceEvent | undefined => {
      switch (event._tag) {
        case "Opened":
          return isCurrent(event) ? event : undefined
        case "Truncated": {
          // The consumer is told of it even if the partition is read anew already, but not of an earlier cursor's.
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

    // The finalizer that is added last runs first, which is before the fibers are interrupted.
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
          leave(ofMetadata(name))
          const fiber = describing.get(name)
          describing.delete(name)
          return Effect.andThen(fiber === undefined ? Effect.void : Effect.sync(() => interruptSoon(fiber)), relead)
        }),
      hold: (topic, partition, isFull) => {
        const p = cursorOf(topic, partition)
        if (p === undefined || p.isFull === isFull) return
        p.isFull = isFull
        if (!isFull) changed.notify()
      },
      refetch: (topic, partition, offset) => {
        const p = cursorOf(topic, partition)
        if (p === undefined) return
        p.generation = context.nextGeneration()
        p.isFull = false
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
        p.isFull = false
        p.from = from
        p.phase = "opening"
        p.doubt = undefined
        // The first time it is opened at once; then it waits, as a leader may go on saying that its log is another one.
        p.retryAt = p.restarts === 0 ? 0 : millisOf(clock) + delayBy(options.client, p.restarts - 1, 0)
        p.restarts++
        changed.notify()
      }
    }
  })
