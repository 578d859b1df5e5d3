/** The faces of a consumer: its records as streams. One of them runs at a time. */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Committable, ConsumerFailure, PartitionStream } from "../../KafkaConsumer.ts"
import { GroupError } from "../../KafkaError.ts"
import { streamOfPulls } from "../effect/v4/pushed.ts"
import type { Handing } from "./handing.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import type { ConsumerParts } from "./parts.ts"
import type { Settled } from "./settling.ts"

/** Has what was handed out of a partition, and is not done, handed out again: whoever took it has ended. */
const handOutAgain = <K, V>(parts: ConsumerParts<K, V>, settled: Settled<K, V>, p: OwnedPartition): void => {
  // Nothing is handed out any more, and what is worked on still is to be committed.
  if (parts.isEnding || parts.failure !== undefined) return
  p.isLeft = false
  p.decoder = undefined
  if (p.prefix === undefined || p.prefix.size === 0) return
  const from = p.prefix.committable
  p.jumpTo(from)
  parts.health.forget(p)
  parts.source.reopen(p.topic, p.partition, from)
  settled.check()
}

/** A face that runs. */
export interface Face {
  /** Whether it has given all that there was to give: whoever took that may work on it for as long as they like. */
  isOver: boolean
}

/** Begins a face, which ends with the scope. */
export const beginFace = <K, V>(
  parts: ConsumerParts<K, V>,
  settled: Settled<K, V>
): Effect.Effect<Face, GroupError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      if (parts.isFaced) return Effect.fail(new GroupError({ reason: "Busy", group: parts.config.group }))
      parts.isFaced = true
      // Once nothing is handed out any more, it changes nothing of what others have given.
      const isOver = parts.isEnding || parts.failure !== undefined
      if (!isOver) parts.isWorkedOn = true
      for (const p of parts.owned.values()) handOutAgain(parts, settled, p)
      return Effect.succeed<Face>({ isOver })
    }),
    ({ isOver }) =>
      Effect.sync(() => {
        parts.isFaced = false
        if (!isOver) parts.isWorkedOn = false
        parts.settled.notify()
      })
  )

/** What a stream is made of: `undefined` ends it. */
type Pull<A> = Effect.Effect<NonEmptyReadonlyArray<A> | undefined, ConsumerFailure>

/** Tells when there is nothing more. */
const toItsEnd = <A>(pull: Pull<A>, ended: () => void): Pull<A> =>
  Effect.map(pull, (all) => {
    if (all === undefined) ended()
    return all
  })

export const makeFaces = <K, V>(parts: ConsumerParts<K, V>, handing: Handing<K, V>, settled: Settled<K, V>) => {
  const faced = <A>(begin: () => Pull<A>): Stream.Stream<A, ConsumerFailure> =>
    Stream.unwrap(
      Effect.map(beginFace(parts, settled), (face) => streamOfPulls(toItsEnd(begin(), () => (face.isOver = true))))
    )

  const records = faced<Committable<K, V>>(() => handing.next())

  const chunks = faced<NonEmptyReadonlyArray<Committable<K, V>>>(() =>
    Effect.map(handing.next(), (chunk) => (chunk === undefined ? undefined : ([chunk] as const)))
  )

  /** How many streams of a partition run; `undefined` before the first. */
  const running = new WeakMap<OwnedPartition, number>()

  /** Begins a stream of a partition. What one that was left early has not done is handed out again. */
  const beginPartition = (p: OwnedPartition) =>
    Effect.acquireRelease(
      Effect.sync((): Face => {
        const others = running.get(p)
        if (others === 0 && p.phase === "open") handOutAgain(parts, settled, p)
        running.set(p, (others ?? 0) + 1)
        return { isOver: false }
      }),
      ({ isOver }) =>
        Effect.sync(() => {
          const others = running.get(p)! - 1
          running.set(p, others)
          if (others > 0 || isOver) return
          p.isLeft = true
          parts.settled.notify()
        })
    )

  const partitionStream = (p: OwnedPartition): PartitionStream<K, V> => ({
    topic: p.topic,
    partition: p.partition,
    records: Stream.unwrap(
      Effect.map(beginPartition(p), (face) =>
        streamOfPulls<Committable<K, V>, ConsumerFailure>(toItsEnd(handing.next(p), () => (face.isOver = true)))
      )
    ),
    lost: Deferred.await(p.lost)
  })

  const partitions = faced<PartitionStream<K, V>>(() => {
    const seen = new WeakSet<OwnedPartition>()
    const next: Pull<PartitionStream<K, V>> = Effect.suspend(() => {
      const { version } = parts.ready
      if (parts.failure !== undefined) return Effect.fail(parts.failure)
      if (parts.isEnding) return Effect.succeed(undefined)
      const [first, ...others] = [...parts.owned.values()].filter((p) => p.phase !== "closing" && !seen.has(p))
      if (first === undefined) return Effect.flatMap(parts.ready.after(version), () => next)
      for (const p of [first, ...others]) seen.add(p)
      return Effect.succeed([partitionStream(first), ...others.map(partitionStream)])
    })
    return next
  })

  return { records, chunks, partitions }
}
