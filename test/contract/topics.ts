import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { KafkaTopic } from "../../src/index.ts"
import { facts } from "../support/live.ts"
import { newName, openers, type Suite } from "./suite.ts"

const ensure = (topic: string, settings: KafkaTopic.TopicSettings = {}) => KafkaTopic.ensure({ topic, ...settings })

export const topics = (test: Suite): void => {
  test("one that is missing is created, compacted, with the broker's defaults, and verified the next time", (kafka) =>
    Effect.gen(function* () {
      const topic = newName()
      assert.deepStrictEqual(yield* kafka.withClient(ensure(topic)), { topic, outcome: "created", policy: "compact" })
      const described = yield* kafka.describeTopic(topic)
      assert.deepInclude(described?.configs, { "cleanup.policy": "compact" })
      assert.strictEqual(described?.partitions, 1)
      assert.deepStrictEqual(yield* kafka.withClient(ensure(topic)), {
        topic,
        outcome: "verified",
        policy: "compact"
      })
    }))

  test("one that is missing is created as declared", (kafka) =>
    Effect.gen(function* () {
      const topic = newName()
      const declared = {
        partitions: 5,
        replicationFactor: 1,
        configs: { "segment.ms": "123456", "cleanup.policy": "compact,delete" }
      }
      const { outcome, policy } = yield* kafka.withClient(ensure(topic, declared))
      assert.deepStrictEqual([outcome, policy], ["created", "compact,delete"])
      const described = yield* kafka.describeTopic(topic)
      assert.deepInclude(described?.configs, declared.configs)
      assert.strictEqual(described?.partitions, 5)
      assert.strictEqual((yield* kafka.withClient(ensure(topic))).outcome, "verified")
    }))

  test("many at once create it once", (kafka) =>
    Effect.gen(function* () {
      const topic = newName()
      const outcomes = yield* Effect.all(
        Array.from({ length: 8 }, () => kafka.withClient(ensure(topic, { partitions: 1, replicationFactor: 1 }))),
        { concurrency: "unbounded" }
      )
      assert.sameMembers(
        outcomes.map(({ outcome }) => outcome),
        ["created", ...Array.from({ length: 7 }, () => "verified")]
      )
    }))

  test("a policy without compaction: mismatch, or failure", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "cleanup.policy": "delete" } })
      assert.deepStrictEqual(yield* kafka.withClient(ensure(topic)), {
        topic,
        outcome: "mismatch",
        policy: "delete"
      })
      const error = yield* Effect.flip(kafka.withClient(ensure(topic, { onPolicyMismatch: "fail" })))
      assert.deepInclude(facts(error), { reason: "PolicyMismatch", expected: "compact", actual: "delete" })
      assert.deepInclude((yield* kafka.describeTopic(topic))?.configs, { "cleanup.policy": "delete" })
    }))

  test("a policy without compaction: reconciled, with all else kept", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "cleanup.policy": "delete", "retention.ms": "777777777" } })
      const reconcile = kafka.withClient(ensure(topic, { onPolicyMismatch: "reconcile" }))
      assert.deepStrictEqual(yield* reconcile, { topic, outcome: "reconciled", policy: "compact" })
      const described = yield* kafka.describeTopic(topic)
      assert.deepInclude(described?.configs, { "cleanup.policy": "compact", "retention.ms": "777777777" })
      assert.strictEqual((yield* reconcile).outcome, "verified")
    }))

  test("a policy without compaction that was declared is the caller's choice", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "cleanup.policy": "delete" } })
      const declared = { configs: { "cleanup.policy": "delete" }, onPolicyMismatch: "fail" } as const
      assert.strictEqual((yield* kafka.withClient(ensure(topic, declared))).outcome, "skipped")
    }))

  test("a replication factor above the brokers is refused, in their words, and leaves nothing", (kafka) =>
    Effect.gen(function* () {
      const topic = newName()
      const error = yield* Effect.flip(kafka.withClient(ensure(topic, { partitions: 1, replicationFactor: 99 })))
      assert.deepInclude(facts(error), { _tag: "KafkaTopicError", reason: "Rejected" })
      assert.include(error.message, "INVALID_REPLICATION_FACTOR")
      assert.include(error.message, "99")
      assert.isUndefined(yield* kafka.describeTopic(topic))
    }))

  test("a config that no broker knows is refused, in their words, and leaves nothing", (kafka) =>
    Effect.gen(function* () {
      const topic = newName()
      const error = yield* Effect.flip(kafka.withClient(ensure(topic, { configs: { "cleanup.policy": "shred" } })))
      assert.deepInclude(facts(error), { _tag: "KafkaTopicError", reason: "Rejected" })
      assert.include(error.message, "INVALID_CONFIG")
      assert.isUndefined(yield* kafka.describeTopic(topic))
    }))

  test("tables and writers create theirs, compacted", (kafka) =>
    Effect.gen(function* () {
      const [read, written] = [newName(), newName()]
      yield* kafka.table(read, { topicSettings: { partitions: 2, replicationFactor: 1 } })
      yield* kafka.writer(written, { topicSettings: { partitions: 3, replicationFactor: 1 } })
      for (const [topic, partitions] of [
        [read, 2],
        [written, 3]
      ] as const) {
        const described = yield* kafka.describeTopic(topic)
        assert.strictEqual(described?.partitions, partitions)
        assert.deepInclude(described?.configs, { "cleanup.policy": "compact" })
      }
    }))

  test("a table does without compaction where it was declared so, and fails where that was asked for", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "cleanup.policy": "delete" } })
      yield* kafka.append(topic, [{ key: "a", value: "1" }])
      const table = yield* kafka.table(topic, { topicSettings: { configs: { "cleanup.policy": "delete" } } })
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", "1"]])
      for (const open of openers(kafka)) {
        const error = yield* Effect.flip(open(topic, { topicSettings: { onPolicyMismatch: "fail" } }))
        assert.deepInclude(facts(error), { _tag: "KafkaTopicError", reason: "PolicyMismatch" })
      }
    }))
}
