/** Where the coordinator of a group, or of transactions, is, and what becomes of requests to it when it moves. */
import { assert, describe } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { apiOf, apis } from "../../src/internal/protocol/apis.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import type { KafkaClient, KafkaError, KafkaProtocol } from "../../src/index.ts"
import { settle, settleBriefly } from "../support/answers.ts"
import { withoutChance } from "../support/effect/v4/random.ts"
import { errorOf } from "../support/exits.ts"
import { connectionError, FakeCluster, type Request } from "../support/FakeCluster.ts"
import { it as manual } from "../support/ManualClock.ts"

/** Random numbers are 0 in these tests, so that each wait is exactly as long as the backoff says: 10 ms, then double. */
const it = {
  effect: <E>(name: string, test: () => Effect.Effect<void, E, Scope.Scope>) =>
    manual.effect(name, () => withoutChance(test()))
}

const GROUP = "orders"

const member = { groupId: GROUP, generation: 1, memberId: "m", instanceId: undefined }

const topic = { name: "t", id: undefined }

const commits = (...partitions: ReadonlyArray<number>): KafkaProtocol.OffsetCommitRequest => ({
  ...member,
  partitions: partitions.map((partition) => ({ topic, partition, offset: 1, leaderEpoch: -1, metadata: undefined }))
})

const joining: KafkaProtocol.JoinGroupRequest = {
  groupId: GROUP,
  sessionTimeoutMillis: 30_000,
  rebalanceTimeoutMillis: 60_000,
  memberId: "",
  instanceId: undefined,
  protocolType: "consumer",
  protocols: [],
  reason: undefined
}

/** A cluster whose groups are coordinated by `at`, and what is asked of it. */
class Groups {
  readonly cluster = new FakeCluster(3)
  /** The coordinator's node. */
  at = 0
  /** The code that a search for the coordinator is answered with. */
  found = 0
  /** What a request about the group is answered with: a code, a failure, or nothing at all. By default it is done. */
  answer: (
    name: Request,
    node: number,
    detail: unknown
  ) => number | Effect.Effect<unknown, KafkaError.ConnectionError> = () => 0

  constructor() {
    this.cluster.before = (name, node, detail) => {
      if (name === "FindCoordinator") return Effect.sync(() => this.coordinator)
      if (name === "connect" || name === "Metadata" || !(name in apis)) return undefined
      const answer = this.answer(name, node, detail)
      return typeof answer === "number" ? Effect.succeed(refusal(name, detail, answer)) : answer
    }
  }

  private get coordinator(): KafkaProtocol.FindCoordinatorResponse {
    const coordinator = this.found === 0 ? this.cluster.cluster.brokerOf(this.at) : undefined
    return { errorCode: this.found, errorMessage: undefined, coordinator }
  }

  /** The nodes that were asked for this, in order. */
  asked(name: Request): ReadonlyArray<number> {
    return this.cluster.requests.filter(({ request }) => request === name).map(({ node }) => node)
  }

  /** How often the coordinator was looked for. */
  get looks(): number {
    return this.asked("FindCoordinator").length
  }
}

/** Any answer, with this code in it. */
const refusal = (name: KafkaProtocol.ApiName, request: unknown, code: number): unknown =>
  apiOf(name).parts.refuse(request as KafkaProtocol.Request<KafkaProtocol.ApiName>, code)

const coordinatorOf = (groups: Groups, key = GROUP, type: KafkaProtocol.CoordinatorType = "group") =>
  Effect.flatMap(groups.cluster.client, (client) => client.coordinator(key, type))

const beat = (coordinator: KafkaClient.Coordinator) => coordinator.request("Heartbeat", member)

const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect)

describe("a coordinator", () => {
  it.effect("is found once, when it is asked for the first time, and asked where it is", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      groups.at = 2
      const coordinator = yield* coordinatorOf(groups)
      assert.deepStrictEqual([coordinator.key, coordinator.type, groups.cluster.requests], [GROUP, "group", []])
      yield* beat(coordinator)
      yield* coordinator.request("OffsetCommit", commits(0))
      assert.deepStrictEqual([groups.looks, groups.asked("Heartbeat"), groups.asked("OffsetCommit")], [1, [2], [2]])
    })
  )

  it.effect("is looked for by its key and its type", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      const details: Array<unknown> = []
      groups.cluster.listener = (name, _node, detail) => name === "FindCoordinator" && details.push(detail)
      yield* Effect.flatMap(coordinatorOf(groups), beat)
      yield* Effect.flatMap(coordinatorOf(groups, "tx", "transaction"), beat)
      assert.deepStrictEqual(details, [
        { key: GROUP, type: "group" },
        { key: "tx", type: "transaction" }
      ])
    })
  )

  for (const waiting of ["JoinGroup", "SyncGroup"] as const) {
    it.effect(`that lets a ${waiting} wait answers heartbeats and commits meanwhile`, () =>
      Effect.gen(function* () {
        const groups = new Groups()
        groups.answer = (name) => (name === waiting ? Effect.never : 0)
        const coordinator = yield* coordinatorOf(groups)
        const sync = { ...member, protocolType: "consumer", protocolName: "range", assignments: [] }
        const held = yield* run<{ readonly errorCode: number }, KafkaError.ClientError>(
          waiting === "JoinGroup"
            ? coordinator.request("JoinGroup", joining)
            : coordinator.request("SyncGroup", { ...sync, rebalanceTimeoutMillis: 60_000 })
        )
        yield* settle
        yield* beat(coordinator)
        yield* coordinator.request("OffsetCommit", commits(0))
        assert.isFalse(hasEnded(held))
        // One on which the coordinator was looked for, and the two of its own.
        assert.strictEqual(groups.cluster.open, 3)
        yield* Fiber.interrupt(held)
      })
    )
  }

  it.effect("does not keep others waiting for an answer that was given up: they are asked on another connection", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      const coordinator = yield* coordinatorOf(groups)
      yield* beat(coordinator)
      groups.answer = () => Effect.never
      const held = yield* run(beat(coordinator))
      yield* settle
      const before = groups.cluster.requests.filter(({ request }) => request === "connect").length
      yield* Fiber.interrupt(held)
      groups.answer = () => 0
      yield* beat(coordinator)
      const after = groups.cluster.requests.filter(({ request }) => request === "connect").length
      // It may be frozen while another node has taken over: where the coordinator is, is asked for again.
      assert.deepStrictEqual([after - before, groups.cluster.open, groups.looks], [1, 2, 2])
    })
  )

  it.effect("opens no second connection where nothing waits", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      const coordinator = yield* coordinatorOf(groups, "tx", "transaction")
      yield* coordinator.request("EndTxn", {
        transactionalId: "tx",
        producerId: 1n,
        producerEpoch: 0,
        transactionVersion: 2,
        committed: true
      })
      assert.strictEqual(groups.cluster.open, 2)
    })
  )

  it.effect("tells the features that are in force", () =>
    Effect.gen(function* () {
      const coordinator = yield* coordinatorOf(new Groups())
      assert.deepStrictEqual([...((yield* coordinator.features)?.keys() ?? [])].sort(), [
        "group.version",
        "transaction.version"
      ])
    })
  )

  it.effect("closes its connections with the scope", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      const client = yield* groups.cluster.client
      const scope = yield* Scope.make()
      const coordinator = yield* Scope.provide(client.coordinator(GROUP, "group"), scope)
      yield* coordinator.request("JoinGroup", joining)
      yield* beat(coordinator)
      assert.strictEqual(groups.cluster.open, 3)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(groups.cluster.open, 1)
    })
  )

  it.effect("fails when its client is released, with words that say so", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      groups.answer = (name) => (name === "JoinGroup" ? Effect.never : 0)
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(groups.cluster.client, scope)
      const coordinator = yield* client.coordinator(GROUP, "group")
      const held = yield* run(coordinator.request("JoinGroup", joining))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      const late = yield* run(beat(coordinator))
      yield* TestClock.adjust(10)
      for (const fiber of [held, late]) {
        const error = errorOf(yield* Fiber.await(fiber))
        assert.include(error, { _tag: "KafkaConnectionError", reason: "Closed" })
        assert.include(error!.message, "this KafkaClient was released")
      }
    })
  )
})

describe("a coordinator that has moved", () => {
  for (const [code, name] of [
    [14, "COORDINATOR_LOAD_IN_PROGRESS"],
    [15, "COORDINATOR_NOT_AVAILABLE"],
    [16, "NOT_COORDINATOR"]
  ] as const) {
    const ways: ReadonlyArray<readonly [string, (coordinator: KafkaClient.Coordinator) => ReturnType<typeof beat>]> = [
      ["Heartbeat", beat],
      ["OffsetCommit", (it) => Effect.as(it.request("OffsetCommit", commits(0, 1)), { errorCode: 0 })]
    ]
    for (const [request, ask] of ways) {
      it.effect(`says so by ${name} on ${request}: the next request looks for it again`, () =>
        Effect.gen(function* () {
          const groups = new Groups()
          groups.answer = (_name, node) => (node === groups.at ? 0 : code)
          const coordinator = yield* coordinatorOf(groups)
          yield* ask(coordinator)
          groups.at = 1
          const error = yield* Effect.flip(ask(coordinator))
          assert.include(error, { _tag: "KafkaBrokerError", code, codeName: name, group: GROUP, retriable: true })
          assert.include(error.message, `${name} on ${request}, group "${GROUP}", broker embedded:9092`)
          const again = yield* run(ask(coordinator))
          yield* TestClock.adjust(9)
          assert.deepStrictEqual([groups.looks, hasEnded(again)], [1, false])
          yield* TestClock.adjust(1)
          assert.isTrue(Exit.isSuccess(yield* Fiber.await(again)))
          assert.deepStrictEqual([groups.looks, groups.asked(request as Request)], [2, [0, 0, 1]])
        })
      )
    }
  }

  it.effect("has no connection to where it was any more: what waits there ends", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      groups.answer = (name, node) => (node === groups.at ? 0 : name === "JoinGroup" ? Effect.never : 16)
      const coordinator = yield* coordinatorOf(groups)
      yield* beat(coordinator)
      groups.at = 1
      const held = yield* run(coordinator.request("JoinGroup", joining))
      yield* settle
      yield* Effect.flip(beat(coordinator))
      assert.isFalse(hasEnded(held))
      const again = yield* run(beat(coordinator))
      yield* TestClock.adjust(10)
      yield* Fiber.join(again)
      assert.include(errorOf(yield* Fiber.await(held)), { _tag: "KafkaConnectionError", reason: "Closed" })
      assert.strictEqual(groups.cluster.open, 2)
    })
  )

  it.effect("and is found where it was keeps its connections: what waits there goes on", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      groups.answer = (name) => (name === "JoinGroup" ? Effect.never : 14)
      const coordinator = yield* coordinatorOf(groups)
      const held = yield* run(coordinator.request("JoinGroup", joining))
      yield* settle
      yield* Effect.flip(beat(coordinator))
      const again = yield* run(Effect.flip(beat(coordinator)))
      yield* TestClock.adjust(10)
      yield* Fiber.join(again)
      assert.deepStrictEqual([groups.looks, hasEnded(held), groups.cluster.open], [2, false, 3])
      yield* Fiber.interrupt(held)
    })
  )

  for (const reason of ["Closed", "Timeout", "Unreachable", "Protocol", "Authentication", "Tls"] as const) {
    it.effect(`is looked for after ${reason}, too`, () =>
      Effect.gen(function* () {
        const groups = new Groups()
        groups.answer = (_name, node) => (node === 0 ? Effect.fail(connectionError(reason)) : 0)
        const coordinator = yield* coordinatorOf(groups)
        assert.include(yield* Effect.flip(beat(coordinator)), { _tag: "KafkaConnectionError", reason })
        groups.at = 1
        const again = yield* run(beat(coordinator))
        yield* TestClock.adjust(10)
        yield* Fiber.join(again)
        assert.deepStrictEqual([groups.looks, groups.asked("Heartbeat")], [2, [0, 1]])
      })
    )
  }

  it.effect("is asked for of others first, if it has failed itself", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      groups.answer = (_name, node) => (node === 0 ? Effect.fail(connectionError("Timeout")) : 0)
      const client = yield* groups.cluster.client
      yield* TestClock.adjust("1 second")
      // The client knows all brokers by this.
      yield* client.topicsMatching(() => false)
      const coordinator = yield* client.coordinator(GROUP, "group")
      yield* Effect.flip(beat(coordinator))
      groups.at = 1
      const again = yield* run(beat(coordinator))
      yield* TestClock.adjust(10)
      yield* Fiber.join(again)
      assert.notStrictEqual(groups.asked("FindCoordinator").at(-1), 0)
    })
  )

  it.effect("is not looked for because it does not have a request", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      groups.answer = (name) => (name === "OffsetDelete" ? Effect.fail(connectionError("UnsupportedVersion")) : 0)
      const coordinator = yield* coordinatorOf(groups)
      const error = yield* Effect.flip(coordinator.request("OffsetDelete", { groupId: GROUP, partitions: [] }))
      assert.include(error, { _tag: "KafkaConnectionError", reason: "UnsupportedVersion" })
      yield* beat(coordinator)
      assert.deepStrictEqual([groups.looks, groups.cluster.open], [1, 2])
    })
  )

  it.effect("is not looked for because of any other code: those are the caller's to understand", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      const coordinator = yield* coordinatorOf(groups)
      for (const code of [22, 25, 27, 29, 30, 68, 69, 79, 82, 88, 110, 111, 113]) {
        groups.answer = () => code
        assert.deepStrictEqual(yield* beat(coordinator), { errorCode: code })
      }
      assert.strictEqual(groups.looks, 1)
    })
  )

  it.effect("is not looked for because of some of an answer's partitions: what is said of the others counts", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      groups.answer = (name, _node, detail) =>
        name === "Heartbeat"
          ? 0
          : Effect.succeed({
              partitions: (detail as KafkaProtocol.OffsetCommitRequest).partitions.map(({ partition, topic }) => ({
                topic,
                partition,
                errorCode: partition === 0 ? 0 : 16
              }))
            })
      const coordinator = yield* coordinatorOf(groups)
      const { partitions } = yield* coordinator.request("OffsetCommit", commits(0, 1))
      assert.deepStrictEqual(
        partitions.map(({ errorCode }) => errorCode),
        [0, 16]
      )
      yield* beat(coordinator)
      assert.strictEqual(groups.looks, 1)
    })
  )
})

describe("a coordinator that does not come", () => {
  /** How long a request takes that is made as soon as the one before it has failed. */
  const waits = (coordinator: KafkaClient.Coordinator, count: number) =>
    Effect.gen(function* () {
      const found: Array<number> = []
      for (let i = 0; i < count; i++) {
        const begin = yield* Clock.currentTimeMillis
        const asking = yield* run(Effect.exit(beat(coordinator)))
        yield* settleBriefly
        while (!hasEnded(asking)) yield* TestClock.adjust(1)
        found.push((yield* Clock.currentTimeMillis) - begin)
      }
      return found
    })

  it.effect(
    "is looked for after pauses that grow, up to the longest backoff; and begin anew when it has answered",
    () =>
      Effect.gen(function* () {
        const groups = new Groups()
        const coordinator = yield* coordinatorOf(groups)
        groups.answer = () => 16
        const growing = yield* waits(coordinator, 7)
        groups.answer = () => 0
        const last = yield* waits(coordinator, 2)
        groups.answer = () => 16
        const anew = yield* waits(coordinator, 3)
        assert.deepStrictEqual(
          [growing, last, anew],
          [
            [0, 10, 20, 40, 80, 100, 100],
            [100, 0],
            [0, 10, 20]
          ]
        )
      })
  )

  it.effect("nor is known to anybody: the same pauses, and the code as a typed failure", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      groups.found = 15
      const coordinator = yield* coordinatorOf(groups)
      const error = yield* Effect.flip(beat(coordinator))
      assert.include(error, {
        _tag: "KafkaBrokerError",
        codeName: "COORDINATOR_NOT_AVAILABLE",
        reason: "Unavailable",
        retriable: true,
        request: "FindCoordinator",
        group: GROUP
      })
      assert.deepStrictEqual(yield* waits(coordinator, 4), [10, 20, 40, 80])
      groups.found = 0
      assert.deepStrictEqual(yield* waits(coordinator, 2), [100, 0])
    })
  )

  it.effect("as the right to it is missing: a failure that says which, and no other broker makes it pass", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      groups.found = 30
      const error = yield* Effect.flip(Effect.flatMap(coordinatorOf(groups), beat))
      assert.include(error, { codeName: "GROUP_AUTHORIZATION_FAILED", reason: "Unauthorized", retriable: false })
      assert.include(error.message, `group "${GROUP}"`)
      assert.include(error.message, "Grant READ on the group")
      groups.found = 53
      const other = yield* Effect.flip(Effect.flatMap(coordinatorOf(groups, "tx", "transaction"), beat))
      assert.include(other, { codeName: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", transactionalId: "tx" })
      assert.include(other.message, 'transactional id "tx"')
    })
  )

  it.effect("fails all who wait for it together, after one look", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      groups.found = 15
      const coordinator = yield* coordinatorOf(groups)
      const all = yield* Effect.forEach([1, 2, 3], () => run(Effect.flip(beat(coordinator))))
      for (const fiber of all) assert.include(yield* Fiber.join(fiber), { code: 15 })
      assert.strictEqual(groups.looks, 1)
    })
  )

  it.effect("is found by one look for all who wait for it", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      const coordinator = yield* coordinatorOf(groups)
      const all = yield* Effect.forEach([1, 2, 3], () => run(beat(coordinator)))
      for (const fiber of all) yield* Fiber.join(fiber)
      assert.deepStrictEqual([groups.looks, groups.asked("Heartbeat")], [1, [0, 0, 0]])
    })
  )

  it.effect("is looked for by another one who waits, where the first one is interrupted", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      groups.answer = () => 16
      const coordinator = yield* coordinatorOf(groups)
      yield* Effect.flip(beat(coordinator))
      // This one sleeps until it may look again, and the others wait for it.
      const first = yield* run(beat(coordinator))
      yield* settle
      const others = yield* Effect.forEach([1, 2], () => run(beat(coordinator)))
      yield* settle
      groups.answer = () => 0
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust(10)
      for (const fiber of others) yield* Fiber.join(fiber)
      assert.strictEqual(groups.looks, 2)
    })
  )

  it.effect("is counted once, however many requests were on their way to it", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      const coordinator = yield* coordinatorOf(groups)
      yield* beat(coordinator)
      groups.answer = () => 16
      const all = yield* Effect.forEach([1, 2, 3], () => run(Effect.flip(beat(coordinator))))
      for (const fiber of all) yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* waits(coordinator, 2), [10, 20])
    })
  )
})

describe("a coordinator that is asked once", () => {
  const ask = (client: KafkaClient.KafkaClient) =>
    client.askCoordinator(GROUP, "group", "OffsetFetch", {
      groupId: GROUP,
      member: undefined,
      requireStable: true,
      partitions: undefined
    })

  it.effect("is asked over the connections that there are", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      const client = yield* groups.cluster.client
      yield* client.topicsMatching(() => true)
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* ask(client), { errorCode: 0, partitions: [] })
      assert.strictEqual(groups.cluster.open, 1)
      groups.at = 1
      yield* ask(client)
      assert.strictEqual(groups.cluster.open, 2)
    })
  )

  for (const code of [14, 15, 16]) {
    it.effect(`and answers ${code} is looked for again, four times in all`, () =>
      Effect.gen(function* () {
        const groups = new Groups()
        const client = yield* groups.cluster.client
        groups.answer = (_name, node) => (node === 0 ? code : 0)
        const asking = yield* run(ask(client))
        yield* settle
        groups.at = 1
        yield* TestClock.adjust(10)
        yield* Fiber.join(asking)
        assert.deepStrictEqual(groups.asked("OffsetFetch"), [0, 1])
        groups.at = 0
        const failing = yield* run(Effect.flip(ask(client)))
        yield* TestClock.adjust(10 + 20 + 40)
        assert.include(yield* Fiber.join(failing), { _tag: "KafkaBrokerError", code, group: GROUP })
        assert.deepStrictEqual(groups.asked("OffsetFetch"), [0, 1, 0, 0, 0, 0])
      })
    )
  }

  it.effect("is looked for again where nobody knows it yet", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      const client = yield* groups.cluster.client
      groups.found = 15
      const asking = yield* run(ask(client))
      yield* settle
      groups.found = 0
      yield* TestClock.adjust(10)
      yield* Fiber.join(asking)
      assert.strictEqual(groups.looks, 2)
    })
  )

  it.effect("is not asked again where it fails, or refuses", () =>
    Effect.gen(function* () {
      const groups = new Groups()
      const client = yield* groups.cluster.client
      groups.answer = () => 30
      assert.deepStrictEqual(yield* ask(client), { errorCode: 30, partitions: [] })
      groups.answer = () => Effect.fail(connectionError("Timeout"))
      assert.include(yield* Effect.flip(ask(client)), { _tag: "KafkaConnectionError", reason: "Timeout" })
      groups.found = 30
      assert.include(yield* Effect.flip(ask(client)), { code: 30, retriable: false })
      assert.deepStrictEqual(groups.asked("OffsetFetch"), [0, 0])
    })
  )
})

describe("topics by their names", () => {
  it.effect("are those that are wanted, in the order of their names, with ids and partitions", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster(2)
      for (const [name, partitions] of [
        ["b.two", 2],
        ["a", 1],
        ["b.one", 3]
      ] as const) {
        cluster.createTopic(name, partitions)
      }
      const details: Array<unknown> = []
      cluster.listener = (name, _node, detail) => name === "Metadata" && details.push(detail)
      const client = yield* cluster.client
      assert.deepStrictEqual(yield* client.topicsMatching((name) => name.startsWith("b.")), [
        { topic: { name: "b.one", id: cluster.topic("b.one").id }, partitions: 3 },
        { topic: { name: "b.two", id: cluster.topic("b.two").id }, partitions: 2 }
      ])
      assert.deepStrictEqual(yield* client.topicsMatching(() => false), [])
      assert.deepStrictEqual(details, [{ topics: "all" }, { topics: "all" }])
    })
  )

  it.effect("are without one that has no partitions yet", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster()
      cluster.before = (name) =>
        name === "Metadata"
          ? Effect.succeed({
              brokers: [],
              controllerId: 0,
              topics: [
                { errorCode: 5, name: "being created", id: undefined, partitions: [] },
                {
                  errorCode: 0,
                  name: "there",
                  id: undefined,
                  partitions: [{ errorCode: 5, partition: 0, leader: -1, leaderEpoch: -1 }]
                }
              ]
            })
          : undefined
      const client = yield* cluster.client
      assert.deepStrictEqual(yield* client.topicsMatching(() => true), [
        { topic: { name: "there", id: undefined }, partitions: 1 }
      ])
    })
  )

  it.effect("fail as the brokers do", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster()
      cluster.before = (name) => (name === "Metadata" ? Effect.fail(connectionError("Closed")) : undefined)
      const client = yield* cluster.client
      const error = yield* Effect.flip(client.topicsMatching(() => true))
      assert.include(error, { _tag: "KafkaConnectionError", reason: "Closed" })
    })
  )
})
