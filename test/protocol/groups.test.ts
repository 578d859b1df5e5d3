/** The requests of groups and transactions against those of Kafka's own classes, as in protocol.test.ts. */
import { describe, expect, it } from "vitest"
import { addOffsetsToTxn } from "../../src/internal/protocol/addOffsetsToTxn.ts"
import { addPartitionsToTxn } from "../../src/internal/protocol/addPartitionsToTxn.ts"
import { decodeResponse, encodeRequest, versionsFor } from "../../src/internal/protocol/api.ts"
import { apis } from "../../src/internal/protocol/apis.ts"
import { consumerGroupDescribe } from "../../src/internal/protocol/consumerGroupDescribe.ts"
import { consumerGroupHeartbeat } from "../../src/internal/protocol/consumerGroupHeartbeat.ts"
import { deleteGroups } from "../../src/internal/protocol/deleteGroups.ts"
import { describeGroups } from "../../src/internal/protocol/describeGroups.ts"
import { endTxn } from "../../src/internal/protocol/endTxn.ts"
import { findCoordinator } from "../../src/internal/protocol/findCoordinator.ts"
import { heartbeat } from "../../src/internal/protocol/heartbeat.ts"
import { initProducerId } from "../../src/internal/protocol/initProducerId.ts"
import { joinGroup } from "../../src/internal/protocol/joinGroup.ts"
import { leaveGroup } from "../../src/internal/protocol/leaveGroup.ts"
import { listGroups } from "../../src/internal/protocol/listGroups.ts"
import { offsetCommit } from "../../src/internal/protocol/offsetCommit.ts"
import { offsetDelete } from "../../src/internal/protocol/offsetDelete.ts"
import { offsetFetch } from "../../src/internal/protocol/offsetFetch.ts"
import { syncGroup } from "../../src/internal/protocol/syncGroup.ts"
import { txnOffsetCommit } from "../../src/internal/protocol/txnOffsetCommit.ts"
import { ProtocolViolation, Writer } from "../../src/internal/protocol/wire.ts"
import type {
  ConsumerGroupDescribeResponse,
  ConsumerGroupHeartbeatRequest,
  JoinGroupRequest,
  JoinGroupResponse,
  OffsetFetchRequest
} from "../../src/KafkaProtocol.ts"
import { byId, byName, bytesOf, fixtures, id, suite, testSuite, topic } from "./suites.ts"

// ---------------------------------------------------------------------------------------------------------------------
// the data of Fixtures.java, once more
// ---------------------------------------------------------------------------------------------------------------------

const groupId = "gruppe"
const memberId = "member-1"
const instanceId = "instance-1"
const other = { name: "other", id: undefined }
const otherId = "zzzzzzzzzzzzzzzzzzzz-w"

const dynamic = { groupId, generation: 7, memberId, instanceId: undefined }
const asStatic = { ...dynamic, instanceId }

const joinRequest: JoinGroupRequest = {
  groupId,
  sessionTimeoutMillis: 30_000,
  rebalanceTimeoutMillis: 60_000,
  memberId,
  instanceId: undefined,
  protocolType: "consumer",
  protocols: [
    { name: "cooperative-sticky", metadata: Buffer.from("wanted") },
    { name: "range", metadata: Buffer.alloc(0) }
  ],
  reason: "because"
}
const joined = (version: number): JoinGroupResponse => ({
  errorCode: 0,
  generation: 7,
  protocolName: "range",
  leader: memberId,
  skipAssignment: version >= 9,
  memberId,
  members: [
    { memberId, instanceId: version >= 5 ? instanceId : undefined, metadata: Buffer.from("one") },
    { memberId: "member-2", instanceId: undefined, metadata: Buffer.from("two") }
  ]
})

const syncRequest = {
  ...dynamic,
  protocolType: "consumer",
  protocolName: "range",
  assignments: [],
  rebalanceTimeoutMillis: 60_000
}
const synced = { errorCode: 0, assignment: Buffer.from("yours") }

/** The two topics, by ids in versions that go by them. */
const topicsIn = (version: number) =>
  version >= 10 ? ([byId, { name: "other", id: otherId }] as const) : ([byName, other] as const)

const commitRequest = (version: number) => {
  const [one, two] = topicsIn(version)
  return {
    ...dynamic,
    partitions: [
      { topic: one, partition: 0, offset: 4294967296123, leaderEpoch: 3, metadata: "so far" },
      { topic: one, partition: 5, offset: 0, leaderEpoch: -1, metadata: undefined },
      { topic: two, partition: 1, offset: 9, leaderEpoch: version >= 6 ? 2 : -1, metadata: undefined }
    ]
  }
}
const committed = (version: number) => {
  const [one, two] = topicsIn(version)
  return {
    partitions: [
      { topic: two, partition: 1, errorCode: 27 },
      { topic: one, partition: 5, errorCode: 12 },
      { topic: one, partition: 0, errorCode: 0 }
    ]
  }
}

const offsetsRequestIn = (version: number): OffsetFetchRequest => {
  const [one, two] = topicsIn(version)
  return {
    groupId,
    member: undefined,
    requireStable: true,
    partitions: [
      { topic: one, partition: 0 },
      { topic: one, partition: 5 },
      { topic: two, partition: 1 }
    ]
  }
}
const offsetsRequest = offsetsRequestIn(0)
const offsetsIn = (version: number) => {
  const [one, two] = topicsIn(version)
  return {
    errorCode: 0,
    partitions: [
      { topic: two, partition: 1, errorCode: 88, offset: -1, leaderEpoch: -1, metadata: undefined },
      { topic: one, partition: 0, errorCode: 0, offset: 4294967296123, leaderEpoch: 3, metadata: "so far" },
      { topic: one, partition: 5, errorCode: 0, offset: -1, leaderEpoch: -1, metadata: undefined }
    ]
  }
}
const offsets = offsetsIn(0)

const beat: ConsumerGroupHeartbeatRequest = {
  groupId,
  memberId,
  memberEpoch: 5,
  instanceId: undefined,
  rackId: undefined,
  rebalanceTimeoutMillis: undefined,
  subscribedTopicNames: undefined,
  subscribedTopicRegex: undefined,
  serverAssignor: undefined,
  topicPartitions: undefined
}
const topicPartitions = [
  { topicId: id, partitions: [0, 5] },
  { topicId: otherId, partitions: [1] }
]
const beaten = { errorCode: 0, errorMessage: undefined, memberId, memberEpoch: 6, heartbeatIntervalMillis: 5_000 }

const consumerGroup = (version: number): ConsumerGroupDescribeResponse => ({
  errorCode: 0,
  errorMessage: undefined,
  state: "Reconciling",
  groupEpoch: 6,
  assignmentEpoch: 6,
  assignorName: "uniform",
  members: [
    {
      memberId,
      instanceId: undefined,
      rackId: undefined,
      memberEpoch: 5,
      clientId: "client-1",
      clientHost: "/127.0.0.1",
      subscribedTopicNames: [topic],
      subscribedTopicRegex: undefined,
      assignment: [{ topic: byId, partition: 0 }],
      targetAssignment: [
        { topic: byId, partition: 0 },
        { topic: byId, partition: 5 }
      ],
      type: version >= 1 ? "classic" : undefined
    },
    {
      memberId: "member-2",
      instanceId,
      rackId: "rack",
      memberEpoch: 4,
      clientId: "client-2",
      clientHost: "/127.0.0.2",
      subscribedTopicNames: [],
      subscribedTopicRegex: "a.*",
      assignment: [{ topic: byId, partition: 5 }],
      targetAssignment: [],
      type: version >= 1 ? "consumer" : undefined
    }
  ]
})

const classicGroup = (version: number) => ({
  errorCode: 0,
  errorMessage: undefined,
  state: "Stable",
  protocolType: "consumer",
  protocolName: "range",
  members: [
    {
      memberId,
      instanceId: version >= 4 ? instanceId : undefined,
      clientId: "client-1",
      clientHost: "/127.0.0.1",
      metadata: Buffer.from("wanted"),
      assignment: Buffer.from("yours")
    },
    {
      memberId: "member-2",
      instanceId: undefined,
      clientId: "client-2",
      clientHost: "/127.0.0.2",
      metadata: Buffer.alloc(0),
      assignment: Buffer.alloc(0)
    }
  ]
})

const listed = (version: number) => ({
  errorCode: 0,
  groups: [
    {
      groupId,
      protocolType: "consumer",
      state: version >= 4 ? "Stable" : undefined,
      type: version >= 5 ? "classic" : undefined
    },
    {
      groupId: "other",
      protocolType: "",
      state: version >= 4 ? "Empty" : undefined,
      type: version >= 5 ? "consumer" : undefined
    }
  ]
})
const everyGroup = { states: [], types: [] }

const producer = { transactionalId: "tx", producerId: 9223372036854775806n, producerEpoch: 7 }

const added = {
  partitions: [
    { topic: other, partition: 1, errorCode: 51 },
    { topic: byName, partition: 5, errorCode: 55 },
    { topic: byName, partition: 0, errorCode: 0 }
  ]
}
const transactionVersion = (version: number) => (version >= 5 ? 2 : 1)
const txnCommit = (version: number) => ({
  request: {
    ...producer,
    ...asStatic,
    transactionVersion: transactionVersion(version),
    partitions: commitRequest(version).partitions.slice(0, 2)
  } as const,
  response: {
    partitions: [
      { topic: byName, partition: 5, errorCode: 22 },
      { topic: byName, partition: 0, errorCode: 0 }
    ]
  }
})
const ended = (version: number) => ({
  request: { ...producer, transactionVersion: transactionVersion(version), committed: true } as const,
  response: {
    errorCode: 0,
    next: version >= 5 ? { producerId: producer.producerId, producerEpoch: 8 } : undefined
  }
})

const coordinator = { nodeId: 2, host: "kafka-2.example", port: 9092 }
const found = { errorCode: 0, errorMessage: undefined, coordinator }
const ofGroup = { type: "group" as const, key: groupId }

testSuite(
  suite(findCoordinator, {
    plain: () => ({ request: ofGroup, response: found }),
    error: () => ({
      request: { ...ofGroup, type: "transaction" as const },
      response: { errorCode: 15, errorMessage: "not yet", coordinator: undefined }
    }),
    future: () => ({ request: ofGroup, response: found })
  })
)
testSuite(
  suite(joinGroup, {
    plain: (version) => ({ request: joinRequest, response: joined(version) }),
    static: (version) => ({ request: { ...joinRequest, instanceId }, response: joined(version) }),
    error: (version) => ({
      request: { ...joinRequest, memberId: "" },
      response: {
        errorCode: 79,
        generation: -1,
        protocolName: version >= 7 ? undefined : "",
        leader: "",
        skipAssignment: false,
        memberId: "given",
        members: []
      }
    }),
    future: (version) => ({ request: joinRequest, response: joined(version) })
  })
)
testSuite(
  suite(syncGroup, {
    plain: () => ({
      request: {
        ...syncRequest,
        assignments: [
          { memberId, assignment: Buffer.from("yours") },
          { memberId: "member-2", assignment: Buffer.alloc(0) }
        ]
      },
      response: synced
    }),
    static: () => ({ request: { ...syncRequest, instanceId }, response: synced }),
    error: () => ({ request: syncRequest, response: { errorCode: 27, assignment: Buffer.alloc(0) } }),
    future: () => ({ request: syncRequest, response: synced })
  })
)
testSuite(
  suite(heartbeat, {
    plain: () => ({ request: dynamic, response: { errorCode: 0 } }),
    static: () => ({ request: asStatic, response: { errorCode: 82 } }),
    future: () => ({ request: dynamic, response: { errorCode: 27 } })
  })
)
testSuite(
  suite(leaveGroup, {
    plain: () => ({ request: { ...dynamic, reason: "because" }, response: { errorCode: 0 } }),
    static: () => ({ request: { ...asStatic, reason: "because" }, response: { errorCode: 82 } }),
    error: () => ({ request: { ...dynamic, reason: "because" }, response: { errorCode: 16 } }),
    future: () => ({ request: { ...dynamic, reason: "because" }, response: { errorCode: 0 } })
  })
)
testSuite(
  suite(offsetCommit, {
    plain: (version) => ({ request: commitRequest(version), response: committed(version) }),
    static: (version) => ({ request: { ...commitRequest(version), instanceId }, response: committed(version) }),
    future: (version) => ({ request: commitRequest(version), response: committed(version) })
  })
)
testSuite(
  suite(offsetFetch, {
    plain: (version) => ({ request: offsetsRequestIn(version), response: offsetsIn(version) }),
    all: () => ({ request: { ...offsetsRequest, requireStable: false, partitions: undefined }, response: offsets }),
    error: (version) => ({
      request: { ...offsetsRequestIn(version), member: { id: memberId, epoch: 5 } },
      response: { errorCode: 16, partitions: [] }
    }),
    future: (version) => ({ request: offsetsRequestIn(version), response: offsetsIn(version) })
  })
)
testSuite(
  suite(offsetDelete, {
    plain: () => ({
      request: { groupId, partitions: offsetsRequest.partitions!.slice(0, 2) },
      response: {
        errorCode: 0,
        partitions: [
          { topic: byName, partition: 5, errorCode: 86 },
          { topic: byName, partition: 0, errorCode: 0 }
        ]
      }
    }),
    error: () => ({
      request: { groupId, partitions: offsetsRequest.partitions!.slice(0, 2) },
      response: { errorCode: 68, partitions: [] }
    })
  })
)
testSuite(
  suite(consumerGroupHeartbeat, {
    join: () => ({
      request: {
        groupId,
        memberId,
        memberEpoch: 0,
        instanceId,
        rackId: "rack",
        rebalanceTimeoutMillis: 60_000,
        subscribedTopicNames: [topic, "other"],
        subscribedTopicRegex: "a.*",
        serverAssignor: "uniform",
        topicPartitions: []
      },
      response: { ...beaten, assignment: topicPartitions }
    }),
    owns: () => ({
      request: { ...beat, topicPartitions },
      response: { ...beaten, memberId: undefined, assignment: [] }
    }),
    beat: () => ({ request: beat, response: { ...beaten, memberEpoch: 5, assignment: undefined } }),
    error: () => ({
      request: beat,
      response: {
        errorCode: 110,
        errorMessage: "fenced",
        memberId: undefined,
        memberEpoch: 0,
        heartbeatIntervalMillis: 0,
        assignment: undefined
      }
    }),
    future: () => ({ request: beat, response: { ...beaten, assignment: topicPartitions } })
  })
)
testSuite(
  suite(consumerGroupDescribe, {
    plain: (version) => ({ request: { groupId }, response: consumerGroup(version) }),
    error: () => ({
      request: { groupId },
      response: {
        errorCode: 69,
        errorMessage: "no such group",
        state: "",
        groupEpoch: 0,
        assignmentEpoch: 0,
        assignorName: "",
        members: []
      }
    }),
    future: (version) => ({ request: { groupId }, response: consumerGroup(version) })
  })
)
testSuite(
  suite(describeGroups, {
    plain: (version) => ({ request: { groupId }, response: classicGroup(version) }),
    error: (version) => ({
      request: { groupId },
      response: {
        errorCode: 69,
        errorMessage: version >= 6 ? "no such group" : undefined,
        state: "",
        protocolType: "",
        protocolName: "",
        members: []
      }
    }),
    future: (version) => ({ request: { groupId }, response: classicGroup(version) })
  })
)
testSuite(
  suite(listGroups, {
    plain: (version) => ({ request: everyGroup, response: listed(version) }),
    filtered: (version) => ({
      request: { states: ["Stable", "Empty"], types: version >= 5 ? ["consumer"] : [] },
      response: listed(version)
    }),
    error: () => ({ request: everyGroup, response: { errorCode: 14, groups: [] } }),
    future: (version) => ({ request: everyGroup, response: listed(version) })
  })
)
testSuite(
  suite(deleteGroups, {
    plain: () => ({ request: { groupId }, response: { errorCode: 0 } }),
    error: () => ({ request: { groupId }, response: { errorCode: 68 } }),
    future: () => ({ request: { groupId }, response: { errorCode: 0 } })
  })
)
testSuite(
  suite(addPartitionsToTxn, {
    plain: () => ({ request: { ...producer, partitions: offsetsRequest.partitions! }, response: added }),
    future: () => ({ request: { ...producer, partitions: offsetsRequest.partitions! }, response: added })
  })
)
testSuite(
  suite(addOffsetsToTxn, {
    plain: () => ({ request: { ...producer, groupId }, response: { errorCode: 0 } }),
    error: () => ({ request: { ...producer, groupId }, response: { errorCode: 47 } }),
    future: () => ({ request: { ...producer, groupId }, response: { errorCode: 0 } })
  })
)
testSuite(suite(txnOffsetCommit, { plain: txnCommit, future: txnCommit }))
testSuite(
  suite(endTxn, {
    commit: ended,
    abort: (version) => ({
      request: { ...ended(version).request, committed: false },
      response: { errorCode: 51, next: undefined }
    }),
    future: ended
  })
)

it("every request that a connection takes is among the fixtures", () => {
  expect([...new Set(fixtures.cases.map(({ api }) => api))].sort()).toEqual(Object.keys(apis).sort())
})

// ---------------------------------------------------------------------------------------------------------------------
// what the fixtures do not say
// ---------------------------------------------------------------------------------------------------------------------

describe("the versions that can say a request", () => {
  it("of a static member are those that name it", () => {
    const least = [
      versionsFor(joinGroup, { ...joinRequest, instanceId }),
      versionsFor(syncGroup, { ...syncRequest, instanceId }),
      versionsFor(heartbeat, asStatic),
      versionsFor(leaveGroup, { ...asStatic, reason: undefined }),
      versionsFor(offsetCommit, { ...asStatic, partitions: [] })
    ].map(({ min }) => min)
    expect(least).toEqual([5, 3, 3, 3, 7])
  })

  it("of offsets are those that go by ids, where all topics have one", () => {
    const newest = (...topics: ReadonlyArray<{ readonly name: string; readonly id: string | undefined }>) => {
      const partitions = topics.map((topic) => ({
        topic,
        partition: 0,
        offset: 1,
        leaderEpoch: -1,
        metadata: undefined
      }))
      return [
        versionsFor(offsetCommit, { ...dynamic, partitions }).max,
        versionsFor(offsetFetch, { ...offsetsRequest, partitions }).max
      ]
    }
    expect(newest(byId, { name: "other", id: otherId })).toEqual([10, 10])
    expect(newest(byId, other)).toEqual([9, 9])
    expect(versionsFor(offsetFetch, { ...offsetsRequest, partitions: undefined }).max).toBe(9)
  })

  it("of a transaction go by how the cluster does transactions", () => {
    const of = (transactionVersion: 1 | 2) => [
      versionsFor(endTxn, { ...producer, transactionVersion, committed: true }),
      versionsFor(txnOffsetCommit, { ...producer, ...dynamic, transactionVersion, partitions: [] })
    ]
    expect(of(1)).toEqual([
      { min: 1, max: 4 },
      { min: 3, max: 4 }
    ])
    expect(of(2)).toEqual([
      { min: 5, max: 5 },
      { min: 5, max: 5 }
    ])
  })

  it("of a producer that goes on are those that name its id", () => {
    const current = { producerId: 1n, producerEpoch: 0 }
    expect(versionsFor(initProducerId, { transactional: undefined, current })).toEqual({ min: 3, max: 5 })
    expect(versionsFor(initProducerId, { transactional: undefined })).toEqual({ min: 1, max: 5 })
  })

  it("of a list of groups are those that know the filter", () => {
    expect(versionsFor(listGroups, { states: ["Stable"], types: [] }).min).toBe(4)
    expect(versionsFor(listGroups, { states: [], types: ["classic"] }).min).toBe(5)
    expect(versionsFor(listGroups, everyGroup).min).toBe(1)
  })
})

describe("two topics that had one name", () => {
  it("are told apart by their ids", () => {
    const again = { name: topic, id: otherId }
    const partitions = [byId, again].map((one, partition) => ({
      topic: one,
      partition,
      offset: 1,
      leaderEpoch: -1,
      metadata: undefined
    }))
    const request = { ...dynamic, partitions }
    const [both, first, second] = [partitions, partitions.slice(0, 1), partitions.slice(1)].map(
      (some) => encodeRequest(offsetCommit, 10, { ...request, partitions: some }).length
    )
    const none = encodeRequest(offsetCommit, 10, { ...request, partitions: [] }).length
    expect(both).toBe(first + second - none)
    const writer = new Writer(true)
    writer.tags()
    writer.int32(0)
    writer.array(partitions, ({ partition, topic: { id } }) => {
      writer.uuid(id)
      writer.array([partition], (number) => {
        writer.int32(number)
        writer.int16(number === 0 ? 100 : 0)
        writer.tags()
      })
      writer.tags()
    })
    writer.tags()
    expect(decodeResponse(offsetCommit, 10, writer.toBuffer(), request)).toEqual({
      partitions: [
        { topic: byId, partition: 0, errorCode: 100 },
        { topic: again, partition: 1, errorCode: 0 }
      ]
    })
  })
})

describe("how long an answer may wait", () => {
  it("is the rebalance timeout for who joins and who waits for the leader", () => {
    expect(joinGroup.waitMillis!(joinRequest)).toBe(65_000)
    expect(syncGroup.waitMillis!(syncRequest)).toBe(60_000)
    expect(heartbeat.waitMillis).toBeUndefined()
  })
})

describe("answers about one group", () => {
  it("are refused without it, and with it twice", () => {
    for (const api of [describeGroups, deleteGroups]) {
      const payload = Buffer.from(bytesOf(api.name, 1, "plain").response, "hex")
      expect(() => decodeResponse(api as typeof deleteGroups, 1, payload, { groupId: "absent" })).toThrow(
        new ProtocolViolation('0 answers about group "absent"')
      )
    }
    const twice = written((writer) => {
      writer.int32(0)
      writer.array([groupId, groupId], (name) => {
        writer.string(name)
        writer.int16(0)
      })
    })
    expect(() => decodeResponse(deleteGroups, 1, twice, { groupId })).toThrow('2 answers about group "gruppe"')
  })

  it("are refused where the coordinator is nobody that can be connected to", () => {
    const answer = (host: string, port: number) =>
      written((writer) => {
        writer.int32(0)
        writer.int16(0)
        writer.nullableString(undefined)
        writer.int32(2)
        writer.string(host)
        writer.int32(port)
      })
    const decode = (host: string, port: number) =>
      decodeResponse(findCoordinator, 1, answer(host, port), { type: "group", key: groupId })
    expect(decode("kafka", 9092).coordinator).toEqual({ nodeId: 2, host: "kafka", port: 9092 })
    for (const [host, port] of [
      ["", 9092],
      ["kafka", 0],
      ["kafka", 65_536],
      ["a b", 9092]
    ] as const) {
      expect(() => decode(host, port)).toThrow(ProtocolViolation)
    }
  })

  it("are refused where a coordinator of something else is told, or the same one twice", () => {
    const payload = Buffer.from(bytesOf("FindCoordinator", 4, "plain").response, "hex")
    expect(() => decodeResponse(findCoordinator, 4, payload, { type: "group", key: "absent" })).toThrow(
      new ProtocolViolation('0 coordinators of "absent"')
    )
    const twice = Buffer.from(payload.toString("latin1").replace("\x06other", "\x07gruppe"), "latin1")
    expect(() => decodeResponse(findCoordinator, 4, twice, { type: "group", key: groupId })).toThrow(
      new ProtocolViolation('2 coordinators of "gruppe"')
    )
  })

  it("are refused where offsets of another group are told", () => {
    const payload = Buffer.from(bytesOf("OffsetFetch", 9, "plain").response, "hex")
    expect(() => decodeResponse(offsetFetch, 9, payload, { ...offsetsRequest, groupId: "absent" })).toThrow(
      ProtocolViolation
    )
  })
})

describe("OffsetFetch", () => {
  const answer = (topics: ReadonlyArray<readonly [name: string, partitions: ReadonlyArray<number>]>, offset: number) =>
    written((writer) => {
      writer.int32(0)
      writer.array(topics, ([name, partitions]) => {
        writer.string(name)
        writer.array(partitions, (partition) => {
          writer.int32(partition)
          writer.int64(offset)
          writer.int32(-1)
          writer.nullableString(undefined)
          writer.int16(0)
        })
      })
      writer.int16(0)
    })
  const all = { ...offsetsRequest, partitions: undefined }

  it("takes a negative offset, which some clients have committed, for none", () => {
    for (const offset of [-1, -2, -1001]) {
      const { partitions } = decodeResponse(offsetFetch, 5, answer([[topic, [0]]], offset), offsetsRequest)
      expect(partitions.map((p) => p.offset)).toEqual([-1])
    }
  })

  it("of all partitions is refused with one of them twice", () => {
    const of = (...topics: Parameters<typeof answer>[0]) => decodeResponse(offsetFetch, 5, answer(topics, 1), all)
    expect(of([topic, [0, 1]], ["other", [0]]).partitions).toHaveLength(3)
    expect(of([topic, [0]], [topic, [1]]).partitions).toHaveLength(2)
    expect(() => of([topic, [0, 1, 0]])).toThrow(new ProtocolViolation("partition 0 answered twice"))
    expect(() => of([topic, [0]], [topic, [0]])).toThrow(new ProtocolViolation("partition 0 answered twice"))
  })

  it("does not ask for stable offsets of a broker that does not know them", () => {
    expect(encodeRequest(offsetFetch, 5, offsetsRequest)).toEqual(
      encodeRequest(offsetFetch, 5, { ...offsetsRequest, requireStable: false })
    )
  })
})

describe("a refusal on purpose", () => {
  const isMeant = ({ partition }: { readonly partition: number | undefined }) => partition === 0

  it("of offsets is one of the whole group, or of partitions, as a coordinator would say it", () => {
    const { merge, refuse, split } = offsetFetch.parts
    const { meant, rest } = split(offsetsRequest, isMeant)
    expect([meant.partitions!.length, rest!.partitions!.length]).toEqual([1, 2])
    expect(refuse(meant, 16)).toEqual({ errorCode: 16, partitions: [] })
    expect(merge(refuse(meant, 16), offsets)).toEqual({ errorCode: 16, partitions: [] })
    const merged = merge(refuse(meant, 88), { ...offsets, partitions: offsets.partitions.slice(1) })
    expect(merged.errorCode).toBe(0)
    expect(merged.partitions.map((p) => p.errorCode)).toEqual([88, 0, 0])
  })

  it("of all offsets of a group is one of the group", () => {
    const { placesOf, refuse, split } = offsetFetch.parts
    const all = { ...offsetsRequest, partitions: undefined }
    expect(placesOf(all)).toEqual([])
    expect(split(all, () => false)).toEqual({ meant: all, rest: undefined })
    expect(refuse(all, 88)).toEqual({ errorCode: 88, partitions: [] })
  })

  it("of deleting offsets, the same", () => {
    const { merge, refuse } = offsetDelete.parts
    const request = { groupId, partitions: offsetsRequest.partitions!.slice(0, 1) }
    const rest = { errorCode: 0, partitions: [{ topic: byName, partition: 5, errorCode: 0 }] }
    expect(merge(refuse(request, 68), rest)).toEqual({ errorCode: 68, partitions: [] })
    expect(merge(refuse(request, 86), rest).partitions.map((p) => p.errorCode)).toEqual([86, 0])
  })

  it("has an answer of every request, with the code that was meant", () => {
    expect(joinGroup.parts.refuse(joinRequest, 25)).toMatchObject({ errorCode: 25, generation: -1, memberId })
    expect(syncGroup.parts.refuse(syncRequest, 27)).toEqual({ errorCode: 27, assignment: Buffer.alloc(0) })
    expect(consumerGroupHeartbeat.parts.refuse(beat, 110)).toMatchObject({ errorCode: 110, assignment: undefined })
    expect(endTxn.parts.refuse(ended(5).request, 51)).toEqual({ errorCode: 51, next: undefined })
    expect(offsetCommit.parts.refuse(commitRequest(9), 22).partitions.map((p) => p.errorCode)).toEqual([22, 22, 22])
    expect(offsetCommit.parts.placesOf(commitRequest(9))).toHaveLength(3)
  })
})

const written = (write: (writer: Writer) => void): Buffer => {
  const writer = new Writer(false)
  write(writer)
  return writer.toBuffer()
}
