/**
 * Commits what is done: by one fiber, every so often, and whenever somebody waits for it. A refused commit is sent again
 * for as long as the partition is this member's; fetching goes on meanwhile, whatever becomes of commits.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { OffsetCommitResponse } from "../../KafkaProtocol.ts"
import { delayBy } from "../client/backoff.ts"
import * as codes from "../protocol/codes.ts"
import { describeCode } from "../protocol/errorCodes.ts"
import type { Identity } from "./member/member.ts"
import { groupError, isUnauthorized } from "./member/refusals.ts"
import type { DonePrefix } from "./donePrefix.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import type { ConsumerParts } from "./parts.ts"
import { makeSameTopics } from "./sameTopics.ts"
import type { Settled } from "./settling.ts"

/** The codes by which a coordinator refuses the member, and not what it commits. */
const OF_MEMBER: ReadonlySet<number> = new Set([
  codes.GROUP_ID_NOT_FOUND,
  codes.ILLEGAL_GENERATION,
  codes.UNKNOWN_MEMBER_ID,
  codes.REBALANCE_IN_PROGRESS,
  codes.FENCED_INSTANCE_ID,
  codes.FENCED_MEMBER_EPOCH,
  codes.STALE_MEMBER_EPOCH
])

/** The codes by which it says that there is no such topic, or that another one has its name by now. */
const OF_TOPIC: ReadonlySet<number> = new Set([codes.UNKNOWN_TOPIC_OR_PARTITION, codes.UNKNOWN_TOPIC_ID])

/**
 * What a member of the consumer protocol has not committed for so long, in milliseconds, it commits again, though nothing has
 * changed: once nobody is in such a group any more, brokers count the retention of an offset (`offsets.retention.minutes`) from
 * its commit. In the classic protocol they count it from when the group became empty.
 */
const OLD_MILLIS = 3_600_000

/** What is to be committed of a partition, of the topic that has this id. */
interface Due {
  readonly partition: OwnedPartition
  readonly topicId: string | undefined
  readonly offset: number
  readonly prefix: DonePrefix | undefined
}

/** How long brokers may take, before the last commit of a partition, to say whether its topic is still the same, in milliseconds. */
const LAST_ANSWER_MILLIS = 1_000

/** Which partitions are doubtful, and which of those are of the topic that was read nevertheless. */
interface Doubts {
  readonly isSure: (partition: OwnedPartition) => boolean
  readonly ask: (partitions: ReadonlyArray<OwnedPartition>) => Effect.Effect<(partition: OwnedPartition) => boolean>
}

export interface Committing {
  /** Commits every so often, until it is interrupted. */
  readonly run: Effect.Effect<never>
  /** Commits what is done of these by now, asking again as long as that may help, and they are this member's. */
  readonly flush: (partitions: ReadonlyArray<OwnedPartition>) => Effect.Effect<void>
}

export const makeCommitting = <K, V>(parts: ConsumerParts<K, V>, settled: Settled<K, V>): Committing => {
  const { client, commits, config, coordinator, health, metrics, owned, source } = parts
  const sameTopics = makeSameTopics(parts)
  const ages = config.protocol === "consumer"
  /** Attempts in a row that have failed. */
  let attempt = 0

  const dueOf = (
    all: Iterable<OwnedPartition>,
    offsetOf: (partition: OwnedPartition) => number | undefined
  ): ReadonlyArray<Due> =>
    [...all].flatMap((partition) => {
      const offset = offsetOf(partition)
      return offset === undefined ? [] : [{ partition, topicId: partition.topicId, offset, prefix: partition.prefix }]
    })

  /** Takes over what came of a commit. Returns whether all of it is committed, or never will be. */
  const take = (identity: Identity, due: ReadonlyArray<Due>, answer: OffsetCommitResponse, now: number): boolean => {
    const codeOf = new Map(
      answer.partitions.map(({ errorCode, partition, topic }) => [`${topic.name}:${partition}`, errorCode])
    )
    let isSettled = true
    for (const { offset, partition, prefix, topicId } of due) {
      const code = codeOf.get(partition.key) ?? codes.UNKNOWN_SERVER_ERROR
      if (partition.unanswered === prefix) partition.unanswered = undefined
      if (code === codes.NONE) {
        // It may have begun with another topic meanwhile.
        if (partition.phase !== "gone" && partition.topicId === topicId) {
          partition.committed = offset
          partition.committedAt = now
          partition.isMoved = false
        }
        continue
      }
      const { name } = describeCode(code)
      if (OF_MEMBER.has(code)) parts.member?.refused(identity, code)
      else if (OF_TOPIC.has(code)) source.refresh()
      else if (isUnauthorized(code)) {
        health.unavailable(
          "commits",
          groupError({ group: config.group, code, request: "OffsetCommit", instanceId: undefined })
        )
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

  /** Nothing was committed. Who waits for that hears of it where the consumer has failed. */
  const unsent = Effect.sync(() => {
    settled.check()
    return false
  })

  /** Sends one commit. Returns whether nothing of it is left to be committed. */
  const send = (due: ReadonlyArray<Due>): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      if (due.length === 0) return Effect.succeed(true)
      const identity = parts.member?.identity()
      if (identity === undefined) return unsent
      for (const { partition, prefix } of due) partition.unanswered = prefix
      return Effect.matchEffect(
        coordinator.request("OffsetCommit", {
          ...identity,
          groupId: config.group,
          partitions: due.map(({ offset, partition: { partition, topic }, topicId }) => ({
            topic: { name: topic, id: topicId },
            partition,
            offset,
            leaderEpoch: -1,
            metadata: undefined
          }))
        }),
        {
          onFailure: (error) => {
            health.unavailable("commits", error)
            return unsent
          },
          onSuccess: (answer) => Effect.map(Clock.currentTimeMillis, (now) => take(identity, due, answer, now))
        }
      )
    })

  /** Commits what is due, of partitions whose topics are still those that were read. Returns whether nothing is left. */
  const once = (due: () => ReadonlyArray<Due>, { ask, isSure }: Doubts): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      const all = due()
      const doubtful = new Set(
        all.flatMap(({ partition, topicId }) => (topicId === undefined || isSure(partition) ? [] : [partition]))
      )
      if (doubtful.size === 0) return send(all)
      return Effect.gen(function* () {
        const isSettled = yield* send(all.filter(({ partition }) => !doubtful.has(partition)))
        const isSame = yield* ask([...doubtful])
        // Some may have been given up meanwhile, or be elsewhere.
        const left = due().filter(({ partition }) => doubtful.has(partition))
        const certain = left.filter(({ partition }) => isSame(partition))
        return (yield* send(certain)) && isSettled && certain.length === left.length
      })
    })

  const inBetween: Doubts = {
    isSure: sameTopics.isSure,
    ask: (partitions) => Effect.map(sameTopics.ask(partitions), (same) => (p) => same.get(p) === true)
  }

  /**
   * What is committed at the end by mistake, nobody puts right. If no broker says in time what is right, it is taken to be:
   * that a topic was created anew just then is far less likely than that a broker does not answer.
   */
  const atEnd: Doubts = {
    isSure: () => false,
    ask: (partitions) =>
      Effect.map(
        Effect.timeoutOption(sameTopics.ask(partitions), LAST_ANSWER_MILLIS),
        (answer) => (p) => Option.isNone(answer) || answer.value.get(p) !== false
      )
  }

  const pause = Effect.suspend(() => Effect.sleep(delayBy(client, attempt++, 0)))

  const flush = (all: ReadonlyArray<OwnedPartition>): Effect.Effect<void> =>
    Effect.flatMap(
      once(() => dueOf(all, ({ due }) => due), atEnd),
      (isSettled) => {
        if (!isSettled && parts.failure === undefined) return Effect.flatMap(pause, () => flush(all))
        attempt = 0
        return Effect.void
      }
    )

  const intervalMillis = config.commitIntervalMillis ?? Number.POSITIVE_INFINITY

  /** What is old is committed again, at what is committed already. */
  const isOld = ({ committedAt, isOfGoneTopic, phase }: OwnedPartition, now: number): boolean =>
    ages && phase === "open" && !isOfGoneTopic && now - committedAt >= OLD_MILLIS

  /** What is committed of a partition now; `isDue` says whether that is more than what does not wait for the interval. */
  const offsetNow = (p: OwnedPartition, now: number, isDue: boolean): number | undefined => {
    const due = isDue || p.isMoved || settled.waitsFor(p) ? p.due : undefined
    return due ?? (isOld(p, now) ? p.committed : undefined)
  }

  /** Whether there is something that does not wait for the interval. */
  const isWanted = (now: number): boolean =>
    settled.lookForWanted() ||
    [...owned.values()].some((p) => (p.isMoved && p.due !== undefined) || (isOld(p, now) && p.committed !== undefined))

  /** Waits until a commit is due: at this time of the Clock, or as soon as somebody waits for one. */
  const untilDue = (at: number): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { version } = commits
      if (isWanted(now) || now >= at) return Effect.void
      return Effect.flatMap(commits.after(version, Number.isFinite(at) ? at - now : undefined), () => untilDue(at))
    })

  /** When to commit again at the latest: at the interval, and before anything is old for long. */
  const next = (now: number): number => now + Math.min(intervalMillis, ages ? OLD_MILLIS : Number.POSITIVE_INFINITY)

  const run = Effect.gen(function* () {
    let at = next(yield* Clock.currentTimeMillis)
    while (true) {
      yield* untilDue(at)
      const before = yield* Clock.currentTimeMillis
      const isSettled = yield* once(
        () => dueOf(owned.values(), (p) => offsetNow(p, before, Number.isFinite(intervalMillis))),
        inBetween
      )
      if (isSettled) {
        attempt = 0
        health.available("commits")
      } else yield* pause
      const now = yield* Clock.currentTimeMillis
      // What was refused is not to wait for the interval again.
      at = isSettled ? next(now) : now
    }
  })

  return { run, flush }
}
