/** The handle on a cluster: what its owner does with it, and what tables make of that. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Schema } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { withoutLogs } from "../support/effect/v4/logs.ts"
import { Codec, EmbeddedKafka, KafkaClient, KafkaTable, KafkaTableWriter, type KafkaError } from "../../src/index.ts"
import { HUNG_MILLIS } from "../support/patience.ts"
import { settle } from "../table/support.ts"
import { sent, topic, withTopic } from "./support.ts"

const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString())

const shown = (records: ReadonlyArray<EmbeddedKafka.LoggedRecord>) =>
  records.map(({ key, kind, offset, partition, value }) => [partition, offset, kind, text(key), text(value)])

const code = <A>(effect: Effect.Effect<A, KafkaError.BrokerError>) =>
  Effect.map(Effect.flip(effect), (error) => [error.code, error.request])

/** On a client of its own, that lasts as long as the test. */
const onClientOf =
  (kafka: EmbeddedKafka.EmbeddedKafka, clientId = "test") =>
  <A, E, R>(effect: Effect.Effect<A, E, R | KafkaClient.KafkaClient>) =>
    Effect.flatMap(kafka.client({ clientId }), (client) =>
      Effect.provideService(effect, KafkaClient.KafkaClient, client)
    )

describe("topics", () => {
  it.effect("are shown by name, with their partitions", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.make({ nodes: 2, topics: { b: { partitions: 2 }, a: {} } })
      yield* kafka.createTopic("c", { replicationFactor: 2, configs: { "segment.ms": "5" } })
      const topics = yield* kafka.topics
      assert.deepStrictEqual([...topics.keys()], ["a", "b", "c"])
      assert.deepStrictEqual(topics.get("c")!.configs, { "cleanup.policy": "compact", "segment.ms": "5" })
      yield* kafka.append("b", [{ key: "k", value: "v" }], { partition: 1 })
      const { bytes, ...rest } = (yield* kafka.topics).get("b")!.partitions[1]
      assert.isAbove(bytes, 61)
      assert.deepStrictEqual(rest, {
        partition: 1,
        leader: 1,
        leaderEpoch: 0,
        logStartOffset: 0,
        lastStableOffset: 1,
        highWatermark: 1
      })
      // what was looked at stays what it was
      assert.strictEqual(topics.get("b")!.partitions[1].highWatermark, 0)
    })
  )

  it.effect("what Kafka refuses, fails with Kafka's code, under the name of the request", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const record = { key: "a", value: "1" }
      assert.deepStrictEqual(
        yield* Effect.all([
          code(kafka.createTopic(topic)),
          code(kafka.deleteTopic("other")),
          code(kafka.addPartitions(topic, 1)),
          code(kafka.alterConfigs(topic, { foo: "bar" })),
          code(kafka.deleteRecords(topic, 0, 1)),
          code(kafka.clean("other")),
          code(kafka.append("other", [record])),
          code(kafka.append(topic, [record], { partition: 1 })),
          code(kafka.append(topic, [record], { partition: -1 })),
          code(kafka.append(topic, [{ key: null, value: "1" }])),
          code(kafka.appendRaw("other", 0, Buffer.alloc(1))),
          code(kafka.log("other")),
          code(kafka.moveLeader(topic, 1, 0)),
          code(kafka.stopNode(1)),
          code(kafka.startNode(1))
        ]),
        [
          [36, "CreateTopics"],
          [3, "DeleteTopics"],
          [37, "CreatePartitions"],
          [40, "IncrementalAlterConfigs"],
          [44, "DeleteRecords"],
          [3, "clean"],
          [3, "Produce"],
          [3, "Produce"],
          [3, "Produce"],
          [87, "Produce"],
          [3, "Produce"],
          [3, "Fetch"],
          [3, "ElectLeaders"],
          [102, "stopNode"],
          [102, "startNode"]
        ]
      )
      const error = yield* Effect.flip(kafka.append(topic, [record], { partition: 1 }))
      assert.include(error.message, "UNKNOWN_TOPIC_OR_PARTITION")
      assert.include(error.message, topic)
    })
  )
})

describe("append", () => {
  it.effect("puts keys where Kafka's own clients would, and gives positions in the order of the records", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic({ partitions: 4 })
      yield* TestClock.adjust(5_000)
      const keys = Array.from({ length: 40 }, (_, i) => `key-${i}`)
      const positions = yield* kafka.append(
        topic,
        keys.map((key) => ({ key, value: key }))
      )
      assert.sameMembers([...new Set(positions.map(({ partition }) => partition))], [0, 1, 2, 3])
      const log = yield* kafka.log(topic)
      positions.forEach(({ offset, partition }, i) => {
        const found = log.find((one) => one.partition === partition && one.offset === offset)!
        assert.deepStrictEqual([text(found.key), text(found.value), found.timestamp], [keys[i], keys[i], 5_000])
      })
      // the same as by the writer
      const writer = yield* KafkaTableWriter.make<string, string>({ topic, value: Codec.utf8 }).pipe(onClientOf(kafka))
      for (const [i, key] of keys.entries()) {
        assert.strictEqual((yield* writer.set(key, "again")).partition, positions[i].partition)
      }
    })
  )

  for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
    it.effect(`takes text and bytes, headers and times: compressed with ${compression}`, () =>
      Effect.gen(function* () {
        const kafka = yield* withTopic()
        const records: ReadonlyArray<EmbeddedKafka.EmbeddedRecord> = [
          {
            key: "ä",
            value: "ö".repeat(500),
            timestamp: 7,
            headers: { one: "ü", none: null, raw: Buffer.from([0xff]) }
          },
          { key: Buffer.from([0xfe]), value: null, timestamp: -1 },
          {
            key: "",
            value: "",
            timestamp: 5,
            headers: [
              { key: "twice", value: "1" },
              { key: "twice", value: "2" }
            ]
          }
        ]
        yield* kafka.append(topic, records, { compression })
        const raw = (bytes: Uint8Array | null) => (bytes === null ? null : [...bytes])
        assert.deepStrictEqual(
          (yield* kafka.log(topic)).map(({ headers, key, timestamp, value }) => [
            raw(key),
            raw(value),
            timestamp,
            headers.map(([name, bytes]) => [name, raw(bytes)])
          ]),
          [
            [
              [...Buffer.from("ä")],
              [...Buffer.from("ö".repeat(500))],
              7,
              [
                ["one", [...Buffer.from("ü")]],
                ["none", null],
                ["raw", [0xff]]
              ]
            ],
            [[0xfe], null, -1, []],
            [
              [],
              [],
              5,
              [
                ["twice", [49]],
                ["twice", [50]]
              ]
            ]
          ]
        )
      })
    )
  }

  it.effect("of nothing does nothing", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      assert.deepStrictEqual(yield* kafka.append(topic, []), [])
      assert.strictEqual((yield* kafka.topics).get(topic)!.partitions[0].highWatermark, 0)
    })
  )

  it.effect("raw: as it is, wherever it is read", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const batch = sent(["a=1", "b=2"])
      yield* kafka.appendRaw(topic, 0, batch, { offsets: 2 })
      batch.fill(0)
      yield* kafka.appendRaw(topic, 0, Buffer.from("no batch at all"))
      yield* kafka.append(topic, [{ key: "c", value: "3" }])
      assert.deepStrictEqual(shown(yield* kafka.log(topic)), [
        [0, 0, "Data", "a", "1"],
        [0, 1, "Data", "b", "2"],
        [0, 3, "Data", "c", "3"]
      ])
    })
  )
})

describe("a transaction", () => {
  it.effect("is open, and then committed or aborted: in all partitions that it wrote to", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic({ partitions: 2 })
      yield* kafka.createTopic("other")
      const kept = yield* kafka.transaction
      const dropped = yield* kafka.transaction
      yield* kept.append(topic, [{ key: "a", value: "1" }], { partition: 0 })
      yield* dropped.append(topic, [{ key: "b", value: "1" }], { partition: 0 })
      yield* kept.append("other", [{ key: "c", value: "1" }])
      const kinds = (name: string) => Effect.map(kafka.log(name), (records) => records.map(({ kind }) => kind))
      assert.deepStrictEqual([...(yield* kinds(topic)), ...(yield* kinds("other"))], ["Open", "Open", "Open"])
      yield* kept.commit
      yield* kept.abort
      yield* dropped.abort
      yield* dropped.commit
      assert.deepStrictEqual(yield* kinds(topic), ["Committed", "Aborted", "Marker", "Marker"])
      assert.deepStrictEqual(yield* kinds("other"), ["Committed", "Marker"])
      assert.deepStrictEqual(yield* code(kept.append(topic, [{ key: "d", value: "1" }])), [48, "Produce"])
      const offsets = (yield* kafka.topics).get(topic)!.partitions.map((p) => [p.lastStableOffset, p.highWatermark])
      assert.deepStrictEqual(offsets, [
        [4, 4],
        [0, 0]
      ])
    })
  )

  it.effect("outlives a topic that is deleted", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic()
      const transaction = yield* kafka.transaction
      yield* transaction.append(topic, [{ key: "a", value: "1" }])
      yield* kafka.deleteTopic(topic)
      yield* kafka.createTopic(topic)
      yield* transaction.append(topic, [{ key: "b", value: "1" }])
      yield* transaction.commit
      assert.deepStrictEqual(
        (yield* kafka.log(topic)).map(({ kind }) => kind),
        ["Committed", "Marker"]
      )
    })
  )
})

describe("clean", () => {
  it.effect("goes by the test's time", () =>
    Effect.gen(function* () {
      const kafka = yield* withTopic({ configs: { "delete.retention.ms": "60000" } })
      const keys = Effect.map(kafka.log(topic), (records) => records.map(({ key }) => text(key)))
      yield* kafka.append(topic, [
        { key: "a", value: "1" },
        { key: "b", value: "1" },
        { key: "a", value: null }
      ])
      yield* kafka.clean(topic)
      assert.deepStrictEqual(yield* keys, ["b", "a"])
      yield* TestClock.adjust("59 seconds")
      yield* kafka.clean(topic)
      assert.deepStrictEqual(yield* keys, ["b", "a"])
      yield* TestClock.adjust("1 second")
      yield* kafka.clean(topic)
      assert.deepStrictEqual(yield* keys, ["b"])
    })
  )
})

describe("tables and writers", () => {
  class Flags extends KafkaTable.Tag("test/Flags")<Flags, string, boolean>() {}
  class FlagsWriter extends KafkaTableWriter.Tag("test/FlagsWriter")<FlagsWriter, string, boolean>() {}
  const flags = { topic: "flags", value: Codec.json(Schema.Boolean) }

  it.effect("on layerMemory: one cluster, one client, and the handle on it", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.EmbeddedKafka
      const table = yield* Flags
      const writer = yield* FlagsWriter
      yield* table.awaitPosition(yield* writer.set("dark-mode", true))
      assert.isTrue(Option.getOrThrow(yield* table.get("dark-mode")))
      yield* kafka.append("flags", [{ key: "dark-mode", value: "false" }])
      yield* table.barrier()
      assert.isFalse(Option.getOrThrow(yield* table.get("dark-mode")))
      assert.deepStrictEqual(shown(yield* kafka.log("flags")), [
        [0, 0, "Data", "dark-mode", "true"],
        [0, 1, "Data", "dark-mode", "false"]
      ])
      const ids = new Set((yield* kafka.connections).map(({ clientId }) => clientId))
      assert.deepStrictEqual([...ids], ["my-service"])
    }).pipe(
      Effect.provide(
        Layer.mergeAll(KafkaTable.layer(Flags, flags), KafkaTableWriter.layer(FlagsWriter, flags)).pipe(
          Layer.provideMerge(KafkaClient.layerMemory({ clientId: "my-service", nodes: 2 }))
        )
      )
    )
  )

  it.effect("of several clients on one cluster see the same", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.make()
      const open = KafkaTable.make<string, boolean>(flags)
      const [one, two] = yield* Effect.all([onClientOf(kafka, "one")(open), onClientOf(kafka, "two")(open)])
      yield* kafka.append("flags", [{ key: "a", value: "true" }])
      yield* Effect.all([one.barrier(), two.barrier()])
      assert.deepStrictEqual([...one.unsafeSnapshot()], [["a", true]])
      assert.deepStrictEqual([...two.unsafeSnapshot()], [["a", true]])
      // a process of one name is cut off, that of another name is not
      const reconnects = Effect.all([one, two].map((table) => Effect.map(table.stats, (stats) => stats.reconnects)))
      assert.deepStrictEqual(yield* reconnects, [0, 0])
      yield* kafka.disconnect({ clientId: "one" })
      yield* settle
      yield* TestClock.adjust("5 seconds")
      yield* settle
      assert.deepStrictEqual(yield* reconnects, [1, 0])
      assert.isTrue((yield* one.freshness).connected && (yield* two.freshness).connected)
    })
  )

  it.live("catch up on a million records", () =>
    Effect.gen(function* () {
      const COUNT = 1_000_000
      const CHUNK = 100_000
      const kafka = yield* withTopic({ partitions: 2 })
      const pad = "x".repeat(200)
      for (let from = 0; from < COUNT; from += CHUNK) {
        const numbers = Array.from({ length: CHUNK }, (_, i) => from + i)
        yield* kafka.append(
          topic,
          numbers.map((n) => ({ key: `key-${n}`, value: `${n} ${pad}` }))
        )
      }
      const table = yield* KafkaTable.make<string, string>({
        topic,
        value: Codec.utf8,
        catchUpTimeout: HUNG_MILLIS
      }).pipe(onClientOf(kafka))
      const snapshot = table.unsafeSnapshot()
      assert.strictEqual(snapshot.size, COUNT)
      for (let n = 0; n < COUNT; n++) {
        if (snapshot.getOrUndefined(`key-${n}`) !== `${n} ${pad}`) assert.fail(`the value of key-${n} is wrong`)
      }
      assert.strictEqual((yield* table.stats).applied, COUNT)
    }).pipe(withoutLogs)
  )
})
