/** What brokers answer, and what administration does: codes and words are those of Apache Kafka 4.1. */
import { assert, describe, it } from "@effect/vitest"
import type { KafkaProtocol } from "../../src/index.ts"
import { appendRecords } from "../../src/internal/embedded/appending.ts"
import { Cluster } from "../../src/internal/embedded/cluster.ts"
import { Refused } from "../../src/internal/embedded/codes.ts"
import * as requests from "../../src/internal/embedded/requests.ts"
import { unread } from "../../src/internal/protocol/fetch.ts"
import { FetchedBatches } from "../../src/internal/recordBatch/fetchedBatches.ts"
import { batch, batchAround, record, resealed } from "../recordBatch/support.ts"
import { created, fetchOf, granted, produceOf, ref, refusedWith, seen, sent, topic } from "./support.ts"

const COMPACTED = { "cleanup.policy": "compact" }

/** The brokers' time: that of the records of `record`. */
const NOW = 1_700_000_000_000

const produce = (cluster: Cluster, records: Uint8Array, node = 0, partition = 0) =>
  requests.produce(cluster, node, produceOf(records, { partitions: [{ topic: ref, partition, records }] }), NOW)
    .partitions[0]

const fetch = (cluster: Cluster, node: number, ...asked: Parameters<typeof fetchOf>) =>
  requests.fetch(cluster, node, fetchOf(...asked)).partitions[0]

const list = (cluster: Cluster, node: number, rest: { readonly [key: string]: number } = {}) =>
  requests.listOffsets(cluster, node, {
    isolation: "read_committed",
    partitions: [{ topic: ref, partition: 0, leaderEpoch: -1, timestamp: -1, ...rest }]
  }).partitions[0]

describe("Produce", () => {
  const refusals = [
    ["a record without a key, to a compacted topic", 87, batch(0, [record("a", "1"), record(null, "2")])],
    ["a batch above max.message.bytes", 10, sent([`a=${"x".repeat(2_000)}`])],
    ["a checksum that is wrong", 2, Buffer.from(sent(["a=1"])).fill(0x7f, 62, 63)],
    ["another base offset than 0", 87, batch(5, [record("a", "1")])],
    ["two batches", 87, Buffer.concat([sent(["a=1"]), sent(["b=1"])])],
    ["a part of one", 87, sent(["a=1"]).subarray(0, 66)],
    ["nothing", 87, Buffer.alloc(0)],
    ["a count that does not go with the offsets", 87, batchAround(Buffer.alloc(0), { count: 0 })],
    ["a control batch", 87, control()],
    ["a batch of a transaction that nobody began", 53, sent(["a=1"], { producerId: 1n, isTransactional: true })],
    ["a producer without a sequence", 87, sent(["a=1"], { producerId: 1n, producerEpoch: 0, baseSequence: -1 })]
  ] as const

  function control(): Buffer {
    const bytes = Buffer.from(sent(["a=1"]))
    bytes.writeInt16BE(0x20, 21)
    return resealed(bytes)
  }

  for (const [what, code, bytes] of refusals) {
    it(`refuses ${what}`, () => {
      const cluster = new Cluster(1)
      const { partitions } = created(cluster, { configs: { ...COMPACTED, "max.message.bytes": "1000" } })
      assert.deepInclude(produce(cluster, bytes), { errorCode: code, baseOffset: -1 })
      assert.strictEqual(partitions[0].log.endOffset, 0)
    })
  }

  it("says which records are wrong", () => {
    const cluster = new Cluster(1)
    created(cluster, { configs: COMPACTED })
    const message = "Compacted topic cannot accept message without key in topic partition registry-0"
    assert.deepStrictEqual(produce(cluster, batch(0, [record("a", "1"), record(null, "2")])), {
      topic: ref,
      partition: 0,
      errorCode: 87,
      baseOffset: -1,
      errorMessage:
        "One or more records have been rejected due to 1 record errors in total, and only showing the first three errors " +
        `at most: [RecordError(batchIndex=1, message='${message}')]`,
      recordErrors: [{ batchIndex: 1, message }]
    })
  })

  it("refuses records that are too old or too new by the topic's configs, and names each", () => {
    const cluster = new Cluster(1)
    const configs = { ...COMPACTED, "message.timestamp.before.max.ms": "1000", "message.timestamp.after.max.ms": "500" }
    created(cluster, { configs })
    const at = (...times: ReadonlyArray<number>) =>
      batch(
        0,
        times.map((time) => record("a", "1", { timestamp: NOW + time }))
      )
    assert.strictEqual(produce(cluster, at(-1_000, 0, 500)).errorCode, 0)
    const outOfRange = (batchIndex: number, time: number) => ({
      batchIndex,
      message:
        `Timestamp ${NOW + time} of message with offset ${batchIndex} is out of range. The timestamp should be within ` +
        `[${NOW - 1_000}, ${NOW + 500}]`
    })
    assert.deepStrictEqual(produce(cluster, at(-1_001, 0, 501)), {
      topic: ref,
      partition: 0,
      errorCode: 32,
      baseOffset: -1,
      errorMessage: "One or more records have been rejected due to invalid timestamp",
      recordErrors: [outOfRange(0, -1_001), outOfRange(2, 501)]
    })
    // -1 is that of a sender without a clock
    assert.strictEqual(produce(cluster, batch(0, [record("a", "1", { timestamp: -1 })])).errorCode, 0)
  })

  it("refuses none for its timestamp where the log's own time counts, and an hour ahead where nothing is set", () => {
    const cluster = new Cluster(1)
    const { partitions } = created(cluster)
    const ahead = (millis: number) => batch(0, [record("a", "1", { timestamp: NOW + millis })])
    assert.strictEqual(produce(cluster, ahead(3_600_000)).errorCode, 0)
    assert.strictEqual(produce(cluster, ahead(3_600_001)).errorCode, 32)
    assert.strictEqual(produce(cluster, batch(0, [record("a", "1", { timestamp: 0 })])).errorCode, 0)
    cluster.alterConfigs(topic, { "message.timestamp.type": "LogAppendTime" })
    assert.strictEqual(produce(cluster, ahead(3_600_001)).errorCode, 0)
    assert.strictEqual(partitions[0].log.endOffset, 3)
  })

  it("takes records without a key where nothing is compacted", () => {
    const cluster = new Cluster(1)
    created(cluster)
    assert.strictEqual(produce(cluster, batch(0, [record(null, "1")])).errorCode, 0)
  })

  it("is for leaders, and for partitions that there are", () => {
    const cluster = new Cluster(3)
    created(cluster, { replicationFactor: 2 })
    const codes = [0, 1, 2].map((node) => produce(cluster, sent(["a=1"]), node).errorCode)
    assert.deepStrictEqual(codes, [0, 6, 6])
    assert.strictEqual(produce(cluster, sent(["a=1"]), 0, 1).errorCode, 3)
    const [asked] = produceOf(sent(["a=1"])).partitions
    const elsewhere = produceOf(sent(["a=1"]), { partitions: [{ ...asked, topic: { name: "other", id: undefined } }] })
    assert.strictEqual(requests.produce(cluster, 0, elsewhere, 0).partitions[0].errorCode, 3)
  })

  it("with acks all waits for enough replicas, and shows nothing to readers before there are", () => {
    const cluster = new Cluster(3)
    const [{ log }] = created(cluster, { replicationFactor: 3, configs: { "min.insync.replicas": "2" } }).partitions
    cluster.stopNode(1, 0)
    assert.strictEqual(produce(cluster, sent(["a=1"])).errorCode, 0)
    cluster.stopNode(2, 0)
    assert.strictEqual(produce(cluster, sent(["b=1"])).errorCode, 19)
    const byLeader = produceOf(sent(["c=1"]), { acks: 1 })
    assert.strictEqual(requests.produce(cluster, 0, byLeader, 0).partitions[0].baseOffset, 1)
    assert.deepStrictEqual([log.highWatermark, log.endOffset], [1, 2])
    assert.strictEqual(list(cluster, 0).offset, 1)
    cluster.startNode(1, 0)
    assert.strictEqual(log.highWatermark, 2)
    assert.deepStrictEqual(seen(fetch(cluster, 0).records), ["0:a=1", "1:c=1"])
  })

  it("keeps batches in the topic's codec, and times them if it is to", () => {
    const cluster = new Cluster(1)
    const configs = { "compression.type": "gzip", "message.timestamp.type": "LogAppendTime" }
    created(cluster, { configs })
    requests.produce(cluster, 0, produceOf(sent(["a=1", "b=2"], { codec: "lz4" })), 12_345)
    const { records } = fetch(cluster, 0)
    const header = new FetchedBatches(records, 0).next()!
    assert.deepInclude(header, { codec: 1, logAppendTime: true, maxTimestamp: 12_345, recordCount: 2 })
    assert.deepStrictEqual(seen(records), ["0:a=1", "1:b=2"])
    cluster.alterConfigs(topic, { "compression.type": "uncompressed" })
    produce(cluster, sent(["c=3"], { codec: "snappy" }))
    assert.strictEqual(new FetchedBatches(fetch(cluster, 0, { fetchOffset: 2 }).records, 2).next()!.codec, 0)
  })

  it("does not keep the client's own bytes", () => {
    const cluster = new Cluster(1)
    created(cluster)
    const bytes = sent(["a=1"])
    produce(cluster, bytes)
    assert.strictEqual(bytes.readBigInt64BE(0), 0n)
    assert.strictEqual(bytes.readInt32BE(12), -1)
    produce(cluster, bytes)
    bytes.fill(0)
    assert.deepStrictEqual(seen(fetch(cluster, 0).records), ["0:a=1", "1:a=1"])
  })
})

describe("Fetch", () => {
  const filled = (replicationFactor = 1): Cluster => {
    const cluster = new Cluster(3)
    created(cluster, { partitions: 2, replicationFactor })
    for (const text of ["a=1", "b=1", "c=1"]) produce(cluster, sent([text]))
    return cluster
  }

  it("is by topic id where there is one, by name where there is none", () => {
    const cluster = filled()
    const { id } = granted(cluster.topicNamed(topic))
    const code = (topic: KafkaProtocol.TopicRef) => fetch(cluster, 0, { topic }).errorCode
    assert.deepStrictEqual(
      [
        code({ name: topic, id }),
        code({ name: "another name", id }),
        code({ name: topic, id: "AAAAAAAAAAAAAAAAAAAAAA" }),
        code({ name: topic, id: undefined }),
        code({ name: "another name", id: undefined })
      ],
      [0, 0, 100, 0, 3]
    )
    assert.strictEqual(fetch(cluster, 0, { partition: 2 }).errorCode, 3)
  })

  it("is out of range before the beginning and behind the end, and at the end there is nothing yet", () => {
    const cluster = filled()
    const [{ log }] = granted(cluster.topicNamed(topic)).partitions
    log.deleteBefore(1)
    const at = (fetchOffset: number) => fetch(cluster, 0, { fetchOffset })
    assert.deepStrictEqual(
      [-1, 0, 4].map((offset) => at(offset)),
      [-1, 0, 4].map(() => unread({ topic: ref, partition: 0 }, 1))
    )
    assert.deepInclude(at(3), { errorCode: 0, highWatermark: 3, logStartOffset: 1, records: Buffer.alloc(0) })
  })

  it("by somebody with older news than the broker, or newer", () => {
    const cluster = filled(3)
    const [partition] = granted(cluster.topicNamed(topic)).partitions
    cluster.moveLeader(partition, 1)
    const codes = (node: number) => [-1, 0, 1, 2].map((leaderEpoch) => fetch(cluster, node, { leaderEpoch }).errorCode)
    // followers serve readers, too
    for (const node of [0, 1, 2]) assert.deepStrictEqual(codes(node), [0, 74, 0, 75])
    assert.deepStrictEqual(
      [-1, 0, 1, 2].map((leaderEpoch) => list(cluster, 0, { leaderEpoch }).errorCode),
      [6, 74, 6, 75]
    )
  })

  it("of a broker that has no replica", () => {
    const cluster = filled()
    assert.deepStrictEqual(
      [1, 2].map((node) => fetch(cluster, node, { leaderEpoch: 9 }).errorCode),
      [6, 6]
    )
    assert.strictEqual(list(cluster, 1, { leaderEpoch: 9 }).errorCode, 6)
  })

  it("tells where a reader's log parts from this one", () => {
    const cluster = filled(3)
    const [partition] = granted(cluster.topicNamed(topic)).partitions
    // the new leader lacks the last record, and writes another one
    partition.log.truncateTo(2)
    cluster.moveLeader(partition, 1)
    produce(cluster, sent(["d=1"]), 1)
    const at = (fetchOffset: number, lastFetchedEpoch: number) =>
      fetch(cluster, 1, { fetchOffset, lastFetchedEpoch, leaderEpoch: 1 })
    assert.deepStrictEqual(at(3, 0).diverging, { epoch: 0, endOffset: 2 })
    assert.deepInclude(at(3, 0), { errorCode: 0, records: Buffer.alloc(0) })
    assert.isUndefined(at(2, 0).diverging)
    assert.isUndefined(at(3, 1).diverging)
    assert.deepStrictEqual(at(4, 1).diverging, { epoch: 1, endOffset: 3 })
    assert.strictEqual(at(3, 2).errorCode, 1)
  })

  it("gets one batch whole, of the first partition that has any, and of others what there is room for", () => {
    const cluster = filled()
    cluster.moveLeader(granted(cluster.partitionOf(topic, 1)), 0)
    const size = fetch(cluster, 0).records.length / 3
    produce(cluster, sent(["x=1"]), 0, 1)
    produce(cluster, sent(["y=1"]), 0, 1)
    const sizes = (maxBytes: number, ofPartition: number) =>
      requests
        .fetch(
          cluster,
          0,
          fetchOf(
            {},
            {
              maxBytes,
              partitions: [0, 1].map((partition) => ({
                topic: ref,
                partition,
                leaderEpoch: -1,
                fetchOffset: 0,
                lastFetchedEpoch: -1,
                maxBytes: ofPartition
              }))
            }
          )
        )
        .partitions.map(({ records }) => records.length)
    assert.deepStrictEqual(sizes(1, 1), [size, 0])
    assert.deepStrictEqual(sizes(10_000, 1), [size, 0])
    assert.deepStrictEqual(sizes(10_000, size), [size, size])
    assert.deepStrictEqual(sizes(10_000, 10_000), [3 * size, 2 * size])
    assert.deepStrictEqual(sizes(4 * size, 10_000), [3 * size, size])
    assert.deepStrictEqual(sizes(4 * size - 1, 10_000), [3 * size, 0])
  })

  it("is to wait for as many bytes as it wants, but not for errors", () => {
    const cluster = filled()
    const size = fetch(cluster, 0).records.length
    const isFetchable = (...asked: Parameters<typeof fetchOf>) => requests.isFetchable(cluster, 0, fetchOf(...asked))
    assert.isTrue(isFetchable({}, { minBytes: size }))
    assert.isFalse(isFetchable({}, { minBytes: size + 1 }))
    assert.isFalse(isFetchable({ fetchOffset: 3 }))
    assert.isTrue(isFetchable({ fetchOffset: 3 }, { minBytes: 0 }))
    assert.isTrue(isFetchable({ fetchOffset: 4 }))
    assert.isTrue(isFetchable({ fetchOffset: 3, leaderEpoch: 9 }))
    assert.isTrue(isFetchable({ fetchOffset: 3, partition: 9 }))
    assert.isTrue(isFetchable({}, { partitions: [] }))
  })
})

describe("ListOffsets", () => {
  it("tells the ends, and the first record that is young enough", () => {
    const cluster = new Cluster(1)
    const [partition] = created(cluster).partitions
    cluster.moveLeader(partition, 0)
    produce(cluster, batch(0, [record("a", "1", { timestamp: 10 }), record("b", "1", { timestamp: 30 })]))
    partition.log.deleteBefore(1)
    const answers = [-2, -1, 0, 30, 31].map((timestamp) => list(cluster, 0, { timestamp }))
    assert.deepStrictEqual(
      answers.map(({ errorCode, leaderEpoch, offset }) => [errorCode, offset, leaderEpoch]),
      [
        [0, 1, 1],
        [0, 2, 1],
        [0, 1, 1],
        [0, 1, 1],
        [0, -1, -1]
      ]
    )
    assert.strictEqual(list(cluster, 0, { partition: 1 }).errorCode, 3)
  })
})

describe("Metadata", () => {
  it("names brokers that run, and topics with their leaders", () => {
    const cluster = new Cluster(2)
    const { id } = created(cluster, { partitions: 2 })
    cluster.stopNode(1, 0)
    const { brokers, controllerId, topics } = requests.metadata(cluster, { topics: [topic, "other", "no name"] })
    assert.deepStrictEqual([brokers.map(({ nodeId }) => nodeId), controllerId], [[0], 0])
    assert.deepStrictEqual(topics, [
      {
        errorCode: 0,
        name: topic,
        id,
        partitions: [
          { errorCode: 0, partition: 0, leader: 0, leaderEpoch: 0 },
          { errorCode: 5, partition: 1, leader: -1, leaderEpoch: 1 }
        ]
      },
      { errorCode: 3, name: "other", id: undefined, partitions: [] },
      { errorCode: 17, name: "no name", id: undefined, partitions: [] }
    ])
    cluster.stopNode(0, 0)
    assert.strictEqual(requests.metadata(cluster, { topics: [] }).controllerId, -1)
  })
})

describe("topics", () => {
  const refusal = (value: unknown) => (value instanceof Refused ? [value.code, value.detail] : [])
  const make = (
    name: string,
    rest: {
      readonly partitions?: number
      readonly replicationFactor?: number
      readonly configs?: Readonly<Record<string, string>>
    } = {}
  ) =>
    requests.createTopics(new Cluster(3), {
      topic: name,
      partitions: 1,
      replicationFactor: 1,
      timeoutMillis: 1_000,
      configs: {},
      ...rest
    })

  for (const [answer, name, rest] of [
    [[17, "Topic name is invalid: the empty string is not allowed"], "", {}],
    [[17, "Topic name is invalid: '.' is not allowed"], ".", {}],
    [
      [
        17,
        "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
      ],
      "a b",
      {}
    ],
    [
      [17, `Topic name is invalid: the length of '${"x".repeat(250)}' is longer than the max allowed length 249`],
      "x".repeat(250),
      {}
    ],
    [[37, "Number of partitions was set to an invalid non-positive value."], "a", { partitions: 0 }],
    [[38, "Replication factor must be larger than 0, or -1 to use the default value."], "a", { replicationFactor: 0 }],
    [
      [
        38,
        "Unable to replicate the partition 9 time(s): The target replication factor of 9 cannot be reached because only 3 broker(s) are registered."
      ],
      "a",
      { replicationFactor: 9 }
    ],
    [[40, "Unknown topic config name: foo"], "a", { configs: { foo: "bar" } }],
    [[40, "Unknown topic config name: toString"], "a", { configs: { toString: "bar" } }],
    [
      [40, "Invalid value nonsense for configuration cleanup.policy: String must be one of: compact, delete"],
      "a",
      { configs: { "cleanup.policy": "nonsense" } }
    ],
    [
      [40, "Invalid value x for configuration retention.ms: Not a number of type LONG"],
      "a",
      { configs: { "retention.ms": "x" } }
    ],
    [
      [40, "Invalid value -2 for configuration retention.ms: Value must be at least -1"],
      "a",
      { configs: { "retention.ms": "-2" } }
    ],
    [
      [40, "Invalid value 99999999999 for configuration max.message.bytes: Not a number of type INT"],
      "a",
      { configs: { "max.message.bytes": "99999999999" } }
    ],
    [
      [
        40,
        "Invalid value foo for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"
      ],
      "a",
      { configs: { "compression.type": "foo" } }
    ],
    [
      [40, "Invalid value maybe for configuration preallocate: Expected value to be either true or false"],
      "a",
      { configs: { preallocate: "maybe" } }
    ],
    [[0, undefined], "a", { configs: { "cleanup.policy": "compact, delete", "min.insync.replicas": "3" } }],
    [[0, undefined], "a", { partitions: -1, replicationFactor: -1 }]
  ] as const) {
    it(`createTopics of ${name.slice(0, 5)} with ${JSON.stringify(rest)}: error code ${answer[0]}`, () => {
      const { errorCode, errorMessage } = make(name, rest)
      assert.deepStrictEqual([errorCode, errorMessage], [...answer])
    })
  }

  it("that are there, or whose names metrics could not tell apart, are not created", () => {
    const cluster = new Cluster(1)
    created(cluster)
    const again = (name: string) =>
      refusal(cluster.createTopic(name, { partitions: 1, replicationFactor: 1, configs: {} }))
    assert.deepStrictEqual(again(topic), [36, "Topic 'registry' already exists."])
    assert.deepStrictEqual(again("a.b_c"), [])
    assert.deepStrictEqual(again("a_b.c"), [17, "Topic 'a_b.c' collides with existing topic: a.b_c"])
  })

  it("have another id in another life, and nothing of the first one", () => {
    const cluster = new Cluster(1)
    const first = created(cluster)
    produce(cluster, sent(["a=1"], { producerId: 1n, producerEpoch: 4, baseSequence: 0 }))
    granted(cluster.deleteTopic(topic))
    assert.strictEqual(refusedWith(cluster.deleteTopic(topic)), 3)
    assert.strictEqual(produce(cluster, sent(["a=1"])).errorCode, 3)
    const second = created(cluster)
    assert.notStrictEqual(second.id, first.id)
    assert.match(second.id, /^[A-Za-z0-9_-]{22}$/)
    assert.strictEqual(fetch(cluster, 0, { topic: { name: topic, id: first.id } }).errorCode, 100)
    assert.deepInclude(fetch(cluster, 0, { topic: { name: topic, id: second.id } }), { highWatermark: 0 })
    // its producers are not known
    assert.strictEqual(
      produce(cluster, sent(["a=1"], { producerId: 1n, producerEpoch: 2, baseSequence: 9 })).errorCode,
      0
    )
  })

  it("grow, and are led in turn", () => {
    const cluster = new Cluster(3)
    const { partitions } = created(cluster, { partitions: 2, replicationFactor: 2 })
    granted(cluster.addPartitions(topic, 5))
    assert.deepStrictEqual(
      partitions.map(({ leader, replicas }) => [leader, ...replicas]),
      [
        [0, 0, 1],
        [1, 1, 2],
        [2, 2, 0],
        [0, 0, 1],
        [1, 1, 2]
      ]
    )
    assert.deepStrictEqual(refusal(cluster.addPartitions(topic, 5)), [37, "Topic already has 5 partition(s)."])
    assert.deepStrictEqual(refusal(cluster.addPartitions(topic, 3)), [
      37,
      "The topic registry currently has 5 partition(s); 3 would not be an increase."
    ])
    assert.strictEqual(refusedWith(cluster.addPartitions("other", 5)), 3)
  })

  it("have configs: their own, and Kafka's defaults", () => {
    const cluster = new Cluster(1)
    created(cluster, { configs: { "retention.ms": "5", "segment.ms": "9" } })
    const configs = () => new Map(requests.describeConfigs(cluster, { topic }).configs.map((c) => [c.name, c]))
    assert.deepStrictEqual(configs().get("retention.ms"), { name: "retention.ms", value: "5", explicit: true })
    assert.deepStrictEqual(configs().get("cleanup.policy"), {
      name: "cleanup.policy",
      value: "delete",
      explicit: false
    })
    assert.strictEqual(configs().size, 33)
    const set = (name: string, value: string) =>
      requests.alterConfigs(cluster, { topic, set: { [name]: value } }).errorCode
    assert.deepStrictEqual([set("retention.ms", "7"), set("retention.ms", "x"), set("foo", "1")], [0, 40, 40])
    assert.strictEqual(configs().get("retention.ms")?.value, "7")
    assert.strictEqual(configs().get("segment.ms")?.value, "9")
    granted(cluster.alterConfigs(topic, { "retention.ms": undefined }))
    assert.deepInclude(configs().get("retention.ms"), { value: "604800000", explicit: false })
    assert.strictEqual(requests.alterConfigs(cluster, { topic: "other", set: {} }).errorCode, 3)
    assert.strictEqual(requests.describeConfigs(cluster, { topic: "other" }).errorCode, 3)
    assert.strictEqual(requests.describeConfigs(cluster, { topic: "no name" }).errorCode, 17)
  })

  it("lose records where their policy is to delete, and nowhere else", () => {
    const cluster = new Cluster(1)
    const [partition] = created(cluster, { configs: { "cleanup.policy": "compact" } }).partitions
    for (const text of ["a=1", "b=1", "c=1"]) produce(cluster, sent([text]))
    assert.strictEqual(refusedWith(cluster.deleteRecords(partition, 1)), 44)
    granted(cluster.alterConfigs(topic, { "cleanup.policy": "compact,delete" }))
    assert.strictEqual(refusedWith(cluster.deleteRecords(partition, 4)), 1)
    assert.strictEqual(refusedWith(cluster.deleteRecords(partition, -2)), 1)
    granted(cluster.deleteRecords(partition, 2))
    granted(cluster.deleteRecords(partition, 1))
    assert.strictEqual(partition.log.startOffset, 2)
    granted(cluster.deleteRecords(partition, -1))
    assert.strictEqual(partition.log.startOffset, 3)
  })
})

describe("nodes", () => {
  it("that stop are followed by other replicas, or by nobody; that start, lead what nobody leads", () => {
    const cluster = new Cluster(3)
    const [alone, shared] = [
      granted(cluster.createTopic("alone", { partitions: 1, replicationFactor: 1, configs: {} })).partitions[0],
      granted(cluster.createTopic("shared", { partitions: 1, replicationFactor: 2, configs: {} })).partitions[0]
    ]
    const leaders = () => [alone, shared].map(({ leader, leaderEpoch }) => [leader, leaderEpoch])
    granted(cluster.stopNode(0, 0))
    assert.deepStrictEqual(leaders(), [
      [-1, 1],
      [1, 1]
    ])
    granted(cluster.startNode(0, 0))
    assert.deepStrictEqual(leaders(), [
      [0, 2],
      [1, 1]
    ])
    granted(cluster.stopNode(0, 0))
    granted(cluster.stopNode(1, 0))
    assert.deepStrictEqual(leaders(), [
      [-1, 3],
      [-1, 2]
    ])
    assert.strictEqual(refusedWith(cluster.stopNode(3, 0)), 102)
    assert.strictEqual(refusedWith(cluster.startNode(-1, 0)), 102)
  })

  it("that are told to lead, do, with all that was acknowledged", () => {
    const cluster = new Cluster(3)
    const [partition] = created(cluster, { replicationFactor: 2 }).partitions
    produce(cluster, sent(["a=1"]))
    granted(cluster.moveLeader(partition, 1))
    assert.deepStrictEqual([partition.leader, partition.leaderEpoch, ...partition.replicas], [1, 1, 0, 1])
    // one without a replica takes the leader's place
    granted(cluster.moveLeader(partition, 2))
    assert.deepStrictEqual([partition.leader, partition.leaderEpoch, ...partition.replicas], [2, 2, 0, 2])
    assert.deepStrictEqual(seen(fetch(cluster, 2).records), ["0:a=1"])
    granted(cluster.moveLeader(partition, -1))
    assert.strictEqual(refusedWith(appendRecords(cluster, topic, [{ key: "a", value: null }], { now: 0 })), 5)
    assert.strictEqual(produce(cluster, sent(["b=1"]), 2).errorCode, 6)
    granted(cluster.stopNode(1, 0))
    assert.strictEqual(refusedWith(cluster.moveLeader(partition, 1)), 83)
    assert.strictEqual(refusedWith(cluster.moveLeader(partition, 7)), 102)
    granted(cluster.moveLeader(partition, 0))
    assert.strictEqual(produce(cluster, sent(["b=1"])).baseOffset, 1)
  })
})

describe("records that are appended directly", () => {
  it("are as few batches as max.message.bytes lets them be, and keep their order", () => {
    const cluster = new Cluster(1)
    const [{ log }] = created(cluster, { configs: { "max.message.bytes": "500" } }).partitions
    const records = Array.from({ length: 40 }, (_, i) => ({ key: `k${i}`, value: "x".repeat(50) }))
    const positions = granted(appendRecords(cluster, topic, records, { now: 0 }))
    assert.deepStrictEqual(
      positions.map(({ offset }) => offset),
      records.map((_, i) => i)
    )
    assert.isTrue(log.batches.every(({ bytes }) => bytes.length <= 500))
    assert.isAtMost(log.batches.length, 10)
    assert.deepStrictEqual(
      seen(fetch(cluster, 0).records),
      records.map(({ key, value }, i) => `${i}:${key}=${value}`)
    )
  })

  it("are all appended, or none", () => {
    const cluster = new Cluster(2)
    const { partitions } = created(cluster, { partitions: 2, configs: { "max.message.bytes": "500" } })
    const append = (value: string, partition?: number) =>
      appendRecords(
        cluster,
        topic,
        Array.from({ length: 20 }, (_, i) => ({ key: `k${i}`, value: i === 19 ? value : "1" })),
        { now: 0, ...(partition === undefined ? {} : { partition }) }
      )
    assert.strictEqual(refusedWith(append("x".repeat(500))), 10)
    assert.strictEqual(refusedWith(append("1", 2)), 3)
    granted(cluster.moveLeader(partitions[1], -1))
    assert.strictEqual(refusedWith(append("1")), 5)
    assert.deepStrictEqual(
      partitions.map(({ log }) => log.endOffset),
      [0, 0]
    )
    granted(append("1", 0))
    assert.strictEqual(partitions[0].log.endOffset, 20)
  })

  it("need a key where the topic is compacted, and replicas where it asks for them", () => {
    const cluster = new Cluster(2)
    created(cluster, { replicationFactor: 2, configs: { ...COMPACTED, "min.insync.replicas": "2" } })
    const append = (key: string | null) => appendRecords(cluster, topic, [{ key, value: "1" }], { now: 0 })
    assert.strictEqual(refusedWith(append(null)), 87)
    granted(append("a"))
    granted(cluster.stopNode(1, 0))
    assert.strictEqual(refusedWith(append("a")), 19)
  })
})
