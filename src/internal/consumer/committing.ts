/**
 * Commits what is done: by one fiber, every so often, and whenever somebody waits for it. A refused commit is sent again
 * for as long as the partition is this member's; fetching goes on meanwhile, whatever becomes of commits.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { OffsetCommitResponse } from "../../KafkaProtocol.ts"
import { delayBy } from "../client/backoff.ts"
import * as codes from "../protocol/codes.ts"
import { describeCode } from "../protocol/errorCodes.ts"
import type { Identity } from "./member/member.ts"
import { groupError, isUnauthorized } from "./member/refusals.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import type { ConsumerParts } from "./parts.ts"
import type { Settled } from "./settling.ts"

/** The codes by which a coordinator refuses the member, and not what it commits. */
const OF_MEMBER: ReadonlySet<number> = new Set([
  codes.ILLEGAL_GENERATION,
  codes.UNKNOWN_MEMBER_ID,
  codes.REBALANCE_IN_PROGRESS,
  codes.FENCED_INSTANCE_ID,
  codes.FENCED_MEMBER_EPOCH,
  codes.STALE_MEMBER_EPOCH
])

export interface Committing {
  /** Commits every so often, until it is interrupted. */
  readonly run: Effect.Effect<never>
  /** Commits what is done of these by now, asking again as long as that may help, and they are this member's. */
  readonly flush: (partitions: ReadonlyArray<OwnedPartition>) => Effect.Effect<void>
}

export const makeCommitting = <K, V>(parts: ConsumerParts<K, V>, settled: Settled<K, V>): Committing => {
  const { client, commits, config, coordinator, health, metrics, owned } = parts
  /** Attempts in a row that have failed. */
  let attempt = 0

  const dueOf = (all: Iterable<OwnedPartition>) =>
    [...all].flatMap((partition) => {
      const offset = partition.due
      return offset === undefined ? [] : [{ partition, offset }]
    })

  type Due = ReturnType<typeof dueOf>

  /** Takes over what came of a commit. Returns whether all of it is committed, or never will be. */
  const take = (identity: Identity, due: Due, answer: OffsetCommitResponse): boolean => {
    const codeOf = new Map(
      answer.partitions.map(({ errorCode, partition, topic }) => [`${topic.name}:${partition}`, errorCode])
    )
    let isSettled = true
    for (const { offset, partition } of due) {
      const code = codeOf.get(partition.key) ?? codes.UNKNOWN_SERVER_ERROR
      if (code === codes.NONE) {
        if (partition.phase !== "gone") partition.committed = offset
        health.available()
        continue
      }
      const { name } = describeCode(code)
      if (OF_MEMBER.has(code)) parts.member?.refused(identity, code)
      else if (isUnauthorized(code)) {
        health.unavailable(groupError({ group: config.group, code, request: "OffsetCommit", instanceId: undefined }))
        settled.refuse(partition, "Unauthorized", name)
      } else if (!describeCode(code).retriable && code !== codes.UNKNOWN_SERVER_ERROR) {
        settled.refuse(partition, "Rejected", name)
      }
      if (partition.phase !== "gone") isSettled = false
    }
    settled.check()
    metrics.committed(isSettled)
    return isSettled
  }

  /** Sends one commit of what is due of these. Returns whether nothing of it is left to be committed. */
  const once = (all: Iterable<OwnedPartition>): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      const due = dueOf(all)
      if (due.length === 0) return Effect.succeed(true)
      const identity = parts.member?.identity()
      if (identity === undefined) return Effect.succeed(false)
      return Effect.match(
        coordinator.request("OffsetCommit", {
          ...identity,
          groupId: config.group,
          partitions: due.map(({ offset, partition: { partition, topic } }) => ({
            topic: { name: topic, id: undefined },
            partition,
            offset,
            leaderEpoch: -1,
            metadata: undefined
          }))
        }),
        {
          onFailure: (error) => {
            health.unavailable(error)
            return false
          },
          onSuccess: (answer) => take(identity, due, answer)
        }
      )
    })

  const pause = Effect.suspend(() => Effect.sleep(delayBy(client, attempt++, 0)))

  const flush = (all: ReadonlyArray<OwnedPartition>): Effect.Effect<void> =>
    Effect.flatMap(once(all), (isSettled) => {
      if (!isSettled && parts.failure === undefined) return Effect.flatMap(pause, () => flush(all))
      attempt = 0
      return Effect.void
    })

  const intervalMillis = config.commitIntervalMillis

  /** Waits until a commit is due: at this time of the Clock, or as soon as somebody waits for one. */
  const untilDue = (at: number): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { version } = commits
      if (settled.isWanted || now >= at) return Effect.void
      return Effect.flatMap(commits.after(version, Number.isFinite(at) ? at - now : undefined), () => untilDue(at))
    })

  const isWaitedFor = (partition: OwnedPartition): boolean => settled.waitsFor(partition)

  const next = (at: number): Effect.Effect<never> =>
    Effect.gen(function* () {
      yield* untilDue(at)
      const all = [...owned.values()]
      const isSettled = yield* once(intervalMillis === undefined ? all.filter(isWaitedFor) : all)
      if (!isSettled) yield* pause
      else attempt = 0
      const now = yield* Clock.currentTimeMillis
      // What was refused is not to wait for the interval again.
      return yield* next(isSettled ? now + (intervalMillis ?? Number.POSITIVE_INFINITY) : now)
    })

  const run = Effect.flatMap(Clock.currentTimeMillis, (now) => next(now + (intervalMillis ?? Number.POSITIVE_INFINITY)))

  return { run, flush }
}
