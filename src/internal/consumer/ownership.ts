/** Takes partitions on, gives them up in good order, and lets go of those that were lost. */
import * as Effect from "effect/Effect"
import type { LostReason, TopicPartition } from "../../KafkaConsumer.ts"
import { TopicError } from "../../KafkaError.ts"
import { annotateLogs } from "../log.ts"
import { Signal } from "../signal.ts"
import type { PublishedRef } from "../effect/v4/publishedRef.ts"
import type { Committing } from "./committing.ts"
import type { Blocks } from "./blocks.ts"
import { OwnedPartition } from "./ownedPartition.ts"
import type { Ownership } from "./member/member.ts"
import type { ConsumerParts } from "./parts.ts"
import type { Settled } from "./settling.ts"
import { byTopicName, keyOf } from "./member/topicPartitions.ts"

/** How long the last commit of what is given up may take, in milliseconds. */
export const LAST_COMMIT_MILLIS = 3_000

/** Whoever works on records of partitions. */
export interface Worker {
  /** Gives back what waits of this partition, and is not to be worked on any more: nobody waits for that. */
  readonly giveBack: (partition: OwnedPartition) => void
  /** Ends the work on records of this partition that goes on, and when it has ended. */
  readonly interrupt: (partition: OwnedPartition) => Effect.Effect<void>
}

export interface Owning extends Ownership {
  /** Ends the work on what was lost, until it is interrupted. */
  readonly run: Effect.Effect<never>
  /** Waits until nothing that was handed out of these is worked on any more, but no longer than this; then ends the work. */
  readonly untilIdle: (partitions: ReadonlyArray<OwnedPartition>, millis: number) => Effect.Effect<void>
  readonly workers: Set<Worker>
}

export const makeOwning = <K, V>(
  parts: ConsumerParts<K, V>,
  {
    assignment,
    blocks,
    committing,
    settled
  }: {
    readonly assignment: PublishedRef<ReadonlyArray<TopicPartition>>
    readonly blocks: Blocks
    readonly committing: Committing
    readonly settled: Settled<K, V>
  }
): Owning => {
  const { config, events, health, metrics, owned, ready, source } = parts
  const annotate = annotateLogs("KafkaConsumer", { group: config.group })
  const workers = new Set<Worker>()
  const lost: Array<OwnedPartition> = []
  const losing = new Signal()

  const changed = (): void => {
    assignment.set([...owned.values()].map(({ partition, topic }) => ({ topic, partition })))
    metrics.owned(owned.size)
    ready.notify()
    parts.settled.notify()
    settled.check()
  }

  const known = (partitions: ReadonlyArray<TopicPartition>) =>
    partitions.flatMap((place) => {
      const p = owned.get(keyOf(place))
      return p === undefined ? [] : [p]
    })

  /** Takes a partition out, whose phase is `gone` from now on. */
  const forget = (p: OwnedPartition): void => {
    if (owned.get(p.key) === p) owned.delete(p.key)
    health.forget(p)
  }

  /** Has the source read no partition any more that is nobody's. One that was assigned again meanwhile is read anew. */
  const unread = (all: ReadonlyArray<OwnedPartition>) =>
    Effect.suspend(() =>
      Effect.forEach(
        byTopicName(all.filter((p) => (owned.get(p.key) ?? p) === p)),
        ([topic, partitions]) => source.remove(topic, partitions),
        { discard: true }
      )
    )

  const interrupt = (all: ReadonlyArray<OwnedPartition>) =>
    Effect.forEach(all, (p) => Effect.forEach([...workers], (one) => one.interrupt(p), { discard: true }), {
      concurrency: "unbounded",
      discard: true
    })

  const isIdle = (all: ReadonlyArray<OwnedPartition>) =>
    // Nobody works on what was handed out by a face that was left, as far as can be known.
    !parts.isWorkedOn ||
    all.every((p) => p.phase === "gone" || p.isLeft || p.prefix === undefined || p.prefix.outstanding === 0)

  const untilIdle = (all: ReadonlyArray<OwnedPartition>, millis: number) => {
    const wait: Effect.Effect<void> = Effect.suspend(() => {
      const { version } = parts.settled
      return isIdle(all) ? Effect.void : Effect.flatMap(parts.settled.after(version), () => wait)
    })
    return Effect.andThen(
      Effect.timeoutOption(wait, millis),
      Effect.suspend(() => {
        if (isIdle(all)) return Effect.void
        for (const p of all) p.isCutOff = true
        return interrupt(all)
      })
    )
  }

  return {
    workers,
    untilIdle,
    assign: (partitions) => {
      for (const { partition, topic } of partitions) {
        const p = new OwnedPartition(topic, partition)
        owned.set(p.key, p)
      }
      if (partitions.length === 0) return
      changed()
      events.tell({ _tag: "Assigned", partitions })
    },
    revoke: (partitions) =>
      Effect.gen(function* () {
        const all = known(partitions)
        for (const p of all) {
          p.phase = "closing"
          p.dropFetched()
          for (const worker of workers) worker.giveBack(p)
        }
        ready.notify()
        yield* unread(all)
        yield* untilIdle(all, config.revokeTimeoutMillis)
        yield* Effect.timeoutOption(committing.flush(all), LAST_COMMIT_MILLIS)
        // What was lost meanwhile was told of as lost.
        const left = all.filter((p) => p.phase === "closing")
        for (const p of left) {
          p.end()
          forget(p)
        }
        if (left.length === 0) return
        changed()
        events.tell({ _tag: "Revoked", partitions: left.map(({ partition, topic }) => ({ topic, partition })) })
      }),
    topicsGone: (partitions) =>
      Effect.suspend(() => {
        // Whom the source has told of already are left out.
        const all = known(partitions).filter((p) => !p.isOfGoneTopic)
        const ids = new Map(all.map(({ topic, topicId }) => [topic, topicId]))
        for (const p of all) {
          p.loseTopic()
          health.forget(p)
        }
        return Effect.forEach(
          ids,
          ([topic, expected]) => {
            const error = new TopicError({ reason: "Deleted", topic, ...(expected === undefined ? {} : { expected }) })
            events.tell({ _tag: "TopicGone", error })
            return Effect.logWarning(`its topic was taken away: ${error.message}`).pipe(
              annotate,
              Effect.annotateLogs({ topic })
            )
          },
          { discard: true }
        )
      }),
    lose: (partitions, reason: LostReason) => {
      const all = known(partitions)
      for (const p of all) {
        p.lose()
        forget(p)
      }
      lost.push(...all)
      changed()
      const blockedMillis = blocks.recent()
      metrics.lost(reason)
      events.tell({ _tag: "Lost", partitions, reason, blockedMillis })
      losing.notify()
    },
    run: Effect.forever(
      Effect.suspend(() => {
        const { version } = losing
        const all = lost.splice(0)
        if (all.length === 0) return losing.after(version)
        return Effect.andThen(
          Effect.logWarning(
            `lost ${all.length} partitions without having given them up: others work on their records from the last commit on`
          ).pipe(annotate),
          // What is lost meanwhile does not wait for work that takes long to end.
          Effect.andThen(unread(all), Effect.forkChild(interrupt(all)))
        )
      })
    )
  }
}
