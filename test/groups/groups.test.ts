/** What an operator is told of groups, on a cluster whose answers are made up. On a real one: test/real/groups.test.ts. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { apiOf, apis } from "../../src/internal/protocol/apis.ts"
import { encodeAssignment, encodeSubscription } from "../../src/internal/protocol/consumerProtocol.ts"
import { KafkaClient, type KafkaError, KafkaGroups, type KafkaProtocol } from "../../src/index.ts"
import { connectionError, FakeCluster } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"

const GROUP = "orders"

type Answers = {
  readonly [N in KafkaProtocol.ApiName]?:
    number | Partial<KafkaProtocol.Response<N>> | KafkaError.ConnectionError | undefined
}

const NO_CONSUMER_GROUP = { ConsumerGroupDescribe: 69 }

const EMPTY: Answers = {
  ...NO_CONSUMER_GROUP,
  DescribeGroups: { errorCode: 0, state: "Empty", protocolType: "consumer" }
}

/** A cluster of one node that coordinates all groups, which answers with these codes, or these parts of answers. */
class Scripted {
  readonly cluster = new FakeCluster()
  answers: Answers
  readonly commits: Array<KafkaProtocol.OffsetCommitRequest> = []

  constructor(answers: Answers) {
    this.answers = answers
    this.cluster.before = (name, _node, detail) => {
      if (name === "OffsetCommit") this.commits.push(detail as KafkaProtocol.OffsetCommitRequest)
      if (name === "FindCoordinator" && this.answers.FindCoordinator === undefined) {
        return Effect.succeed({ errorCode: 0, coordinator: this.cluster.cluster.brokerOf(0) })
      }
      if (name === "connect" || !(name in apis)) return undefined
      const answer: unknown = this.answers[name]
      if (answer === undefined && IMPLEMENTED.has(name)) return undefined
      if (answer instanceof Error) return Effect.fail(answer as KafkaError.ConnectionError)
      const code = typeof answer === "number" ? answer : 0
      const whole = apiOf(name).parts.refuse(detail as never, code)
      return Effect.succeed(typeof answer === "object" ? Object.assign({}, whole, answer) : whole)
    }
  }

  run<A, E>(ask: (groups: KafkaGroups.KafkaGroups) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.scoped(
      Effect.flatMap(KafkaGroups.KafkaGroups, ask).pipe(
        Effect.provide(
          KafkaGroups.layer.pipe(Layer.provide(Layer.effect(KafkaClient.KafkaClient, this.cluster.client)))
        )
      )
    )
  }
}

/** What the cluster answers by itself. */
const IMPLEMENTED: ReadonlySet<string> = new Set(["Metadata", "ListOffsets"])

const metadataOf = (topics: ReadonlyArray<string>) =>
  encodeSubscription({ topics, userData: undefined, ownedPartitions: [], generation: -1, rackId: undefined })

const member = (
  memberId: string,
  metadata: Buffer,
  assignment: Buffer,
  clientId = "app"
): KafkaProtocol.DescribedMember => ({
  memberId,
  instanceId: undefined,
  clientId,
  clientHost: "/10.0.0.1",
  metadata,
  assignment
})

const committed = (topic: string, partition: number, offset: number, errorCode = 0): KafkaProtocol.CommittedOffset => ({
  topic: { name: topic, id: undefined },
  partition,
  errorCode,
  offset,
  leaderEpoch: -1,
  metadata: undefined
})

const offsetsOf = (...partitions: ReadonlyArray<KafkaProtocol.CommittedOffset>) => ({ errorCode: 0, partitions })

describe("a group of the classic protocol", () => {
  it.effect("is told with what its members wrote, in order", () =>
    Effect.gen(function* () {
      const owned = encodeAssignment({
        partitions: [
          { topic: "b", partitions: [1, 0] },
          { topic: "a", partitions: [2] }
        ],
        userData: undefined
      })
      const scripted = new Scripted({
        ...NO_CONSUMER_GROUP,
        DescribeGroups: {
          state: "Stable",
          protocolType: "consumer",
          protocolName: "range",
          members: [
            member("m2", metadataOf(["b", "a"]), owned, "z"),
            member("m1", metadataOf(["a"]), Buffer.alloc(0), "a")
          ]
        }
      })
      const description = yield* scripted.run((groups) => groups.describe(GROUP))
      assert.deepStrictEqual(description, {
        group: GROUP,
        type: "classic",
        state: "Stable",
        protocolType: "consumer",
        assignor: "range",
        members: [
          {
            id: "m1",
            instanceId: undefined,
            clientId: "a",
            host: "10.0.0.1",
            protocol: "classic",
            topics: ["a"],
            pattern: undefined,
            assignment: [],
            target: undefined
          },
          {
            id: "m2",
            instanceId: undefined,
            clientId: "z",
            host: "10.0.0.1",
            protocol: "classic",
            topics: ["b", "a"],
            pattern: undefined,
            assignment: [
              { topic: "a", partition: 2 },
              { topic: "b", partition: 0 },
              { topic: "b", partition: 1 }
            ],
            target: undefined
          }
        ]
      })
    })
  )

  it.effect("has members of which nothing is known in a rebalance, or who wrote what nobody can read", () =>
    Effect.gen(function* () {
      const none = Buffer.alloc(0)
      const garbage = Buffer.from([0, 1, 2])
      const of = (protocolType: string, ...members: ReadonlyArray<KafkaProtocol.DescribedMember>) =>
        new Scripted({ ...NO_CONSUMER_GROUP, DescribeGroups: { state: "Stable", protocolType, members } }).run(
          (groups) => Effect.map(groups.describe(GROUP), (found) => found.members.map((m) => [m.topics, m.assignment]))
        )
      const unknown = [undefined, undefined]
      assert.deepStrictEqual(yield* of("consumer", member("m", none, none)), [unknown])
      assert.deepStrictEqual(yield* of("consumer", member("m", garbage, garbage)), [unknown])
      assert.deepStrictEqual(yield* of("consumer", member("m", metadataOf(["t"]), garbage)), [[["t"], undefined]])
      assert.deepStrictEqual(yield* of("connect", member("m", metadataOf(["t"]), none)), [unknown])
    })
  )

  it.effect("is asked for where brokers do not have the other protocol", () =>
    Effect.gen(function* () {
      for (const answer of [35, 69, connectionError("UnsupportedVersion")]) {
        const scripted = new Scripted({ ...EMPTY, ConsumerGroupDescribe: answer })
        const { state, type } = yield* scripted.run((groups) => groups.describe(GROUP))
        assert.deepStrictEqual([type, state], ["classic", "Empty"])
      }
    })
  )

  it.effect("that does not exist is NotFound, however old the broker is", () =>
    Effect.gen(function* () {
      for (const answer of [69, { errorCode: 0, state: "Dead" }]) {
        const scripted = new Scripted({ ...NO_CONSUMER_GROUP, DescribeGroups: answer })
        const error = yield* Effect.flip(scripted.run((groups) => groups.describe(GROUP)))
        assert.include(error, { _tag: "KafkaGroupError", reason: "NotFound", group: GROUP })
        assert.include(error.message, `NotFound: group "${GROUP}"`)
      }
    })
  )
})

describe("a refusal", () => {
  const calls: ReadonlyArray<
    readonly [
      KafkaProtocol.ApiName,
      (groups: KafkaGroups.KafkaGroups) => Effect.Effect<unknown, KafkaError.KafkaError>,
      Answers
    ]
  > = [
    ["ConsumerGroupDescribe", (groups) => groups.describe(GROUP), {}],
    ["DescribeGroups", (groups) => groups.describe(GROUP), NO_CONSUMER_GROUP],
    ["OffsetFetch", (groups) => groups.offsets(GROUP), EMPTY],
    [
      "OffsetDelete",
      (groups) => groups.deleteOffsets(GROUP, ["t"]),
      { ...EMPTY, OffsetFetch: offsetsOf(committed("t", 0, 1)) }
    ],
    ["DeleteGroups", (groups) => groups.delete(GROUP), EMPTY],
    [
      "OffsetCommit",
      (groups) => groups.resetOffsets(GROUP, { to: "earliest" }),
      { ...EMPTY, OffsetFetch: offsetsOf(committed("t", 0, 1)) }
    ],
    ["FindCoordinator", (groups) => groups.describe(GROUP), {}]
  ]

  for (const [name, ask, answers] of calls) {
    it.effect(`of ${name} because of rights is Unauthorized, and says which are needed`, () =>
      Effect.gen(function* () {
        const scripted = new Scripted({ ...answers, [name]: 30 })
        scripted.cluster.createTopic("t")
        const error = yield* Effect.flip(scripted.run(ask))
        assert.include(error, { _tag: "KafkaGroupError", reason: "Unauthorized", group: GROUP, retriable: false })
        assert.include(error.message, `GROUP_AUTHORIZATION_FAILED on ${name}`)
        assert.include(error.message, "Grant DESCRIBE on the group")
      })
    )

    it.effect(`of ${name} because the coordinator is away passes by itself`, () =>
      Effect.gen(function* () {
        const scripted = new Scripted({ ...answers, [name]: 15 })
        scripted.cluster.createTopic("t")
        const asking = yield* Effect.forkChild(Effect.flip(scripted.run(ask)))
        while (!hasEnded(asking)) yield* TestClock.adjust("10 millis")
        const error = yield* Fiber.join(asking)
        assert.include(error, { _tag: "KafkaBrokerError", code: 15, retriable: true, group: GROUP })
      })
    )

    it.effect(`of ${name} for another reason is told with the broker's word`, () =>
      Effect.gen(function* () {
        const scripted = new Scripted({ ...answers, [name]: 24 })
        scripted.cluster.createTopic("t")
        const error = yield* Effect.flip(scripted.run(ask))
        assert.include(error, { _tag: "KafkaGroupError", reason: "Rejected", group: GROUP })
        assert.include(error.message, `INVALID_GROUP_ID on ${name}`)
      })
    )

    it.effect(`of ${name} by the network is a ConnectionError`, () =>
      Effect.gen(function* () {
        const scripted = new Scripted({ ...answers, [name]: connectionError("Timeout") })
        scripted.cluster.createTopic("t")
        const error = yield* Effect.flip(scripted.run(ask))
        assert.include(error, { _tag: "KafkaConnectionError", reason: "Timeout" })
      })
    )
  }

  for (const code of [22, 25, 27, 110, 113]) {
    it.effect(`of a commit by ${code}, as somebody has joined meanwhile, is NotEmpty`, () =>
      Effect.gen(function* () {
        const scripted = new Scripted({ ...EMPTY, OffsetFetch: offsetsOf(committed("t", 0, 1)), OffsetCommit: code })
        scripted.cluster.createTopic("t")
        const error = yield* Effect.flip(scripted.run((groups) => groups.resetOffsets(GROUP, { to: "earliest" })))
        assert.include(error, { _tag: "KafkaGroupError", reason: "NotEmpty", topic: "t", partition: 0 })
      })
    )
  }

  it.effect("of deleting offsets, as a member consumes the topic, is Subscribed", () =>
    Effect.gen(function* () {
      const scripted = new Scripted({ ...EMPTY, OffsetFetch: offsetsOf(committed("t", 0, 1)), OffsetDelete: 86 })
      const error = yield* Effect.flip(scripted.run((groups) => groups.deleteOffsets(GROUP, ["t"])))
      assert.include(error, { _tag: "KafkaGroupError", reason: "Subscribed", topic: "t" })
    })
  )

  it.effect("of deleting a group that has members is NotEmpty", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(new Scripted({ DeleteGroups: 68 }).run((groups) => groups.delete(GROUP)))
      assert.include(error, { _tag: "KafkaGroupError", reason: "NotEmpty" })
    })
  )
})

describe("offsets", () => {
  it.effect("tell how far it is behind, whose the partition is, and what stands in the way", () =>
    Effect.gen(function* () {
      const owned = encodeAssignment({ partitions: [{ topic: "t", partitions: [0, 2] }], userData: undefined })
      const scripted = new Scripted({
        ...NO_CONSUMER_GROUP,
        DescribeGroups: { state: "Stable", protocolType: "consumer", members: [member("m", metadataOf(["t"]), owned)] },
        OffsetFetch: offsetsOf(
          committed("t", 1, 9),
          committed("t", 0, 1),
          committed("t", 7, 1),
          committed("gone", 0, 4),
          committed("hidden", 0, -1, 29)
        )
      })
      scripted.cluster.createTopic("t", 3)
      scripted.cluster.append("t", [
        { key: "a", value: "1" },
        { key: "b", value: "2" },
        { key: "c", value: "3" }
      ])
      const offsets = yield* scripted.run((groups) => groups.offsets(GROUP))
      assert.deepStrictEqual(
        offsets.map(({ committed, end, error, lag, member, partition, topic }) => [
          `${topic}/${partition}`,
          committed,
          end,
          lag,
          member,
          error?._tag === "KafkaBrokerError" ? error.codeName : error?.reason
        ]),
        [
          ["gone/0", 4, undefined, undefined, undefined, "NotFound"],
          ["hidden/0", undefined, undefined, undefined, undefined, "TOPIC_AUTHORIZATION_FAILED"],
          ["t/0", 1, 3, 2, "m", undefined],
          // The log has been made anew.
          ["t/1", 9, 0, 0, undefined, undefined],
          // Nothing is committed of it yet.
          ["t/2", undefined, 0, undefined, "m", undefined],
          ["t/7", 1, undefined, undefined, undefined, "UNKNOWN_TOPIC_OR_PARTITION"]
        ]
      )
    })
  )

  it.effect("count only what is committed: an open transaction is no lag", () =>
    Effect.gen(function* () {
      const scripted = new Scripted({ ...EMPTY, OffsetFetch: offsetsOf(committed("t", 0, 1)) })
      scripted.cluster.createTopic("t")
      scripted.cluster.append("t", [{ key: "a", value: "1" }])
      scripted.cluster.appendOpen("t", [{ key: "b", value: "2" }])
      const [{ end, lag }] = yield* scripted.run((groups) => groups.offsets(GROUP))
      assert.deepStrictEqual([end, lag], [1, 0])
    })
  )
})

describe("a reset", () => {
  const withTopic = (...of: ReadonlyArray<KafkaProtocol.CommittedOffset>) => {
    const scripted = new Scripted({ ...EMPTY, OffsetFetch: offsetsOf(...of) })
    scripted.cluster.createTopic("t", 2)
    for (const partition of [0, 1]) {
      const records = [10, 20, 30].map((timestamp) => ({ key: "k", value: `${timestamp}`, timestamp }))
      scripted.cluster.append("t", records.slice(partition), partition)
    }
    return scripted
  }
  const sent = ({ commits }: Scripted) =>
    commits.flatMap(({ partitions }) => partitions.map((p) => [p.topic.name, p.partition, p.offset]))

  const reset = (scripted: Scripted, options: KafkaGroups.ResetOptions) =>
    Effect.map(
      scripted.run((groups) => groups.resetOffsets(GROUP, options)),
      (all) => all.map(({ from, partition, to, topic }) => [`${topic}/${partition}`, from, to])
    )

  it.effect("goes to the beginning, to the end, to a time, to given offsets", () =>
    Effect.gen(function* () {
      const both = [committed("t", 1, 1), committed("t", 0, 2)]
      const outcomes: ReadonlyArray<readonly [KafkaGroups.ResetTarget, ReadonlyArray<number>]> = [
        ["earliest", [0, 0]],
        ["latest", [3, 2]],
        [{ timestamp: 15 }, [1, 0]],
        [{ timestamp: 25 }, [2, 1]],
        // Nothing is that young: the end.
        [{ timestamp: 31 }, [3, 2]]
      ]
      for (const [to, [zero, one]] of outcomes) {
        const scripted = withTopic(...both)
        assert.deepStrictEqual(yield* reset(scripted, { to }), [
          ["t/0", 2, zero],
          ["t/1", 1, one]
        ])
        assert.deepStrictEqual(sent(scripted), [
          ["t", 0, zero],
          ["t", 1, one]
        ])
        assert.include(scripted.commits[0], { groupId: GROUP, generation: -1, memberId: "" })
      }
      const offsets = [{ topic: "t", partition: 1, offset: 2 }]
      assert.deepStrictEqual(yield* reset(withTopic(...both), { to: { offsets } }), [["t/1", 1, 2]])
    })
  )

  it.effect("is of all partitions of the topics that are named, for a group that does not exist, too", () =>
    Effect.gen(function* () {
      const scripted = withTopic()
      scripted.answers = { ...scripted.answers, DescribeGroups: 69 }
      assert.deepStrictEqual(yield* reset(scripted, { to: "latest", topics: ["t"] }), [
        ["t/0", undefined, 3],
        ["t/1", undefined, 2]
      ])
      const error = yield* Effect.flip(reset(scripted, { to: "latest" }))
      assert.include(error, { _tag: "KafkaGroupError", reason: "NotFound" })
    })
  )

  it.effect("commits nothing where it is only tried, or where there is nothing to commit", () =>
    Effect.gen(function* () {
      const scripted = withTopic(committed("t", 0, 2))
      assert.deepStrictEqual(yield* reset(scripted, { to: "earliest", dryRun: true }), [["t/0", 2, 0]])
      const nothing = withTopic()
      assert.deepStrictEqual(yield* reset(nothing, { to: "earliest" }), [])
      assert.deepStrictEqual([...scripted.commits, ...nothing.commits], [])
    })
  )

  it.effect("is refused while the group has members: nothing is committed", () =>
    Effect.gen(function* () {
      const scripted = withTopic(committed("t", 0, 2))
      const members = [member("m", metadataOf(["t"]), Buffer.alloc(0))]
      scripted.answers = {
        ...scripted.answers,
        DescribeGroups: { state: "Stable", protocolType: "consumer", members }
      }
      for (const options of [{ to: "earliest" }, { to: "latest", topics: ["t"], dryRun: true }] as const) {
        const error = yield* Effect.flip(reset(scripted, options))
        assert.include(error, { _tag: "KafkaGroupError", reason: "NotEmpty", group: GROUP })
        assert.include(error.message, "1 members, Stable")
      }
      assert.deepStrictEqual(scripted.commits, [])
    })
  )

  it.effect("is refused for offsets that are not in the log: nothing is committed", () =>
    Effect.gen(function* () {
      const scripted = withTopic()
      scripted.cluster.truncateHead("t", 1)
      for (const offset of [0, 4]) {
        const offsets = [
          { topic: "t", partition: 1, offset: 0 },
          { topic: "t", partition: 0, offset }
        ]
        const error = yield* Effect.flip(reset(scripted, { to: { offsets } }))
        assert.include(error, { _tag: "KafkaGroupError", reason: "OutOfRange", topic: "t", partition: 0 })
        assert.include(error.message, `offset ${offset}, where the log has 1 to 3`)
      }
      assert.deepStrictEqual(scripted.commits, [])
    })
  )

  it.effect("fails for a topic that does not exist", () =>
    Effect.gen(function* () {
      const options: ReadonlyArray<KafkaGroups.ResetOptions> = [
        { to: "earliest", topics: ["absent"] },
        { to: { offsets: [{ topic: "absent", partition: 0, offset: 0 }] } }
      ]
      for (const one of options) {
        const error = yield* Effect.flip(reset(withTopic(), one))
        assert.include(error, { _tag: "KafkaTopicError", reason: "NotFound", topic: "absent" })
      }
    })
  )

  it.effect("with options that cannot work names all that is wrong, and sends nothing", () =>
    Effect.gen(function* () {
      const at = { topic: "t", partition: 0, offset: 1 }
      const wrong: ReadonlyArray<readonly [object, ReadonlyArray<string>]> = [
        [{}, ["to"]],
        [{ to: "beginning" }, ["to"]],
        [{ to: { timestamp: 1, offsets: [at] } }, ["to"]],
        [{ to: { timestamp: -1 } }, ["to.timestamp"]],
        [{ to: { offsets: [] } }, ["to.offsets"]],
        [{ to: { offsets: [at, at] } }, ["to.offsets[1]"]],
        [
          { to: { offsets: [{ topic: "/", partition: -1, offset: 1.5 }] } },
          ["to.offsets[0].topic", "to.offsets[0].partition", "to.offsets[0].offset"]
        ],
        [{ to: "latest", topics: [] }, ["topics"]],
        [{ to: "latest", topics: ["a b"] }, ["topics"]],
        [{ to: { offsets: [at] }, topics: ["t"] }, ["topics"]],
        [{ to: "latest", dryRun: "yes", dry: true }, ["dry", "dryRun"]]
      ]
      const scripted = withTopic()
      for (const [options, names] of wrong) {
        const error = yield* Effect.flip(reset(scripted, options as KafkaGroups.ResetOptions))
        assert.include(error, { _tag: "KafkaInvalidOptionsError", module: "KafkaGroups" })
        const { problems } = error as KafkaError.InvalidOptionsError
        assert.deepStrictEqual(
          problems.map(({ option }) => option),
          names
        )
      }
      assert.deepStrictEqual(scripted.cluster.requests, [])
    })
  )
})

describe("a list of groups", () => {
  it.effect("is of all brokers, in order, each group once", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster(3)
      const listed = (groupId: string) => ({ groupId, protocolType: "consumer", state: "Stable", type: "classic" })
      const filters: Array<unknown> = []
      cluster.before = (name, node, detail) => {
        if (name !== "ListGroups") return undefined
        filters.push(detail)
        return Effect.succeed({ errorCode: 0, groups: [listed(`g${3 - node}`), listed("moving")] })
      }
      const list = (options?: KafkaGroups.ListOptions) =>
        Effect.flatMap(cluster.client, (client) =>
          Effect.provideService(
            Effect.flatMap(KafkaGroups.make, (groups) => groups.list(options)),
            KafkaClient.KafkaClient,
            client
          )
        )
      assert.deepStrictEqual(
        (yield* list()).map(({ group }) => group),
        ["g1", "g2", "g3", "moving"]
      )
      yield* list({ states: ["Stable"], types: ["classic"] })
      assert.deepStrictEqual(filters.slice(2, 4), [
        { states: [], types: [] },
        { states: ["Stable"], types: ["classic"] }
      ])
      const error = yield* Effect.flip(list({ states: "Stable" as never }))
      assert.include(error, { _tag: "KafkaInvalidOptionsError" })
    })
  )

  it.effect("fails where one broker does not tell of its groups", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster(2)
      const list = Effect.flatMap(cluster.client, (client) => client.listGroups({ states: [], types: [] }))
      cluster.before = (name, node) =>
        name === "ListGroups" ? Effect.succeed({ errorCode: node === 1 ? 14 : 0, groups: [] }) : undefined
      assert.include(yield* Effect.flip(list), { _tag: "KafkaBrokerError", code: 14, retriable: true })
      cluster.before = (name, node) =>
        name !== "ListGroups"
          ? undefined
          : node === 1
            ? Effect.fail(connectionError("Closed"))
            : Effect.succeed({ errorCode: 0, groups: [] })
      assert.include(yield* Effect.flip(list), { _tag: "KafkaConnectionError", reason: "Closed" })
    })
  )
})
