/**
 * A topic as a stream of events: follows leaders, opens partitions, fetches, and goes on by itself after whatever
 * passes. It knows nothing of tables and decodes no record.
 *
 * Fibers of one source: one that keeps the metadata fresh, and for each leader one that asks where partitions begin and
 * end, and one that fetches, with a connection of its own. They share the partitions' state, which is changed in
 * synchronous steps only, and wake each other by one signal.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { TopicDescription } from "../../KafkaClient.ts"
import { delayBy } from "../client/backoff.ts"
import { Signal } from "../signal.ts"
import type { SourceContext, SourceOptions } from "./context.ts"
import { HandOff } from "./handOff.ts"
import { runFetcher } from "./fetcher.ts"
import { metadataLoop } from "./metadata.ts"
import { runOpener } from "./opening.ts"
import type { SourceEvent, SourcePartition } from "./partition.ts"

export interface Source {
  readonly events: Pick<HandOff<SourceEvent>, "take">
  /** Never ends, unless a fiber of the source ended, by a defect or by interruption: ends of the same, too. */
  readonly broken: Effect.Effect<never>
  readonly partitions: ReadonlyMap<number, Readonly<SourcePartition>>
  readonly description: () => TopicDescription | undefined
  /** Asks for fresh metadata soon. */
  readonly refresh: () => void
  /** Reads on at `offset`, on a fresh connection. Returns the new generation. */
  readonly refetch: (partition: number, offset: number) => number
  /** Starts all over with a partition: an `Opened` follows. */
  readonly reopen: (partition: number) => void
}

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
    const partitions = new Map<number, SourcePartition>()
    const changed = new Signal()
    const metadataWanted = new Signal()
    const denials = new Set<string>()

    const context: SourceContext = {
      options,
      partitions,
      led: new Map(),
      known: new Set(),
      events,
      changed,
      description: undefined,
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
      fatal: (error) => Effect.andThen(events.offer({ _tag: "Fatal", error }), Effect.never)
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

    yield* Effect.forkScoped(
      watched(
        metadataLoop(context, metadataWanted, (leader) =>
          Effect.zipRight(ensure(fetching, leader, runFetcher), ensure(opening, leader, runOpener))
        )
      )
    )

    // the last one that is added runs first: before the fibers are interrupted
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isClosing = true
      })
    )

    return {
      events,
      broken: Deferred.await(broken),
      partitions,
      description: () => context.description,
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
        p.doubt = undefined
        // at once, but not over and over: a leader may go on saying that its log is another one
        p.retryAt = p.restarts === 0 ? 0 : clock.unsafeCurrentTimeMillis() + delayBy(options.client, p.restarts - 1, 0)
        p.restarts++
        changed.notify()
      }
    }
  })
