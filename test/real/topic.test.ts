/** Making sure of topics on a real Kafka, which says what they are. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { assert } from "vitest"
import { KafkaTopic, type KafkaClient } from "../../src/index.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { failOnProcessWarnings, shared, test, withClient } from "./support.ts"

failOnProcessWarnings()

const ensure = (client: KafkaClient.KafkaClientOptions, topic: string, settings: KafkaTopic.TopicSettings = {}) =>
  KafkaTopic.ensure({ topic, ...settings }).pipe(withClient(client))

realKafka("ensuring topics", { java: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const { adminBrokers, brokers } = yield* sharedKafka
      return { brokers, java: yield* JavaClient.make(adminBrokers) }
    })
  )

  test("creates a compacted one with the broker's defaults, and verifies it the next time", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      assert.deepStrictEqual(yield* ensure({ brokers }, topic), { topic, outcome: "created", policy: "compact" })
      assert.strictEqual((yield* java.topicConfigs(topic))["cleanup.policy"], "compact")
      assert.deepStrictEqual(yield* ensure({ brokers }, topic), { topic, outcome: "verified", policy: "compact" })
    }))

  test("creates what is declared", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* ensure({ brokers }, topic, { partitions: 5, replicationFactor: 1, configs: { "segment.ms": "123456" } })
      const configs = yield* java.topicConfigs(topic)
      assert.deepInclude(configs, { "cleanup.policy": "compact", "segment.ms": "123456" })
      assert.strictEqual((yield* java.describeTopic(topic)).partitions.length, 5)
    }))

  test("many at once create it once", () =>
    Effect.gen(function* () {
      const { brokers } = yield* kafka
      const topic = topicName()
      const outcomes = yield* Effect.all(
        Array.from({ length: 8 }, () => ensure({ brokers }, topic)),
        { concurrency: "unbounded" }
      )
      const created = outcomes.filter(({ outcome }) => outcome === "created").length
      assert.strictEqual(created, 1)
      assert.isTrue(outcomes.every(({ outcome }) => outcome === "created" || outcome === "verified"))
    }))

  test("a policy without compaction: mismatch, failure, or reconciled with all else kept", () =>
    Effect.gen(function* () {
      const { brokers, java } = yield* kafka
      const topic = topicName()
      yield* java.createTopic(topic, { configs: { "cleanup.policy": "delete", "retention.ms": "777777" } })
      assert.deepStrictEqual(yield* ensure({ brokers }, topic), { topic, outcome: "mismatch", policy: "delete" })
      const error = yield* Effect.flip(ensure({ brokers }, topic, { onPolicyMismatch: "fail" }))
      assert.deepInclude(error, { reason: "PolicyMismatch", expected: "compact", actual: "delete" })
      const settings = { onPolicyMismatch: "reconcile" } as const
      assert.deepStrictEqual(yield* ensure({ brokers }, topic, settings), {
        topic,
        outcome: "reconciled",
        policy: "compact"
      })
      const configs = yield* java.topicConfigs(topic)
      assert.deepInclude(configs, { "cleanup.policy": "compact", "retention.ms": "777777" })
      assert.strictEqual((yield* ensure({ brokers }, topic, settings)).outcome, "verified")
    }))

  test("a replication factor above the brokers is refused, in their words", () =>
    Effect.gen(function* () {
      const { brokers } = yield* kafka
      const error = yield* Effect.flip(ensure({ brokers }, topicName(), { replicationFactor: 99 }))
      assert.strictEqual(error.reason, "Rejected")
      assert.include(error.message, "INVALID_REPLICATION_FACTOR")
      assert.include(error.message, "99")
    }))
})

realKafka("ensuring topics with ACLs", { java: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const cluster = yield* KafkaCluster.make({ listener: "sasl_plaintext", users: { alice: "secret" }, acls: true })
      const client: KafkaClient.KafkaClientOptions = {
        brokers: cluster.brokers,
        sasl: { mechanism: "PLAIN", username: "alice", password: Redacted.make("secret") }
      }
      return { client, java: yield* JavaClient.make(cluster.adminBrokers) }
    })
  )

  test("each right that is missing has its outcome", () =>
    Effect.gen(function* () {
      const { client, java } = yield* kafka
      const topic = topicName()
      const grant = (operation: string) =>
        Effect.andThen(java.addAcls([{ user: "alice", resource: "topic", name: topic, operation }]), Effect.sleep(500))

      const undescribed = yield* Effect.flip(ensure(client, topic))
      assert.deepInclude(undescribed, { _tag: "KafkaTopicError", reason: "Unauthorized" })

      yield* grant("describe")
      const uncreated = yield* Effect.flip(ensure(client, topic))
      assert.deepInclude(uncreated, { _tag: "KafkaTopicError", reason: "Unauthorized" })
      assert.include(uncreated.message, "could not be created")

      // it exists: then the right to create it is not needed, nor is the right to read its configs
      yield* java.createTopic(topic, { configs: { "cleanup.policy": "delete" } })
      assert.deepStrictEqual(yield* ensure(client, topic), { topic, outcome: "unreadable", policy: undefined })
      for (const onPolicyMismatch of ["fail", "reconcile"] as const) {
        const error = yield* Effect.flip(ensure(client, topic, { onPolicyMismatch }))
        assert.strictEqual(error.reason, "Unauthorized")
      }

      yield* grant("describe_configs")
      assert.strictEqual((yield* ensure(client, topic)).outcome, "mismatch")
      const unaltered = yield* Effect.flip(ensure(client, topic, { onPolicyMismatch: "reconcile" }))
      assert.strictEqual(unaltered.reason, "Unauthorized")
      yield* grant("alter_configs")
      assert.strictEqual((yield* ensure(client, topic, { onPolicyMismatch: "reconcile" })).outcome, "reconciled")
    }))
})
