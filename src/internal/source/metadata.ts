/** Keeps the description of the topic fresh: leaders, new partitions, and whether it is still the same topic. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { TopicDescription } from "../../KafkaClient.ts"
import type { PartitionMetadata } from "../../KafkaProtocol.ts"
import { TopicError, type ClientError } from "../../KafkaError.ts"
import { retryDelay } from "../client/backoff.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { byLeader, ledBy, nodeKey, nodeKeys } from "../leaders.ts"
import type { Signal } from "../signal.ts"
import { isDenial, isPassing, type SourceContext } from "./context.ts"
import { OF_METADATA, ofLeadership } from "./failures.ts"

const LEADER_NOT_AVAILABLE = 5

/** Asks when `wanted` is notified, and when the last answer is too old. */
export const metadataLoop = (
  context: SourceContext,
  wanted: Signal,
  ensureFetcher: (leader: number) => Effect.Effect<unknown>
): Effect.Effect<never> => {
  const { client, deniedRetryMillis, metadataMaxAgeMillis, missingGraceMillis, topic } = context.options
  let attempts = 0
  let missingSince: number | undefined
  let anotherSince: number | undefined

  const onError = (error: ClientError | TopicError): Effect.Effect<void> =>
    Effect.gen(function* () {
      context.failures.set(OF_METADATA, error)
      if (error.reason !== "NotFound") missingSince = undefined
      if (isDenial(error)) {
        yield* context.denied(OF_METADATA, error)
        return yield* Effect.sleep(deniedRetryMillis)
      }
      if (error._tag === "KafkaTopicError" && error.reason === "NotFound") {
        const now = yield* Clock.currentTimeMillis
        missingSince ??= now
        if (now - missingSince >= missingGraceMillis) {
          const known = context.description?.topic.id
          return yield* context.fatal(
            context.description === undefined
              ? error
              : new TopicError({
                  reason: "Deleted",
                  topic,
                  ...(error.broker === undefined ? {} : { broker: error.broker }),
                  ...(known === undefined ? {} : { expected: known })
                })
          )
        }
      } else if (!isPassing(error)) {
        return yield* context.fatal(error)
      } else if (context.description === undefined) {
        yield* context.options.onWaiting(error)
      }
      yield* Effect.flatMap(retryDelay(client, attempts++), Effect.sleep)
    })

  const once = Effect.gen(function* () {
    const seen = wanted.version
    const description = yield* client.describeTopic(topic)
    missingSince = undefined
    yield* context.granted(OF_METADATA)
    const known = context.description?.topic.id
    if (known !== undefined && description.topic.id !== undefined && known !== description.topic.id) {
      const now = yield* Clock.currentTimeMillis
      anotherSince ??= now
      const error = new TopicError({ reason: "Recreated", topic, expected: known, actual: description.topic.id })
      if (now - anotherSince >= missingGraceMillis) return yield* context.fatal(error)
      context.failures.set(OF_METADATA, error)
      // or the answer of a broker that lags behind
      return yield* Effect.flatMap(retryDelay(client, attempts++), Effect.sleep)
    }
    anotherSince = undefined
    const brokers = nodeKeys(description.brokers.keys())
    const leaderless = description.partitions.some((p) => !isLed(brokers, p))
    yield* reconcile(context, description, brokers, ensureFetcher)
    if (leaderless) {
      yield* Effect.flatMap(retryDelay(client, attempts++), Effect.sleep)
    } else {
      attempts = 0
      yield* wanted.after(seen, metadataMaxAgeMillis)
      // at most one request per backoff, however many fetchers complain
      yield* Effect.flatMap(retryDelay(client, 0), Effect.sleep)
    }
  })

  return Effect.forever(Effect.catchAll(once, onError))
}

/** Takes a description over: new partitions, new leaders. Older news than what is known is ignored. */
const reconcile = (
  context: SourceContext,
  description: TopicDescription,
  known: ReadonlySet<string>,
  ensureFetcher: (leader: number) => Effect.Effect<unknown>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { partitions } = context
    const before = partitions.size
    if (description.partitions.length < before) return
    context.description = description
    context.known = known
    for (const found of description.partitions) {
      const p = partitions.get(found.partition)
      if (p === undefined) {
        partitions.set(found.partition, {
          partition: found.partition,
          leader: found.leader,
          leaderEpoch: found.leaderEpoch,
          phase: "opening",
          generation: 0,
          fetchOffset: 0,
          lastEpoch: -1,
          end: 0,
          doubt: undefined,
          maxBytes: context.options.fetch.maxPartitionBytes,
          retryAt: 0,
          attempts: 0,
          highWatermark: -1,
          lastStableOffset: -1,
          logStart: 0,
          lastFetchAt: undefined,
          headAt: 0,
          reachedHead: false,
          reopenedAsStale: false,
          restarts: 0,
          connected: false,
          throttledUntil: undefined
        })
        noteLeadership(context, found)
      } else if (found.leaderEpoch === -1 || found.leaderEpoch >= p.leaderEpoch) {
        if (found.leader !== p.leader || found.leaderEpoch !== p.leaderEpoch) p.retryAt = 0
        if (found.leader !== p.leader) p.throttledUntil = undefined
        p.leader = found.leader
        p.leaderEpoch = found.leaderEpoch
        if (found.leader === -1) p.connected = false
        noteLeadership(context, found)
      }
    }
    // before anything is waited for: fetchers go by it
    context.led = byLeader(partitions.values())
    if (partitions.size > before) {
      yield* context.events.offer({ _tag: "PartitionCount", count: partitions.size })
    }
    yield* Effect.forEach(
      description.brokers.keys(),
      (leader) => (ledBy(context.led, leader).length === 0 ? Effect.void : ensureFetcher(leader)),
      { discard: true }
    )
    context.changed.notify()
  })

/** Has it a leader whose address is known? Somebody who does not know that may name one. */
const isLed = (known: ReadonlySet<string>, { leader }: PartitionMetadata): boolean =>
  leader !== -1 && known.has(nodeKey(leader))

/** That a partition has no leader, or one whose address nobody knows, is a failure as any other one until it has. */
const noteLeadership = (context: SourceContext, found: PartitionMetadata): void => {
  const { errorCode, partition } = found
  if (isLed(context.known, found)) {
    context.failures.delete(ofLeadership(partition))
    return
  }
  const code = errorCode === 0 ? LEADER_NOT_AVAILABLE : errorCode
  context.failures.set(
    ofLeadership(partition),
    brokerError({ code, request: "Metadata", topic: context.options.topic, partition })
  )
}
