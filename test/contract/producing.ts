import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { assert } from "vitest"
import { Codec, KafkaClient, KafkaProducer } from "../../src/index.ts"
import type { ReadRecord } from "../kafka/records.ts"
import { leftovers } from "../support/leftovers.ts"
import { eventually, numbers } from "../support/live.ts"
import { stopwatch } from "../support/ownTime.ts"
import { held } from "./clients.ts"
import { newName, type Kafka, type Suite } from "./suite.ts"

/** Not compacted. Nothing of it is deleted either, however old its records say that they are. */
const deleted = { configs: { "cleanup.policy": "delete", "retention.ms": "-1" } }

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const text = (part: Buffer | null): string => part?.toString() ?? "null"

const shown = ({ key, value }: ReadRecord): string => `${text(key)}=${text(value)}`

const producerOn = (kafka: Kafka, options?: KafkaProducer.KafkaProducerOptions) =>
  kafka.withClient(KafkaProducer.make(options))

export const producing = (test: Suite): void => {
  test("records of several topics, by codecs, are read back by their tables", (kafka) =>
    Effect.gen(function* () {
      const topics = [yield* kafka.topic(), yield* kafka.topic({ partitions: 3 }), yield* kafka.topic()]
      const producer = yield* producerOn(kafka)
      const to = yield* Effect.forEach(topics, (topic) => producer.to(topic, { value: Codec.utf8 }))
      const sent = numbers(300).map((i) => to[i % 3].send(`k${i % 30}`, `${i}`))
      const positions = yield* Effect.all(sent, { concurrency: "unbounded" })
      assert.deepStrictEqual(
        positions.map(({ topic }) => topic),
        numbers(300).map((i) => topics[i % 3])
      )
      yield* to[0].tombstone("k0")
      for (const [n, topic] of topics.entries()) {
        const table = yield* kafka.table(topic)
        // The last of each key, as each key keeps the order of its calls.
        const expected = new Map(
          numbers(300)
            .filter((i) => i % 3 === n)
            .map((i) => [`k${i % 30}`, `${i}`])
        )
        if (n === 0) expected.delete("k0")
        assert.deepStrictEqual(new Map(table.unsafeSnapshot()), expected)
      }
      const { requests, ...stats } = yield* producer.stats
      assert.deepInclude(stats, { records: 301, acknowledged: 301, failed: 0, unknown: 0, queued: 0 })
      assert.isBelow(requests, 50)
    }))

  test("keys, values that are null, headers, times and partitions are what others read", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3, ...deleted })
      const producer = yield* producerOn(kafka, { compression: "lz4" })
      const positions = [
        yield* producer.send({
          topic,
          key: bytes("a"),
          value: bytes("1"),
          timestamp: 1_700_000_000_123,
          partition: 2,
          headers: [
            { key: "h", value: "x" },
            { key: "h", value: null }
          ]
        }),
        yield* producer.send({ topic, key: bytes("a"), value: null, partition: 2 }),
        yield* producer.send({ topic, value: bytes("keyless"), partition: 2 }),
        yield* producer.send({ topic, key: new Uint8Array(0), value: new Uint8Array(0), partition: 2 })
      ]
      assert.deepStrictEqual(
        positions.map(({ offset, partition }) => [partition, offset]),
        [0, 1, 2, 3].map((offset) => [2, offset])
      )
      const log = yield* kafka.log(topic)
      assert.deepStrictEqual(log.map(shown), ["a=1", "a=null", "null=keyless", "="])
      assert.strictEqual(log[0].timestamp, 1_700_000_000_123)
      assert.deepStrictEqual(log[0].headers, [
        { key: "h", value: Buffer.from("x") },
        { key: "h", value: null }
      ])
    }))

  test("records without a key go to all partitions in turn", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3, ...deleted })
      const producer = yield* producerOn(kafka)
      const partitions = yield* Effect.forEach(numbers(6), (i) =>
        Effect.map(producer.send({ topic, value: bytes(`${i}`) }), ({ partition }) => partition)
      )
      assert.deepStrictEqual(new Set(partitions.slice(0, 3)), new Set([0, 1, 2]))
      assert.deepStrictEqual(partitions.slice(3), partitions.slice(0, 3))
      assert.strictEqual((yield* kafka.log(topic)).length, 6)
    }))

  test("keys go where others' producers put them", (kafka) =>
    Effect.gen(function* () {
      const [ours, others] = [yield* kafka.topic({ partitions: 7 }), yield* kafka.topic({ partitions: 7 })]
      const keys = numbers(60).map((i) => `key-${i * 7919}`)
      const producer = yield* producerOn(kafka)
      const to = yield* producer.to(ours, { value: Codec.json(Schema.Int) })
      const positions = yield* to.sendMany(keys.map((key, i) => [key, i] as const))
      const expected = yield* kafka.append(
        others,
        keys.map((key) => ({ key, value: key }))
      )
      assert.deepStrictEqual(
        positions.map(({ partition }) => partition),
        expected.map(({ partition }) => partition)
      )
    }))

  test("a topic that does not exist fails its own records, and is written once it does", (kafka) =>
    Effect.gen(function* () {
      const [there, missing] = [yield* kafka.topic(), newName()]
      const producer = yield* producerOn(kafka)
      const failing = yield* Effect.forkChild(
        Effect.flip(producer.send({ topic: missing, key: bytes("a"), value: bytes("1") }))
      )
      const passed = stopwatch()
      yield* producer.send({ topic: there, key: bytes("a"), value: bytes("1") })
      assert.isBelow(passed(), 1_500)
      const error = yield* Fiber.join(failing)
      assert.deepInclude(error, { reason: "TopicNotFound", topic: missing })
      yield* kafka.createTopic(missing)
      yield* producer.send({ topic: missing, key: bytes("a"), value: bytes("2") })
      assert.deepStrictEqual((yield* kafka.log(missing)).map(shown), ["a=2"])
    }))

  test("a record that the broker refuses fails alone: one without a key, in a compacted topic", (kafka) =>
    Effect.gen(function* () {
      const [compacted, other] = [yield* kafka.topic(), yield* kafka.topic(deleted)]
      const producer = yield* producerOn(kafka)
      const [refused, fine, elsewhere] = yield* Effect.all(
        [
          Effect.flip(producer.send({ topic: compacted, value: bytes("keyless") })),
          producer.send({ topic: compacted, key: bytes("a"), value: bytes("1") }),
          producer.send({ topic: other, value: bytes("keyless") })
        ],
        { concurrency: 3 }
      )
      assert.deepInclude(refused, { reason: "Rejected", topic: compacted })
      assert.include(refused.message, "INVALID_RECORD")
      assert.deepStrictEqual([fine.offset, elsewhere.offset], [0, 0])
    }))

  test("closing waits for what is on its way, to whichever topic", (kafka) =>
    Effect.gen(function* () {
      const topics = [yield* kafka.topic(), yield* kafka.topic()]
      const { client, release, waiting } = yield* held(yield* kafka.client, ["Produce"])
      const scope = yield* Scope.make()
      const producer = yield* KafkaProducer.make().pipe(
        Scope.provide(scope),
        Effect.provideService(KafkaClient.KafkaClient, client)
      )
      const sent = yield* Effect.forEach(topics, (topic) =>
        Effect.forkChild(producer.send({ topic, key: bytes("a"), value: bytes("1") }))
      )
      yield* eventually(waiting, (n) => n > 0)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* release
      yield* Fiber.join(closing)
      yield* Fiber.joinAll(sent)
      for (const topic of topics) assert.deepStrictEqual((yield* kafka.log(topic)).map(shown), ["a=1"])
      const late = yield* Effect.flip(producer.send({ topic: topics[0], key: bytes("a"), value: bytes("2") }))
      assert.strictEqual(late.reason, "Closed")
    }))

  test("a producer that is closed leaves no connection, fiber or timer", (kafka) =>
    Effect.gen(function* () {
      const topics = [yield* kafka.topic({ partitions: 3 }), yield* kafka.topic({ partitions: 3 })]
      const used = Effect.gen(function* () {
        const producer = yield* producerOn(kafka)
        yield* Effect.forEach(
          numbers(60),
          (i) => producer.send({ topic: topics[i % 2], key: bytes(`k${i}`), value: bytes("1") }),
          { concurrency: "unbounded" }
        )
      })
      const { exit, left, told } = yield* leftovers(used, { connections: kafka.connections })
      assert.isTrue(Exit.isSuccess(exit))
      const { millisToClose, ...rest } = left
      assert.deepStrictEqual(rest, { connections: 0, fibers: 0, timers: 0 }, told)
      assert.isBelow(millisToClose, 2_000)
    }))
}
