/** What users of a consumer get. */
import * as Effect from "effect/Effect"
import type { Committable, ConsumerFailure, KafkaConsumer, RunOptions, TopicPartition } from "../../KafkaConsumer.ts"
import type { PublishedRef } from "../effect/v4/publishedRef.ts"
import { TypeId } from "./consumer.ts"
import type { makeFaces } from "./faces.ts"
import { lagOf } from "./lag.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import type { ConsumerParts } from "./parts.ts"
import type { Settled } from "./settling.ts"
import { misuse } from "./misuse.ts"
import { offsetsOf } from "./starting.ts"
import { byTopicName, keyOf } from "./member/topicPartitions.ts"

export const makeService = <K, V>({
  assignment,
  drain,
  faces,
  parts,
  runForEach,
  settled
}: {
  readonly parts: ConsumerParts<K, V>
  readonly assignment: PublishedRef<ReadonlyArray<TopicPartition>>
  readonly faces: ReturnType<typeof makeFaces<K, V>>
  readonly settled: Settled<K, V>
  readonly runForEach: <A, E, R>(
    work: (record: Committable<K, V>) => Effect.Effect<A, E, R>,
    options?: RunOptions<K, V>
  ) => Effect.Effect<void, E | ConsumerFailure, R>
  readonly drain: Effect.Effect<void>
}): KafkaConsumer<K, V> => {
  const { config, events, health, owned, poison, ready, source } = parts

  const known = (partitions: Iterable<TopicPartition> | undefined): ReadonlyArray<OwnedPartition> =>
    partitions === undefined
      ? [...owned.values()]
      : [...partitions].flatMap((place) => {
          const p = owned.get(keyOf(place))
          return p === undefined ? [] : [p]
        })

  const setPaused = (partitions: Iterable<TopicPartition>, isPaused: boolean) =>
    Effect.sync(() => {
      for (const p of known(partitions)) p.isPaused = isPaused
      ready.notify()
    })

  /** Goes on at another offset, of which the group is told, too. */
  const jump = (p: OwnedPartition, offset: number): void => {
    // Where to begin may be being asked for at this moment: whatever is found does not count then.
    if (p.phase === "starting") p.sought = offset
    else if (p.phase === "open") p.jumpTo(offset)
    else return
    health.forget(p)
    source.reopen(p.topic, p.partition, offset)
    settled.check()
    ready.notify()
    parts.settled.notify()
  }

  /** Hands out nothing of these meanwhile. */
  const whileSeeking = <A, E>(all: ReadonlyArray<OwnedPartition>, seek: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        for (const p of all) p.seeking++
      }),
      () => seek,
      () =>
        Effect.sync(() => {
          for (const p of all) p.seeking--
          ready.notify()
        })
    )

  /** Goes on at the first records of a topic at or after a time. */
  const seekTopic = (timestamp: number, topic: string, numbers: ReadonlyArray<number>) =>
    Effect.gen(function* () {
      const ends = yield* offsetsOf(parts, topic, numbers, "latest")
      const found = yield* offsetsOf(parts, topic, numbers, timestamp)
      for (const { error, offset, partition } of found) {
        const end = ends.find((one) => one.partition === partition)
        const failed = error ?? end?.error
        if (failed !== undefined) return yield* Effect.fail(failed)
        // There is no record at or after that time.
        const target = offset >= 0 ? offset : end!.offset
        for (const p of known([{ topic, partition }])) jump(p, target)
      }
    })

  return {
    [TypeId]: TypeId,
    group: config.group,
    ...faces,
    runForEach,
    assignment: assignment.ref,
    health: health.ref.ref,
    lag: Effect.sync(() => [...owned.values()].map((p) => lagOf(parts, p))),
    poison: poison.stream,
    events: events.stream,
    commit: (partitions) =>
      Effect.suspend(() => {
        // What is waited for is what is done by now, whatever is done before the waits begin.
        const waits = known(partitions).flatMap((p) => {
          const { prefix, uncommitted } = p
          return uncommitted === undefined ? [] : [Effect.exit(settled.committed(p, prefix!, uncommitted - 1))]
        })
        // What cannot be committed of one partition holds up none of the others.
        return Effect.all(waits, { concurrency: "unbounded" })
      }).pipe(Effect.flatMap((exits) => Effect.all(exits, { discard: true }))),
    pause: (partitions) => setPaused(partitions, true),
    resume: (partitions) => setPaused(partitions, false),
    seek: ({ offset, ...place }) =>
      Effect.suspend(() => {
        if (!(Number.isSafeInteger(offset) && offset >= 0)) {
          return Effect.die(misuse("seek", "offset", "must be a whole number from 0 on"))
        }
        for (const p of known([place])) jump(p, offset)
        return Effect.void
      }),
    seekToTime: (timestamp, partitions) =>
      Effect.suspend(() => {
        if (!(Number.isSafeInteger(timestamp) && timestamp >= 0)) {
          return Effect.die(misuse("seekToTime", "timestamp", "must be whole milliseconds since the epoch"))
        }
        const all = known(partitions)
        return whileSeeking(
          all,
          Effect.forEach(byTopicName(all), ([topic, numbers]) => seekTopic(timestamp, topic, numbers), {
            concurrency: 8,
            discard: true
          })
        )
      }),
    drain
  }
}
