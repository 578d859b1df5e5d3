import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { EmbeddedKafka, type KafkaProtocol } from "../../src/index.ts"
import { failureOf } from "../support/exits.ts"
import { it } from "../support/ManualClock.ts"
import { turns } from "../support/turns.ts"
import { connected, topic } from "./support.ts"

const group = "indexer"

const cluster = (options: EmbeddedKafka.EmbeddedKafkaOptions = {}) =>
  EmbeddedKafka.make({ topics: { [topic]: { partitions: 4 } }, ...options })

const joinOf = (rest: Partial<KafkaProtocol.JoinGroupRequest> = {}): KafkaProtocol.JoinGroupRequest => ({
  groupId: group,
  sessionTimeoutMillis: 10_000,
  rebalanceTimeoutMillis: 60_000,
  memberId: "",
  instanceId: undefined,
  protocolType: "consumer",
  protocols: [{ name: "range", metadata: new Uint8Array(0) }],
  reason: undefined,
  ...rest
})

const beatOf = (rest: Partial<KafkaProtocol.HeartbeatRequest> = {}): KafkaProtocol.HeartbeatRequest => ({
  groupId: group,
  generation: 1,
  memberId: "",
  instanceId: undefined,
  ...rest
})

const commitOf = (offset: number, rest: Partial<KafkaProtocol.OffsetCommitRequest> = {}) => ({
  ...beatOf({ generation: -1 }),
  partitions: [{ topic: { name: topic, id: undefined }, partition: 0, offset, leaderEpoch: -1, metadata: undefined }],
  ...rest
})

const viewOf = (kafka: EmbeddedKafka.EmbeddedKafka) =>
  Effect.map(kafka.groups, (groups) => {
    const view = groups.get(group)
    return view === undefined ? assert.fail("no group") : view
  })

/** The partitions that members own, all together. */
const sharesOf = (...members: ReadonlyArray<EmbeddedKafka.ForeignMember>) =>
  Effect.map(
    Effect.forEach(members, ({ assigned }) => assigned),
    (all) => all.map((owned) => owned.map(({ partition }) => partition))
  )

/** Lets members come to where they wait for time. */
const settled = turns(40)

describe("members that a test lets join", () => {
  it.effect.each(["range", "roundrobin", "cooperative-sticky"] as const)("share partitions: %s", (assignor) =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      const a = yield* kafka.member(group, { topics: [topic], assignor })
      yield* a.joined
      assert.deepStrictEqual(yield* sharesOf(a), [[0, 1, 2, 3]])
      const b = yield* kafka.member(group, { topics: [topic], assignor, clientId: "other" })
      yield* settled
      assert.strictEqual((yield* viewOf(kafka)).state, "PreparingRebalance")
      // The first one learns of it at its next heartbeat, and of what the other has given up at the one after that.
      yield* TestClock.adjust("6 seconds")
      yield* a.joined
      yield* b.joined
      const [mine, theirs] = yield* sharesOf(a, b)
      assert.deepStrictEqual([mine.length, theirs.length], [2, 2])
      assert.deepStrictEqual([...mine, ...theirs].sort(), [0, 1, 2, 3])
      const view = yield* viewOf(kafka)
      assert.deepInclude(view, { group, protocol: "classic", state: "Stable", assignor, coordinator: 0 })
      assert.deepStrictEqual(
        view.members.map(({ assignment, clientId }) => [clientId, assignment.length]),
        [
          ["foreign", 2],
          ["other", 2]
        ]
      )
      yield* b.leave
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* sharesOf(a, b), [[0, 1, 2, 3], []])
    })
  )

  it.effect("share partitions by the consumer protocol, and with members of the classic one", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      const a = yield* kafka.member(group, { topics: [topic], protocol: "consumer" })
      yield* a.joined
      assert.deepStrictEqual(yield* sharesOf(a), [[0, 1, 2, 3]])
      const b = yield* kafka.member(group, { topics: [topic], protocol: "consumer", assignor: "range" })
      yield* TestClock.adjust("10 seconds")
      yield* b.joined
      const [mine, theirs] = yield* sharesOf(a, b)
      assert.deepStrictEqual([...mine, ...theirs].sort(), [0, 1, 2, 3])
      assert.strictEqual(mine.length, 2)
      assert.deepInclude(yield* viewOf(kafka), { protocol: "consumer", state: "Stable", epoch: 2, assignor: "range" })
      const c = yield* kafka.member(group, { topics: [topic] })
      yield* TestClock.adjust("30 seconds")
      yield* c.joined
      const shares = yield* sharesOf(a, b, c)
      assert.deepStrictEqual(shares.flat().sort(), [0, 1, 2, 3])
      assert.isTrue(shares.every((share) => share.length > 0))
      yield* a.leave
      yield* b.leave
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(yield* sharesOf(c), [[0, 1, 2, 3]])
      assert.deepInclude(yield* viewOf(kafka), { protocol: "classic", state: "Stable" })
    })
  )

  it.effect.each(["classic", "consumer"] as const)("hold on to what they are to give up: %s", (protocol) =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      const a = yield* kafka.member(group, { topics: [topic], protocol })
      yield* a.joined
      yield* a.holdRevocation
      const b = yield* kafka.member(group, { topics: [topic], protocol })
      yield* TestClock.adjust("40 seconds")
      assert.deepStrictEqual(yield* sharesOf(a, b), [[0, 1, 2, 3], []])
      yield* a.release
      yield* TestClock.adjust("5 seconds")
      yield* b.joined
      assert.deepStrictEqual(
        (yield* sharesOf(a, b)).map(({ length }) => length),
        [2, 2]
      )
    })
  )

  it.effect.each(["classic", "consumer"] as const)(
    "that vanish are given up when their session is over: %s",
    (protocol) =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        const a = yield* kafka.member(group, { topics: [topic], protocol, sessionTimeout: "10 seconds" })
        const b = yield* kafka.member(group, { topics: [topic], protocol })
        yield* TestClock.adjust("15 seconds")
        assert.deepStrictEqual(
          (yield* sharesOf(a, b)).map(({ length }) => length),
          [2, 2]
        )
        yield* a.vanish
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* viewOf(kafka)).members.length, 2)
        yield* TestClock.adjust("50 seconds")
        assert.strictEqual((yield* viewOf(kafka)).members.length, 1)
        assert.deepStrictEqual(yield* sharesOf(a, b), [[], [0, 1, 2, 3]])
      })
  )

  it.effect.each(["classic", "consumer"] as const)("stay however long time passes: %s", (protocol) =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      const a = yield* kafka.member(group, { topics: [topic], protocol })
      yield* a.joined
      const { epoch } = yield* viewOf(kafka)
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* viewOf(kafka), { epoch, state: "Stable" })
      assert.deepStrictEqual(yield* sharesOf(a), [[0, 1, 2, 3]])
    })
  )

  it.effect("leave with their scope; one that the group does not take says so", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster({ groups: { maxSize: 1 } })
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* (yield* kafka.member(group, { topics: [topic] })).joined
          const second = yield* kafka.member(group, { topics: [topic], assignor: "range" })
          const error = failureOf(yield* Effect.exit(second.joined))
          assert.deepInclude(error, { _tag: "KafkaBrokerError", code: 81, group })
        })
      )
      const view = yield* viewOf(kafka)
      assert.deepStrictEqual([view.state, view.members, (yield* kafka.connections).length], ["Empty", [], 0])
    })
  )
})

describe("the handle", () => {
  it.effect("tells of every commit, the accepted and the refused, in order, and of the lag", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      yield* kafka.append(topic, [{ key: "a", value: "1" }], { partition: 0 })
      const connection = yield* connected(kafka)
      yield* connection.request("OffsetCommit", commitOf(1))
      yield* TestClock.adjust("1 second")
      yield* connection.request("OffsetCommit", commitOf(0, { memberId: "nobody", generation: 3 }))
      yield* connection.request("OffsetCommit", commitOf(0, { memberId: "" }))
      const at = (at: number, offset: number, rest: object = {}) => ({
        at,
        memberId: "",
        generation: -1,
        transaction: undefined,
        topic,
        partition: 0,
        offset,
        leaderEpoch: -1,
        metadata: undefined,
        errorCode: 0,
        ...rest
      })
      assert.deepStrictEqual(yield* kafka.commits(group), [
        at(0, 1),
        at(1_000, 0, { memberId: "nobody", generation: 3, errorCode: 25 }),
        at(1_000, 0)
      ])
      assert.deepStrictEqual(yield* kafka.commits("other"), [])
      assert.deepStrictEqual((yield* viewOf(kafka)).offsets, [
        { topic, partition: 0, offset: 0, leaderEpoch: -1, metadata: undefined, committedAt: 1_000, lag: 1 }
      ])
    })
  )

  it.effect("kicks a member out, which joins again", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      for (const protocol of ["classic", "consumer"] as const) {
        const a = yield* kafka.member(group, { topics: [topic], protocol })
        yield* a.joined
        const before = yield* a.memberId
        yield* kafka.kick(group, before)
        assert.deepStrictEqual((yield* viewOf(kafka)).members, [])
        assert.strictEqual(failureOf(yield* Effect.exit(kafka.kick(group, before))).code, 25)
        yield* TestClock.adjust("5 seconds")
        yield* a.joined
        assert.notStrictEqual(yield* a.memberId, before)
        yield* a.leave
      }
      assert.strictEqual(failureOf(yield* Effect.exit(kafka.kick("none", "nobody"))).code, 69)
    })
  )

  it.effect("moves coordinators: others refuse, the new one loads, members stay and sessions begin anew", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster({ nodes: 2 })
      const a = yield* kafka.member(group, { topics: [topic], sessionTimeout: "10 seconds" })
      yield* a.joined
      const { coordinator, epoch } = yield* viewOf(kafka)
      const other = 1 - coordinator
      const [here, there] = [yield* connected(kafka, { node: coordinator }), yield* connected(kafka, { node: other })]
      const beat = beatOf({ memberId: yield* a.memberId })
      assert.deepStrictEqual(yield* here.request("Heartbeat", beat), { errorCode: 0 })
      assert.deepStrictEqual(yield* there.request("Heartbeat", beat), { errorCode: 16 })
      yield* kafka.moveCoordinator(group, other, { loadingFor: "1 second" })
      assert.strictEqual((yield* viewOf(kafka)).coordinator, other)
      assert.deepStrictEqual(yield* here.request("Heartbeat", beat), { errorCode: 16 })
      assert.deepStrictEqual(yield* there.request("Heartbeat", beat), { errorCode: 14 })
      const all = { groupId: group, member: undefined, requireStable: true, partitions: undefined }
      assert.deepStrictEqual(yield* there.request("OffsetFetch", all), { errorCode: 14, partitions: [] })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* there.request("Heartbeat", beat), { errorCode: 0 })
      yield* TestClock.adjust("30 seconds")
      assert.deepInclude(yield* viewOf(kafka), { epoch, state: "Stable" })
      assert.strictEqual(failureOf(yield* Effect.exit(kafka.moveCoordinator(group, 7))).code, 102)
    })
  )

  it.effect("a rebalance that is under way when the coordinator moves is forgotten, and who waits is told", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster({ nodes: 2 })
      const a = yield* kafka.member(group, { topics: [topic] })
      yield* a.joined
      yield* a.holdRevocation
      const { coordinator, epoch, members } = yield* viewOf(kafka)
      const connection = yield* connected(kafka, { node: coordinator })
      const protocols = [{ name: "cooperative-sticky", metadata: new Uint8Array(0) }]
      const { memberId } = yield* connection.request("JoinGroup", joinOf({ protocols }))
      const waiting = yield* Effect.forkChild(connection.request("JoinGroup", joinOf({ memberId, protocols })))
      yield* settled
      assert.deepInclude(yield* viewOf(kafka), { state: "PreparingRebalance" })
      yield* kafka.moveCoordinator(group, 1 - coordinator)
      assert.deepInclude(yield* Fiber.join(waiting), { errorCode: 16, memberId })
      const view = yield* viewOf(kafka)
      assert.deepInclude(view, { state: "Stable", epoch })
      assert.strictEqual(view.members.length, members.length)
    })
  )

  it.effect("a node that stops is followed by another one as the coordinator; without any there is none", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster({ nodes: 3 })
      const a = yield* kafka.member(group, { topics: [topic] })
      yield* a.joined
      const { coordinator } = yield* viewOf(kafka)
      yield* kafka.stopNode(coordinator)
      assert.notInclude([coordinator, -1], (yield* viewOf(kafka)).coordinator)
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude(yield* viewOf(kafka), { state: "Stable", epoch: 1 })

      const alone = yield* cluster()
      const find = { type: "group", key: group } as const
      const connection = yield* connected(alone)
      assert.deepInclude(yield* connection.request("FindCoordinator", find), { errorCode: 0 })
      yield* alone.stopNode(0)
      assert.deepInclude(yield* Effect.scoped(Effect.exit(connected(alone))), { _tag: "Failure" })
      yield* alone.startNode(0)
      assert.deepInclude(yield* (yield* connected(alone)).request("FindCoordinator", find), { errorCode: 0 })
    })
  )

  it.effect("lets offsets expire: when nobody was in the group for long enough, or now", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster({ groups: { offsetsRetention: "1 hour" } })
      const connection = yield* connected(kafka)
      const a = yield* kafka.member(group, { topics: [topic] })
      yield* a.joined
      const { epoch: generation } = yield* viewOf(kafka)
      const commit = commitOf(7, { memberId: yield* a.memberId, generation })
      yield* connection.request("OffsetCommit", commit)
      yield* kafka.expireOffsets(group)
      yield* TestClock.adjust("2 hours")
      assert.strictEqual((yield* viewOf(kafka)).offsets.length, 1)
      yield* a.leave
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual((yield* viewOf(kafka)).offsets.length, 1)
      yield* TestClock.adjust("1 minute")
      // The group goes with its last offset.
      assert.isFalse((yield* kafka.groups).has(group))

      yield* connection.request("OffsetCommit", commitOf(7))
      yield* kafka.expireOffsets(group)
      assert.isFalse((yield* kafka.groups).has(group))
      const all = { groupId: group, member: undefined, requireStable: true, partitions: undefined }
      assert.deepStrictEqual(yield* connection.request("OffsetFetch", all), { errorCode: 0, partitions: [] })
      assert.strictEqual(failureOf(yield* Effect.exit(kafka.expireOffsets(group))).code, 69)
    })
  )

  it.effect("sets what a group of the consumer protocol is told", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster({ groups: { sessionTimeout: "20 seconds", heartbeatInterval: "2 seconds" } })
      const connection = yield* connected(kafka)
      const beat = (memberEpoch: number) =>
        Effect.map(
          connection.request("ConsumerGroupHeartbeat", {
            groupId: group,
            memberId: "member",
            memberEpoch,
            instanceId: undefined,
            rackId: undefined,
            rebalanceTimeoutMillis: 60_000,
            subscribedTopicNames: [topic],
            subscribedTopicRegex: undefined,
            serverAssignor: undefined,
            topicPartitions: []
          }),
          ({ errorCode, heartbeatIntervalMillis }) => [errorCode, heartbeatIntervalMillis]
        )
      assert.deepStrictEqual(yield* beat(0), [0, 2_000])
      yield* kafka.alterGroup(group, { sessionTimeout: "5 seconds", heartbeatInterval: "1 second" })
      assert.deepStrictEqual(yield* beat(1), [0, 1_000])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* beat(1), [0, 1_000])
      yield* TestClock.adjust("5002 millis")
      assert.deepStrictEqual(yield* beat(1), [25, 0])
    })
  )
})

describe("groups", () => {
  it.effect("wait for further members when they were empty, as long as is said", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster({ groups: { initialRebalanceDelay: "3 seconds" } })
      const a = yield* kafka.member(group, { topics: [topic] })
      yield* TestClock.adjust("2 seconds")
      const b = yield* kafka.member(group, { topics: [topic] })
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* viewOf(kafka)).state, "PreparingRebalance")
      yield* TestClock.adjust("2 seconds")
      yield* a.joined
      yield* b.joined
      assert.deepInclude(yield* viewOf(kafka), { epoch: 1, state: "Stable" })
      assert.deepStrictEqual(
        (yield* sharesOf(a, b)).map(({ length }) => length),
        [2, 2]
      )
    })
  )

  it.effect("have faults of their own, which leave other groups alone", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      const connection = yield* connected(kafka)
      const { hits } = yield* kafka.inject({ _tag: "ErrorCode", code: 16 }, { group })
      const code = (groupId: string) =>
        Effect.map(
          connection.request("OffsetCommit", commitOf(1, { groupId })),
          ({ partitions }) => partitions[0].errorCode
        )
      assert.deepStrictEqual([yield* code(group), yield* code("other")], [16, 0])
      assert.deepInclude(yield* connection.request("JoinGroup", joinOf()), { errorCode: 16 })
      assert.deepInclude(yield* connection.request("Heartbeat", beatOf()), { errorCode: 16 })
      const find = (key: string, type: KafkaProtocol.CoordinatorType) =>
        Effect.map(connection.request("FindCoordinator", { key, type }), ({ errorCode }) => errorCode)
      assert.deepStrictEqual(
        [yield* find(group, "group"), yield* find(group, "transaction"), yield* find("other", "group")],
        [16, 0, 0]
      )
      assert.strictEqual(yield* hits, 4)
    })
  )

  it.effect("are answered in the order of their connection, also behind who waits", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      const a = yield* kafka.member(group, { topics: [topic], assignor: "range" })
      yield* a.joined
      const connection = yield* connected(kafka)
      const { memberId } = yield* connection.request("JoinGroup", joinOf())
      const order: Array<string> = []
      const note = (name: string) => Effect.sync(() => void order.push(name))
      yield* Effect.forkChild(Effect.tap(connection.request("JoinGroup", joinOf({ memberId })), () => note("join")))
      yield* settled
      yield* Effect.forkChild(Effect.tap(connection.request("Heartbeat", beatOf({ memberId })), () => note("beat")))
      yield* settled
      assert.deepStrictEqual(order, [])
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(order, ["join", "beat"])
    })
  )

  it.effect("of the consumer protocol are not everywhere", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster({ groups: { consumerProtocol: false } })
      const a = yield* kafka.member(group, { topics: [topic], protocol: "consumer" })
      const error = failureOf(yield* Effect.exit(a.joined))
      assert.deepInclude(error, { code: 35, codeName: "UNSUPPORTED_VERSION" })
      const features = (yield* connected(kafka)).features
      assert.deepStrictEqual([...features!.keys()], ["transaction.version"])
    })
  )
})

describe("transactions", () => {
  const producing = (kafka: EmbeddedKafka.EmbeddedKafka, timeoutMillis = 60_000) =>
    Effect.gen(function* () {
      const connection = yield* connected(kafka)
      const transactional = { id: "producer", timeoutMillis }
      const { producerEpoch, producerId } = yield* connection.request("InitProducerId", { transactional })
      const self = { transactionalId: "producer", producerId, producerEpoch }
      const partitions = [{ topic: { name: topic, id: undefined }, partition: 0 }]
      const add = Effect.map(
        connection.request("AddPartitionsToTxn", { ...self, partitions }),
        (answer) => answer.partitions[0].errorCode
      )
      const commit = connection.request("TxnOffsetCommit", { ...self, transactionVersion: 2, ...commitOf(5) })
      const end = (committed: boolean) => connection.request("EndTxn", { ...self, transactionVersion: 1, committed })
      const fetched = Effect.map(
        connection.request("OffsetFetch", { groupId: group, member: undefined, requireStable: true, partitions }),
        (answer) => answer.partitions[0].errorCode || answer.partitions[0].offset
      )
      return { connection, add, commit, end, fetched, partitions }
    })

  it.effect("have really ended a while after they were ended, where that is said", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster({ transactions: { markerDelay: "100 millis", version: 1 } })
      const { add, commit, connection, end, fetched } = yield* producing(kafka)
      assert.deepStrictEqual(connection.features!.get("transaction.version"), { min: 1, max: 1 })
      yield* add
      yield* commit
      assert.deepStrictEqual(yield* end(true), { errorCode: 0, next: undefined })
      assert.deepStrictEqual([yield* add, yield* fetched], [51, 88])
      assert.deepStrictEqual((yield* kafka.commits(group))[0].transaction, { id: "producer", state: "Open" })
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual([yield* fetched, yield* add], [5, 0])
      assert.deepStrictEqual((yield* kafka.commits(group))[0].transaction, { id: "producer", state: "Committed" })
      yield* commit
      yield* end(false)
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual((yield* kafka.commits(group))[1].transaction, { id: "producer", state: "Aborted" })
    })
  )

  it.effect("that take too long are aborted at their time, which lets readers go on", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      const { add, commit, connection, end, fetched, partitions } = yield* producing(kafka, 10_000)
      yield* add
      yield* commit
      assert.strictEqual(yield* fetched, 88)
      const reading = yield* Effect.forkChild(
        connection.request("Fetch", {
          isolation: "read_committed",
          maxWaitMillis: 60_000,
          minBytes: 1,
          maxBytes: 1_000_000,
          partitions: partitions.map((one) => ({
            ...one,
            leaderEpoch: -1,
            fetchOffset: 0,
            lastFetchedEpoch: -1,
            maxBytes: 1_000_000
          }))
        })
      )
      yield* TestClock.adjust("10 seconds")
      const { partitions: read } = yield* Fiber.join(reading)
      assert.isAbove(read[0].records.length, 0)
      assert.deepStrictEqual([yield* fetched, yield* add], [-1, 90])
      assert.deepStrictEqual(yield* end(true), { errorCode: 90, next: undefined })
    })
  )
})
