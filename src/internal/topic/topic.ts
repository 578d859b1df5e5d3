/** Creates topics and checks their cleanup policy: for `KafkaTopic`, tables and writers. */
import * as Effect from "effect/Effect"
import type { KafkaClient } from "../../KafkaClient.ts"
import { TopicError, type BrokerError, type ClientError, type InvalidOptionsError } from "../../KafkaError.ts"
import type { EnsureOptions, EnsureOutcome } from "../../KafkaTopic.ts"
import * as Client from "../client/client.ts"
import { PROPAGATION_MILLIS, untilShown } from "../client/shown.ts"
import { quotedForeignText } from "../foreignText.ts"
import { annotateLogs } from "../log.ts"
import { checkOptions, topicOf } from "../options/check.ts"
import { readSpec, topic } from "../options/spec.ts"
import { type CheckedTopic, TOPIC_SETTINGS } from "../options/topic.ts"
import { INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, TOPIC_ALREADY_EXISTS } from "../protocol/codes.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { isCompacting, POLICY, policiesOf } from "../topicPolicy.ts"

type EnsureError = ClientError | TopicError

/** How long a broker may take to create a topic, in milliseconds. */
const CREATE_MILLIS = 10_000

/** Makes sure of a topic: see `KafkaTopic.ensure`. */
export const ensure = (
  options: EnsureOptions
): Effect.Effect<EnsureOutcome, EnsureError | InvalidOptionsError, KafkaClient> =>
  Effect.gen(function* () {
    const client = yield* Client.tag
    const settings = yield* checkOptions("KafkaTopic", (check) =>
      readSpec(check, { topic, ...TOPIC_SETTINGS }, options)
    )
    return yield* ensureTopic(client, settings)
  }).pipe(Effect.withSpan("KafkaTopic.ensure", { attributes: topicOf(options) }))

// ---------------------------------------------------------------------------------------------------------------------
// ensuring
// ---------------------------------------------------------------------------------------------------------------------

/** Creates the topic if it is missing, and checks its policy if it exists. One attempt. */
export const ensureTopic = (client: KafkaClient, settings: CheckedTopic): Effect.Effect<EnsureOutcome, EnsureError> => {
  const { configs, onPolicyMismatch, topic } = settings
  const declared = configs[POLICY]
  const annotate = annotateLogs("KafkaTopic", { topic })

  /** The error for what a broker refused to do: it is about the topic, unless it passes by itself. */
  const refused = (error: BrokerError, what: string, hint = ""): EnsureError => {
    if (error.retriable || error.reason === "Unavailable") return error
    return new TopicError({
      reason: error.reason === "Unauthorized" ? "Unauthorized" : "Rejected",
      topic,
      detail: `${what}: ${error.codeName}${hint}${error.detail === undefined ? "" : `, ${error.detail}`}`,
      cause: error
    })
  }

  const outcome = (outcome: EnsureOutcome["outcome"], policy: string | undefined): EnsureOutcome => ({
    topic,
    outcome,
    policy
  })

  /** The topic's description; `undefined` if it does not exist. */
  const describe = client
    .describeTopic(topic)
    .pipe(
      Effect.catchTag("KafkaTopicError", (error) =>
        error.reason === "NotFound" ? Effect.succeed(undefined) : Effect.fail(error)
      )
    )

  const invisible = () =>
    new TopicError({ reason: "Incomplete", topic, detail: `created, but not there after ${PROPAGATION_MILLIS} ms` })

  const untilVisible = untilShown(client, describe, invisible)

  /** Waits until all partitions have leaders, which are elected a moment after the topic is created. */
  const untilLed = untilShown(
    client,
    Effect.map(describe, (found) =>
      found === undefined || found.partitions.length === 0 || found.partitions.some((p) => p.leader === -1)
        ? undefined
        : found
    ),
    invisible
  )

  /** The topic's policy; `undefined` without the right to read it. */
  const readPolicy: Effect.Effect<string | undefined, EnsureError> = Effect.flatMap(
    client.describeConfigs(topic),
    (answer) => {
      if (answer.errorCode === 0) return Effect.succeed(answer.configs.find((c) => c.name === POLICY)?.value)
      const error = brokerError({
        code: answer.errorCode,
        request: "DescribeConfigs",
        topic,
        detail: answer.errorMessage
      })
      return error.reason === "Unauthorized" ? Effect.succeed(undefined) : Effect.fail(error)
    }
  )

  const check: Effect.Effect<EnsureOutcome, EnsureError> = Effect.gen(function* () {
    if (!isCompacting(declared)) return outcome("skipped", undefined)
    const policy = yield* readPolicy
    if (policy === undefined) return yield* unreadable
    if (!isCompacting(policy)) return yield* mismatch(policy)
    if (policiesOf(policy).includes("delete") && !policiesOf(declared).includes("delete")) {
      yield* Effect.logInfo(
        `${POLICY} is ${quotedForeignText(policy)}: compacted, but keys that are not written for retention.ms are still evicted`
      ).pipe(annotate)
    }
    return outcome("verified", policy)
  })

  const unreadable: Effect.Effect<EnsureOutcome, EnsureError> = Effect.suspend(() =>
    onPolicyMismatch === "warn"
      ? Effect.as(
          Effect.logInfo(
            `${POLICY} may not be read (DESCRIBE_CONFIGS): not checked that the topic is compacted. Grant that right, or set ensureTopic: false`
          ).pipe(annotate),
          outcome("unreadable", undefined)
        )
      : Effect.fail(
          new TopicError({ reason: "Unauthorized", topic, detail: `${POLICY} may not be read (DESCRIBE_CONFIGS)` })
        )
  )

  const mismatchError = (policy: string) =>
    new TopicError({ reason: "PolicyMismatch", topic, expected: declared, actual: policy })

  const mismatch = (policy: string): Effect.Effect<EnsureOutcome, EnsureError> => {
    switch (onPolicyMismatch) {
      case "warn":
        return Effect.as(
          Effect.logWarning(
            `${POLICY} is ${quotedForeignText(policy)}, not "${declared}": keys will be EVICTED by retention. Set it to compact, or use onPolicyMismatch "reconcile"`
          ).pipe(annotate),
          outcome("mismatch", policy)
        )
      case "fail":
        return Effect.fail(mismatchError(policy))
      case "reconcile":
        return reconcile(policy)
    }
  }

  const reconcile = (before: string): Effect.Effect<EnsureOutcome, EnsureError> =>
    Effect.gen(function* () {
      const answer = yield* client.alterConfigs({ topic, set: { [POLICY]: declared } })
      if (answer.errorCode !== 0) {
        const error = brokerError({
          code: answer.errorCode,
          request: "IncrementalAlterConfigs",
          topic,
          detail: answer.errorMessage
        })
        return yield* Effect.fail(refused(error, `${POLICY}=${declared} could not be set`))
      }
      const policy = yield* untilShown(
        client,
        Effect.map(readPolicy, (found) => (found !== undefined && isCompacting(found) ? found : undefined)),
        () => mismatchError(before)
      )
      yield* annotate(
        Effect.logInfo(`${POLICY} was ${quotedForeignText(before)}, and is ${quotedForeignText(policy)} now`)
      )
      return outcome("reconciled", policy)
    })

  /** What to tell where the broker may have none of the defaults that it was asked for. */
  const noDefaultsHint = (errorCode: number): string =>
    (errorCode === INVALID_PARTITIONS && settings.partitions === -1) ||
    (errorCode === INVALID_REPLICATION_FACTOR && settings.replicationFactor === -1)
      ? " (Kafka before 2.4 wants both partitions and replicationFactor to be set)"
      : ""

  const create: Effect.Effect<EnsureOutcome, EnsureError> = Effect.gen(function* () {
    const answer = yield* client.createTopic({
      topic,
      partitions: settings.partitions,
      replicationFactor: settings.replicationFactor,
      configs,
      timeoutMillis: CREATE_MILLIS
    })
    if (answer.errorCode === TOPIC_ALREADY_EXISTS) {
      // Somebody else has created it in between.
      yield* untilVisible
      return yield* check
    }
    if (answer.errorCode !== 0) {
      const error = brokerError({
        code: answer.errorCode,
        request: "CreateTopics",
        topic,
        detail: answer.errorMessage
      })
      return yield* Effect.fail(
        refused(error, "it does not exist, and could not be created", noDefaultsHint(answer.errorCode))
      )
    }
    const { partitions } = yield* untilLed
    yield* annotate(Effect.logInfo(`created, with ${partitions.length} partition(s) and ${POLICY} "${declared}"`))
    return outcome("created", declared)
  })

  return Effect.flatMap(describe, (found) => (found === undefined ? create : check))
}
