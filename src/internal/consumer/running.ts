/**
 * Works on each record by an Effect, in lanes: records of one key go through one lane, in their order, and the lanes run
 * beside each other. A lane is one fiber, as one for each record would cost more than most of the work is.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Committable, ConsumerFailure, RunOptions } from "../../KafkaConsumer.ts"
import { evenMillisOf, millisOf } from "../effect/v4/clock.ts"
import { makeDeferred, settleDeferred } from "../effect/v4/deferred.ts"
import { carrying } from "../carried.ts"
import { Signal } from "../signal.ts"
import { beginFace } from "./faces.ts"
import { byKey, Lane, laneOf } from "./lane.ts"
import { misuse } from "./misuse.ts"
import type { Handing } from "./handing.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import type { Worker } from "./ownership.ts"
import type { ConsumerParts } from "./parts.ts"
import type { ConsumedRecord } from "./record.ts"
import type { Settled } from "./settling.ts"

/** While so many records wait in all lanes together, no more are taken, unless that is so for long and a lane has nothing to do. */
const MOST_WAITING = 1_024

/** How often it is looked at whether lanes hold up others, in milliseconds; that they do for so long is long. */
const LOOK_MILLIS = 1_000

/** A lane that has begun nothing for so long, in milliseconds, while no more can be taken because of it, is told of. */
const HELD_MILLIS = 30_000

export const runForEach = <K, V, A, E, R>(
  parts: ConsumerParts<K, V>,
  handing: Handing<K, V>,
  settled: Settled<K, V>,
  workers: Set<Worker>,
  work: (record: Committable<K, V>) => Effect.Effect<A, E, R>,
  { by = byKey, concurrency = 1, traceAll = false }: RunOptions<K, V>
): Effect.Effect<void, E | ConsumerFailure, R> => {
  if (!(Number.isSafeInteger(concurrency) && concurrency >= 1)) {
    return Effect.die(misuse("runForEach", "concurrency", "must be a whole number from 1 on"))
  }
  const carry = { group: parts.config.group, traceAll }
  return Effect.scoped(
    Effect.gen(function* () {
      yield* beginFace(parts, settled)
      const lanes = Array.from({ length: concurrency }, () => new Lane<K, V>())
      const fibers: Array<Fiber.Fiber<void, never>> = []
      const failed: Deferred.Deferred<never, E> = makeDeferred()
      const room = new Signal()
      const now = () => evenMillisOf(parts.clock)

      /**
       * Whether a record is still to be worked on, which it is not once its partition was gone on with elsewhere. Once that is
       * given up, or all of it ends, it is only if one behind it was begun before: that one could not be committed without it, and
       * would be done again by the next owner.
       */
      const isWanted = (record: ConsumedRecord<K, V>): boolean => {
        const { isCutOff, phase } = record.owned
        if (!record.counts) return false
        if (phase === "open" && !parts.isEnding) return true
        return !isCutOff && (phase === "open" || phase === "closing") && record.isBeforeBegun
      }

      const nextOf = (lane: Lane<K, V>): ConsumedRecord<K, V> | undefined => {
        for (let record = lane.take(); record !== undefined; record = lane.take()) {
          if (isWanted(record)) {
            record.begin()
            return record
          }
          record.giveBack()
        }
        return undefined
      }

      /** Works on what waits in a lane, one record after the other. */
      const once = (lane: Lane<K, V>): Effect.Effect<unknown, E, R> =>
        Effect.suspend(() => {
          const { version } = lane.news
          lane.current = nextOf(lane)
          room.notify()
          if (lane.current === undefined) return lane.isOver ? Effect.void : lane.news.after(version)
          return Effect.whileLoop({
            while: () => lane.current !== undefined,
            body: () => carrying(lane.current!, carry, work(lane.current!)),
            step: () => {
              lane.current!.markDone()
              lane.current = nextOf(lane)
            }
          })
        })

      const untilOver = (lane: Lane<K, V>): Effect.Effect<void, E, R> =>
        Effect.flatMap(once(lane), () => (lane.isOver && lane.size === 0 ? Effect.void : untilOver(lane)))

      const start = (i: number): Effect.Effect<void, never, R | Scope.Scope> =>
        untilOver(lanes[i]).pipe(
          Effect.onExit((exit) => Effect.sync(() => onExit(lanes[i], exit))),
          Effect.catchCause(() => Effect.void),
          Effect.interruptible,
          Effect.forkScoped,
          Effect.map((fiber) => {
            fibers[i] = fiber
          })
        )

      /** A lane that was interrupted from here is started again; anything else that ends it ends all. */
      const onExit = ({ isInterrupted }: Lane<K, V>, exit: Exit.Exit<void, E>): void => {
        if (exit._tag === "Failure" && !isInterrupted) settleDeferred(failed, exit as Exit.Exit<never, E>)
      }

      /** Ends the work on a partition, in all lanes at once: one of them may take long to end. */
      const interrupt = (p: OwnedPartition): Effect.Effect<void, never, R | Scope.Scope> =>
        Effect.forEach(
          lanes,
          (lane, i) =>
            Effect.suspend(() => {
              if (lane.current?.owned !== p) return Effect.void
              // Whoever interrupts it already starts it again.
              if (lane.isInterrupted) return Effect.asVoid(Fiber.await(fibers[i]))
              lane.isInterrupted = true
              return Effect.flatMap(Fiber.interrupt(fibers[i]), () => {
                lane.isInterrupted = false
                lane.current?.giveBack()
                lane.current = undefined
                return start(i)
              })
            }),
          { concurrency: "unbounded", discard: true }
        )

      for (let i = 0; i < concurrency; i++) yield* start(i)
      const context = yield* Effect.context<R | Scope.Scope>()
      const worker: Worker = {
        giveBack: (p) => {
          for (const lane of lanes) lane.giveBack((record) => record.owned === p && !isWanted(record))
          room.notify()
        },
        interrupt: (p) => Effect.provide(interrupt(p), context)
      }
      workers.add(worker)
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          workers.delete(worker)
          parts.health.hold(undefined)
        })
      )

      const waiting = () => lanes.reduce((sum, { size }) => sum + size, 0)
      /** Since when room is waited for, in milliseconds; `undefined` while it is not. */
      let waitingSince: number | undefined
      let isHeld = false
      const waits = new Signal()

      const hasRoom = (): boolean => {
        if (waiting() < MOST_WAITING) {
          isHeld = false
          return true
        }
        return isHeld && lanes.some(({ current, size }) => current === undefined && size === 0)
      }

      const untilRoom: Effect.Effect<void> = Effect.suspend(() => {
        const { version } = room
        if (hasRoom()) {
          waitingSince = undefined
          return Effect.void
        }
        if (waitingSince === undefined) {
          waitingSince = now()
          waits.notify()
        }
        return Effect.flatMap(room.after(version), () => untilRoom)
      })

      /**
       * Looks whether lanes hold up all others: one record that takes long is to hold up only those of its lane, and in the end
       * those of its partition. The watch is apart, as a wait that has a time costs more than most of the work.
       */
      const watch = Effect.suspend(() => {
        const noteOf = ({ taken }: Lane<K, V>) => ({ taken, at: now(), since: millisOf(parts.clock) })
        const notes = lanes.map(noteOf)
        const look = (): void => {
          for (const [i, lane] of lanes.entries()) if (notes[i].taken !== lane.taken) notes[i] = noteOf(lane)
          const isWaiting = waitingSince !== undefined && now() - waitingSince >= LOOK_MILLIS
          if (isWaiting && !isHeld) {
            isHeld = true
            room.notify()
          }
          const i = lanes.findIndex(({ current }, i) => current !== undefined && now() - notes[i].at >= HELD_MILLIS)
          const record = isWaiting ? lanes[i]?.current : undefined
          if (record === undefined) return parts.health.hold(undefined)
          const { offset, partition, topic } = record
          parts.health.hold({ topic, partition, offset, since: notes[i].since })
        }
        return Effect.forever(
          Effect.suspend(() => {
            const { version } = waits
            return waitingSince === undefined && !isHeld
              ? waits.after(version)
              : Effect.andThen(Effect.sleep(LOOK_MILLIS), Effect.sync(look))
          })
        )
      })
      yield* Effect.forkScoped(watch)

      const endLanes = Effect.suspend(() => {
        for (const lane of lanes) {
          lane.isOver = true
          lane.news.notify()
        }
        return Effect.forEach([...fibers], Fiber.await, { discard: true })
      })

      const dispatch: Effect.Effect<void, ConsumerFailure> = Effect.flatMap(
        Effect.andThen(untilRoom, handing.next()),
        (chunk) => {
          if (chunk === undefined) return Effect.void
          for (const record of chunk) lanes[concurrency === 1 ? 0 : laneOf(by(record), concurrency)].add(record)
          return dispatch
        }
      )

      // What was handed out before the consumer ended by itself is worked on before that is told.
      const all = Effect.flatMap(Effect.exit(dispatch), (exit) => Effect.andThen(endLanes, exit))
      yield* Effect.raceFirst(all, Deferred.await(failed))
    })
  )
}

/** Runs beside the caller, so that an interruption reaches what runs only once it was drained. */
export const finishing = <A, E, R>(run: Effect.Effect<A, E, R>, drain: Effect.Effect<void>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(run), (fiber) =>
      Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.andThen(drain, Fiber.interrupt(fiber)))
    )
  )
