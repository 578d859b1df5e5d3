/** What an operator sees of real groups, and does to them: members are librdkafka's, and one that is played. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { randomUUID } from "node:crypto"
import { assert } from "vitest"
import { KafkaClient, KafkaGroups, type KafkaProtocol } from "../../src/index.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import * as Librdkafka from "../kafka/Librdkafka.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { eventually, facts, failOnProcessWarnings, shared, test } from "../support/live.ts"

failOnProcessWarnings()

const groupsOf = (client: KafkaClient.KafkaClient) =>
  Effect.provideService(KafkaGroups.make, KafkaClient.KafkaClient, client)

/** What a call that has to fail failed with. */
const failureOf = <A, E extends object>(call: Effect.Effect<A, E>) => Effect.map(Effect.flip(call), facts)

realKafka("groups, for an operator", { java: true, python: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const { adminBrokers, brokers } = yield* sharedKafka
      const client = yield* KafkaClient.make({ brokers })
      return { brokers, client, groups: yield* groupsOf(client), java: yield* JavaClient.make(adminBrokers) }
    })
  )

  /** A topic of two partitions: three records in the first one, at the times 1000, 2000 and 3000, and one in the other. */
  const begin = Effect.gen(function* () {
    const { brokers, java } = yield* kafka
    const topic = topicName()
    yield* java.createTopic(topic, { partitions: 2, configs: { "retention.ms": "-1" } })
    const at = (partition: number, timestamp: number) => ({ key: "k", value: "v", partition, timestamp, headers: [] })
    yield* Librdkafka.produce({ brokers, topic, records: [at(0, 1000), at(0, 2000), at(0, 3000), at(1, 1000)] })
    return { topic, group: topicName("group") }
  })

  const told = (offsets: ReadonlyArray<KafkaGroups.GroupOffset>) =>
    offsets.map(({ committed, end, lag, partition }) => [partition, committed, end, lag])

  const moved = (resets: ReadonlyArray<KafkaGroups.OffsetReset>) =>
    resets.map(({ from, partition, to }) => [partition, from, to])

  test("of the classic protocol: made, looked at, refused while it has members, reset, deleted", () =>
    Effect.gen(function* () {
      const { brokers, groups } = yield* kafka
      const { group, topic } = yield* begin
      const notFound = { _tag: "KafkaGroupError", reason: "NotFound", group }
      assert.deepInclude(yield* failureOf(groups.describe(group)), notFound)
      assert.deepInclude(yield* failureOf(groups.offsets(group)), notFound)
      assert.deepInclude(yield* failureOf(groups.delete(group)), notFound)
      assert.deepInclude(yield* failureOf(groups.resetOffsets(group, { to: "earliest" })), notFound)

      // A group that nobody was in is made by this.
      const offsets = [{ topic, partition: 0, offset: 1 }]
      assert.deepStrictEqual(moved(yield* groups.resetOffsets(group, { to: { offsets } })), [[0, undefined, 1]])
      assert.deepInclude(yield* groups.describe(group), { type: "classic", state: "Empty", members: [] })
      assert.deepStrictEqual(told(yield* groups.offsets(group)), [[0, 1, 3, 2]])

      const config = { "session.timeout.ms": 6000, "enable.auto.commit": false }
      const member = yield* Effect.forkScoped(
        Librdkafka.member({ brokers, topic, group, assignor: "cooperative-sticky", config })
      )
      const described = yield* eventually(
        groups.describe(group),
        ({ members, state }) => state === "Stable" && members.some(({ assignment = [] }) => assignment.length > 0)
      )
      const all = [0, 1].map((partition) => ({ topic, partition }))
      assert.deepInclude(described, { type: "classic", protocolType: "consumer", assignor: "cooperative-sticky" })
      const [{ id, ...rest }] = described.members
      assert.deepStrictEqual(rest, {
        instanceId: undefined,
        clientId: "librdkafka",
        host: "127.0.0.1",
        protocol: "classic",
        topics: [topic],
        pattern: undefined,
        assignment: all,
        target: undefined
      })
      const owned = yield* groups.offsets(group)
      assert.deepStrictEqual(told(owned), [
        [0, 1, 3, 2],
        [1, undefined, 1, undefined]
      ])
      assert.deepStrictEqual(
        owned.map((one) => one.member),
        [id, id]
      )
      const stable = yield* groups.list({ states: ["Stable"], types: ["classic"] })
      assert.deepInclude(stable, { group, type: "classic", state: "Stable", protocolType: "consumer" })
      const notEmpty = { _tag: "KafkaGroupError", reason: "NotEmpty", group }
      assert.deepInclude(yield* failureOf(groups.resetOffsets(group, { to: "latest" })), notEmpty)
      assert.deepInclude(yield* failureOf(groups.delete(group)), notEmpty)
      const subscribed = yield* failureOf(groups.deleteOffsets(group, [topic]))
      assert.deepInclude(subscribed, { _tag: "KafkaGroupError", reason: "Subscribed", topic })

      // It is killed, and is a member until its session is over.
      yield* Fiber.interrupt(member)
      yield* eventually(groups.describe(group), ({ state }) => state === "Empty")
      const reset = (options: KafkaGroups.ResetOptions) => Effect.map(groups.resetOffsets(group, options), moved)
      assert.deepStrictEqual(yield* reset({ to: "latest", dryRun: true }), [[0, 1, 3]])
      assert.deepStrictEqual(yield* reset({ to: "latest", topics: [topic] }), [
        [0, 1, 3],
        [1, undefined, 1]
      ])
      assert.deepStrictEqual(yield* reset({ to: { timestamp: 1500 } }), [
        [0, 3, 1],
        [1, 1, 1]
      ])
      assert.deepStrictEqual(yield* reset({ to: "earliest" }), [
        [0, 1, 0],
        [1, 1, 0]
      ])
      const { java } = yield* kafka
      assert.deepStrictEqual(
        (yield* java.groupOffsets(group)).map(({ offset, partition }) => [partition, offset]).sort(),
        [
          [0, 0],
          [1, 0]
        ]
      )
      assert.deepInclude(yield* failureOf(reset({ to: { offsets: [{ topic, partition: 0, offset: 4 }] } })), {
        _tag: "KafkaGroupError",
        reason: "OutOfRange",
        topic,
        partition: 0
      })
      assert.deepStrictEqual(told(yield* groups.offsets(group)), [
        [0, 0, 3, 3],
        [1, 0, 1, 1]
      ])
      assert.deepStrictEqual(yield* groups.deleteOffsets(group, ["another"]), [])
      assert.deepStrictEqual(
        yield* groups.deleteOffsets(group, [topic]),
        all.map((place) => ({ ...place, offset: 0 }))
      )
      assert.deepStrictEqual(yield* groups.offsets(group), [])
      yield* groups.delete(group)
      assert.deepInclude(yield* failureOf(groups.delete(group)), notFound)
    }))

  test("of the consumer protocol: the same, and what its members are to own", () =>
    Effect.gen(function* () {
      const { client, groups } = yield* kafka
      const { group, topic } = yield* begin
      const coordinator = yield* client.coordinator(group, "group")
      const memberId = randomUUID()
      const beat = (memberEpoch: number, changed: Partial<KafkaProtocol.ConsumerGroupHeartbeatRequest> = {}) =>
        coordinator.request("ConsumerGroupHeartbeat", {
          groupId: group,
          memberId,
          memberEpoch,
          instanceId: undefined,
          rackId: undefined,
          rebalanceTimeoutMillis: undefined,
          subscribedTopicNames: undefined,
          subscribedTopicRegex: undefined,
          serverAssignor: undefined,
          topicPartitions: undefined,
          ...changed
        })
      let epoch = (yield* beat(0, {
        rebalanceTimeoutMillis: 30_000,
        subscribedTopicNames: [topic],
        serverAssignor: "range",
        topicPartitions: []
      })).memberEpoch
      // Each heartbeat takes the member further, until it has what it is to have.
      const { members, ...others } = yield* eventually(
        Effect.andThen(
          Effect.tap(
            Effect.suspend(() => beat(epoch)),
            ({ memberEpoch }) => Effect.sync(() => (epoch = memberEpoch))
          ),
          groups.describe(group)
        ),
        ({ members: [{ target }] }) => target?.length === 2
      )
      const all = [0, 1].map((partition) => ({ topic, partition }))
      assert.deepInclude(others, { type: "consumer", protocolType: "consumer", assignor: "range" })
      assert.deepInclude(members[0], {
        id: memberId,
        host: "127.0.0.1",
        protocol: "consumer",
        topics: [topic],
        target: all
      })
      const notEmpty = { _tag: "KafkaGroupError", reason: "NotEmpty", group }
      assert.deepInclude(yield* failureOf(groups.resetOffsets(group, { to: "latest", topics: [topic] })), notEmpty)
      assert.deepInclude(yield* failureOf(groups.delete(group)), notEmpty)
      yield* beat(-1)
      yield* eventually(groups.describe(group), ({ state }) => state === "Empty")
      assert.deepStrictEqual(moved(yield* groups.resetOffsets(group, { to: "latest", topics: [topic] })), [
        [0, undefined, 3],
        [1, undefined, 1]
      ])
      const empty = yield* groups.list({ states: ["Empty"], types: ["consumer"] })
      assert.isTrue(empty.some((one) => one.group === group))
      yield* groups.delete(group)
      assert.deepInclude(yield* failureOf(groups.describe(group)), {
        _tag: "KafkaGroupError",
        reason: "NotFound",
        group
      })
    }))

  test("whose topic was deleted tells of the others, and why it does not know", () =>
    Effect.gen(function* () {
      const { client, groups, java } = yield* kafka
      const [{ group, topic }, other] = yield* Effect.all([begin, begin])
      yield* groups.resetOffsets(group, { to: "earliest", topics: [topic, other.topic] })
      // The coordinator forgets the offsets of a deleted topic, but does not know of it at once.
      yield* java.deleteTopic(other.topic)
      yield* eventually(
        client.topicsMatching((name) => name === other.topic),
        (all) => all.length === 0
      )
      const offsets = yield* groups.offsets(group)
      assert.deepStrictEqual(told(offsets.filter((one) => one.topic === topic)), [
        [0, 0, 3, 3],
        [1, 0, 1, 1]
      ])
      for (const { end, error, lag } of offsets.filter((one) => one.topic === other.topic)) {
        assert.deepStrictEqual([end, lag, error?.reason], [undefined, undefined, "NotFound"])
      }
    }))
})

realKafka("groups, for an operator with ACLs", { java: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const cluster = yield* KafkaCluster.make({ listener: "sasl_plaintext", users: { alice: "secret" }, acls: true })
      const client = yield* KafkaClient.make({
        brokers: cluster.brokers,
        sasl: { mechanism: "PLAIN", username: "alice", password: Redacted.make("secret") }
      })
      const admin = yield* KafkaClient.make({ brokers: cluster.adminBrokers })
      return {
        groups: yield* groupsOf(client),
        all: yield* groupsOf(admin),
        java: yield* JavaClient.make(cluster.adminBrokers)
      }
    })
  )

  test("each right that is missing is told, and each that is granted is enough", () =>
    Effect.gen(function* () {
      const { all, groups, java } = yield* kafka
      const topic = topicName()
      const group = topicName("group")
      yield* java.createTopic(topic, { partitions: 1 })
      yield* eventually(
        Effect.option(all.resetOffsets(group, { to: "earliest", topics: [topic] })),
        (made) => made._tag === "Some"
      )
      const grant = (resource: "topic" | "group", operation: string) =>
        java.addAcls([{ user: "alice", resource, name: resource === "topic" ? topic : group, operation }])
      const unauthorized = (error: object) =>
        assert.deepInclude(facts(error), { _tag: "KafkaGroupError", reason: "Unauthorized", group })
      /** What a new right makes possible: brokers hear of it a moment later. */
      const granted = <A, E>(call: Effect.Effect<A, E>) =>
        Effect.asVoid(eventually(Effect.option(call), (done) => done._tag === "Some"))

      unauthorized(yield* Effect.flip(groups.describe(group)))
      unauthorized(yield* Effect.flip(groups.delete(group)))
      assert.deepStrictEqual(yield* groups.list(), [])
      yield* grant("group", "describe")
      yield* granted(groups.describe(group))
      assert.deepStrictEqual(
        (yield* groups.list()).map((one) => one.group),
        [group]
      )
      // Offsets of topics that may not be described are left out.
      assert.deepStrictEqual(yield* groups.offsets(group), [])
      yield* grant("topic", "describe")
      yield* eventually(groups.offsets(group), (offsets) => offsets.length === 1)
      const reset = groups.resetOffsets(group, { to: "latest", topics: [topic] })
      unauthorized(yield* Effect.flip(reset))
      yield* grant("group", "read")
      yield* grant("topic", "read")
      yield* granted(reset)
      unauthorized(yield* Effect.flip(groups.deleteOffsets(group, [topic])))
      unauthorized(yield* Effect.flip(groups.delete(group)))
      yield* grant("group", "delete")
      yield* granted(groups.delete(group))
    }))
})
