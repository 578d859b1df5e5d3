/**
 * What a source makes of the descriptions of its topics: leaders, new partitions, and whether it is still the same
 * topic.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { TopicDescription } from "../../KafkaClient.ts"
import type { PartitionMetadata } from "../../KafkaProtocol.ts"
import { TopicError, type ClientError } from "../../KafkaError.ts"
import { type AfterFailure, followTopic } from "../client/followTopic.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { byLeader, ledBy, nodeKey, nodeKeys } from "../leaders.ts"
import type { Signal } from "../signal.ts"
import { addCursor, allCursors, isDenial, isPassing, type SourceContext } from "./context.ts"
import type { SourceTopic } from "./cursor.ts"
import { ofLeadership, ofMetadata } from "./failures.ts"

const LEADER_NOT_AVAILABLE = 5

/** Keeps one topic described. */
export const followSourceTopic = (
  context: SourceContext,
  topic: SourceTopic,
  wanted: Signal,
  ensureFetcher: (leader: number) => Effect.Effect<unknown>
): Effect.Effect<void> => {
  const { client, deniedRetryMillis, metadataMaxAgeMillis, missingGraceMillis } = context.options
  const { name } = topic
  const where = ofMetadata(name)
  let anotherSince: number | undefined

  const onFailure = (error: ClientError | TopicError, missingMillis = 0): Effect.Effect<AfterFailure> =>
    Effect.gen(function* () {
      context.failures.set(where, error)
      if (isDenial(error)) {
        yield* context.denied(where, error)
        return deniedRetryMillis
      }
      if (error._tag === "KafkaTopicError" && error.reason === "NotFound") {
        if (missingMillis >= missingGraceMillis) return yield* context.fatal(name, deletion(topic, error))
      } else if (!isPassing(error)) {
        return yield* context.fatal(name, error)
      } else if (topic.description === undefined) {
        yield* context.options.onWaiting(error)
      }
      return "again"
    })

  const onDescription = (description: TopicDescription): Effect.Effect<boolean> =>
    Effect.gen(function* () {
      yield* context.granted(where)
      const known = topic.description?.topic.id
      if (known !== undefined && description.topic.id !== undefined && known !== description.topic.id) {
        const now = yield* Clock.currentTimeMillis
        anotherSince ??= now
        const error = new TopicError({
          reason: "Recreated",
          topic: name,
          expected: known,
          actual: description.topic.id
        })
        if (now - anotherSince >= missingGraceMillis) return yield* context.fatal(name, error)
        // Or it is the answer of a broker that lags behind.
        context.failures.set(where, error)
        return false
      }
      anotherSince = undefined
      yield* reconcile(context, topic, description, ensureFetcher)
      const brokers = nodeKeys(description.brokers.keys())
      const isRead = ({ partition }: PartitionMetadata) => topic.isFollowed || topic.cursors.has(partition)
      return description.partitions.every((p) => !isRead(p) || isLed(brokers, p))
    })

  return followTopic({
    client,
    describe: client.describeTopic(name),
    wanted,
    maxAgeMillis: metadataMaxAgeMillis,
    isDescribed: false,
    onDescription,
    onFailure
  })
}

/** A topic that was known, and is missing, was deleted. */
const deletion = ({ description, name }: SourceTopic, missing: TopicError): TopicError => {
  if (description === undefined) return missing
  const { broker } = missing
  const known = description.topic.id
  return new TopicError({
    reason: "Deleted",
    topic: name,
    ...(broker === undefined ? {} : { broker }),
    ...(known === undefined ? {} : { expected: known })
  })
}

/** Takes a description over: new partitions, new leaders. Older news than what is known is ignored. */
const reconcile = (
  context: SourceContext,
  topic: SourceTopic,
  description: TopicDescription,
  ensureFetcher: (leader: number) => Effect.Effect<unknown>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { cursors } = topic
    const before = topic.description?.partitions.length ?? 0
    if (description.partitions.length < before) return
    topic.description = description
    // what is said of one topic may come of a broker that lags behind, and knows fewer of them
    const others = [...context.topics.values()].flatMap((other) => [...(other.description?.brokers ?? [])])
    context.brokers = new Map([...others, ...description.brokers])
    context.known = nodeKeys(context.brokers.keys())
    for (const found of description.partitions) {
      const { leader, leaderEpoch, partition } = found
      const cursor = cursors.get(partition) ?? (topic.isFollowed ? addCursor(context, topic, partition) : undefined)
      if (cursor === undefined) continue
      const isNewer = leaderEpoch === -1 || leaderEpoch >= cursor.leaderEpoch
      if (!isNewer) continue
      if (leader !== cursor.leader || leaderEpoch !== cursor.leaderEpoch) cursor.retryAt = 0
      if (leader !== cursor.leader) cursor.throttledUntil = undefined
      cursor.leader = leader
      cursor.leaderEpoch = leaderEpoch
      if (leader === -1) cursor.connected = false
      noteLeadership(context, topic, found)
    }
    // before anything is waited for: fetchers go by it
    context.led = byLeader(allCursors(context))
    const count = description.partitions.length
    if (topic.isFollowed && count > before) {
      yield* context.events.offer({ _tag: "PartitionCount", topic: topic.name, count })
    }
    yield* Effect.forEach(
      context.brokers.keys(),
      (leader) => (ledBy(context.led, leader).length === 0 ? Effect.void : ensureFetcher(leader)),
      { discard: true }
    )
    context.changed.notify()
  })

/** Has it a leader whose address is known? Somebody who does not know that may name one. */
const isLed = (known: ReadonlySet<string>, { leader }: PartitionMetadata): boolean =>
  leader !== -1 && known.has(nodeKey(leader))

/** That a partition has no leader, or one whose address nobody knows, is a failure as any other one until it has. */
const noteLeadership = (context: SourceContext, { name }: SourceTopic, found: PartitionMetadata): void => {
  const { errorCode, partition } = found
  const where = ofLeadership(name, partition)
  if (isLed(context.known, found)) {
    context.failures.delete(where)
    return
  }
  const code = errorCode === 0 ? LEADER_NOT_AVAILABLE : errorCode
  context.failures.set(where, brokerError({ code, request: "Metadata", topic: name, partition }))
}
