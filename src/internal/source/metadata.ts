/**
 * What a source makes of its topics' descriptions: leaders, new partitions, and whether a topic is still the same one.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { TopicDescription } from "../../KafkaClient.ts"
import type { PartitionMetadata } from "../../KafkaProtocol.ts"
import { TopicError, type ClientError } from "../../KafkaError.ts"
import { type AfterFailure, followTopic } from "../client/followTopic.ts"
import { LEADER_NOT_AVAILABLE } from "../protocol/codes.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { byLeader, nodeKey, nodeKeys } from "../client/leaders.ts"
import type { Signal } from "../signal.ts"
import { addCursor, allCursors, cursorsOf, isDenial, isPassing, type SourceContext } from "./context.ts"
import type { SourceTopic } from "./cursor.ts"
import { ofLeadership, ofMetadata } from "./failures.ts"

/**
 * Keeps one topic described while it is read. `ensureLeader` starts the fibers of a leader of some of its partitions.
 */
export const followSourceTopic = (
  context: SourceContext,
  topic: SourceTopic,
  wanted: Signal,
  ensureLeader: (leader: number) => Effect.Effect<unknown>
): Effect.Effect<void> => {
  const { client, deniedRetryMillis, metadataMaxAgeMillis, missingGraceMillis } = context.options
  const { name } = topic
  const where = ofMetadata(name)
  /** Since when the topic has had another id; `undefined` while it has the one that is known. */
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
        // It may also be the answer of a broker that lags behind, so the topic is asked for again.
        context.failures.set(where, error)
        return false
      }
      anotherSince = undefined
      yield* reconcile(context, topic, description, ensureLeader)
      const brokers = nodeKeys(description.brokers.keys())
      return (
        description.partitions.every((p) => !topic.cursors.has(p.partition) || isLed(brokers, p)) &&
        [...topic.cursors.values()].every(({ phase }) => phase !== "unsure")
      )
    })

  return followTopic({
    client,
    describe: Effect.suspend(() => {
      topic.asked++
      return client.describeTopic(name)
    }),
    wanted,
    maxAgeMillis: metadataMaxAgeMillis,
    isDescribed: false,
    onDescription,
    onFailure
  })
}

/** The error for a topic that is missing: one that was known before was deleted. */
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

/** Takes over new partitions and new leaders from a description. What is older than what is known is ignored. */
const reconcile = (
  context: SourceContext,
  topic: SourceTopic,
  description: TopicDescription,
  ensureLeader: (leader: number) => Effect.Effect<unknown>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { cursors } = topic
    const before = topic.description?.partitions.length ?? 0
    if (description.partitions.length < before) return
    topic.description = description
    // A description of one topic may come from a broker that lags behind, and knows fewer brokers than others do.
    const others = [...context.topics.values()].flatMap((other) => [...(other.description?.brokers ?? [])])
    context.brokers = new Map([...others, ...description.brokers])
    context.known = nodeKeys(context.brokers.keys())
    for (const found of description.partitions) {
      const { leader, leaderEpoch, partition } = found
      const isNew = topic.isFollowed && partition >= before
      const cursor = cursors.get(partition) ?? (isNew ? addCursor(context, topic, partition) : undefined)
      // or it was taken away
      if (cursor === undefined) continue
      const isNewer = leaderEpoch === -1 || leaderEpoch >= cursor.leaderEpoch
      if (!isNewer) continue
      if (leader !== cursor.leader || leaderEpoch !== cursor.leaderEpoch) cursor.retryAt = 0
      if (leader !== cursor.leader) cursor.throttledUntil = undefined
      cursor.leader = leader
      cursor.leaderEpoch = leaderEpoch
      if (cursor.phase === "unsure" && cursor.unsureSince < topic.asked) cursor.phase = "fetching"
      if (leader === -1) cursor.connected = false
      noteLeadership(context, topic, found)
    }
    // Fetchers go by this, so it is done before anything is waited for.
    context.led = byLeader(allCursors(context))
    const count = description.partitions.length
    if (topic.isFollowed && count > before) {
      yield* context.events.offer({ _tag: "PartitionCount", topic: topic.name, count })
    }
    yield* Effect.forEach(
      context.brokers.keys(),
      (leader) => (cursorsOf(context, leader).length === 0 ? Effect.void : ensureLeader(leader)),
      { discard: true }
    )
    context.changed.notify()
  })

/** Whether a partition has a leader whose address is known: a broker may name a leader that it knows no address of. */
const isLed = (known: ReadonlySet<string>, { leader }: PartitionMetadata): boolean =>
  leader !== -1 && known.has(nodeKey(leader))

/** Notes as a standing failure that a partition has no leader, or one whose address nobody knows, until it has one. */
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
