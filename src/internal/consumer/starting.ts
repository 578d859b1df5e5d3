/** Where partitions begin: at what the group has committed, or where the options say. */
import * as Effect from "effect/Effect"
import type { ListedOffset, TopicDescription } from "../../KafkaClient.ts"
import { type ClientError, GroupError, type TopicError } from "../../KafkaError.ts"
import type { CommittedOffset } from "../../KafkaProtocol.ts"
import { delayBy } from "../client/backoff.ts"
import * as codes from "../protocol/codes.ts"
import { groupError, isUnauthorized, passes } from "./member/refusals.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import { type ConsumerParts, failConsumer } from "./parts.ts"

/** Whether a partition was there when this member first looked; otherwise it has appeared since. */
export type WasThere = (partition: OwnedPartition) => boolean

/** Begins with the partitions that are assigned, until it is interrupted. */
export const runStarting = <K, V>(parts: ConsumerParts<K, V>, wasThere: WasThere): Effect.Effect<never> => {
  const { client, config, coordinator, health, owned, source } = parts
  let attempt = 0

  const pause = Effect.suspend(() => Effect.sleep(delayBy(client, attempt++, 0)))

  const waiting = () => [...owned.values()].filter((p) => p.phase === "starting" && !begun.has(p))
  /** Partitions whose log is being opened already. */
  const begun = new WeakSet<OwnedPartition>()

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
          partitions: all.map(({ partition, topic }) => ({ topic: { name: topic, id: undefined }, partition }))
        }),
        {
          onFailure: (error) => {
            health.unavailable(error)
            return Effect.succeed(undefined)
          },
          onSuccess: (answer) => {
            if (answer.errorCode === codes.NONE) return Effect.succeed(answer.partitions)
            if (identity !== undefined) parts.member?.refused(identity, answer.errorCode)
            return Effect.as(refused(answer.errorCode), undefined)
          }
        }
      )
    })

  /** Takes note of a code by which offsets were refused. */
  const refused = (code: number): Effect.Effect<void> => {
    const error = groupError({ group: config.group, code, request: "OffsetFetch", instanceId: undefined })
    health.unavailable(error)
    if (isUnauthorized(code)) return Effect.sleep(config.deniedRetryIntervalMillis)
    if (!passes(code) && !OF_MEMBER.has(code)) failConsumer(parts, error)
    return Effect.void
  }

  /** Begins with what the coordinator has answered about. */
  const begin = (all: ReadonlyArray<OwnedPartition>, answers: ReadonlyArray<CommittedOffset>) =>
    Effect.gen(function* () {
      const found = new Map(answers.map((answer) => [`${answer.topic.name}:${answer.partition}`, answer]))
      for (const p of all) {
        const answer = found.get(p.key)
        // It may have been given up while the coordinator was asked.
        if (answer === undefined || p.phase !== "starting") continue
        if (answer.errorCode !== codes.NONE) {
          if (answer.errorCode !== codes.UNSTABLE_OFFSET_COMMIT) yield* refused(answer.errorCode)
          continue
        }
        if (answer.offset >= 0) {
          p.committed = answer.offset
          yield* open(p, answer.offset)
          continue
        }
        if (config.from === "fail") {
          const { partition, topic } = p
          const detail = "the group has no offset of this partition"
          failConsumer(parts, new GroupError({ reason: "NoOffset", group: config.group, topic, partition, detail }))
          continue
        }
        p.isReset = true
        if (config.from === "earliest" || !wasThere(p)) yield* open(p, undefined)
        else yield* openAtEnd(p)
      }
    })

  const open = (p: OwnedPartition, offset: number | undefined) =>
    Effect.suspend(() => {
      begun.add(p)
      return source.add(p.topic, new Map([[p.partition, offset]]))
    })

  const openAtEnd = (p: OwnedPartition) =>
    Effect.flatMap(edgeOf(parts, p, "latest"), (end) =>
      end === undefined || p.phase !== "starting" ? Effect.void : open(p, end)
    )

  const once = Effect.suspend(() => {
    const { version } = parts.ready
    const all = waiting()
    if (all.length === 0 || parts.isEnding) return parts.ready.after(version)
    return Effect.gen(function* () {
      const answers = yield* ask(all)
      if (answers !== undefined) {
        health.available()
        yield* begin(all, answers)
      }
      if (waiting().length > 0) return yield* pause
      attempt = 0
    })
  })

  return Effect.forever(once)
}

const OF_MEMBER: ReadonlySet<number> = new Set([
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
