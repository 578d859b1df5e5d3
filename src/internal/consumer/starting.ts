/** Where partitions begin: at what the group has committed, or where the options say. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ListedOffset, TopicDescription } from "../../KafkaClient.ts"
import { type ClientError, GroupError, type TopicError } from "../../KafkaError.ts"
import type { CommittedOffset } from "../../KafkaProtocol.ts"
import { delayBy } from "../client/backoff.ts"
import * as codes from "../protocol/codes.ts"
import { annotateLogs } from "../log.ts"
import { groupError, isUnauthorized, passes } from "./member/refusals.ts"
import { byTopicName } from "./member/topicPartitions.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import { type ConsumerParts, failConsumer } from "./parts.ts"
import type { Topics } from "./topics.ts"

/** Begins with the partitions that are assigned, until it is interrupted. */
export const runStarting = <K, V>(
  parts: ConsumerParts<K, V>,
  topics: Pick<Topics, "idOf" | "refresh" | "wasThere">
): Effect.Effect<never> => {
  const { client, config, coordinator, health, owned, source } = parts
  const annotate = annotateLogs("KafkaConsumer", { group: config.group })
  /** Partitions whose log is being opened already. */
  const begun = new WeakSet<OwnedPartition>()
  /** Partitions that have to be asked about again: how often they were, and when, in milliseconds of the Clock. */
  const putOff = new WeakMap<OwnedPartition, { readonly times: number; readonly until: number }>()

  const waiting = () => [...owned.values()].filter((p) => p.phase === "starting" && !begun.has(p))

  const dueAt = (p: OwnedPartition): number => putOff.get(p)?.until ?? 0

  /** Has partitions asked about again after so long: other ones do not wait for that. */
  const later = (all: ReadonlyArray<OwnedPartition>, millis?: number): Effect.Effect<void> =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      for (const p of all) {
        const { times } = putOff.get(p) ?? { times: 0 }
        putOff.set(p, { times: times + 1, until: now + (millis ?? delayBy(client, times, 0)) })
      }
    })

  /** Asks for the committed offsets; `undefined` if it has to be asked again. */
  const ask = (all: ReadonlyArray<OwnedPartition>) =>
    Effect.suspend(() => {
      const identity = parts.member?.identity()
      return Effect.matchEffect(
        coordinator.request("OffsetFetch", {
          groupId: config.group,
          member:
            config.protocol === "consumer" && identity !== undefined
              ? { id: identity.memberId, epoch: identity.generation }
              : undefined,
          requireStable: true,
          partitions: all.map(({ partition, topic: name }) => ({ topic: { name, id: topics.idOf(name) }, partition }))
        }),
        {
          onFailure: (error) => {
            health.unavailable("offsets", error)
            return Effect.as(later(all), undefined)
          },
          onSuccess: (answer) => {
            if (answer.errorCode === codes.NONE) return Effect.succeed(answer.partitions)
            if (identity !== undefined) parts.member?.refused(identity, answer.errorCode)
            return Effect.as(refused(all, answer.errorCode), undefined)
          }
        }
      )
    })

  /** Takes note of a code by which the offsets of these were refused. */
  const refused = (all: ReadonlyArray<OwnedPartition>, code: number): Effect.Effect<void> => {
    if (code === codes.UNSTABLE_OFFSET_COMMIT) return later(all)
    const error = groupError({ group: config.group, code, request: "OffsetFetch", instanceId: undefined })
    health.unavailable("offsets", error)
    if (isUnauthorized(code)) return later(all, config.deniedRetryIntervalMillis)
    // Another topic has the name by now.
    if (code === codes.UNKNOWN_TOPIC_ID) return Effect.andThen(topics.refresh, later(all))
    if (!passes(code) && !OF_MEMBER.has(code)) failConsumer(parts, error)
    return later(all)
  }

  /** Begins with what the coordinator has answered about. What it refused of some partitions, others do not wait for. */
  const begin = (all: ReadonlyArray<OwnedPartition>, answers: ReadonlyArray<CommittedOffset>) =>
    Effect.gen(function* () {
      const found = new Map(answers.map((answer) => [`${answer.topic.name}:${answer.partition}`, answer]))
      const [atStart, atEnd]: [Array<OwnedPartition>, Array<OwnedPartition>] = [[], []]
      const byCode = new Map<number, Array<OwnedPartition>>()
      for (const p of all) {
        // It may have been given up while the coordinator was asked.
        if (p.phase !== "starting") continue
        const { errorCode, offset } = found.get(p.key) ?? MISSING
        if (errorCode !== codes.NONE) {
          byCode.set(errorCode, [...(byCode.get(errorCode) ?? []), p])
        } else if (offset >= 0 || p.sought !== undefined) {
          if (offset >= 0) p.committed = offset
          yield* open(p, offset)
        } else if (config.from === "fail") {
          const { partition, topic } = p
          const detail = "the group has no offset of this partition"
          failConsumer(parts, new GroupError({ reason: "NoOffset", group: config.group, topic, partition, detail }))
        } else {
          const isAtStart = config.from === "earliest" || !topics.wasThere(p)
          if (!p.isReset) (isAtStart ? atStart : atEnd).push(p)
          p.isReset = true
          yield* isAtStart ? open(p, undefined) : openAtEnd(p)
        }
      }
      yield* tellReset(atStart, "beginning")
      yield* tellReset(atEnd, "end")
      yield* Effect.forEach(byCode, ([code, partitions]) => refused(partitions, code), { discard: true })
    })

  const tellReset = (all: ReadonlyArray<OwnedPartition>, edge: "beginning" | "end") =>
    Effect.forEach(
      byTopicName(all),
      ([topic, { length }]) =>
        Effect.logInfo(`the group has no offset of ${length} partitions: they are read from their ${edge} on`).pipe(
          annotate,
          Effect.annotateLogs({ topic })
        ),
      { discard: true }
    )

  const open = (p: OwnedPartition, offset: number | undefined) =>
    Effect.suspend(() => {
      begun.add(p)
      return source.add(p.topic, new Map([[p.partition, p.sought ?? offset]]))
    })

  const openAtEnd = (p: OwnedPartition) =>
    Effect.flatMap(edgeOf(parts, p, "latest"), (end) => {
      if (end === undefined) return later([p])
      return p.phase === "starting" ? open(p, end) : Effect.void
    })

  const once = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const { version } = parts.ready
    const all = parts.isEnding || parts.failure !== undefined ? [] : waiting()
    const due = all.filter((p) => dueAt(p) <= now)
    if (all.length === 0) health.available("offsets")
    if (due.length === 0) {
      const next = Math.min(...all.map(dueAt))
      return parts.ready.after(version, Number.isFinite(next) ? next - now : undefined)
    }
    return Effect.flatMap(ask(due), (answers) => (answers === undefined ? Effect.void : begin(due, answers)))
  })

  return Effect.forever(once)
}

/** What is taken of a partition that is missing in an answer: it is not "none committed". */
const MISSING = { errorCode: codes.UNKNOWN_SERVER_ERROR, offset: -1 }

const OF_MEMBER: ReadonlySet<number> = new Set([
  codes.GROUP_ID_NOT_FOUND,
  codes.UNKNOWN_MEMBER_ID,
  codes.FENCED_MEMBER_EPOCH,
  codes.STALE_MEMBER_EPOCH,
  codes.ILLEGAL_GENERATION
])

/** Where the log of a partition begins or ends at present; `undefined` if that cannot be asked now. */
export const edgeOf = <K, V>(
  parts: ConsumerParts<K, V>,
  p: OwnedPartition,
  edge: "earliest" | "latest"
): Effect.Effect<number | undefined> =>
  Effect.map(Effect.option(offsetsOf(parts, p.topic, [p.partition], edge)), (found) => {
    if (found._tag === "None") return undefined
    const [listed] = found.value
    return listed === undefined || listed.error !== undefined ? undefined : listed.offset
  })

/** Asks the leaders of some partitions of a topic for offsets. */
export const offsetsOf = <K, V>(
  { client, config }: ConsumerParts<K, V>,
  topic: string,
  partitions: ReadonlyArray<number>,
  timestamp: "earliest" | "latest" | number
): Effect.Effect<ReadonlyArray<ListedOffset>, ClientError | TopicError> =>
  Effect.flatMap(client.describeTopic(topic), (description: TopicDescription) =>
    client.listOffsets(description, { isolation: config.isolation, timestamp, partitions: new Set(partitions) })
  )
