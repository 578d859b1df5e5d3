/** Members of groups whose rights are missing, are given, and are taken away: on a real broker that has such rules. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { assert } from "vitest"
import { Codec, KafkaClient, KafkaConsumer } from "../../src/index.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import * as Librdkafka from "../kafka/Librdkafka.ts"
import { realKafka, topicName } from "../kafka/realKafka.ts"
import { eventually, facts, failOnProcessWarnings, shared, test } from "../support/live.ts"

failOnProcessWarnings()

realKafka("rights of consumers", { java: true, python: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const cluster = yield* KafkaCluster.make({ listener: "sasl_plaintext", users: { alice: "secret" }, acls: true })
      const client = yield* KafkaClient.make({
        brokers: cluster.brokers,
        sasl: { mechanism: "PLAIN", username: "alice", password: Redacted.make("secret") }
      })
      return { client, brokers: cluster.adminBrokers, java: yield* JavaClient.make(cluster.adminBrokers) }
    })
  )

  for (const protocol of ["classic", "consumer"] as const) {
    test(`on its group and its topic: typed before it is a member, told and waited for afterwards, ${protocol}`, () =>
      Effect.gen(function* () {
        const { brokers, client, java } = yield* kafka
        const topic = topicName()
        const group = topicName("group")
        yield* java.createTopic(topic, { partitions: 1 })
        const write = (value: string) =>
          Librdkafka.produce({
            brokers,
            topic,
            records: [{ key: "k", value, partition: 0, timestamp: Date.now(), headers: [] }]
          })
        const rule = (resource: "topic" | "group", operation: string) => ({
          user: "alice",
          resource,
          name: resource === "topic" ? topic : group,
          operation
        })
        const acquire = KafkaConsumer.make<string>({
          group,
          subscribe: topic,
          value: Codec.utf8,
          protocol,
          commitInterval: 100,
          deniedRetryInterval: 200,
          ...(protocol === "classic" ? { sessionTimeout: 30_000, heartbeatInterval: 200 } : {})
        }).pipe(Effect.provideService(KafkaClient.KafkaClient, client))

        yield* java.addAcls([rule("topic", "describe")])
        const refused = Effect.flip(Effect.scoped(acquire))
        const error = yield* refused
        assert.deepInclude(facts(error), { _tag: "KafkaBrokerError", reason: "Unauthorized" })
        assert.include(error.message, group)
        yield* java.addAcls([rule("group", "describe")])
        const later = yield* eventually(refused, ({ _tag }) => _tag === "KafkaGroupError")
        assert.deepInclude(facts(later), { _tag: "KafkaGroupError", reason: "Unauthorized", group })

        yield* java.addAcls([rule("group", "read")])
        // Brokers hear of it a moment later.
        const consumer = yield* eventually(Effect.option(acquire), (made) => made._tag === "Some").pipe(
          Effect.flatMap((made) => (made._tag === "Some" ? Effect.succeed(made.value) : Effect.die(made)))
        )
        const done: Array<string> = []
        yield* Effect.forkScoped(consumer.runForEach(({ value }) => Effect.sync(() => void done.push(value))))
        const health = (tag: KafkaConsumer.Health["_tag"]) =>
          eventually(SubscriptionRef.get(consumer.health), ({ _tag }) => _tag === tag)

        const unavailable = Effect.map(health("Unavailable"), (one) => (one._tag === "Unavailable" ? one.error : one))

        yield* write("a")
        assert.deepInclude(facts(yield* unavailable), {
          _tag: "KafkaBrokerError",
          reason: "Unauthorized",
          request: "Fetch",
          topic
        })
        yield* java.addAcls([rule("topic", "read")])
        yield* health("Steady")
        yield* eventually(
          Effect.sync(() => done),
          (all) => all.length === 1
        )

        yield* java.removeAcls([rule("group", "read")])
        assert.deepInclude(facts(yield* unavailable), { _tag: "KafkaGroupError", reason: "Unauthorized", group })
        yield* write("b")
        yield* eventually(
          Effect.sync(() => done),
          (all) => all.length === 2
        )
        yield* java.addAcls([rule("group", "read")])
        yield* health("Steady")
        yield* eventually(consumer.lag, ([one]) => one?.committed === 2)
        assert.deepStrictEqual(done, ["a", "b"])
      }))
  }
})
