import { describe, expect, it } from "vitest"
import { decodeResponse, encodeRequest, negotiate, versionsFor } from "../../src/internal/protocol/api.ts"
import { createTopics } from "../../src/internal/protocol/createTopics.ts"
import { describeConfigs, type DescribeConfigsRequest } from "../../src/internal/protocol/describeConfigs.ts"
import { fetch, FETCH_BY_ID } from "../../src/internal/protocol/fetch.ts"
import { incrementalAlterConfigs } from "../../src/internal/protocol/incrementalAlterConfigs.ts"
import { initProducerId } from "../../src/internal/protocol/initProducerId.ts"
import { listOffsets } from "../../src/internal/protocol/listOffsets.ts"
import { metadata, type MetadataRequest } from "../../src/internal/protocol/metadata.ts"
import { produce } from "../../src/internal/protocol/produce.ts"
import { ProtocolViolation, Writer } from "../../src/internal/protocol/wire.ts"
import { byId, byName, bytesOf, type Expectation, fixtures, id, suite, testSuite, topic } from "./suites.ts"
import type {
  DescribeConfigsResponse,
  FetchRequest,
  FetchResponse,
  InitProducerIdRequest,
  InitProducerIdResponse,
  ListOffsetsRequest,
  ListOffsetsResponse,
  MetadataResponse,
  ProduceRequest,
  ProduceResponse
} from "../../src/KafkaProtocol.ts"

const recordsV = Buffer.from(fixtures.records.v, "hex")
const recordsW = Buffer.from(fixtures.records.w, "hex")

// ---------------------------------------------------------------------------------------------------------------------
// the data of Fixtures.java, once more
// ---------------------------------------------------------------------------------------------------------------------

const metadataPlain: Expectation<MetadataRequest, MetadataResponse> = (version) => ({
  request: { topics: [topic, "missing"] },
  response: {
    brokers: [
      { nodeId: 1, host: "kafka-1.example", port: 9092 },
      { nodeId: 2, host: "::1", port: 65535 }
    ],
    controllerId: 2,
    topics: [
      {
        errorCode: 0,
        name: topic,
        id: version >= 10 ? id : undefined,
        partitions: [
          { errorCode: 5, partition: 0, leader: -1, leaderEpoch: -1 },
          { errorCode: 9, partition: 1, leader: 2, leaderEpoch: 12 },
          { errorCode: 0, partition: 2, leader: 1, leaderEpoch: 11 }
        ]
      },
      { errorCode: 3, name: "missing", id: undefined, partitions: [] }
    ]
  }
})

/** With a topic that is in the answer, and was not asked for by its name. */
const withOther = (version: number, { topics: [first, ...rest], ...answer }: MetadataResponse): MetadataResponse => ({
  ...answer,
  topics: [
    first,
    {
      errorCode: 0,
      name: "other",
      id: version >= 10 ? "zzzzzzzzzzzzzzzzzzzz-w" : undefined,
      partitions: [{ errorCode: 0, partition: 0, leader: 1, leaderEpoch: 0 }]
    },
    ...rest
  ]
})

const listOffsetsRequest: ListOffsetsRequest = {
  isolation: "read_committed",
  partitions: [
    { topic: byName, partition: 0, leaderEpoch: 5, timestamp: -2 },
    { topic: byName, partition: 3, leaderEpoch: -1, timestamp: -1 }
  ]
}
const listOffsetsPlain: Expectation<ListOffsetsRequest, ListOffsetsResponse> = () => ({
  request: listOffsetsRequest,
  response: {
    partitions: [
      { topic: byName, partition: 3, errorCode: 0, offset: Number.MAX_SAFE_INTEGER, leaderEpoch: 4 },
      { topic: byName, partition: 0, errorCode: 6, offset: -1, leaderEpoch: -1 }
    ]
  }
})

const fetchRequest: FetchRequest = {
  isolation: "read_committed",
  maxWaitMillis: 500,
  minBytes: 1,
  maxBytes: 52428800,
  partitions: [
    { topic: byId, partition: 0, leaderEpoch: 3, fetchOffset: 4294967296123, lastFetchedEpoch: 2, maxBytes: 1048576 },
    { topic: byId, partition: 5, leaderEpoch: -1, fetchOffset: 0, lastFetchedEpoch: -1, maxBytes: 1 }
  ]
}
const fetchPlain: Expectation<FetchRequest, FetchResponse> = (version) => ({
  request: fetchRequest,
  response: {
    errorCode: 0,
    throttleMillis: 30,
    partitions: [
      {
        topic: byId,
        partition: 0,
        errorCode: 0,
        highWatermark: 4294967296200,
        lastStableOffset: 4294967296190,
        logStartOffset: 17,
        abortedTransactions: [
          { producerId: 9223372036854775807n, firstOffset: 4294967296124 },
          { producerId: 2n, firstOffset: 4294967296130 }
        ],
        diverging: undefined,
        records: recordsV
      },
      {
        topic: byId,
        partition: 5,
        errorCode: 74,
        highWatermark: -1,
        lastStableOffset: -1,
        logStartOffset: -1,
        abortedTransactions: [],
        diverging: version >= 12 ? { epoch: 1, endOffset: 40 } : undefined,
        records: Buffer.alloc(0)
      }
    ]
  }
})

const produceRequest = (acks: 1 | -1): ProduceRequest => ({
  acks,
  timeoutMillis: 1500,
  partitions: [
    { topic: byName, partition: 0, records: recordsV },
    { topic: byName, partition: 4, records: recordsW }
  ]
})
const producePlain: Expectation<ProduceRequest, ProduceResponse> = (version) => ({
  request: produceRequest(-1),
  response: {
    throttleMillis: 12,
    partitions: [
      { topic: byName, partition: 0, errorCode: 0, baseOffset: 4294967296200, errorMessage: undefined },
      {
        topic: byName,
        partition: 4,
        errorCode: 87,
        baseOffset: -1,
        errorMessage: version >= 8 ? "One or more records have been rejected" : undefined,
        ...(version >= 8 ? { recordErrors: [{ batchIndex: 0, message: "no key" }] } : {})
      }
    ]
  }
})

const initPlain: Expectation<InitProducerIdRequest, InitProducerIdResponse> = () => ({
  request: { transactional: undefined },
  response: { errorCode: 0, producerId: 9223372036854775806n, producerEpoch: 7 }
})

const initTransactional: Expectation<InitProducerIdRequest, InitProducerIdResponse> = (version) => ({
  request: {
    transactional: { id: "tx", timeoutMillis: 60_000 },
    ...(version >= 3 ? { current: { producerId: 9223372036854775806n, producerEpoch: 7 } } : {})
  },
  response: initPlain(version).response
})

const defaultTopic = { topic, partitions: -1, replicationFactor: -1, configs: {}, timeoutMillis: 2000 }

const describeConfigsPlain: Expectation<DescribeConfigsRequest, DescribeConfigsResponse> = () => ({
  request: { topic },
  response: {
    errorCode: 0,
    // an empty string in Kafka's bytes
    errorMessage: undefined,
    configs: [
      { name: "cleanup.policy", value: "compact", explicit: true },
      { name: "retention.ms", value: "604800000", explicit: false },
      { name: "secret", value: undefined, explicit: true }
    ]
  }
})

const alter = { topic, set: { "cleanup.policy": "compact", "retention.ms": "-1" } }

const suites = {
  Metadata: suite(metadata, {
    plain: metadataPlain,
    all: (version) => ({
      request: { topics: "all" as const },
      response: withOther(version, metadataPlain(version).response)
    }),
    empty: () => ({ request: { topics: [] }, response: { brokers: [], controllerId: -1, topics: [] } }),
    future: metadataPlain
  }),
  ListOffsets: suite(listOffsets, {
    plain: listOffsetsPlain,
    empty: () => ({
      request: {
        isolation: "read_uncommitted" as const,
        partitions: [{ topic: byName, partition: 0, leaderEpoch: 5, timestamp: 1_700_000_000_000 }]
      },
      response: { partitions: [] }
    }),
    future: listOffsetsPlain
  }),
  Fetch: suite(fetch, {
    plain: fetchPlain,
    empty: () => ({ request: fetchRequest, response: { errorCode: 333, throttleMillis: 5, partitions: [] } }),
    future: fetchPlain
  }),
  Produce: suite(produce, {
    plain: producePlain,
    empty: () => ({ request: produceRequest(1), response: { throttleMillis: 0, partitions: [] } }),
    future: producePlain
  }),
  InitProducerId: suite(initProducerId, {
    plain: initPlain,
    transactional: initTransactional,
    error: () => ({
      request: { transactional: undefined },
      response: { errorCode: 14, producerId: -1n, producerEpoch: -1 }
    }),
    future: initPlain
  }),
  CreateTopics: suite(createTopics, {
    plain: () => ({
      request: { topic, partitions: 3, replicationFactor: 2, configs: alter.set, timeoutMillis: 2000 },
      response: { errorCode: 0, errorMessage: undefined }
    }),
    error: () => ({ request: defaultTopic, response: { errorCode: 36, errorMessage: "there already" } }),
    future: () => ({ request: defaultTopic, response: { errorCode: 0, errorMessage: undefined } })
  }),
  DescribeConfigs: suite(describeConfigs, {
    plain: describeConfigsPlain,
    error: () => ({ request: { topic }, response: { errorCode: 29, errorMessage: "not yours", configs: [] } }),
    future: describeConfigsPlain
  }),
  IncrementalAlterConfigs: suite(incrementalAlterConfigs, {
    plain: () => ({ request: alter, response: { errorCode: 0, errorMessage: undefined } }),
    error: () => ({ request: alter, response: { errorCode: 40, errorMessage: "no such config" } }),
    future: () => ({ request: alter, response: { errorCode: 0, errorMessage: undefined } })
  })
}

testSuite(suites.Metadata)
testSuite(suites.ListOffsets)
testSuite(suites.Fetch)
testSuite(suites.Produce)
testSuite(suites.InitProducerId)
testSuite(suites.CreateTopics)
testSuite(suites.DescribeConfigs)
testSuite(suites.IncrementalAlterConfigs)

// ---------------------------------------------------------------------------------------------------------------------
// what the fixtures do not say
// ---------------------------------------------------------------------------------------------------------------------

/** As brokers announce them; incremental alterations came with 2.3. */
const brokers: Readonly<Record<string, Readonly<Record<string, readonly [min: number, max: number]>>>> = {
  "2.1": {
    Produce: [0, 7],
    Fetch: [0, 10],
    ListOffsets: [0, 4],
    Metadata: [0, 7],
    CreateTopics: [0, 3],
    InitProducerId: [0, 1],
    DescribeConfigs: [0, 2]
  },
  "4.1": Object.fromEntries(Object.entries(fixtures.versions).map(([name, { min, max }]) => [name, [min, max]]))
}

describe("negotiate", () => {
  const ours = { min: 9, max: 13 }

  it("takes the newest version of both", () => {
    expect(negotiate(ours, { min: 0, max: 10 })).toBe(10)
    expect(negotiate(ours, { min: 4, max: 18 })).toBe(13)
    expect(negotiate(ours, { min: 13, max: 18 })).toBe(13)
    expect(negotiate(ours, { min: 0, max: 9 })).toBe(9)
  })

  it("finds none with a broker that is too old, too new, or without the request", () => {
    expect(negotiate(ours, { min: 0, max: 8 })).toBeUndefined()
    expect(negotiate(ours, { min: 14, max: 18 })).toBeUndefined()
    expect(negotiate(ours, { min: 0, max: -1 })).toBeUndefined()
    expect(negotiate(ours, undefined)).toBeUndefined()
  })

  it("keeps to what can say the request", () => {
    const byName = {
      ...fetchRequest,
      partitions: [{ ...fetchRequest.partitions[0], topic: { name: topic, id: undefined } }]
    }
    expect(versionsFor(fetch, fetchRequest)).toEqual({ min: 9, max: FETCH_BY_ID })
    expect(versionsFor(fetch, byName)).toEqual({ min: 9, max: FETCH_BY_ID - 1 })
    expect(negotiate(versionsFor(fetch, byName), { min: 13, max: 18 })).toBeUndefined()
    expect(negotiate(versionsFor(fetch, byName), { min: 4, max: 11 })).toBe(11)
  })

  for (const [name, versions] of Object.entries(brokers)) {
    it(`finds a version of everything with Kafka ${name}`, () => {
      for (const { api } of Object.values(suites)) {
        const range = versions[api.name]
        const broker = range === undefined ? undefined : { min: range[0], max: range[1] }
        const expected = range === undefined ? undefined : Math.min(api.versions.max, range[1])
        expect(negotiate(api.versions, broker), api.name).toBe(expected)
      }
    })
  }
})

describe("answers", () => {
  const listed = (topics: ReadonlyArray<readonly [name: string, partitions: ReadonlyArray<number>]>): Buffer => {
    const writer = new Writer(false)
    writer.int32(0)
    writer.array(topics, ([name, partitions]) => {
      writer.string(name)
      writer.array(partitions, (partition) => {
        writer.int32(partition)
        writer.int16(0)
        writer.int64(-1)
        writer.int64(partition * 10)
        writer.int32(0)
      })
    })
    return writer.toBuffer()
  }
  const decode = (payload: Buffer) => decodeResponse(listOffsets, 4, payload, listOffsetsRequest).partitions

  it("may name the topic more than once", () => {
    const payload = listed([
      [topic, [0]],
      ["other", [0, 3]],
      [topic, [3]]
    ])
    expect(decode(payload).map((p) => p.partition)).toEqual([0, 3])
  })

  it("may lack partitions", () => {
    expect(decode(listed([[topic, [3]]])).map((p) => p.offset)).toEqual([30])
  })

  it("are refused with a partition in them twice", () => {
    expect(() => decode(listed([[topic, [3, 0, 3]]]))).toThrow(new ProtocolViolation("partition 3 answered twice"))
  })

  it("are refused without the one topic that an administrative request is about", () => {
    const { request } = suites.CreateTopics.cases.plain(2)
    const payload = Buffer.from(bytesOf("CreateTopics", 2, "plain").response, "hex")
    expect(() => decodeResponse(createTopics, 2, payload, { ...request, topic: "absent" })).toThrow(
      new ProtocolViolation('0 answers about topic "absent"')
    )
  })
})

describe("Fetch", () => {
  it("returns records as views of the response", () => {
    const payload = Buffer.from(bytesOf("Fetch", 13, "plain").response, "hex")
    const { partitions } = decodeResponse(fetch, 13, payload, fetchRequest)
    const records = partitions[0].records
    expect(records.buffer).toBe(payload.buffer)
    expect(records.byteOffset).toBe(payload.byteOffset + payload.indexOf(recordsV))
  })

  it("of version 13 goes by the topic's id, not by its name", () => {
    const payload = Buffer.from(bytesOf("Fetch", 13, "plain").response, "hex")
    const of = (id: string | undefined): FetchRequest => ({
      ...fetchRequest,
      partitions: fetchRequest.partitions.map((p) => ({ ...p, topic: { name: topic, id } }))
    })
    expect(decodeResponse(fetch, 13, payload, of("BbCdEfGhIjKlMnOpQrSt_A")).partitions).toEqual([])
    expect(() => encodeRequest(fetch, 13, of(undefined))).toThrow("id")
    const some = { ...fetchRequest, partitions: [...fetchRequest.partitions, ...of(undefined).partitions] }
    expect([fetchRequest, of(undefined), some].map((request) => fetch.maxVersion!(request))).toEqual([13, 12, 12])
  })

  it("passes offsets over 32 bits, refuses those over 53", () => {
    const payload = Buffer.from(bytesOf("Fetch", 9, "plain").response, "hex")
    const highWatermark = Buffer.alloc(8)
    highWatermark.writeBigInt64BE(4294967296200n)
    const at = payload.indexOf(highWatermark)
    const withOffset = (offset: bigint) => {
      payload.writeBigInt64BE(offset, at)
      return decodeResponse(fetch, 9, payload, fetchRequest).partitions[0].highWatermark
    }
    expect(withOffset(BigInt(Number.MAX_SAFE_INTEGER))).toBe(Number.MAX_SAFE_INTEGER)
    expect(() => withOffset(2n ** 53n)).toThrow(ProtocolViolation)
    expect(() => withOffset(-(2n ** 63n))).toThrow(ProtocolViolation)
    expect(() => withOffset(-2n)).toThrow(ProtocolViolation)
  })
})

describe("a throttle", () => {
  it("of weeks, or of less than none, is none of Fetch nor of Produce", () => {
    const throttled = (millis: number) => {
      const fetched = written((writer) => {
        writer.int32(millis)
        writer.int16(0)
        writer.int32(0)
        writer.array([], () => {})
      })
      const produced = written((writer) => {
        writer.array([], () => {})
        writer.int32(millis)
      })
      return [
        decodeResponse(fetch, 9, fetched, fetchRequest).throttleMillis,
        decodeResponse(produce, 7, produced, produceRequest(-1)).throttleMillis
      ]
    }
    const written = (write: (writer: Writer) => void): Buffer => {
      const writer = new Writer(false)
      write(writer)
      return writer.toBuffer()
    }
    expect([250, 0x7fff_ffff, -1].map(throttled)).toEqual([
      [250, 250],
      [60_000, 60_000],
      [0, 0]
    ])
  })
})

describe("Produce", () => {
  it("names the transaction that its batches are part of", () => {
    for (const version of [7, 9]) {
      const [without, within] = [{}, { transactionalId: "tx" }].map((more) =>
        encodeRequest(produce, version, { ...produceRequest(-1), ...more }).toString("hex")
      )
      // Behind it, all is as Kafka's own code writes it without one: see the fixtures.
      const [none, tx] = version === 7 ? ["ffff", "00027478"] : ["0000", "00037478"]
      expect(without.startsWith(none)).toBe(true)
      expect(within).toBe(tx + without.slice(none.length))
    }
  })

  it("takes a record's message where the batch has none", () => {
    const request = { ...produceRequest(-1), partitions: [{ topic: byName, partition: 5, records: recordsV }] }
    for (const version of [8, 9]) {
      const payload = Buffer.from(bytesOf("Produce", version, "plain").response, "hex")
      expect(decodeResponse(produce, version, payload, request).partitions).toEqual([
        {
          topic: byName,
          partition: 5,
          errorCode: 10,
          baseOffset: -1,
          errorMessage: "too large",
          recordErrors: [
            { batchIndex: 0, message: undefined },
            { batchIndex: 1, message: "too large" }
          ]
        }
      ])
    }
  })
})

describe("Metadata", () => {
  it("has ten thousand brokers, and a hundred thousand partitions, at most", () => {
    const answer = (brokers: number, partitions: number): Buffer => {
      const writer = new Writer(false)
      const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)
      writer.int32(0)
      writer.array(numbers(brokers), (id) => {
        writer.int32(id)
        writer.string("kafka")
        writer.int32(9092)
        writer.nullableString(undefined)
      })
      writer.nullableString(undefined)
      writer.int32(1)
      writer.array([topic], (name) => {
        writer.int16(0)
        writer.string(name)
        writer.boolean(false)
        writer.array(numbers(partitions), (partition) => {
          writer.int16(0)
          for (const number of [partition, 1, 0]) writer.int32(number)
          for (let i = 0; i < 3; i++) writer.array([], () => {})
        })
      })
      return writer.toBuffer()
    }
    const decode = (brokers: number, partitions: number) => {
      const { brokers: found, topics } = decodeResponse(metadata, 7, answer(brokers, partitions), { topics: [topic] })
      return [found.length, topics[0].partitions.length]
    }
    expect(decode(10_000, 100_000)).toEqual([10_000, 100_000])
    expect(() => decode(10_001, 1)).toThrow("array of 10001 at 4, which is too many")
    expect(() => decode(1, 100_001)).toThrow(/array of 100001 at \d+, which is too many/)
  })

  const answer = (port: number, partitions: ReadonlyArray<number>): Buffer => {
    const writer = new Writer(false)
    writer.int32(0)
    writer.array([port], (port) => {
      writer.int32(1)
      writer.string("kafka")
      writer.int32(port)
      writer.nullableString(undefined)
    })
    writer.nullableString(undefined)
    writer.int32(1)
    writer.array([topic], (name) => {
      writer.int16(0)
      writer.string(name)
      writer.boolean(false)
      writer.array(partitions, (partition) => {
        writer.int16(0)
        writer.int32(partition)
        writer.int32(1)
        writer.int32(0)
        for (let i = 0; i < 3; i++) writer.array([], () => {})
      })
    })
    return writer.toBuffer()
  }
  const decode = (payload: Buffer) => decodeResponse(metadata, 7, payload, { topics: [topic] })

  it("refuses an address that nobody can connect to, and a partition that is there twice", () => {
    expect(decode(answer(9092, [1, 0])).topics[0].partitions.map((p) => p.partition)).toEqual([0, 1])
    expect(() => decode(answer(0, []))).toThrow(ProtocolViolation)
    expect(() => decode(answer(65_536, []))).toThrow(ProtocolViolation)
    expect(() => decode(answer(9092, [0, 1, 0]))).toThrow(ProtocolViolation)
    expect(() => decode(answer(9092, [-1]))).toThrow(ProtocolViolation)
  })

  it("refuses partitions that are not all of those from 0 on, whatever their number", () => {
    for (const partitions of [[1], [0, 2], [0, 5, 1], [0x7fff_ffff], [0, 0x7fff_ffff], [-0x8000_0000, 0]]) {
      const last = Math.max(...partitions)
      expect(() => decode(answer(9092, partitions))).toThrow(ProtocolViolation)
      expect(() => decode(answer(9092, [last, ...partitions]))).toThrow(ProtocolViolation)
    }
  })
})
