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

/** Has what was handed out of a partition, and is not done, handed out again: whoever took it has ended. */
const handOutAgain = <K, V>({ health, source }: ConsumerParts<K, V>, p: OwnedPartition): void => {
  p.decoder = undefined
  if (p.prefix === undefined || p.prefix.size === 0) return
  const from = p.prefix.committable
  p.jumpTo(from)
  health.forget(p)
  source.reopen(p.topic, p.partition, from)
}

/** Begins a face, which ends with the scope. */
export const beginFace = <K, V>(parts: ConsumerParts<K, V>): Effect.Effect<void, GroupError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      if (parts.isFaced) return Effect.fail(new GroupError({ reason: "Busy", group: parts.config.group }))
      parts.isFaced = true
      for (const p of parts.owned.values()) handOutAgain(parts, p)
      return Effect.void
    }),
    () =>
      Effect.sync(() => {
        parts.isFaced = false
        parts.settled.notify()
      })
  )

export const makeFaces = <K, V>(parts: ConsumerParts<K, V>, handing: Handing<K, V>) => {
  const faced = <A>(stream: () => Stream.Stream<A, ConsumerFailure>): Stream.Stream<A, ConsumerFailure> =>
    Stream.unwrap(Effect.as(beginFace(parts), Stream.suspend(stream)))

  const records: Stream.Stream<Committable<K, V>, ConsumerFailure> = faced(() =>
    streamOfPulls<Committable<K, V>, ConsumerFailure>(handing.next())
  )

  const chunks = faced(() =>
    streamOfPulls(
      Effect.map(handing.next(), (chunk): readonly [NonEmptyReadonlyArray<Committable<K, V>>] | undefined =>
        chunk === undefined ? undefined : [chunk]
      )
    )
  )

  /** How many streams of a partition run; `undefined` before the first. */
  const running = new WeakMap<OwnedPartition, number>()

  /**
   * Begins a stream of a partition. What one that was left early has not done is handed out again. One that has ended by
   * itself, as its partition is given up, was not left: what it has handed out may be worked on still.
   */
  const beginPartition = (p: OwnedPartition, hasEnded: () => boolean) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const others = running.get(p)
        if (others === 0 && p.phase === "open") handOutAgain(parts, p)
        running.set(p, (others ?? 0) + 1)
        p.isLeft = false
      }),
      () =>
        Effect.sync(() => {
          const others = running.get(p)! - 1
          running.set(p, others)
          if (others > 0 || hasEnded()) return
          p.isLeft = true
          parts.settled.notify()
        })
    )

  const partitionStream = (p: OwnedPartition): PartitionStream<K, V> => ({
    topic: p.topic,
    partition: p.partition,
    records: Stream.unwrap(
      Effect.suspend(() => {
        let hasEnded = false
        const next = Effect.map(handing.next(p), (chunk) => {
          hasEnded = chunk === undefined
          return chunk
        })
        return Effect.as(
          beginPartition(p, () => hasEnded),
          streamOfPulls<Committable<K, V>, ConsumerFailure>(next)
        )
      })
    ),
    lost: Deferred.await(p.lost)
  })

  const partitions = faced(() => {
    const seen = new WeakSet<OwnedPartition>()
    const next: Effect.Effect<NonEmptyReadonlyArray<PartitionStream<K, V>> | undefined, ConsumerFailure> =
      Effect.suspend(() => {
        const { version } = parts.ready
        if (parts.failure !== undefined) return Effect.fail(parts.failure)
        if (parts.isEnding) return Effect.succeed(undefined)
        const [first, ...others] = [...parts.owned.values()].filter((p) => p.phase !== "closing" && !seen.has(p))
        if (first === undefined) return Effect.flatMap(parts.ready.after(version), () => next)
        for (const p of [first, ...others]) seen.add(p)
        return Effect.succeed([partitionStream(first), ...others.map(partitionStream)])
      })
    return streamOfPulls(next)
  })

  return { records, chunks, partitions }
}
