/** Making sure of topics without all the rights for it; with them, see test/contract. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { assert } from "vitest"
import { KafkaTopic, type KafkaClient } from "../../src/index.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { realKafka, topicName } from "../kafka/realKafka.ts"
import { failOnProcessWarnings, shared, test } from "../support/live.ts"
import { withClient } from "./support.ts"

failOnProcessWarnings()

const ensure = (client: KafkaClient.KafkaClientOptions, topic: string, settings: KafkaTopic.TopicSettings = {}) =>
  KafkaTopic.ensure({ topic, ...settings }).pipe(withClient(client))

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
      const grant = (operation: string) => java.addAcls([{ user: "alice", resource: "topic", name: topic, operation }])

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
