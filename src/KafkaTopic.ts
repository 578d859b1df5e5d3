/**
 * Makes sure that a topic exists and is compacted.
 *
 * Tables and writers do this by themselves, unless told not to (`ensureTopic: false`). Here it is on its own, for
 * deployments, tests and tools.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { KafkaClient, KafkaTopic } from "effect-ktables"
 *
 * export const program = KafkaTopic.ensure({ topic: "my.registry", partitions: 6, onPolicyMismatch: "fail" }).pipe(
 *   Effect.tap(({ outcome, policy }) => Effect.log(`my.registry: ${outcome}, cleanup.policy=${policy}`)),
 *   Effect.provide(KafkaClient.layer({ brokers: ["localhost:9092"] }))
 * )
 * ```
 *
 * @since 0.1.0
 * @module
 */
import type * as Effect from "effect/Effect"
import * as internal from "./internal/topic/topic.ts"
import type { KafkaClient } from "./KafkaClient.ts"
import type { ClientError, InvalidOptionsError, TopicError } from "./KafkaError.ts"

/**
 * What to create, and what to do about a topic that is not compacted.
 *
 * @since 0.1.0
 * @category options
 */
export interface TopicSettings {
  /** Partitions of a topic that is created. Default: the broker's default; Kafka before 2.4 wants a number. */
  readonly partitions?: number
  /**
   * Replicas of a topic that is created, not above the number of brokers. Default: the broker's default; Kafka before 2.4
   * wants a number.
   */
  readonly replicationFactor?: number
  /**
   * Configs of a topic that is created. Of these, only `cleanup.policy` is looked at when the topic exists already.
   * `cleanup.policy` is `compact` unless it is named here; a policy that is named and does not contain `compact` is
   * taken as meant, and not checked.
   */
  readonly configs?: Readonly<Record<string, string>>
  /**
   * What to do if the topic exists and its `cleanup.policy` does not contain `compact`, so that retention would evict
   * keys.
   *
   * - `warn`: log a warning.
   * - `fail`: fail with a `TopicError`, reason `PolicyMismatch`.
   * - `reconcile`: set the declared policy; every other config stays as it is.
   *
   * If the policy may not be read, `warn` logs that, and the others fail with a `TopicError`, reason `Unauthorized`.
   *
   * Default: `warn`.
   */
  readonly onPolicyMismatch?: "warn" | "fail" | "reconcile"
}

/**
 * @since 0.1.0
 * @category options
 */
export interface EnsureOptions extends TopicSettings {
  readonly topic: string
}

/**
 * What was found, and done.
 *
 * - `created`: there was no such topic.
 * - `verified`: it exists, and its policy contains `compact`.
 * - `reconciled`: it exists; its policy was not compacting, and is now.
 * - `mismatch`: it exists, and its policy does not contain `compact`; there was a warning.
 * - `unreadable`: it exists; its configs may not be read.
 * - `skipped`: it exists; the declared policy does not contain `compact`, so there was nothing to check.
 *
 * @since 0.1.0
 * @category models
 */
export interface EnsureOutcome {
  readonly topic: string
  readonly outcome: "created" | "verified" | "reconciled" | "mismatch" | "unreadable" | "skipped"
  /** The topic's `cleanup.policy` afterwards; `undefined` where it was not read. */
  readonly policy: string | undefined
}

/**
 * Creates the topic if it is missing, and checks its `cleanup.policy` if it exists. A topic that exists is fine without
 * the right to create one.
 *
 * One attempt: what may pass by itself has `retriable` set, and whether to retry is the caller's business. Only what the
 * call has changed itself is waited for: up to 10 seconds until brokers show a new topic, or the new policy.
 *
 * Fails with
 *
 * - `InvalidOptionsError`: nothing was sent.
 * - `TopicError`: `Unauthorized` (a right is missing), `Rejected` (the broker refused to create or to alter it, such as
 *   for a replication factor above the number of brokers), `PolicyMismatch` (with `fail`, or if `reconcile` did not
 *   show within 10 seconds), `Incomplete` (created, but not visible within 10 seconds).
 * - `ConnectionError`, `BrokerError`: no broker could be asked, or it could not answer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ensure: (
  options: EnsureOptions
) => Effect.Effect<EnsureOutcome, ClientError | TopicError | InvalidOptionsError, KafkaClient> = internal.ensure
