/** What a coordinator answers to members of the consumer protocol (KIP-848), heartbeat by heartbeat. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import type { KafkaClient, KafkaProtocol } from "../../src/index.ts"
import { eventually } from "../support/live.ts"
import { ScriptedGroup } from "./members.ts"
import type { Kafka, Suite } from "./suite.ts"

const UNKNOWN_MEMBER = 25

type Beat = Partial<KafkaProtocol.ConsumerGroupHeartbeatRequest>

/** What a heartbeat was answered: the code, the epoch, and the partitions of one topic, if it told of any. */
type Told = readonly [code: number, epoch: number, ...partitions: ReadonlyArray<number | "unchanged">]

/** One member of the consumer protocol. It does nothing but what the test says. */
class Member {
  epoch = 0
  owned: ReadonlyArray<KafkaProtocol.TopicIdPartitions> = []

  constructor(
    readonly group: ScriptedGroup,
    readonly connection: KafkaClient.BrokerConnection,
    readonly memberId: string,
    readonly subscription: Beat
  ) {}

  /** Asks, and takes over what is answered but what the test has not taken over: its assignment. */
  ask(beat: Beat = {}) {
    return Effect.map(
      this.connection.request("ConsumerGroupHeartbeat", {
        groupId: this.group.id,
        memberId: this.memberId,
        memberEpoch: this.epoch,
        instanceId: this.subscription.instanceId,
        rackId: undefined,
        rebalanceTimeoutMillis: undefined,
        subscribedTopicNames: undefined,
        subscribedTopicRegex: undefined,
        serverAssignor: undefined,
        topicPartitions: undefined,
        ...beat
      }),
      (answer) => {
        if (answer.errorCode === 0) this.epoch = answer.memberEpoch
        return answer
      }
    )
  }

  told({ assignment, errorCode, memberEpoch }: KafkaProtocol.ConsumerGroupHeartbeatResponse): Told {
    return [
      errorCode,
      memberEpoch,
      ...(assignment === undefined ? (["unchanged"] as const) : assignment.flatMap(({ partitions }) => partitions))
    ]
  }

  beat(beat: Beat = {}) {
    return Effect.map(this.ask(beat), (answer) => this.told(answer))
  }

  join(beat: Beat = {}) {
    return Effect.map(
      this.ask({
        memberEpoch: 0,
        rebalanceTimeoutMillis: 30_000,
        topicPartitions: [],
        ...this.subscription,
        ...beat
      }),
      (answer) => {
        this.owned = answer.assignment ?? []
        return this.told(answer)
      }
    )
  }

  /** Tells what it owns, and takes what it is given. */
  own(owned: ReadonlyArray<KafkaProtocol.TopicIdPartitions> = this.owned) {
    return Effect.map(this.ask({ topicPartitions: owned }), (answer) => {
      this.owned = answer.assignment ?? owned
      return this.told(answer)
    })
  }

  /** Beats, or joins again where the machine was so slow that its own session is over. */
  stay() {
    return Effect.flatMap(this.beat(), (told) => (told[0] === UNKNOWN_MEMBER ? this.join() : Effect.succeed(told)))
  }

  leave(epoch = -1) {
    return this.beat({ memberEpoch: epoch })
  }
}

/** Waits until coordinators know a new topic, which they learn of after its leaders do: a member of another group is given it. */
const coordinated = (kafka: Kafka, topic: string, partitions: number) =>
  Effect.gen(function* () {
    const group = new ScriptedGroup(kafka)
    const probe = new Member(group, yield* group.connected, "probe", { subscribedTopicNames: [topic] })
    const [, , ...first] = yield* probe.join()
    if (first.length < partitions) yield* eventually(probe.stay(), ([, , ...told]) => told.length >= partitions)
    yield* probe.leave()
  })

const grouping = (kafka: Kafka, partitions: number) =>
  Effect.gen(function* () {
    const topic = yield* kafka.topic({ partitions })
    const topicId = yield* kafka.idOf(topic)
    yield* coordinated(kafka, topic, partitions)
    const group = new ScriptedGroup(kafka)
    let made = 0
    const member = (subscription: Beat = { subscribedTopicNames: [topic] }) =>
      Effect.map(group.connected, (connection) => new Member(group, connection, `member-${++made}`, subscription))
    const of = (...numbers: ReadonlyArray<number>) => (numbers.length === 0 ? [] : [{ topicId, partitions: numbers }])
    const described = (connection: KafkaClient.BrokerConnection) =>
      connection.request("ConsumerGroupDescribe", { groupId: group.id })
    return { topic, topicId, group, member, of, described }
  })

export const consumerGroups = (test: Suite): void => {
  test("a member joins by an id of its own, and is given all; what did not change is not told", (kafka) =>
    Effect.gen(function* () {
      const { described, member, of, topic, topicId } = yield* grouping(kafka, 2)
      const a = yield* member()
      const joined = yield* a.ask({
        rebalanceTimeoutMillis: 30_000,
        topicPartitions: [],
        subscribedTopicNames: [topic]
      })
      assert.deepStrictEqual(joined, {
        errorCode: 0,
        errorMessage: undefined,
        memberId: "member-1",
        memberEpoch: 1,
        heartbeatIntervalMillis: 500,
        assignment: [{ topicId, partitions: [0, 1] }]
      })
      assert.deepStrictEqual(yield* a.beat(), [0, 1, "unchanged"])
      assert.deepStrictEqual(yield* a.own(of(0, 1)), [0, 1, "unchanged"])
      // A full request is answered in full.
      assert.deepStrictEqual(
        yield* a.beat({ rebalanceTimeoutMillis: 30_000, subscribedTopicNames: [topic], topicPartitions: of(0, 1) }),
        [0, 1, 0, 1]
      )
      const all = yield* described(a.connection)
      const partitions = [0, 1].map((partition) => ({ topic: { name: topic, id: topicId }, partition }))
      assert.deepStrictEqual(all, {
        errorCode: 0,
        errorMessage: undefined,
        state: "Stable",
        groupEpoch: 1,
        assignmentEpoch: 1,
        assignorName: "uniform",
        members: [
          {
            memberId: "member-1",
            instanceId: undefined,
            rackId: undefined,
            memberEpoch: 1,
            clientId: "effect-ktables",
            clientHost: "/127.0.0.1",
            subscribedTopicNames: [topic],
            subscribedTopicRegex: undefined,
            assignment: partitions,
            targetAssignment: partitions,
            type: "consumer"
          }
        ]
      })
      assert.deepStrictEqual(yield* a.leave(), [0, -1, "unchanged"])
      assert.deepInclude(yield* described(a.connection), { state: "Empty", groupEpoch: 2, members: [] })
      assert.deepStrictEqual(yield* a.beat({ memberEpoch: 1 }), [25, 0, "unchanged"])
      assert.deepStrictEqual(yield* a.leave(), [25, 0, "unchanged"])
      assert.deepStrictEqual(yield* a.join(), [0, 3, 0, 1])
      const listed = yield* a.connection.request("ListGroups", { states: ["Stable"], types: ["consumer"] })
      const mine = listed.groups.filter(({ groupId }) => groupId === a.group.id)
      assert.deepStrictEqual(mine, [
        { groupId: a.group.id, protocolType: "consumer", state: "Stable", type: "consumer" }
      ])
      const remove = a.connection.request("DeleteGroups", { groupId: a.group.id })
      assert.deepStrictEqual(yield* remove, { errorCode: 68 })
      yield* a.leave()
      assert.deepStrictEqual(yield* remove, { errorCode: 0 })
      assert.deepInclude(yield* described(a.connection), { errorCode: 69, members: [] })
    }))

  test("what is wrong with a heartbeat is told by its code and in words", (kafka) =>
    Effect.gen(function* () {
      const { group, member, of, topic } = yield* grouping(kafka, 1)
      const a = yield* member()
      const wrong = (beat: Beat) =>
        Effect.map(a.ask({ ...beat }), ({ errorCode, errorMessage }) => [errorCode, errorMessage])
      const joining = { rebalanceTimeoutMillis: 30_000, topicPartitions: [], subscribedTopicNames: [topic] }
      assert.deepStrictEqual(yield* wrong({ ...joining, memberId: "" }), [42, "MemberId can't be empty."])
      assert.deepStrictEqual(yield* wrong({ ...joining, groupId: "" }), [42, "GroupId can't be empty."])
      assert.deepStrictEqual(yield* wrong({ ...joining, instanceId: "" }), [42, "InstanceId can't be empty."])
      assert.deepStrictEqual(yield* wrong({ ...joining, rackId: "" }), [42, "RackId can't be empty."])
      assert.deepStrictEqual(yield* wrong({ ...joining, rebalanceTimeoutMillis: undefined }), [
        42,
        "RebalanceTimeoutMs must be provided in first request."
      ])
      assert.deepStrictEqual(yield* wrong({ ...joining, topicPartitions: of(0) }), [
        42,
        "TopicPartitions must be empty when (re-)joining."
      ])
      assert.deepStrictEqual(yield* wrong({ ...joining, topicPartitions: undefined }), [
        42,
        "TopicPartitions must be empty when (re-)joining."
      ])
      assert.deepStrictEqual(yield* wrong({ ...joining, subscribedTopicNames: undefined }), [
        42,
        "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
      ])
      assert.deepStrictEqual(yield* wrong({ memberEpoch: -2 }), [42, "InstanceId can't be null."])
      assert.deepStrictEqual(yield* wrong({ memberEpoch: -3 }), [42, "MemberEpoch is invalid."])
      assert.deepStrictEqual(yield* wrong({ ...joining, serverAssignor: "mine" }), [
        112,
        "ServerAssignor mine is not supported. Supported assignors: uniform, range."
      ])
      const [regexCode] = yield* wrong({ ...joining, subscribedTopicRegex: "(" })
      assert.strictEqual(regexCode, 128)
      assert.deepStrictEqual(yield* wrong({ memberEpoch: 1 }), [69, `Consumer group ${group.id} not found.`])
      assert.deepStrictEqual(yield* wrong({ memberEpoch: -1 }), [69, `Group ${group.id} not found.`])
      yield* a.join()
      assert.deepStrictEqual(yield* wrong({ memberId: "nobody", memberEpoch: 1 }), [
        25,
        `Member nobody is not a member of group ${group.id}.`
      ])
    }))

  test("what moves is given up first: the epoch goes on when it is, and the new owner gets it then", (kafka) =>
    Effect.gen(function* () {
      const { described, member, of, topic } = yield* grouping(kafka, 4)
      const [a, b] = [yield* member(), yield* member()]
      assert.deepStrictEqual(yield* a.join(), [0, 1, 0, 1, 2, 3])
      // The new one waits, in its epoch, for what the other has not given up.
      assert.deepStrictEqual(yield* b.join(), [0, 2])
      const kept = yield* a.ask()
      assert.deepInclude(kept, { memberEpoch: 1 })
      const left = kept.assignment![0].partitions
      assert.strictEqual(left.length, 2)
      const gone = [0, 1, 2, 3].filter((partition) => !left.includes(partition))
      assert.deepStrictEqual(yield* b.beat(), [0, 2, "unchanged"])
      assert.deepInclude(yield* described(a.connection), { state: "Reconciling", groupEpoch: 2, assignmentEpoch: 2 })
      // While it works on it, it says nothing of what it owns, or that it still has all.
      assert.deepStrictEqual(yield* a.beat(), [0, 1, "unchanged"])
      assert.deepStrictEqual(yield* a.beat({ topicPartitions: of(0, 1, 2, 3) }), [0, 1, "unchanged"])
      const commit = (m: Member, partition: number, generation = m.epoch) =>
        Effect.map(
          m.connection.request("OffsetCommit", {
            groupId: m.group.id,
            memberId: m.memberId,
            instanceId: undefined,
            generation,
            partitions: [
              { topic: { name: topic, id: undefined }, partition, offset: 7, leaderEpoch: -1, metadata: undefined }
            ]
          }),
          ({ partitions }) => partitions[0].errorCode
        )
      assert.strictEqual(yield* commit(a, gone[0]), 0)
      assert.strictEqual(yield* commit(a, gone[0], 2), 113)
      assert.strictEqual(yield* commit(a, gone[0], -1), 113)
      assert.deepStrictEqual(yield* a.beat({ topicPartitions: of(...left) }), [0, 2, "unchanged"])
      assert.strictEqual(yield* commit(a, gone[0], 1), 113)
      assert.strictEqual(yield* commit(a, left[0]), 0)
      assert.deepStrictEqual(yield* b.beat(), [0, 2, ...gone])
      assert.deepInclude(yield* described(a.connection), { state: "Stable" })
      assert.strictEqual(yield* commit(b, gone[0]), 0)
      assert.strictEqual(yield* commit({ ...b, memberId: "nobody" } as Member, gone[0]), 25)

      // Offsets are told to members of this epoch, and to who is no member.
      const fetch = (of: { readonly id: string; readonly epoch: number } | undefined) =>
        Effect.map(
          b.connection.request("OffsetFetch", {
            groupId: b.group.id,
            member: of,
            requireStable: true,
            partitions: [{ topic: { name: topic, id: undefined }, partition: gone[0] }]
          }),
          ({ errorCode, partitions }) => [errorCode, ...partitions.map(({ offset }) => offset)]
        )
      assert.deepStrictEqual(yield* fetch({ id: b.memberId, epoch: 2 }), [0, 7])
      assert.deepStrictEqual(yield* fetch({ id: b.memberId, epoch: 1 }), [113])
      assert.deepStrictEqual(yield* fetch({ id: "nobody", epoch: 2 }), [25])
      assert.deepStrictEqual(yield* fetch(undefined), [0, 7])

      assert.deepStrictEqual(yield* b.leave(), [0, -1, "unchanged"])
      assert.deepStrictEqual(yield* a.beat(), [0, 3, 0, 1, 2, 3])
    }))

  test("an answer may be lost: the epoch before is accepted with what is owned of the new one", (kafka) =>
    Effect.gen(function* () {
      const { member, of } = yield* grouping(kafka, 2)
      const [a, b] = [yield* member(), yield* member()]
      yield* a.join()
      assert.deepStrictEqual(yield* a.join(), [0, 1, 0, 1])
      yield* b.join()
      yield* b.leave()
      assert.deepStrictEqual(yield* a.beat(), [0, 3, "unchanged"])
      assert.deepStrictEqual(yield* a.beat({ memberEpoch: 1, topicPartitions: of(0) }), [0, 3, "unchanged"])
      assert.deepStrictEqual(yield* a.beat({ memberEpoch: 1 }), [110, 0, "unchanged"])
      assert.deepStrictEqual(yield* a.beat({ memberEpoch: 1, topicPartitions: of(0, 5) }), [110, 0, "unchanged"])
      assert.deepStrictEqual(yield* a.beat({ memberEpoch: 2, topicPartitions: of(0) }), [110, 0, "unchanged"])
      assert.deepStrictEqual(yield* a.beat({ memberEpoch: 4 }), [110, 0, "unchanged"])
      assert.deepStrictEqual(yield* a.join(), [110, 0, "unchanged"])
      // To leave, any epoch is good: then what it had is free at once.
      assert.deepStrictEqual(yield* a.leave(), [0, -1, "unchanged"])
      assert.deepStrictEqual(yield* b.join(), [0, 5, 0, 1])
    }))

  test("a session that is over takes its member out, and so does a revocation that takes too long", (kafka) =>
    Effect.gen(function* () {
      const { described, member } = yield* grouping(kafka, 4)
      const [a, b] = [yield* member(), yield* member()]
      yield* a.join()
      yield* b.join()
      yield* eventually(b.stay(), ([, , ...told]) => told.length === 4)
      assert.isAtLeast((yield* described(b.connection)).groupEpoch, 3)
      assert.deepStrictEqual((yield* a.beat({ memberEpoch: 1 }))[0], UNKNOWN_MEMBER)

      const slow = yield* member()
      yield* b.leave()
      yield* slow.join({ rebalanceTimeoutMillis: 1_500 })
      yield* a.join()
      yield* eventually(Effect.andThen(slow.beat(), a.stay()), ([, , ...told]) => told.length === 4)
      assert.strictEqual((yield* slow.beat())[0], UNKNOWN_MEMBER)
    }))

  test("a topic that grows, comes or goes is told at the next heartbeat", (kafka) =>
    Effect.gen(function* () {
      const { member, topic } = yield* grouping(kafka, 1)
      const later = `later-${topic}`
      const a = yield* member({ subscribedTopicNames: [topic, later] })
      assert.deepStrictEqual(yield* a.join(), [0, 1, 0])
      yield* kafka.addPartitions(topic, 2)
      yield* eventually(a.beat(), ([, epoch, ...told]) => epoch === 2 && told.join() === "0,1")
      yield* kafka.createTopic(later)
      yield* eventually(a.beat(), ([, epoch, ...told]) => epoch === 3 && told.length === 3)
      yield* kafka.deleteTopic(later)
      const without = yield* eventually(a.ask(), ({ assignment }) => assignment !== undefined)
      assert.strictEqual(without.assignment!.length, 1)
      yield* a.own(without.assignment)
      // Another subscription is told, too: here to nothing that there is.
      assert.deepStrictEqual(yield* a.beat({ subscribedTopicNames: ["missing"] }), [0, a.epoch])
    }))

  test("a static member may be away: another one of its instance takes over all it had", (kafka) =>
    Effect.gen(function* () {
      const { described, member, topic } = yield* grouping(kafka, 2)
      const subscription = { subscribedTopicNames: [topic], instanceId: "instance" }
      const [a, b, c] = [yield* member(subscription), yield* member(subscription), yield* member()]
      assert.deepStrictEqual(yield* a.join(), [0, 1, 0, 1])
      assert.deepStrictEqual(yield* b.join(), [111, 0, "unchanged"])
      assert.deepStrictEqual(yield* b.beat({ memberEpoch: 1 }), [82, 0, "unchanged"])
      assert.deepStrictEqual(yield* b.leave(), [82, 0, "unchanged"])
      assert.deepStrictEqual(yield* a.leave(-2), [0, -2, "unchanged"])
      assert.deepInclude(yield* described(a.connection), { groupEpoch: 1, state: "Reconciling" })
      assert.deepStrictEqual(yield* a.beat({ memberEpoch: 1 }), [110, 0, "unchanged"])
      assert.deepStrictEqual(yield* b.join(), [0, 1, 0, 1])
      assert.deepInclude(yield* described(a.connection), { groupEpoch: 1, state: "Stable" })
      assert.deepStrictEqual(yield* a.beat({ memberEpoch: 1 }), [82, 0, "unchanged"])
      // One that does not come back is given up like any other.
      yield* b.leave(-2)
      yield* c.join()
      yield* eventually(c.beat(), ([, , ...told]) => told.join() === "0,1")
      assert.deepStrictEqual(yield* b.beat({ memberEpoch: 1 }), [25, 0, "unchanged"])
    }))

  test("an expression stands for the topics whose whole names match it, those that come later included", (kafka) =>
    Effect.gen(function* () {
      const { described, member, topic } = yield* grouping(kafka, 2)
      const a = yield* member({ subscribedTopicRegex: `${topic}.*`, subscribedTopicNames: [] })
      // The broker looks the topics through after it has answered.
      const [code, , ...first] = yield* a.join()
      assert.deepStrictEqual([code, first], [0, []])
      yield* eventually(a.beat(), ([, , ...told]) => told.join() === "0,1")
      yield* kafka.createTopic(`x-${topic}`)
      yield* kafka.createTopic(`${topic}-x`)
      // They are not looked through again within ten seconds.
      const found = yield* eventually(a.ask(), ({ assignment }) => assignment?.length === 2)
      assert.strictEqual(found.errorCode, 0)
      const { members } = yield* described(a.connection)
      assert.deepInclude(members[0], { subscribedTopicRegex: `${topic}.*`, subscribedTopicNames: [] })
      // That nobody has it any more begins no epoch: what it stood for is taken back with the next change.
      assert.deepStrictEqual(yield* a.beat({ subscribedTopicRegex: "" }), [0, a.epoch, "unchanged"])
      assert.deepStrictEqual(yield* a.beat({ subscribedTopicNames: ["missing"] }), [0, a.epoch])
    }))

  test("the assignor is the one that most members want", (kafka) =>
    Effect.gen(function* () {
      const { described, member, topic } = yield* grouping(kafka, 3)
      const range = { subscribedTopicNames: [topic], serverAssignor: "range" }
      const [a, b] = [yield* member(range), yield* member(range)]
      yield* a.join()
      yield* b.join()
      const { assignorName, members } = yield* described(a.connection)
      assert.strictEqual(assignorName, "range")
      assert.deepStrictEqual(
        members.map((one) => [one.memberId, ...one.targetAssignment.map(({ partition }) => partition)]).sort(),
        [
          ["member-1", 0, 1],
          ["member-2", 2]
        ]
      )
    }))

  test("a group goes over to the protocol while classic members are in it, and back when only they are left", (kafka) =>
    Effect.gen(function* () {
      const { described, group, member, topic } = yield* grouping(kafka, 2)
      const old = yield* group.member("old", { topics: [topic], sessionTimeoutMillis: 10_000 })
      yield* old.join()
      yield* old.sync([[old]])
      const a = yield* member()
      const [code, epoch] = yield* a.join()
      assert.deepStrictEqual([code, epoch], [0, 2])
      const types = Effect.map(described(a.connection), ({ members }) => members.map(({ type }) => type).sort())
      assert.deepStrictEqual(yield* types, ["classic", "consumer"])
      const classic = { groupId: group.id }
      assert.deepInclude(yield* a.connection.request("DescribeGroups", classic), { errorCode: 69, state: "Dead" })
      assert.strictEqual(yield* old.heartbeat(), 27)
      assert.deepStrictEqual(yield* old.sync(), [27])
      const joined = yield* old.join()
      assert.deepInclude(joined, { code: 0, generation: 2, protocol: "range", leader: "", members: [] })
      const assigned = yield* old.sync()
      assert.strictEqual(assigned[0], 0)
      yield* a.beat()
      yield* eventually(old.heartbeat(), (code) => code === 0)
      assert.deepStrictEqual(yield* old.commit(topic, { 0: 1 }), { 0: 0 })
      assert.deepStrictEqual(yield* old.commit(topic, { 0: 1 }, { generation: 1 }), { 0: 22 })
      assert.deepStrictEqual(yield* old.commit(topic, { 0: 1 }, { generation: -1 }), { 0: 22 })
      assert.deepStrictEqual(yield* old.sync([], { protocolName: "roundrobin" }), [23])
      assert.strictEqual(yield* old.heartbeat({ generation: 1 }), 22)
      assert.strictEqual(yield* old.heartbeat({ memberId: a.memberId }), 25)

      assert.deepStrictEqual(yield* a.leave(), [0, -1, "unchanged"])
      assert.deepInclude(yield* described(a.connection), { errorCode: 69 })
      assert.strictEqual(yield* old.heartbeat(), 27)
      assert.deepInclude(yield* old.join(), { code: 0, leader: "old", members: ["old"] })
      assert.strictEqual(yield* old.leave(), 0)
      // An empty one goes over at once.
      assert.deepStrictEqual(yield* a.join(), [0, 1, 0, 1])
      yield* a.leave()
      old.memberId = ""
      assert.deepInclude(yield* old.join(), { code: 0, generation: 1 })
    }))

  test("a group that is not of consumers does not go over", (kafka) =>
    Effect.gen(function* () {
      const { group, member } = yield* grouping(kafka, 1)
      const worker = yield* group.member("worker", { protocolType: "connect" })
      yield* worker.join()
      const a = yield* member()
      assert.deepStrictEqual(yield* a.join(), [69, 0, "unchanged"])
      assert.deepStrictEqual(yield* a.beat({ memberEpoch: 1 }), [69, 0, "unchanged"])
      assert.deepStrictEqual(yield* a.leave(), [69, 0, "unchanged"])
    }))
}
