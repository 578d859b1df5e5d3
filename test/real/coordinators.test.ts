/** The requests of groups and transactions, one after the other, as a real coordinator answers them. */
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import { assert } from "vitest"
import type { KafkaProtocol } from "../../src/index.ts"
import * as Client from "../../src/KafkaClient.ts"
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription
} from "../../src/internal/protocol/consumerProtocol.ts"
import * as Librdkafka from "../kafka/Librdkafka.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { eventually, failOnProcessWarnings, shared, test } from "../support/live.ts"

failOnProcessWarnings()

realKafka("a real coordinator", { java: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const { brokers } = yield* sharedKafka
      return yield* Client.make({ brokers, clientId: "groups" })
    })
  )

  /** A topic with an id of its own, and the coordinator of a group that nobody was in. */
  const begin = (partitions: number) =>
    Effect.gen(function* () {
      const client = yield* kafka
      const topic = topicName()
      const groupId = topicName("group")
      const configs = {}
      yield* client.createTopic({ topic, partitions, replicationFactor: 1, configs, timeoutMillis: 10_000 })
      const found = yield* eventually(
        client.topicsMatching((name) => name === topic),
        (all) => all.length === 1
      )
      assert.strictEqual(found[0].partitions, partitions)
      return { client, groupId, ref: found[0].topic, coordinator: yield* client.coordinator(groupId, "group") }
    })

  /** Asks again while the coordinator is not there yet: a new cluster makes its topic first. */
  const patiently = <A, E extends { readonly retriable: boolean }>(ask: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.catch(ask, (error) => (error.retriable ? patiently(ask) : Effect.fail(error)))

  const committing = (ref: KafkaProtocol.TopicRef, offset: number): KafkaProtocol.OffsetCommitPartition => ({
    topic: { name: ref.name, id: undefined },
    partition: 0,
    offset,
    leaderEpoch: 0,
    metadata: "so far"
  })

  const codesOf = ({ partitions }: { readonly partitions: ReadonlyArray<{ readonly errorCode: number }> }) =>
    partitions.map(({ errorCode }) => errorCode)

  test("a member of the classic protocol joins, is assigned, beats, commits, fetches, leaves", () =>
    Effect.gen(function* () {
      const { client, coordinator, groupId, ref } = yield* begin(2)
      const ask = coordinator.request
      const metadata = encodeSubscription({
        topics: [ref.name],
        userData: undefined,
        ownedPartitions: [],
        generation: -1,
        rackId: undefined
      })
      const joining = (memberId: string): KafkaProtocol.JoinGroupRequest => ({
        groupId,
        sessionTimeoutMillis: 30_000,
        rebalanceTimeoutMillis: 30_000,
        memberId,
        instanceId: undefined,
        protocolType: "consumer",
        protocols: [{ name: "range", metadata }],
        reason: "a test"
      })

      const given = yield* patiently(ask("JoinGroup", joining("")))
      assert.strictEqual(given.errorCode, 79)
      const { memberId } = given
      const joined = yield* ask("JoinGroup", joining(memberId))
      assert.deepInclude(joined, { errorCode: 0, generation: 1, protocolName: "range", leader: memberId, memberId })
      assert.deepStrictEqual(
        joined.members.map((m) => [m.memberId, decodeSubscription(m.metadata).topics]),
        [[memberId, [ref.name]]]
      )

      const member = { groupId, generation: 1, memberId, instanceId: undefined }
      const mine = [{ topic: ref.name, partitions: [0, 1] }]
      const synced = yield* ask("SyncGroup", {
        ...member,
        protocolType: "consumer",
        protocolName: "range",
        assignments: [{ memberId, assignment: encodeAssignment({ partitions: mine, userData: undefined }) }],
        rebalanceTimeoutMillis: 30_000
      })
      assert.strictEqual(synced.errorCode, 0)
      assert.deepStrictEqual(decodeAssignment(synced.assignment).partitions, mine)

      assert.deepStrictEqual(yield* ask("Heartbeat", member), { errorCode: 0 })
      assert.deepStrictEqual(yield* ask("Heartbeat", { ...member, generation: 0 }), { errorCode: 22 })
      const commit = (generation: number) =>
        ask("OffsetCommit", { ...member, generation, partitions: [committing(ref, 7)] })
      assert.deepStrictEqual(codesOf(yield* commit(0)), [22])
      assert.deepStrictEqual(codesOf(yield* commit(1)), [0])
      const offsets = (partitions: ReadonlyArray<number> | undefined) =>
        ask("OffsetFetch", {
          groupId,
          member: undefined,
          requireStable: true,
          partitions: partitions?.map((partition) => ({ topic: { name: ref.name, id: undefined }, partition }))
        })
      const { errorCode, partitions } = yield* offsets([0, 1])
      assert.strictEqual(errorCode, 0)
      assert.deepStrictEqual(
        partitions.map((p) => [p.partition, p.offset, p.leaderEpoch, p.metadata]),
        [
          [0, 7, 0, "so far"],
          [1, -1, -1, undefined]
        ]
      )
      assert.deepStrictEqual(
        (yield* offsets(undefined)).partitions.map((p) => [p.topic.name, p.partition, p.offset]),
        [[ref.name, 0, 7]]
      )

      const described = yield* ask("DescribeGroups", { groupId })
      assert.deepInclude(described, { errorCode: 0, state: "Stable", protocolType: "consumer", protocolName: "range" })
      assert.deepInclude(described.members[0], { memberId, clientId: "groups", clientHost: "/127.0.0.1" })
      assert.deepStrictEqual(decodeAssignment(described.members[0].assignment).partitions, mine)
      const deletion = () => ask("DeleteGroups", { groupId })
      assert.deepStrictEqual(yield* deletion(), { errorCode: 68 })

      assert.deepStrictEqual(yield* ask("LeaveGroup", { ...member, reason: "done" }), { errorCode: 0 })
      assert.deepStrictEqual(yield* ask("Heartbeat", member), { errorCode: 25 })
      assert.deepStrictEqual(yield* ask("LeaveGroup", { ...member, reason: "done" }), { errorCode: 25 })
      const listed = yield* client.askCoordinator(groupId, "group", "ListGroups", {
        states: ["Empty"],
        types: ["classic"]
      })
      assert.deepStrictEqual(
        listed.groups.filter((one) => one.groupId === groupId),
        [{ groupId, protocolType: "consumer", state: "Empty", type: "classic" }]
      )
      const at = { topic: { name: ref.name, id: undefined }, partition: 0 }
      const forgotten = yield* ask("OffsetDelete", { groupId, partitions: [at] })
      assert.deepStrictEqual(forgotten, { errorCode: 0, partitions: [{ ...at, errorCode: 0 }] })
      assert.deepStrictEqual(yield* deletion(), { errorCode: 0 })
      assert.deepStrictEqual(yield* deletion(), { errorCode: 69 })
    }))

  test("a static member of the classic protocol is let in again, and fences the one before it", () =>
    Effect.gen(function* () {
      const { coordinator, groupId } = yield* begin(1)
      const ask = coordinator.request
      const join = (memberId: string) =>
        ask("JoinGroup", {
          groupId,
          sessionTimeoutMillis: 30_000,
          rebalanceTimeoutMillis: 30_000,
          memberId,
          instanceId: "the one",
          protocolType: "consumer",
          protocols: [{ name: "range", metadata: Buffer.alloc(0) }],
          reason: undefined
        })
      const first = yield* patiently(join(""))
      assert.strictEqual(first.errorCode, 0)
      assert.deepStrictEqual(
        first.members.map((m) => m.instanceId),
        ["the one"]
      )
      const second = yield* join("")
      assert.strictEqual(second.errorCode, 0)
      const beat = ({ generation, memberId }: KafkaProtocol.JoinGroupResponse) =>
        ask("Heartbeat", { groupId, generation, memberId, instanceId: "the one" })
      assert.deepStrictEqual(yield* beat(first), { errorCode: 82 })
      const gone = yield* ask("LeaveGroup", {
        groupId,
        memberId: second.memberId,
        instanceId: "the one",
        reason: undefined
      })
      assert.deepStrictEqual(gone, { errorCode: 0 })
    }))

  test("a member of the consumer protocol joins, is assigned, commits, fetches, leaves", () =>
    Effect.gen(function* () {
      const { client, coordinator, groupId, ref } = yield* begin(3)
      const memberId = randomUUID()
      const unchanged = {
        groupId,
        memberId,
        instanceId: undefined,
        rackId: undefined,
        rebalanceTimeoutMillis: undefined,
        subscribedTopicNames: undefined,
        subscribedTopicRegex: undefined,
        serverAssignor: undefined,
        topicPartitions: undefined
      }
      const beat = (memberEpoch: number, changed: Partial<KafkaProtocol.ConsumerGroupHeartbeatRequest> = {}) =>
        coordinator.request("ConsumerGroupHeartbeat", { ...unchanged, memberEpoch, ...changed })
      const first = yield* patiently(
        beat(0, {
          rackId: "here",
          rebalanceTimeoutMillis: 30_000,
          subscribedTopicNames: [ref.name],
          serverAssignor: "uniform",
          topicPartitions: []
        })
      )
      assert.deepInclude(first, { errorCode: 0, memberId })
      // The coordinator may not have heard of the new topic yet.
      let epoch = first.memberEpoch
      const joined =
        (first.assignment ?? []).length > 0
          ? first
          : yield* eventually(
              Effect.tap(
                Effect.suspend(() => beat(epoch)),
                ({ memberEpoch }) => Effect.sync(() => (epoch = memberEpoch))
              ),
              ({ assignment = [] }) => assignment.length > 0
            )
      assert.isAbove(joined.memberEpoch, 0)
      assert.isAbove(joined.heartbeatIntervalMillis, 0)
      const all = [{ topicId: ref.id!, partitions: [0, 1, 2] }]
      const sorted = (assignment: KafkaProtocol.ConsumerGroupHeartbeatResponse["assignment"]) =>
        assignment?.map(({ partitions, topicId }) => ({ topicId, partitions: [...partitions].sort() }))
      assert.deepStrictEqual(sorted(joined.assignment), all)
      const acknowledged = yield* beat(joined.memberEpoch, { topicPartitions: all })
      assert.deepInclude(acknowledged, { errorCode: 0, assignment: undefined })

      const commit = (generation: number) =>
        coordinator.request("OffsetCommit", {
          groupId,
          generation,
          memberId,
          instanceId: undefined,
          partitions: [committing(ref, 7)]
        })
      assert.deepStrictEqual(codesOf(yield* commit(joined.memberEpoch)), [0])
      assert.deepStrictEqual(codesOf(yield* commit(joined.memberEpoch + 1)), [113])
      const fetch = (epoch: number) =>
        coordinator.request("OffsetFetch", {
          groupId,
          member: { id: memberId, epoch },
          requireStable: true,
          partitions: [{ topic: { name: ref.name, id: undefined }, partition: 0 }]
        })
      assert.deepStrictEqual(
        (yield* fetch(joined.memberEpoch)).partitions.map((p) => p.offset),
        [7]
      )
      assert.strictEqual((yield* fetch(joined.memberEpoch + 1)).errorCode, 113)

      const described = yield* client.askCoordinator(groupId, "group", "ConsumerGroupDescribe", { groupId })
      assert.deepInclude(described, { errorCode: 0, state: "Stable", assignorName: "uniform" })
      const [member] = described.members
      assert.deepInclude(member, { memberId, rackId: "here", clientId: "groups", type: "consumer" })
      assert.deepStrictEqual(
        member.assignment.map(({ partition, topic }) => [topic.name, topic.id, partition]),
        [0, 1, 2].map((partition) => [ref.name, ref.id, partition])
      )

      assert.deepInclude(yield* beat(-1), { errorCode: 0, memberEpoch: -1 })
      assert.strictEqual((yield* beat(joined.memberEpoch)).errorCode, 25)
    }))

  for (const transactionVersion of [1, 2] as const) {
    test(`a transaction of version ${transactionVersion} commits offsets, and another one aborts them`, () =>
      Effect.gen(function* () {
        const { client, coordinator: group, groupId, ref } = yield* begin(1)
        const transactionalId = topicName("tx")
        const coordinator = yield* client.coordinator(transactionalId, "transaction")
        const features = yield* patiently(coordinator.features)
        assert.strictEqual(features?.get("transaction.version")?.max, 2)
        const initial = yield* patiently(
          coordinator.request("InitProducerId", { transactional: { id: transactionalId, timeoutMillis: 60_000 } })
        )
        assert.strictEqual(initial.errorCode, 0)
        let { producerEpoch, producerId } = initial
        const at = { topic: { name: ref.name, id: undefined }, partition: 0 }
        const member = { groupId, generation: -1, memberId: "", instanceId: undefined }

        /** Asks again while the transaction before this one is being ended. */
        const unlessConcurrent = <A>(
          ask: Effect.Effect<A, Error>,
          codeOf: (answer: A) => number
        ): Effect.Effect<A, Error> =>
          Effect.flatMap(ask, (answer) =>
            codeOf(answer) === 51 ? unlessConcurrent(ask, codeOf) : Effect.succeed(answer)
          )

        const transact = (offset: number, committed: boolean) =>
          Effect.gen(function* () {
            const producer = { transactionalId, producerId, producerEpoch }
            if (transactionVersion === 1) {
              const added = yield* unlessConcurrent(
                coordinator.request("AddPartitionsToTxn", { ...producer, partitions: [at] }),
                ({ partitions }) => partitions[0].errorCode
              )
              assert.deepStrictEqual(codesOf(added), [0])
              assert.deepStrictEqual(yield* coordinator.request("AddOffsetsToTxn", { ...producer, groupId }), {
                errorCode: 0
              })
            }
            const commit = { ...producer, ...member, transactionVersion, partitions: [committing(ref, offset)] }
            const answer = yield* unlessConcurrent(
              patiently(group.request("TxnOffsetCommit", commit)),
              ({ partitions }) => partitions[0].errorCode
            )
            assert.deepStrictEqual(codesOf(answer), [0])
            const unstable = yield* offsets
            assert.deepStrictEqual(codesOf(unstable), [88])
            const ended = yield* coordinator.request("EndTxn", { ...producer, transactionVersion, committed })
            assert.strictEqual(ended.errorCode, 0)
            if (transactionVersion === 1) return assert.isUndefined(ended.next)
            assert.deepStrictEqual(ended.next, { producerId, producerEpoch: producerEpoch + 1 })
            ;({ producerEpoch, producerId } = ended.next!)
          })
        const offsets = group.request("OffsetFetch", {
          groupId,
          member: undefined,
          requireStable: true,
          partitions: [at]
        })
        const settled = eventually(offsets, (answer) => codesOf(answer)[0] === 0)
        yield* transact(5, true)
        assert.strictEqual((yield* settled).partitions[0].offset, 5)
        yield* transact(9, false)
        assert.strictEqual((yield* settled).partitions[0].offset, 5)

        // One that goes on with its own id has the next epoch; with that, who had it before is fenced.
        const current = { producerId, producerEpoch }
        const next = yield* unlessConcurrent(
          coordinator.request("InitProducerId", {
            transactional: { id: transactionalId, timeoutMillis: 60_000 },
            current
          }),
          ({ errorCode }) => errorCode
        )
        assert.deepStrictEqual(next, { errorCode: 0, producerId, producerEpoch: producerEpoch + 1 })
        const fenced = yield* coordinator.request("EndTxn", {
          ...current,
          transactionalId,
          transactionVersion,
          committed: true
        })
        assert.strictEqual(fenced.errorCode, 90)
      }))
  }
})

realKafka("members of librdkafka", { java: true, python: true }, () => {
  for (const assignor of ["range", "cooperative-sticky"] as const) {
    test(`with ${assignor} tell what is read here`, () =>
      Effect.gen(function* () {
        const { brokers } = yield* sharedKafka
        const client = yield* Client.make({ brokers })
        const topic = topicName()
        const group = topicName("group")
        yield* client.createTopic({ topic, partitions: 2, replicationFactor: 1, configs: {}, timeoutMillis: 10_000 })
        yield* Effect.forkScoped(Librdkafka.member({ brokers, topic, group, assignor }))
        const { members } = yield* eventually(
          client.askCoordinator(group, "group", "DescribeGroups", { groupId: group }),
          ({ members, state }) => state === "Stable" && members.some(({ assignment }) => assignment.length > 0)
        )
        const [{ assignment, clientId, metadata }] = members
        assert.strictEqual(clientId, "librdkafka")
        assert.deepStrictEqual(decodeSubscription(metadata).topics, [topic])
        assert.deepStrictEqual(decodeAssignment(assignment).partitions, [{ topic, partitions: [0, 1] }])
      }))
  }
})
